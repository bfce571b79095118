#!/usr/bin/env bash
# lint.sh [ruff|format|types|imports|links]...: the checks of `make lint`, of the pre-commit hooks and of CI, said once.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# = 0 ]; then set -- ruff format types imports links; fi
# A hook may run without the environment being active.
if [ -d .venv/bin ]; then PATH="$PWD/.venv/bin:$PATH"; fi
for check in "$@"; do
    case $check in
    ruff) ruff check . ;;
    format) ruff format --check . ;;
    types) mypy ;;
    imports) lint-imports --no-cache ;;
    links) python -m tools.site.links ;; # of the documents to lines of code: `make format` mends them
    *) echo "lint: unknown check '$check': ruff, format, types, imports or links" >&2; exit 2 ;;
    esac
done
