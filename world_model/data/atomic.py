"""Files that are either whole or absent: written beside their place, then renamed into it."""

import contextlib
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forearm.world_model.data.layout import DatasetError

TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; on success it takes the name ``path``.

    On any error the temporary file is removed and ``path`` is what it was before. Two processes may
    do this for the same path at once: the last one wins, whole.

    Raises:
        DatasetError: the file cannot be written (full disk, no permission).
    """
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # Without this a power cut can leave the new name on an empty file.
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be written ({error.strerror or error}); make room and run the same command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """``value`` with None in place of numbers that JSON has not: NaN and the infinities."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON at ``path``, whole or not at all; raises ValueError for a number that JSON has not."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object at ``path``.

    Raises:
        DatasetError: it is missing, unreadable or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: holds no JSON object")
    return value


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files that killed processes left under ``folder``; how many there were.

    Only to be called when nobody writes there.
    """
    leftovers = [path for path in folder.rglob(f".*{TEMPORARY}") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)
