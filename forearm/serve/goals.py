"""Goal frames that clients may ask for by name: the pictures of a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forearm.errors import ForearmError
from forearm.serve.request import RequestError

if TYPE_CHECKING:
    from forearm.agent.camera_check import Views
    from forearm.agent.of_checkpoint import OfCheckpoint

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Of the files that are taken for pictures, in any case."""
SHOWN = 20
"""Names in a message."""


class Goals:
    """Goal frames by name: the pictures of a folder, read once. A file's name without its suffix is its goal's name.

    Hidden files, folders in the folder and files of other kinds are left alone.

    Raises ForearmError for a folder that is none or holds no picture, for two pictures of one name, and for one that
    cannot be read, does not fit the model, or does not look as `views` say.
    """

    def __init__(self, folder: Path | None, loaded: "OfCheckpoint", views: "Views | None" = None) -> None:
        self._frames: dict[str, np.ndarray] = {}
        if folder is None:
            return
        for name, path in _pictures(folder).items():
            frame = loaded.frame(path, "goals")
            if views is not None:
                views.check(frame, f"goals={path}")
            self._frames[name] = frame

    @property
    def names(self) -> list[str]:
        """What they are called, in alphabetical order."""
        return sorted(self._frames)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._frames:
            more = ", ..." if len(self.names) > SHOWN else ""
            known = ", ".join(self.names[:SHOWN]) + more or "none; start the server with goals=FOLDER"
            raise RequestError(f"goal '{name[:60]}' is not known here: {known}")
        return self._frames[name]


def _pictures(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by name; raises `ForearmError` where there are none, or two of one name."""
    if not folder.is_dir():
        raise ForearmError(f"goals={folder}: no such folder; give one with a picture for each goal")
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise ForearmError(f"goals={folder}: cannot be read ({error.strerror})") from None
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            raise ForearmError(
                f"goals={folder}: {found[path.stem].name} and {path.name} would both be goal '{path.stem}': rename one"
            )
        found[path.stem] = path
    if not found:
        others = f"none of its {len(files)} files is a picture" if files else "no files are in it"
        raise ForearmError(f"goals={folder}: {others}; expected one for each goal ({', '.join(SUFFIXES)})")
    return found
