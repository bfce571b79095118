"""Addresses such as s3://bucket/data, and where on this disk what lies there is kept while it is used.

    s3://bucket/data/meta/info.json   <->   ~/.cache/forearm/buckets/s3/bucket/data/meta/info.json

Such a place on this disk is the twin of an address. `stored` moves files between the two.
"""

import os
import re
from pathlib import Path

from forearm.errors import ForearmError, did_you_mean

CACHE = "FOREARM_CACHE"
"""Environment variable with the folder of what a machine was sent or has fetched; default ~/.cache/forearm."""
BUCKETS, OUTPUTS = "buckets", "outputs"
"""Folders in there: of what is read from addresses, and of results on their way there."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def cache_root() -> Path:
    """The folder in which this machine keeps what it was sent or fetched."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forearm"
    return Path(os.environ.get(CACHE) or usual)


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
    if not path.is_relative_to(root := cache_root()):
        return None
    tree, *parts = (*path.relative_to(root).parts, "")[:-1] or ("",)
    return f"{parts[0]}://{'/'.join(parts[1:])}" if tree in (BUCKETS, OUTPUTS) and len(parts) > 1 else None


def told(text: object) -> str:
    """`text` with addresses in place of their twins."""
    root = re.escape(str(cache_root()))
    return re.sub(rf"{root}/(?:{BUCKETS}|{OUTPUTS})/([\w+.-]+)/", r"\1://", str(text))
