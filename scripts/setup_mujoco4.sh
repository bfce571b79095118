#!/usr/bin/env bash
# setup_mujoco4.sh: make .venv-mujoco4 hold this project, OGBench and the newest MuJoCo, which the other benchmarks'
# pins keep out of .venv; does nothing when it is already as it should be.
#
# Of MuJoCo 4 the package `mujoco` is an empty one that asks for `mujoco-core`, which holds the simulator. 4.0.1 has been
# published as `mujoco-core` alone so far, and 4.0.0, whose solver is wrong for large models, is left out by
# pyproject.toml. So everything is installed beside 3.17.0, whose files then make room for those of `mujoco-core`.
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
    printf '%s\n' mujoco==3.17.0 dm-control==1.0.50
} >$venv/constraints.txt
export PIP_USE_PEP517=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
install() {
    # PIP_ARGS is a list of options and must be split.
    # shellcheck disable=SC2086
    $venv/bin/python -m pip install --no-input --progress-bar off ${PIP_ARGS:-} "$@"
}
{
    # What an earlier call put in its place would be mixed with it.
    $venv/bin/python -m pip uninstall --yes mujoco mujoco-core mujoco-studio &&
        PIP_CONSTRAINT=$venv/constraints.txt install -c $venv/constraints.txt -e '.[dev,ogbench]' &&
        $venv/bin/python -m pip uninstall --yes mujoco &&
        install --no-deps mujoco-core==4.0.1
} >"$log" 2>&1 || {
    grep -v '^WARNING' "$log" | tail -n 4 >&2 || true
    echo "test-mujoco4: pip could not install everything, see above and $log; mend that and repeat the command" >&2
    exit 1
}

echo "$wanted" >"$stamp"
echo "test-mujoco4: set-up done"
