"""Where a command may write, checked before it works for an hour."""

from pathlib import Path

from forearm.common import stored
from forearm.common.addresses import OUTPUTS, is_address, twin
from forearm.common.files import place
from forearm.errors import ForearmError
from forearm.settings.words import items


def folder(value: str | None, default: str, *, key: str = "out") -> Path:
    """The folder that the setting `key` names, or the default.

    That of an address lies on this disk until the command ends, with all that is there already, see `stored.output`.
    Raises `ForearmError` if a file is in the way, or an address may not be written.
    """
    if value is not None and is_address(value):
        return stored.output(value)
    path = place(value or default)
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise ForearmError(f"{key}={path}: {part} is a file, not a folder; choose another {key}=")
            break
    return path


def data_folder(value: str | None, default: str) -> Path:
    """The same for a data set, of which only a part need be on this disk at a time."""
    if value is None or not is_address(value):
        return folder(value, default)
    path = place(value)
    stored.check_writable(path)
    return path


def cache_folder(value: str | None) -> Path | None:
    """The folder that `cache_dir=` names, None for beside the data. Raises `ForearmError` if a file is in the way."""
    return None if value is None else folder(value, ".", key="cache_dir")


def file(key: str, value: str) -> Path:
    """The file that a setting names, for writing. Raises `ForearmError` if it cannot be one."""
    if is_address(value):
        path = twin(value, OUTPUTS)
        stored.check_writable(path.parent)
        return path
    path = place(value)
    if path.is_dir():
        raise ForearmError(f"{key}={path} is a folder; name a file")
    folder(str(path.parent), ".")
    return path


def listed(text: str) -> list[Path]:
    """The folders in `[FOLDER,FOLDER,...]`, or the one that is given without brackets, or is called just so."""
    if not (text.startswith("[") and text.endswith("]")) or place(text).is_dir():
        return [place(text)]
    return [place(name) for name in items(text) if name]
