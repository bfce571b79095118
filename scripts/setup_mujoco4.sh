#!/usr/bin/env bash
# setup_mujoco4.sh: make .venv-mujoco4 hold this project, OGBench and the newest MuJoCo, which the other benchmarks'
# pins keep out of .venv; does nothing when it is already as it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv-mujoco4
stamp=$venv/.forearm-setup
log=$venv/setup.log
wanted="$(cat pyproject.toml constraints.txt scripts/setup_mujoco4.sh | sha256sum | cut -d' ' -f1) $PWD"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && $venv/bin/python -c '' 2>/dev/null; then exit 0; fi

if [ -e $venv ] && ! $venv/bin/python -c 'import pip' 2>/dev/null; then rm -rf $venv; fi
# `make setup` has seen to a Python that can make virtual environments.
if [ ! -e $venv ]; then .venv/bin/python -m venv $venv; fi
rm -f "$stamp"

echo "test-mujoco4: installing this project beside MuJoCo 4 into $venv (log: $log)"
# What constraints.txt says, but for the simulator and what follows its version.
{
    grep -v -E '^(mujoco|dm-control)==' constraints.txt
    printf '%s\n' mujoco==4.0.0 mujoco-core==4.0.0 mujoco-studio==4.0.0 dm-control==1.0.50
} >$venv/constraints.txt
# PIP_ARGS is a list of options and must be split.
# shellcheck disable=SC2086
PIP_CONSTRAINT=$venv/constraints.txt PIP_USE_PEP517=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    $venv/bin/python -m pip install --no-input --progress-bar off ${PIP_ARGS:-} \
    -c $venv/constraints.txt -e '.[dev,ogbench]' >"$log" 2>&1 || {
    grep -v '^WARNING' "$log" | tail -n 4 >&2 || true
    echo "test-mujoco4: pip could not install everything, see above and $log; mend that and repeat the command" >&2
    exit 1
}

echo "$wanted" >"$stamp"
echo "test-mujoco4: set-up done"
