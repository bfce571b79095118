"""A folder that is there whole, or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forearm.errors import ForearmError


def check_new(out: Path) -> None:
    """Raise `ForearmError` for a folder that holds something already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ForearmError(f"out={out}: is there already; choose a new folder")


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder to write to that becomes `out` if all goes well, and is gone if not; `ForearmError` for a full disk."""
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield partial
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise ForearmError(f"out={out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
