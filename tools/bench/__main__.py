"""`python -m tools.bench [--quick] [--only SECTION ...] [--docs FOLDER]`: measure, keep the figures, write the page."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from forearm.errors import ForearmError
from tools.bench import curves, deadlines, lewm, memory, minutes, overhead, pareto, quality, scaling, surprise, training
from tools.bench.budget import FULL, QUICK, Budget
from tools.bench.page import ON_GPU, SECTIONS
from tools.bench.peers import PACKAGES, versions
from tools.bench.scale.table import scale
from tools.render.figures import PLACE, about, save
from tools.render.pages import write


def sections(
    budget: Budget,
    docs: Path,
    tasks: Sequence[str] = ("push",),
    clips: int | None = None,
    kept: Path | None = None,
) -> dict[str, Callable[[], dict[str, Any]]]:
    """How the figures of each section are measured; pictures go to `docs`; `tasks`, `clips`, `kept`: of surprise."""
    gpu = torch.device("cuda")
    return {
        "overhead": partial(overhead.overhead, budget),
        "quality": partial(quality.time_to_quality, budget),
        "share": partial(overhead.share, budget),
        "deadlines": partial(deadlines.deadlines, budget),
        "scaling": partial(scaling.scaling, budget),
        f"scaling{ON_GPU}": partial(scaling.scaling, budget, device=gpu),
        "lewm": partial(lewm.lewm, budget),
        f"lewm{ON_GPU}": partial(lewm.lewm, budget, device=gpu),
        "training": partial(training.training, budget),
        f"training{ON_GPU}": partial(training.training, budget, gpu),
        "minutes": partial(minutes.minutes, budget),
        "surprise": partial(surprise.surprise, budget, tasks, clips, kept),
        "scale": partial(scale, budget),
        "memory": memory.memory,
        "pareto": partial(pareto.pareto, budget, docs),
        "curves": partial(curves.cost_curves, budget, docs),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    budget = QUICK if arguments.quick else FULL
    docs = arguments.docs or Path("outputs/bench" if arguments.quick else "docs")
    measures = sections(budget, docs, arguments.tasks, arguments.clips, arguments.kept)
    wanted = [name for name in SECTIONS if torch.cuda.is_available() or not name.endswith(ON_GPU)]
    unknown = sorted(set(arguments.only) - set(wanted))
    if unknown:
        sys.stderr.write(f"bench: no section '{unknown[0]}' (known: {', '.join(wanted)})\n")
        return 2
    if arguments.clips is not None and arguments.clips < 1:
        sys.stderr.write(f"bench: --clips must be a whole number of at least 1, not {arguments.clips}\n")
        return 2
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.basicConfig(level=logging.WARNING, format="  %(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("forearm").setLevel(logging.INFO)
    missing = sorted(set(PACKAGES) - set(versions()))
    if missing:
        sys.stderr.write(f"bench: without {', '.join(missing)}, which `make bench` installs\n")
    try:
        write(docs, "benchmarks")  # figures that cannot be rendered are told before anything is measured
        for name in wanted:
            if arguments.only and name not in arguments.only:
                continue
            _say(f"bench: {name} ...")
            started = time.perf_counter()
            measured = about("bench", words) | {"peers": versions(), "quick": arguments.quick}
            measured["figures"] = measures[name]()
            _say(f" {time.perf_counter() - started:.0f} s\n")
            # A section that is done is not lost when a later one fails; what is not measured now stays as it was.
            save(docs, "benchmarks", name, measured)
            write(docs, "benchmarks")
    except ForearmError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    _say(f"bench: wrote {docs / 'benchmarks.md'} and {docs / 'data' / 'benchmarks'}{os.sep}*.json\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", parents=[PLACE], description="Measure the planners, write the page."
    )
    parser.add_argument("--quick", action="store_true", help="about two minutes; writes outputs/bench/benchmarks.md")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SECTION", help="these sections alone; the page keeps the others"
    )
    parser.add_argument("--tasks", nargs="+", default=["push"], metavar="TASK", help="of surprise; default: push")
    parser.add_argument("--clips", type=int, metavar="N", help="of each event of surprise; default: 200")
    parser.add_argument(
        "--kept",
        type=Path,
        metavar="FOLDER",
        help="where clips of surprise are kept: those that are there are not made again",
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
