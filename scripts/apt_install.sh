#!/usr/bin/env bash
# apt_install.sh PACKAGE...: install Debian packages when this user may; say nothing and fail when not.
set -euo pipefail

command -v apt-get >/dev/null || exit 1
if [ "$(id -u)" = 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n env)
else
    exit 1
fi

echo "setup: apt-get install $*"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >>"$log" 2>&1; }
# An update that fails for one foreign source need not hinder the install.
apt update || true
apt install -y --no-install-recommends "$@" || { tail -n 5 "$log" >&2; exit 1; }
