"""`python -m tools.results`: run the comparisons that are missing or out of date, write docs/results.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from forearm import envs
from forearm.cli.compare import comparison_of, run_and_show
from forearm.common.files import replacing
from forearm.common.parallel import default_workers
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from tools.results.cells import CELLS, FOLDER, Cell
from tools.results.page import page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells one after the other and write the page after each; returns the exit code."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    cells = [cell for cell in CELLS if all(part in f"{cell.task} {cell.folder.name}" for part in options.only)]
    try:
        envs.working_backend()
        for cell in cells:
            if options.episodes:
                _run(cell, options.episodes, options)
            if options.oracle_episodes and cell.ceiling is not None:
                _run(cell.ceiling, options.oracle_episodes, options)
            write_page(options.out)
        write_page(options.out)
    except ForearmError as error:
        sys.stderr.write(f"results: {error}\n")
        return 2
    return 0


def write_page(out: Path) -> None:
    """The page of all comparisons in `outputs/results`; rows that were measured elsewhere stay as they are."""
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    with replacing(out) as temporary:
        temporary.write_text(page(FOLDER, before), encoding="utf-8")


def _run(cell: Cell, episodes: int, options: argparse.Namespace) -> None:
    words = cell.words(episodes, options.seed, options.planner)
    run_and_show(comparison_of(settings.load("compare", words), words), 1, options.workers or default_workers())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make results", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="only cells with these in task, protocol or 'prior'"
    )
    parser.add_argument("--episodes", type=int, default=100, help="of each cell; 0: none")
    parser.add_argument("--oracle-episodes", type=int, default=0, help="of the ceilings; 0: none")
    parser.add_argument("--seed", type=int, default=2, help="of the episodes; settings were chosen on 0 and 1")
    parser.add_argument("--planner", default="cem")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: one per core")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
