"""Files that are either whole or absent: written beside their place, then renamed into it."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from forearm.common.addresses import address, is_address, twin

LEFTOVERS = ".*.tmp*"
"""Names of the files that `replacing` leaves behind when its process is killed."""


@contextmanager
def replacing(path: Path, *, keep_suffix: bool = True, make_folder: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`.

    On any error the temporary file is removed and `path` is what it was. Two processes may do this for the same path at
    once: the last one wins, whole. With `keep_suffix` the temporary name ends as `path` does, for writers that go by
    it; without, no pattern of names that finds `path` finds the temporary file.

    Raises:
        OSError: the file cannot be written, or has no folder and `make_folder` is False.
    """
    suffix = path.suffix if keep_suffix else ""
    temporary = path.with_name(f".{path.name.removesuffix(suffix)}.{uuid.uuid4().hex[:12]}.tmp{suffix}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # Without this a power cut can leave the new name on an empty file.
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if address(path) is not None:
        from forearm.common.stored import kept

        kept(path)


_BROUGHT: dict[str, Path] = {}


def bring(text: str, path: Path) -> None:
    """From now on, in this process, `path` is what somebody meant on another machine by typing `text`."""
    _BROUGHT[text] = path


def is_brought(text: str) -> bool:
    """Whether `bring` said what `text` means."""
    return text in _BROUGHT


def place(text: str | Path) -> Path:
    """The path that somebody typed; `~` and `~name` are home folders where there is such a user, as in a shell.

    What is typed may be an address such as s3://bucket/folder, see `addresses`.
    """
    if is_brought(str(text)):
        return _BROUGHT[str(text)]
    if is_address(text):
        return twin(str(text))
    return Path(os.path.expanduser(text))  # noqa: PTH111  (that of pathlib raises where there is no such user)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left under `folder`; only when nobody writes there."""
    for path in folder.rglob(LEFTOVERS):
        with suppress(OSError):
            path.unlink()


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write `value` as JSON, whole or not at all; on one line with `indent=None`.

    Raises ValueError for numbers that JSON has not (NaN, inf).
    """
    text = json.dumps(value, indent=indent, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def send(folder: Path, out: Path, last: str) -> None:
    """Write all files of a folder into `out` as well, each whole, and `last` when the others are there."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    for name in sorted(names, key=lambda name: (name == last, name)):
        with replacing(out / name) as temporary:
            shutil.copyfile(folder / name, temporary)
