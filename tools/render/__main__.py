"""`python -m tools.render [--check] [PAGE ...]`: write pages from docs/data, or say which are not as it has them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from forearm.errors import ForearmError
from tools.render.pages import PAGES, outdated, write


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; 1 if a page that is checked is not as it should be; 2 for figures that cannot be rendered."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is not what docs/data makes")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="FOLDER", help="with data/ and the pages")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.pages) - set(PAGES)):
        parser.error(f"no page '{unknown[0]}' (known: {', '.join(PAGES)})")
    wrong = 0
    try:
        for page in options.pages or PAGES:
            if not options.check:
                write(options.docs, page)
            elif outdated(options.docs, page):
                wrong = 1
                sys.stderr.write(f"render: {options.docs}/{page}.md is not what {options.docs}/data/{page} renders to: "
                                 "run 'python -m tools.render'\n")  # fmt: skip
    except ForearmError as error:
        sys.stderr.write(f"render: {error}\n")
        return 2
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
