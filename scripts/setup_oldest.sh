#!/usr/bin/env bash
# setup_oldest.sh: make .venv-oldest hold this project beside the oldest releases that pyproject.toml allows, as
# constraints-oldest.txt names them; does nothing when it is already as it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv-oldest
stamp=$venv/.forearm-setup
log=$venv/setup.log
wanted="$(cat pyproject.toml constraints.txt constraints-oldest.txt scripts/setup_oldest.sh | sha256sum | cut -d' ' -f1) $PWD"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && $venv/bin/python -c '' 2>/dev/null; then exit 0; fi

if [ -e $venv ] && ! $venv/bin/python -c 'import pip' 2>/dev/null; then rm -rf $venv; fi
# `make setup` has seen to a Python that can make virtual environments.
if [ ! -e $venv ]; then .venv/bin/python -m venv $venv; fi
rm -f "$stamp"

echo "test-oldest: installing the oldest releases that are allowed into $venv (log: $log)"
# What constraints.txt says, but for what the other file does.
{
    grep -v -E "^($(grep -o -E '^[a-z0-9-]+' constraints-oldest.txt | paste -sd'|'))==" constraints.txt
    cat constraints-oldest.txt
} >$venv/constraints.txt
install() {
    # PIP_ARGS is a list of options and must be split.
    # shellcheck disable=SC2086
    PIP_CONSTRAINT=$venv/constraints.txt PIP_USE_PEP517=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        $venv/bin/python -m pip install --no-input --progress-bar off ${PIP_ARGS:-} -c $venv/constraints.txt "$@" \
        >>"$log" 2>&1 || {
        grep -v '^WARNING' "$log" | tail -n 4 >&2 || true
        echo "test-oldest: pip could not install everything, see above and $log; mend that and repeat the command" >&2
        exit 1
    }
}
: >"$log"
# Not the extra dev: what lints has no say in how old the rest may be.
install -e '.[serve,ogbench,metaworld,fetch,pusht,frozen]' pytest pytest-xdist hypothesis packaging setuptools dm-tree
# As in .venv: the stock client, without its wish for numpy 1 and what goes with it.
install --no-deps openpi-client

echo "$wanted" >"$stamp"
echo "test-oldest: set-up done"
