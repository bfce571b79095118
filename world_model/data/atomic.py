"""Files of a data set, either whole or absent; what cannot be written or read is a `DatasetError`."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forearm.common import files, stored
from forearm.world_model.data.layout import DatasetError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As `files.replacing`, but raises ``DatasetError`` if the file cannot be written (full disk, no permission)."""
    with _told(path), files.replacing(path, keep_suffix=False) as temporary:
        yield temporary


def write_json(path: Path, value: Any) -> None:
    """As `files.write_json`, but raises ``DatasetError`` if the file cannot be written."""
    with _told(path):
        files.write_json(path, value, indent=2)


def plain(value: Any) -> Any:
    """``value`` with None in place of numbers that JSON has not: NaN and the infinities."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object at ``path``.

    Raises:
        DatasetError: it is missing, unreadable or not an object.
    """
    try:
        value = json.loads(stored.fetched(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: holds no JSON object")
    return value


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be written ({error.strerror or error}); make room and run the same command again"
        ) from error
