"""What docs/reliability.md is told of the measurements."""

from collections.abc import Mapping
from typing import Any

from tools.render.figures import Measured

SERVER = ("killed", "malformed", "clients", "requests")
PARTS = ("real-time", "one-core", "faults", "episodes", "misfortunes", "schedules", "false-stops", "arrival", *SERVER)
"""What can be run alone, in the order of the page."""
COUNTED = ("duplicate", "out_of_order", "bad_frame", "bad_readings", "frames_skipped")


def context(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The parts that were run."""
    parts = {name: measured[name] for name in PARTS if name in measured}
    return {"parts": parts, "server": [name for name in SERVER if name in parts], "counted": counted, "rest": rest}


def counted(counts: Mapping[str, int]) -> str:
    """What a controller counted of bad input."""
    return ", ".join(f"{counts[kind]} {kind.replace('_', ' ')}" for kind in COUNTED if kind in counts) or "nothing"


def rest(seconds: float | None) -> str:
    """After how long an arm was at rest."""
    return "never" if seconds is None else f"{seconds:.2f} s"
