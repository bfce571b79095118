"""Processes that train, started as a user would start them."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")


def start(*words):
    """`python -m WORDS`, in the repository."""
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """What it printed; it must have ended well."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def rows(out):
    """The log of a run without what no two runs have in common: their speed."""
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in ("frames_per_s", "waiting")} for row in found]
