"""Which data this is: a hash of every byte that a camera's frames and numbers come from.

Files are hashed whole. What was hashed once is remembered in a file beside the frame caches, and taken from there as
long as a file has the size, the two time stamps and the inode that it had; a time stamp of change (ctime) cannot be set
back, so that a file which was replaced or edited is hashed again whatever its name, size and date. What changed less
than two seconds before it was hashed is not remembered: time stamps may be as coarse as that.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.common.addresses import address
from forearm.world_model.data import layout
from forearm.world_model.data.atomic import read_json, write_json
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import LeRobotData

SETTLED = 2.0
"""Seconds after which a file's time stamps tell apart what comes later."""
CHUNK = 1 << 20
MEMORY = "hashes.json"


def dataset_fingerprint(data: LeRobotData, memory: Path | None = None) -> str:
    """sha256 over the files of ``data``: info, episodes, rows, video, and pictures that lie beside the rows; over the
    columns and episodes that were chosen as well, where they are not all as they stand.

    It depends on the files' contents and on their names within the dataset, not on where the dataset lies.

    Args:
        data: as opened for one camera.
        memory: folder in which hashes are remembered; None for nowhere.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    known = _Hashes(memory)
    digest = hashlib.sha256()
    meta = [data.root / layout.INFO_PATH, *stored.glob(data.root, "meta/episodes/*/*.parquet")]
    files: dict[Path, int] = dict.fromkeys(meta, -1)
    files |= data.episodes.uses()
    for path, episode in files.items():
        try:
            digest.update(f"{path.relative_to(data.root).as_posix()}\0{known.of(path)}\0".encode())
        except OSError as error:
            where = f"episode {episode}: " if episode >= 0 else ""
            reason = "the file is missing" if isinstance(error, FileNotFoundError) else str(error)
            raise DatasetError(f"{path}: {where}{reason}") from error
    for path in _pictures(data, known):
        with suppress(OSError):  # one that is missing is named when its frame is read
            digest.update(f"{known.of(path)}\0".encode())
    known.keep()
    chosen = {key: parts for key, parts in data.sources.items() if parts != (key,)}
    if chosen or data.some:
        digest.update(json.dumps([chosen, data.episodes.episode.tolist() if data.some else None]).encode())
    return digest.hexdigest()


def contents(data: LeRobotData) -> str:
    """sha256 over what ``data`` says of itself: its meta files, with the statistics of every episode, names and sizes
    of its other files, and what was chosen of it. Far quicker than ``dataset_fingerprint``, which reads all of them.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in (data.root / layout.INFO_PATH, *stored.glob(data.root, "meta/episodes/*/*.parquet")):
            digest.update(stored.fetched(path).read_bytes())
        for path in data.episodes.uses():
            digest.update(f"{path.relative_to(data.root).as_posix()}\0{stored.state(path)[0]}\0".encode())
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from error
    digest.update(json.dumps([data.view, data.sources, data.episodes.episode.tolist()]).encode())
    return digest.hexdigest()


def _pictures(data: LeRobotData, known: "_Hashes") -> Iterator[Path]:
    """The picture files beside the rows, where cells name a path and hold no bytes; in the order of the rows."""
    if data.info["features"][data.camera_key]["dtype"] != "image":
        return
    for path, _ in data.episodes.by_file():
        try:
            if known.holds_all(path, data.camera_key):
                continue
            with pq.ParquetFile(stored.fetched(path)) as file:
                if holds_all(file, data.camera_key):
                    known.note_all(path, data.camera_key)
                    continue
                for batch in file.iter_batches(batch_size=64, columns=[data.camera_key]):
                    yield from _paths(data.root, batch.column(0).to_pylist())
        except (OSError, pa.ArrowException):  # named when it is read
            continue


def holds_all(file: pq.ParquetFile, camera: str) -> bool:
    """Whether the footer says that every cell of the camera holds its picture."""
    names = [file.schema.column(number).path for number in range(len(file.schema))]
    held = [number for number, name in enumerate(names) if name in (f"{camera}.bytes", camera)]
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    said = [group.column(number).statistics for group in groups for number in held]
    return bool(held) and all(s is not None and s.has_null_count and not s.null_count for s in said)


def _paths(root: Path, cells: Iterable[object]) -> Iterator[Path]:
    for cell in cells:
        if isinstance(cell, dict) and cell.get("bytes") is None and cell.get("path"):
            yield root / str(cell["path"])


class _Hashes:
    """sha256 of files, remembered by what the file system says about them."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / MEMORY
        self._known: dict[str, list[object]] = {}
        self._used: dict[str, list[object]] = {}
        if self._path is not None:
            with suppress(DatasetError):
                self._known = read_json(self._path)

    def of(self, path: Path) -> str:
        """Hash of a file's contents, in hexadecimal; raises OSError where it cannot be read."""
        state = stored.state(path)
        name = str(path.absolute())
        known = self._known.get(name)
        if isinstance(known, list) and len(known) == 2 and known[0] == state and isinstance(known[1], str):
            self._used[name] = known
            return known[1]
        began = time.time()
        digest = hashlib.sha256()
        with (file_path := stored.fetched(path)).open("rb") as file:
            while block := file.read(CHUNK):
                digest.update(block)
        value = digest.hexdigest()
        found = file_path.stat()
        if address(path) is not None or began - max(found.st_mtime, found.st_ctime) > SETTLED:
            self._used[name] = [state, value]
        return value

    def holds_all(self, path: Path, camera: str) -> bool:
        """Whether `note_all` was told of a file that is still what it was."""
        name, own = _of_camera(path, camera), self._used.get(str(path.absolute()))
        if own is None or self._known.get(name) != own:
            return False
        self._used[name] = own
        return True

    def note_all(self, path: Path, camera: str) -> None:
        """Remember that every cell of a camera in a file, whose hash was asked for, holds its picture."""
        if (own := self._used.get(str(path.absolute()))) is not None:
            self._used[_of_camera(path, camera)] = own

    def keep(self) -> None:
        """Remember what was used, where something is new; without a word where that cannot be written."""
        if self._path is None or all(self._known.get(name) == value for name, value in self._used.items()):
            return
        kept = {name: value for name, value in self._known.items() if stored.exists(Path(name.partition("\0")[0]))}
        with suppress(DatasetError):
            write_json(self._path, json.loads(json.dumps(kept | self._used)))


def _of_camera(path: Path, camera: str) -> str:
    return f"{path.absolute()}\0{camera}"
