"""How large the twins of addresses may grow on this disk: what was not used for longest goes.

What a process is about to open is kept from every other that makes room.
"""

import os
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock

from forearm.common.addresses import BUCKETS, cache_root

try:
    import fcntl
except ImportError:  # not on Windows, where one process may then remove what another is about to open
    fcntl = None  # type: ignore[assignment]

LIMIT = "FOREARM_BUCKET_GB"
"""Environment variable through which worker processes learn how large all twins together may grow, in GB."""
DEFAULT_GB = 20.0
PINNED = 2
"""Files that were used last and that no process removes: they are about to be opened."""

_pins: "OrderedDict[Path, int]" = OrderedDict()
_lock = Lock()
_held: tuple[int, int] | None = None
"""Bytes that the twins had when they were counted, and how many came since."""


def set_limit(gigabytes: float) -> None:
    """How large all twins together may grow, for this process and those that it starts; 1 GB is 10⁹ bytes."""
    global _held
    _held = None
    os.environ.pop(LIMIT, None)
    if gigabytes != DEFAULT_GB:
        os.environ[LIMIT] = str(gigabytes)


def is_pinned(path: Path) -> bool:
    """Whether a file is one of the last that this process used."""
    return path in _pins


def pin(path: Path) -> None:
    """Keep a file from being removed, by any process, while it is one of the last that this one used."""
    if fcntl is None:
        return
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.utime(path, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
    with _lock:
        if path in _pins:
            os.close(descriptor)
        else:
            _pins[path] = descriptor
        while len(_pins) > PINNED:
            os.close(_pins.popitem(last=False)[1])


def make_room(added: int) -> None:
    """Remove the twins that were not used for longest, as far as there are more than the limit lets be."""
    global _held
    limit = int(float(os.environ.get(LIMIT, DEFAULT_GB)) * 1e9)
    if _held is not None:
        _held = (_held[0], _held[1] + added)
        if sum(_held) <= limit and _held[1] < limit // 20:
            return
    found = []
    for folder, below, names in os.walk(cache_root() / BUCKETS):
        below[:] = [name for name in below if name not in (".cache", "meta")]
        for path in (Path(folder, name) for name in names):
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_atime_ns, about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            break
        if path not in _pins and _removed(path):
            total -= size
    _held = (total, 0)


def _removed(path: Path) -> bool:
    """Remove a file, unless a process is about to open it."""
    try:
        with path.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:
        return False
    return True
