#!/usr/bin/env bash
# setup_bench.sh: make .venv-bench hold this project and the planners of other projects that `make bench` drives.
# An environment of its own, so that their pins never meet ours; does nothing when it is already as it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv-bench
stamp=$venv/.forearm-setup
log=$venv/setup.log
wanted="$(cat pyproject.toml constraints.txt scripts/setup_bench.sh | sha256sum | cut -d' ' -f1) $PWD"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && $venv/bin/python -c '' 2>/dev/null; then exit 0; fi

if [ -e $venv ] && ! $venv/bin/python -c 'import pip' 2>/dev/null; then rm -rf $venv; fi
# `make setup` has seen to a Python that can make virtual environments.
if [ ! -e $venv ]; then .venv/bin/python -m venv $venv; fi
rm -f "$stamp"

echo "bench: installing the planners of other projects into $venv (log: $log)"
: >"$log"
install() {
    # PIP_ARGS is a list of options and must be split.
    # shellcheck disable=SC2086
    PIP_CONSTRAINT=constraints.txt PIP_USE_PEP517=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        $venv/bin/python -m pip install --no-input --progress-bar off ${PIP_ARGS:-} -c constraints.txt "$@" >>"$log" 2>&1 \
        || {
            grep -v '^WARNING' "$log" | tail -n 4 >&2 || true
            echo "bench: pip could not install everything, see above and $log; mend that and repeat the command" >&2
            exit 1
        }
}
# torch first and by our pin, so that no peer chooses another build of it.
install torch
install -e '.[bench,scale,serve]'
# Its dependencies are data sets, environments and training; its solvers need torch, numpy, gymnasium and loguru.
install --no-deps stable-worldmodel

echo "$wanted" >"$stamp"
echo "bench: set-up done"
