"""`python -m tools.bench [--quick] [--only SECTION ...] [--out PAGE] [--json FOLDER]`: measure and write the page."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch

from forearm.common.files import replacing, write_json
from tools.bench import curves, deadlines, lewm, overhead, quality, scaling, training
from tools.bench.page import FULL, QUICK, Budget, Section, machine
from tools.bench.peers import PACKAGES, versions

ON_GPU = "-gpu"
"""How the names of sections end that need a GPU."""


def sections(budget: Budget, folder: Path) -> dict[str, Callable[[], Section]]:
    """What can be measured, in the order of the page."""
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
        "curves": partial(curves.cost_curves, budget, folder),  # last, as what else runs then does not matter
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    budget = QUICK if arguments.quick else FULL
    page = Path(arguments.out or ("outputs/bench/benchmarks.md" if arguments.quick else "docs/benchmarks.md"))
    results = Path(arguments.json)
    every = sections(budget, page.parent)
    wanted = {name: f for name, f in every.items() if torch.cuda.is_available() or not name.endswith(ON_GPU)}
    unknown = sorted(set(arguments.only) - set(wanted))
    if unknown:
        sys.stderr.write(f"bench: no section '{unknown[0]}' (known: {', '.join(wanted)})\n")
        return 2
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.basicConfig(level=logging.WARNING, format="  %(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("forearm").setLevel(logging.INFO)
    missing = sorted(set(PACKAGES) - set(versions()))
    if missing:
        sys.stderr.write(f"bench: without {', '.join(missing)}, which `make bench` installs\n")
    about = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "make bench" + (f" BENCH_ARGS='{' '.join(words)}'" if words else ""),
        "machine": machine(),
        "peers": versions(),
    }
    done: list[str] = []
    for name, measure in wanted.items():
        if arguments.only and name not in arguments.only:
            continue
        _say(f"bench: {name} ...")
        started = time.perf_counter()
        about["machine"] = machine()  # how busy it is changes
        section = measure()
        _say(f" {time.perf_counter() - started:.0f} s\n")
        # A section that is done is not lost when a later one fails.
        text = {"title": section.title, "lines": section.lines}
        write_json(results / f"{name}.json", {**about, "section": name, "data": section.data, "text": text})
        done.append(name)
        # What is not measured by this call stays as it was found, here or on another machine.
        others = () if arguments.quick else every if arguments.only else set(every) - set(wanted)
        kept = [name for name in every if name in done or name in others]
        with replacing(page) as temporary:
            temporary.write_text(text_of(found_in(results, kept), quick=arguments.quick), encoding="utf-8")
    _say(f"bench: wrote {page} and {results}{os.sep}*.json\n")
    return 0


def found_in(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """What was kept of those sections, as it is in their files; those without a file are left out."""
    paths = [folder / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def text_of(parts: Sequence[dict[str, Any]], quick: bool = False) -> str:
    """The page."""
    about = parts[0]
    found = about["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items()) or "none installed"
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit by hand. All ratios are of times taken in turns within one run.",
        "",
        *(["**A quick run: too few repetitions to quote.**", ""] if quick else []),
        f"- machine: {found['processor']}, {found['cores']} cores, {found['system']}"
        + (f", {found['gpu']}" if found["gpu"] else ", no GPU"),
        "- versions: Python {python}, torch {torch}, numpy {numpy}, MuJoCo {mujoco}".format(**found),
        f"- peers: {peers}",
        "",
    ]
    for part in parts:
        section = Section(part["text"]["title"], [_run_of(part, found), "", *part["text"]["lines"]])
        lines.append(section.markdown())
    return "\n".join(lines) + "\n"


def _run_of(part: dict[str, Any], usual: dict[str, Any]) -> str:
    """When and how a section was measured, and on what, where that is not the `usual` machine of the page."""
    machine = part["machine"]
    run = f"`{part['command']}`, {part['date']}; load average when it began {machine['load']}"
    if any(machine[key] != usual[key] for key in ("processor", "cores", "gpu", "torch")):
        where = machine["gpu"] or "no GPU"
        run += (
            f"; on another machine: {where}, {machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"
        )
    return f"*{run}*"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the planners, write the page.")
    parser.add_argument("--quick", action="store_true", help="about two minutes; writes outputs/bench/benchmarks.md")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SECTION", help="these sections alone; the page keeps the others"
    )
    parser.add_argument("--out", default=None, metavar="PAGE", help="where the page goes")
    parser.add_argument("--json", default="outputs/bench", metavar="FOLDER", help="where the numbers go")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
