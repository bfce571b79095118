"""Files that are either whole or absent."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, of the same suffix; on success it takes the place of `path`.

    On any error the temporary file is removed and `path` is what it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def place(text: str | Path) -> Path:
    """The path that somebody typed; `~` and `~name` are home folders where there is such a user, as in a shell."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  (that of pathlib raises where there is no such user)


def remove_leftovers(folder: Path) -> None:
    """Remove what `replacing` left under `folder` when its process was killed; only when nobody writes
    there.
    """
    for path in folder.rglob(".*.tmp*"):
        with suppress(OSError):
            path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all. Raises ValueError for numbers that JSON has not (NaN,
    inf).
    """
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
