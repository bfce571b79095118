"""Where a command may write, checked before it works for an hour."""

from pathlib import Path

from forearm.errors import ForearmError


def folder(value: str | None, default: str, *, key: str = "out") -> Path:
    """The folder that the setting `key` names, or the default. Raises `ForearmError` if a file is in the way."""
    path = Path(value or default).expanduser()
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise ForearmError(f"{key}={path}: {part} is a file, not a folder; choose another {key}=")
            break
    return path


def cache_folder(value: str | None) -> Path | None:
    """The folder that `cache_dir=` names, None for beside the data. Raises `ForearmError` if a file is in the way."""
    return None if value is None else folder(value, ".", key="cache_dir")


def file(key: str, value: str) -> Path:
    """The file that a setting names, for writing. Raises `ForearmError` if it cannot be one."""
    path = Path(value).expanduser()
    if path.is_dir():
        raise ForearmError(f"{key}={path} is a folder; name a file")
    folder(str(path.parent), ".")
    return path


def listed(text: str) -> list[Path]:
    """The folders in `[FOLDER,FOLDER,...]`, or the one that is given without brackets."""
    if not (text.startswith("[") and text.endswith("]")):
        return [Path(text).expanduser()]
    return [Path(name.strip().strip("'\"")).expanduser() for name in text[1:-1].split(",") if name.strip()]
