# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two targets at once would set up the same .venv at once.
.NOTPARALLEL:

# Settings, to be given on the command line: make demo DEMO_EPISODES=50
PYTHON ?= python3
DEMO_EPISODES ?= 10
DEMO_OUT ?= outputs/demo
BENCH_ARGS ?=
RELIABILITY_ARGS ?=
RESULTS_ARGS ?=
TEST_WORKERS ?= 2
TEST_ARGS ?=
# More options for pip, such as another package index.
PIP_ARGS ?=
export PYTHON PIP_ARGS

BIN := .venv/bin
# Every process keeps to one thread: two busy ones on two cores are far slower than that.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test test-mujoco4 test-oldest bench results reliability docs lint format setup setup-run gl wheel clean distclean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

demo: setup-run gl ## set up, then plan from camera images, compare the planners, print the table
	@$(BIN)/forearm compare 'task=[reach,push]' 'planner=[cem,mppi,random_shooting]' \
	    episodes='$(DEMO_EPISODES)' seed=0 out='$(DEMO_OUT)'

test: setup gl ## set up, then run the whole test suite (TEST_ARGS="-k plan" for a part)
	@$(ONE_THREAD) $(BIN)/python -m pytest -n '$(TEST_WORKERS)' --dist loadfile $(TEST_ARGS)

test-mujoco4: setup gl ## the simulators' tests beside MuJoCo 4, in an environment of their own
	@scripts/setup_mujoco4.sh
	@$(ONE_THREAD) .venv-mujoco4/bin/python -m pytest -n '$(TEST_WORKERS)' --dist loadfile \
	    tests/envs tests/test_own_environment.py $(TEST_ARGS)

test-oldest: setup gl ## the tests beside the oldest releases that are allowed, in an environment of their own
	@scripts/setup_oldest.sh
	@$(ONE_THREAD) .venv-oldest/bin/python -m pytest -n '$(TEST_WORKERS)' --dist loadfile \
	    tests/planner tests/world_model tests/envs tests/control tests/serve tests/forearm tests/tools tests/test_own_environment.py $(TEST_ARGS)

bench: setup-run gl ## time the planners beside other projects' (BENCH_ARGS=--quick: in two minutes), write docs/benchmarks.md
	@scripts/setup_bench.sh
	@.venv-bench/bin/python -m tools.bench $(BENCH_ARGS)

results: setup gl ## every task under every protocol, floors and ceilings beside (RESULTS_ARGS="--only cube"), write docs/results.md
	@$(ONE_THREAD) $(BIN)/python -m tools.results $(RESULTS_ARGS)

reliability: setup gl ## the controller and the server under load and faults (RELIABILITY_ARGS=--quick), write docs/reliability.md
	@$(ONE_THREAD) $(BIN)/python -m tools.reliability $(RELIABILITY_ARGS)

docs: setup ## build the site from docs/ into build/site; a broken link or a page that is left out is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "docs: open build/site/index.html"

lint: setup ## ruff, format check, mypy, import-linter, links to lines: what the pre-commit hooks run
	@scripts/lint.sh

format: setup ## rewrite the code in the house format, mend what ruff can mend, and the lines that pages link to
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@$(BIN)/python -m tools.site.links --write

setup: ## make .venv with everything that test and lint need
	@scripts/setup.sh dev

setup-run:
	@scripts/setup.sh run

gl: ## see that a GL back end draws, install one if it may
	@[ -x $(BIN)/python ] || scripts/setup.sh run
	@scripts/ensure_gl.sh

wheel: setup ## build dist/forearm-*.whl, checkpoints and configs inside
	@rm -rf build
	@$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build && ls dist

clean: ## remove what builds and tools left behind; keep .venv and what the commands wrote
	@rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis forearm.egg-info
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environments as well
	@rm -rf .venv .venv-bench .venv-mujoco4 .venv-oldest
