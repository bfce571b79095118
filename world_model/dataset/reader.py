"""Reading a LeRobotDataset v3.0 folder, ours or anybody's: any camera, PNG or video, any action size."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import layout
from .atomic import read_json
from .episode import Episode, Floats
from .images import Pixels, decode_image
from .layout import DatasetError
from .tables import read_episodes
from .video import decode_video

NUMERIC = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


@dataclass(frozen=True)
class EpisodeEntry:
    """Where one episode lies."""

    index: int
    length: int
    """Frames."""
    data: Path
    video: Path | None
    video_start: float
    """Seconds into the video file."""
    tasks: tuple[str, ...]


def read_dataset(root: str | Path, camera_key: str | None = None) -> "LeRobotData":
    """Open the dataset in ``root``; reads the meta files, no frame yet.

    ``camera_key`` chooses among several cameras. Without it the only camera, or the one called
    ``observation.images.front``, is taken.

    Raises:
        DatasetError: no such dataset, not version 3, no such camera, or meta files that contradict
            each other; the message names the file.
    """
    root = Path(root)
    path = root / layout.INFO_PATH
    if not path.exists():
        begun = (root / "meta").exists()
        reason = "its collection is not finished" if begun else "no LeRobot dataset is there"
        raise DatasetError(f"{path}: missing; {reason}")
    info = read_json(path)
    for key in ("codebase_version", "features", "fps", "data_path", "total_episodes"):
        if key not in info:
            raise DatasetError(f"{path}: has no {key}")
    if not str(info["codebase_version"]).startswith("v3."):
        found = info["codebase_version"]
        raise DatasetError(f"{path}: codebase_version is {found}, not v3.0; convert it with LeRobot's script")
    camera = _choose_camera(path, info["features"], camera_key)
    return LeRobotData(root, info, camera, _entries(root, info, camera))


class LeRobotData:
    """A dataset on disk. Made by ``read_dataset``; not to be shared between threads."""

    def __init__(self, root: Path, info: dict[str, Any], camera_key: str, episodes: list[EpisodeEntry]) -> None:
        self.root, self.info, self.camera_key, self.episodes = root, info, camera_key, episodes
        self.fps = float(info["fps"])
        features: dict[str, dict[str, Any]] = info["features"]
        try:
            self.resolution = layout.image_size(features[camera_key])
        except ValueError as error:
            raise DatasetError(f"{root / layout.INFO_PATH}: {camera_key}: {error}") from None
        self.columns = {
            key: int(feature["shape"][0])
            for key, feature in features.items()
            if feature.get("dtype") in NUMERIC and len(feature["shape"]) == 1 and key not in layout.INDEX_FEATURES
        }
        """Width of every numeric column: action (not in video that was recorded without), state and others."""
        self._tables: dict[Path, pa.Table] = {}
        self._group: tuple[Path, int, pa.ChunkedArray] | None = None

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def frames_total(self) -> int:
        """Frames of all episodes together."""
        return sum(entry.length for entry in self.episodes)

    def names(self, key: str) -> list[str]:
        """What the components of a numeric column are called; made up where the dataset does not say."""
        names = self.info["features"][key].get("names")
        if isinstance(names, dict) and len(names) == 1:  # {"motors": [...]} is common in recorded data
            names = next(iter(names.values()))
        width = self.columns[key]
        if not isinstance(names, list) or len(names) != width:
            names = [f"{key}.{i}" for i in range(width)]
        return [str(name) for name in names]

    def numbers(self, episode: int) -> dict[str, Floats]:
        """Every numeric column of an episode, (L, D) float32 by feature name.

        Raises:
            DatasetError: the file is missing, corrupt or short.
        """
        entry = self.episodes[episode]
        table = self._numeric_table(entry)
        first, last = self._rows(entry, table)
        rows = table.slice(first, last - first)
        found = {}
        for key, width in self.columns.items():
            try:
                values = _matrix(rows.column(key), width)
            except (KeyError, ValueError, pa.ArrowException) as error:
                raise _broken(entry.data, entry, f"column {key} cannot be read ({error})") from error
            if key in (layout.STATE_KEY, layout.ACTION_KEY) and not np.isfinite(values).all():
                raise _broken(entry.data, entry, f"column {key} holds a number that is not finite")
            found[key] = values
        return found

    def frames(self, episode: int) -> Iterator[Pixels]:
        """Yield the camera's frames of an episode in order, each (H, W, 3) uint8 RGB.

        Raises:
            DatasetError: the file is missing, corrupt or short, or a frame has another size.
        """
        entry = self.episodes[episode]
        path = entry.video or entry.data
        frames = self._images(entry) if entry.video is None else self._video(entry)
        count = 0
        try:
            for frame in frames:
                if frame.shape != (*self.resolution, 3):
                    size = "x".join(map(str, frame.shape[:2]))
                    wanted = "x".join(map(str, self.resolution))
                    raise ValueError(f"frame {count} is {size} pixels, not {wanted}")
                yield frame
                count += 1
        except DatasetError:
            raise
        except (ValueError, OSError, pa.ArrowException) as error:
            raise _broken(path, entry, str(error)) from error

    def episode(self, episode: int) -> Episode:
        """A whole episode in memory, with L action rows."""
        numbers = self.numbers(episode)
        empty = np.zeros((self.episodes[episode].length, 0), np.float32)
        action = numbers.pop(layout.ACTION_KEY, empty)
        state = numbers.pop(layout.STATE_KEY, empty)
        return Episode(np.stack(list(self.frames(episode))), state, action, numbers)

    def _video(self, entry: EpisodeEntry) -> Iterator[Pixels]:
        assert entry.video is not None
        if not entry.video.exists():
            raise ValueError("the file is missing")
        yield from decode_video(entry.video, start=entry.video_start, length=entry.length, fps=self.fps)

    def _images(self, entry: EpisodeEntry) -> Iterator[Pixels]:
        first, last = self._rows(entry, self._numeric_table(entry))
        with pq.ParquetFile(entry.data, page_checksum_verification=True) as file:
            begin = 0
            for number in range(file.num_row_groups):
                end = begin + file.metadata.row_group(number).num_rows
                for row in range(max(first, begin), min(last, end)):
                    cell = self._image_group(file, entry.data, number)[row - begin].as_py()
                    try:
                        yield decode_image(self._image_bytes(cell))
                    except (ValueError, OSError) as error:
                        raise ValueError(f"frame {row - first}: {error}") from error
                begin = end

    def _image_group(self, file: pq.ParquetFile, path: Path, number: int) -> pa.ChunkedArray:
        # Others' files may hold many episodes in one row group: keep the last one that was read.
        if self._group is None or self._group[:2] != (path, number):
            if self.camera_key not in file.schema_arrow.names:
                raise ValueError(f"has no column {self.camera_key}")
            self._group = (path, number, file.read_row_group(number, [self.camera_key]).column(0))
        return self._group[2]

    def _image_bytes(self, cell: Any) -> bytes:
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data is None and isinstance(cell, dict) and cell.get("path"):
            data = (self.root / cell["path"]).read_bytes()
        if not isinstance(data, bytes):
            raise ValueError("no image is stored")
        return data

    def _numeric_table(self, entry: EpisodeEntry) -> pa.Table:
        path = entry.data
        if path not in self._tables:
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    wanted = {*self.columns, "episode_index"}
                    table = file.read([key for key in file.schema_arrow.names if key in wanted])
            except FileNotFoundError:
                raise _broken(path, entry, "the file is missing") from None
            except (OSError, pa.ArrowException) as error:
                raise _broken(path, entry, f"not a readable parquet file ({error})") from error
            self._tables = {path: table}  # episodes are read in order, so one file is enough
        return self._tables[path]

    def _rows(self, entry: EpisodeEntry, table: pa.Table) -> tuple[int, int]:
        if "episode_index" not in table.column_names:
            raise _broken(entry.data, entry, "has no column episode_index")
        rows = np.flatnonzero(table.column("episode_index").to_numpy() == entry.index)
        if len(rows) != entry.length:
            raise _broken(entry.data, entry, f"holds {len(rows)} of its {entry.length} frames")
        if rows[-1] - rows[0] + 1 != len(rows):
            raise _broken(entry.data, entry, "its rows do not stand together")
        return int(rows[0]), int(rows[-1]) + 1


def _broken(path: Path, entry: EpisodeEntry, reason: str) -> DatasetError:
    return DatasetError(f"{path}: episode {entry.index}: {reason}")


def _matrix(column: pa.ChunkedArray, width: int) -> Floats:
    """Rows of lists, or plain numbers, as (T, width) float32."""
    array = column.combine_chunks()
    if column.null_count:
        raise ValueError("has empty cells")
    is_list = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if any(check(array.type) for check in is_list):
        array = array.flatten()
    values = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float32)
    if len(values) != len(column) * width:
        raise ValueError(f"rows have {len(values) / max(1, len(column)):g} numbers, not {width}")
    return values.reshape(len(column), width)


def _choose_camera(path: Path, features: dict[str, Any], wanted: str | None) -> str:
    cameras = []
    for key, feature in features.items():
        depth = any("is_depth_map" in k and v for k, v in (feature.get("info") or {}).items())
        if feature.get("dtype") in ("image", "video") and not depth:
            cameras.append(key)
    known = ", ".join(cameras) or "none"
    if wanted is not None:
        if wanted not in cameras:
            raise DatasetError(f"{path}: has no camera called {wanted}; it has {known}")
        return wanted
    if layout.CAMERA_KEY in cameras:
        return layout.CAMERA_KEY
    if len(cameras) != 1:
        raise DatasetError(f"{path}: which camera? It has {known}")
    return str(cameras[0])


def _entries(root: Path, info: dict[str, Any], camera: str) -> list[EpisodeEntry]:
    paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not paths:
        raise DatasetError(f"{root / 'meta/episodes'}: missing; nothing says which episodes there are")
    video_key = f"videos/{camera}" if info["features"][camera]["dtype"] == "video" else None
    entries = []
    for path in paths:
        try:
            for row in read_episodes(path, statistics=False):
                data = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
                video, start = None, 0.0
                if video_key is not None:
                    place = {k: row[f"{video_key}/{k}"] for k in ("chunk_index", "file_index")}
                    video = root / str(info["video_path"]).format(video_key=camera, **place)
                    start = float(row[f"{video_key}/from_timestamp"])
                tasks = tuple(str(task) for task in row.get("tasks") or ())
                index, length = int(row["episode_index"]), int(row["length"])
                data_path = root / str(info["data_path"]).format(**data)
                entries.append(EpisodeEntry(index, length, data_path, video, start, tasks))
        except (OSError, pa.ArrowException, KeyError, TypeError) as error:
            raise DatasetError(f"{path}: episodes cannot be read ({error})") from error
    entries.sort(key=lambda entry: entry.index)
    doubled = [index for index, n in Counter(entry.index for entry in entries).items() if n > 1]
    if doubled:
        raise DatasetError(f"{root / 'meta/episodes'}: episode {doubled[0]} stands there twice")
    if len(entries) != int(info["total_episodes"]):
        raise DatasetError(
            f"{root / 'meta/episodes'}: holds {len(entries)} of the {info['total_episodes']} episodes that "
            f"{layout.INFO_PATH} promises"
        )
    if any(entry.length < 1 for entry in entries):
        raise DatasetError(f"{root / 'meta/episodes'}: an episode without frames")
    return entries
