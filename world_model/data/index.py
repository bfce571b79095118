"""The episodes table of a data set, remembered beside the frame caches as long as no file of it has changed.

Reading the table and counting the rows of every data file takes minutes for a million episodes; what is remembered is
read in a second. Only a table that contradicts itself nowhere is remembered, with all its files as the file system
describes them, as for ``fingerprint``.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from forearm.common import stored
from forearm.common.addresses import address
from forearm.common.files import replacing
from forearm.world_model.data import layout
from forearm.world_model.data.entries import COLUMNS, Entries

VERSION = 1
SETTLED = 2.0
"""Seconds after which a file's time stamps tell apart what comes later."""


def recall(memory: Path | None, root: Path, camera: str, tables: Sequence[Path]) -> Entries | None:
    """What ``remember`` was told of the same files; None where that is nothing or one has changed."""
    if memory is None:
        return None
    try:
        with np.load(_place(memory, root, camera), allow_pickle=False) as kept:
            note = json.loads(kept["note"].tobytes())
            files = tuple(root / name for name in note["files"])
            if note["states"] != _states(root, tables, files):
                return None
            arrays = {name: kept[name] for name in COLUMNS}
        return Entries(**arrays, files=files, groups=tuple(map(tuple, note["groups"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(memory: Path | None, root: Path, camera: str, tables: Sequence[Path], entries: Entries) -> None:
    """Keep ``entries``, without a word where that cannot be done or a file has only just been written."""
    if memory is None:
        return
    with suppress(OSError, ValueError):
        states = _states(root, tables, entries.files)
        if (
            address(root) is None
            and max(time_ns for state in states for time_ns in state[1:3]) > (time.time() - SETTLED) * 1e9
        ):
            return
        names = [path.relative_to(root).as_posix() for path in entries.files]
        note = json.dumps({"files": names, "groups": entries.groups, "states": states}).encode()
        columns = {name: getattr(entries, name) for name in COLUMNS}
        with replacing(_place(memory, root, camera)) as temporary, temporary.open("wb") as file:
            np.savez(file, note=np.frombuffer(note, np.uint8), **columns)


def _place(memory: Path, root: Path, camera: str) -> Path:
    key = json.dumps([VERSION, str(root.absolute()), camera])
    return memory / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.index.npz"


def _states(root: Path, tables: Sequence[Path], files: Sequence[Path]) -> list[list[Any]]:
    return [stored.state(path) for path in (root / layout.INFO_PATH, *tables, *files)]
