"""What `forearm data merge` costs beside `cp -r`, in turns, with what is written on the disk at the end of each.

    python -m tools.experiments.merge_cost data=FOLDER out=FOLDER rounds=7

Merges a data set with itself, and copies it twice. The third, `tables`, is what merging cannot do without: it copies
every data file once, and reads and writes each once with pyarrow, as the second half counts anew. Nothing else is read
or written there, and no table of episodes. Before each, all that waited to be written is on the disk.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

PARTS = ("data", "videos", "meta")
"""Of a data set: frame caches beside them are not copied."""
TABLES = """
import shutil, sys
from pathlib import Path
import pyarrow.parquet as pq
source, out = map(Path, sys.argv[1:])
out.mkdir(parents=True)
for number, path in enumerate(sorted((source / "data").rglob("*.parquet"))):
    shutil.copyfile(path, out / f"{number}-a.parquet")
    with pq.ParquetFile(path) as file:
        table = file.read(use_threads=False)
    pq.write_table(table, out / f"{number}-b.parquet", use_dictionary=False)
"""


def measured(data: Path, out: Path, rounds: int) -> dict[str, Any]:
    """Medians of `rounds` after one that is not counted: seconds until each is done, until it is on the disk, and of
    processor time; and the medians of their ratios to `cp -r` of the same round. Files are made below `out`.
    """
    source = out / "source"
    for part in PARTS:
        if (data / part).is_dir():
            shutil.copytree(data / part, source / part, dirs_exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {}
    for turn in range(rounds + 1):
        for name, commands in _commands(source, out).items():
            for path in out.iterdir():
                if path != source:
                    shutil.rmtree(path)
            took = _timed(commands)
            if turn:
                found.setdefault(name, []).append(took)
    figures: dict[str, Any] = {}
    for name, of_rounds in found.items():
        figures[name] = {key: round(median(each[key] for each in of_rounds), 3) for key in of_rounds[0]}
        pairs = list(zip(of_rounds, found["cp"], strict=True))
        figures[name]["ratio"] = {key: round(median(a[key] / b[key] for a, b in pairs), 2) for key in of_rounds[0]}
    return {"rounds": rounds, "load": os.getloadavg()[0], **figures}


def _commands(source: Path, out: Path) -> dict[str, list[list[str]]]:
    merge = ["data", "merge", f"data=[{source},{source}]", f"out={out / 'merged'}"]
    return {
        "cp": [["cp", "-r", str(source), str(out / name)] for name in ("one", "two")],
        "merge": [[sys.executable, "-m", "forearm", *merge]],
        "tables": [[sys.executable, "-c", TABLES, str(source), str(out / "tables")]],
    }


def _timed(commands: Sequence[Sequence[str]]) -> dict[str, float]:
    os.sync()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    os.sync()
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": seconds, "on_disk_s": time.perf_counter() - began, "processor_s": processor}


def main(words: list[str]) -> None:
    """`data=` is a data set, `out=` a folder to write in, `rounds=` how many are counted."""
    given = dict(word.split("=", 1) for word in words)
    print(json.dumps(measured(Path(given["data"]), Path(given["out"]), int(given.get("rounds", 7))), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
