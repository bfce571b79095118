"""`python -m tools.results`: run the comparisons that are missing or out of date, keep figures, write the page."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from forearm import envs
from forearm.cli.compare import comparison_of, run_and_show
from forearm.cli.engine import engine_of
from forearm.common.engine.run import in_use
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from tools.render.figures import save
from tools.render.pages import write
from tools.results.cells import CELLS, CHOSEN_ON, SEEDS, Cell
from tools.results.page import figures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells one after the other; figures and page are written after each. Returns the exit code."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    cells = [cell for cell in CELLS if all(part in f"{cell.task} {cell.name}" for part in options.only)]
    try:
        envs.working_backend()
        with engine_of(settings.load("compare", _where(options))):
            write(options.docs, "results")
            for seed, cell in product(options.seeds, cells):
                one = replace(cell, seed=seed)
                if options.episodes:
                    _run(one, seed, options.episodes, options)
                if options.oracle_episodes and one.ceiling is not None:
                    _run(one.ceiling, seed, options.oracle_episodes, options)
    except ForearmError as error:
        sys.stderr.write(f"results: {error}\n")
        return 2
    return 0


def _run(cell: Cell, seed: int, episodes: int, options: argparse.Namespace) -> None:
    words = cell.words(episodes, seed, options.planner)
    comparison = comparison_of(settings.load("compare", words), words)
    run_and_show(comparison, 1, options.workers or in_use().default_workers())
    keep(cell, options.docs)


def _where(options: argparse.Namespace) -> list[str]:
    """The settings of `forearm compare` that say where jobs run."""
    given = {"engine": options.engine, "ray.address": options.ray_address, "workers": options.workers}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def keep(cell: Cell, docs: Path) -> None:
    """Put the figures of a comparison that has been run in the place of those before, and write the page."""
    document = json.loads((cell.folder / "results.json").read_text(encoding="utf-8"))
    save(docs, "results", cell.name, figures(document))
    (docs / "data" / "results" / f"{cell.apart}.json").unlink(missing_ok=True)
    write(docs, "results")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make results", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="only cells with these in task, protocol or 'prior'"
    )
    parser.add_argument("--episodes", type=int, default=100, help="of each cell; 0: none")
    parser.add_argument("--oracle-episodes", type=int, default=0, help="of the ceilings; 0: none")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=SEEDS, metavar="SEED",
        help=f"of the episodes, as many of each; settings were chosen on {CHOSEN_ON[0]} to {CHOSEN_ON[-1]}",
    )  # fmt: skip
    parser.add_argument("--planner", default="cem")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: one per core")
    parser.add_argument("--engine", default="local", help="where they run: local, or ray, on a cluster")
    parser.add_argument("--ray-address", default=None, metavar="ADDRESS", help="auto or HOST:PORT; else this machine")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="FOLDER", help="with data/ and the pages")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
