#!/usr/bin/env bash
# setup.sh [run|dev]: make .venv hold exactly what constraints.txt says; does nothing when it already does.
# `run` is what the commands need; `dev` adds the tools of `make test` and `make lint`, and serves for both.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-run}
python=${PYTHON:-python3}
stamp=.venv/.forearm-setup
log=.venv/setup.log
# A fingerprint, not a file time: a checkout or a branch switch changes times without changing contents.
wanted=$(cat pyproject.toml setup.py constraints.txt scripts/setup.sh | sha256sum | cut -d' ' -f1)

fail() {
    echo "setup: $*" >&2
    exit 1
}

scripts/link_rooms.sh

have_level='' have_hash='' have_root=''
if [ -f "$stamp" ]; then read -r have_level have_hash have_root <"$stamp" || true; fi
if [ "$have_level" = dev ]; then level=dev; fi # never take the tools away from a checkout that has them
if [ "$have_level $have_hash $have_root" = "$level $wanted $PWD" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

# An environment whose interpreter is gone, or that came from another folder, cannot be mended: make it anew.
if [ -e .venv ] && { [ "${have_root:-$PWD}" != "$PWD" ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; }; then
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    command -v "$python" >/dev/null \
        || fail "no $python here: install Python 3.10 or newer (Debian: apt-get install python3 python3-venv)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
        || fail "Python 3.10 or newer is needed, but $python is $("$python" -V 2>&1): name another, PYTHON=python3.11"
    # Debian splits venv's seed (ensurepip) into a package of its own.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
        scripts/apt_install.sh "$package" \
            || fail "$python cannot make virtual environments: as root, run 'apt-get install $package', then repeat"
    fi
    echo "setup: making .venv with $("$python" -V)"
    "$python" -m venv .venv
fi
rm -f "$stamp"

extras=
if [ "$level" = dev ]; then extras='[dev,docs,ogbench,metaworld,fetch,pusht,frozen,scale]'; fi # tests run these too
echo "setup: installing the pinned dependencies; the first time this takes a few minutes (log: $log)"
# PIP_CONSTRAINT pins the build tools as well; its name is relative because pip splits the value at spaces.
# PIP_ARGS is a list of options and must be split.
# shellcheck disable=SC2086
PIP_CONSTRAINT=constraints.txt PIP_USE_PEP517=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    .venv/bin/python -m pip install --no-input --progress-bar off ${PIP_ARGS:-} -c constraints.txt -e ".$extras" 2>&1 \
    | tee "$log" | while IFS= read -r line; do
        # One line for each large file is sign enough of life.
        case $line in
        *'Downloading '*' MB)'*) echo "setup: ${line#"${line%%[! ]*}"}" ;;
        'Installing collected packages:'*) echo "setup: unpacking" ;;
        esac
    done || {
    grep -v '^WARNING' "$log" | tail -n 4 >&2 || true
    fail "pip could not install everything, see above and $log; mend that and repeat the command"
}

# The stock client that `forearm serve` is tested with asks for numpy 1, but works with numpy 2: installed without its
# dependencies, all of which are here already.
if [ "$level" = dev ]; then
    # shellcheck disable=SC2086
    .venv/bin/python -m pip install --no-input --progress-bar off --disable-pip-version-check --root-user-action ignore \
        ${PIP_ARGS:-} -c constraints.txt --no-deps openpi-client >>"$log" 2>&1 \
        || fail "pip could not install openpi-client, see $log; mend that and repeat the command"
fi

# OpenCV, with which gym-pusht draws, asks for two libraries of the system.
if [ "$level" = dev ] && ! .venv/bin/python -c 'import cv2' 2>/dev/null; then
    scripts/apt_install.sh libgl1 libglib2.0-0 \
        || fail "OpenCV cannot be imported: as root, run 'apt-get install libgl1 libglib2.0-0', then repeat"
fi

echo "$level $wanted $PWD" >"$stamp"
echo "setup: done"
