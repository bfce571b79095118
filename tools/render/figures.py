"""Measured figures with their provenance, a JSON file for each measurement: docs/data/PAGE/NAME.json."""

import argparse
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from forearm.common.files import write_json
from forearm.errors import ForearmError

DIGITS = 6
"""Significant digits that are kept of a figure."""

PLACE = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
PLACE.add_argument("--docs", type=Path, metavar="FOLDER", help="with data/ and the pages; default: docs, or "
                   "outputs/TARGET for a quick run")  # fmt: skip
"""Where figures and pages go: a parent of the parsers of commands that measure."""

Measured = dict[str, Any]
"""`command`, `date`, `load`, `machine`, `figures` and, where a reader must know more of how they came about, `note`."""


def about(target: str, words: Sequence[str]) -> Measured:
    """Where figures come from that `make TARGET` with these words measures from now on: command, date, load averages,
    machine and versions.
    """
    import torch

    from forearm.evaluation.results import machine

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    _, asked = PLACE.parse_known_args(words)  # where the page goes is no part of what was measured
    options = f" {target.upper()}_ARGS={shlex.quote(' '.join(asked))}" if asked else ""
    return {
        "command": f"make {target}{options}",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "machine": {**machine(), "numpy": version("numpy"), "gpu": gpu},
    }


def save(docs: Path, page: str, name: str, measured: Mapping[str, Any]) -> None:
    """Put one measurement in the place of the one before it; the others are not touched."""
    write_json(docs / "data" / page / f"{name}.json", _rounded(measured))


def stored(docs: Path, page: str) -> dict[str, Measured]:
    """Every measurement of a page, by name. Raises ForearmError for a file that is not one."""
    found = {}
    for path in sorted((docs / "data" / page).glob("[!.]*.json")):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ForearmError(f"{path} is no JSON ({error}): restore it, or measure it again") from None
    return found


def _rounded(value: Any) -> Any:
    """Floats with as many digits as are worth keeping; None for NaN, which JSON has not."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value
