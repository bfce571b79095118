"""A folder that is there whole, or not at all; at an address, its `meta/info.json` last."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forearm.common import stored
from forearm.common.addresses import address, cache_root
from forearm.common.files import send
from forearm.errors import ForearmError
from forearm.world_model.data import layout


def check_new(out: Path) -> None:
    """Raise `ForearmError` for a folder that holds something already."""
    taken = stored.look(out) if address(out) else out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken:
        raise ForearmError(f"out={out}: is there already; choose a new folder")


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder to write to that becomes `out` if all goes well, and is gone if not; `ForearmError` for a full disk."""
    name = f".{out.name}.{uuid.uuid4().hex[:12]}.tmp"
    partial = cache_root() / name if address(out) else out.with_name(name)
    try:
        yield partial
        if address(out):
            send(partial, out, layout.INFO_PATH)
        else:
            if out.exists():
                out.rmdir()
            partial.rename(out)
    except OSError as error:
        raise ForearmError(f"out={out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
