"""Addresses such as s3://bucket/data, and where on this disk what lies there is kept while it is used.

    s3://bucket/data/meta/info.json   <->   ~/.cache/forearm/buckets/s3/bucket/data/meta/info.json

Such a place on this disk is the twin of an address. `stored` moves files between the two.
"""

import os
import re
from functools import lru_cache
from pathlib import Path

from forearm.errors import ForearmError, did_you_mean

CACHE = "FOREARM_CACHE"
"""Environment variable with the folder of what a machine was sent or has fetched; default ~/.cache/forearm."""
BUCKETS, OUTPUTS, FILES = "buckets", "outputs", "files"
TREES = (BUCKETS, OUTPUTS, FILES)
"""Folders in there: of data sets that are read from addresses, of results on their way there, and of what is read
whole and stays, such as checkpoints."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def cache_root() -> Path:
    """The folder in which this machine keeps what it was sent or fetched."""
    return _root(*map(os.environ.get, (CACHE, "XDG_CACHE_HOME", "HOME")))


@lru_cache(maxsize=1)
def _root(own: str | None, usual: str | None, home: str | None) -> Path:
    return Path(own or Path(usual or Path.home() / ".cache") / "forearm")


def is_address(text: object) -> bool:
    """Whether somebody typed an address and no path."""
    return _ADDRESS.match(str(text)) is not None


def twin(text: str, tree: str = BUCKETS) -> Path:
    """The place on this disk for the address `text`; raises `ForearmError` for one that cannot be."""
    scheme, _, rest = text.partition("://")
    if scheme == "file":
        return Path(rest)
    parts = rest.rstrip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ForearmError(f"{text}: expected an address such as s3://BUCKET/FOLDER")
    import fsspec

    if scheme not in (known := fsspec.available_protocols()):
        raise ForearmError(f"{text}: unknown kind of address '{scheme}'{did_you_mean(scheme, known)}")
    return cache_root().joinpath(tree, scheme, *parts)


def address(path: Path) -> str | None:
    """Which address `path` is the twin of; None for a path that is none."""
    text, root = str(path), str(cache_root())
    if not text.startswith(root):
        return None
    beside, *parts = text[len(root) :].split("/")
    return f"{parts[1]}://{'/'.join(parts[2:])}" if not beside and len(parts) > 2 and parts[0] in TREES else None


def told(text: object) -> str:
    """`text` with addresses in place of their twins."""
    root = re.escape(str(cache_root()))
    return re.sub(rf"{root}/(?:{'|'.join(TREES)})/([\w+.-]+)/", r"\1://", str(text))
