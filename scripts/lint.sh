#!/usr/bin/env bash
# lint.sh [ruff|format|types|imports]...: the checks of `make lint`, of the pre-commit hooks and of CI, said once.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# = 0 ]; then set -- ruff format types imports; fi
# A hook may run without the environment being active.
if [ -d .venv/bin ]; then PATH="$PWD/.venv/bin:$PATH"; fi
for check in "$@"; do
    case $check in
    ruff) ruff check . ;;
    format) ruff format --check . ;;
    types) mypy ;;
    imports) lint-imports --no-cache ;;
    *) echo "lint: unknown check '$check': ruff, format, types or imports" >&2; exit 2 ;;
    esac
done
