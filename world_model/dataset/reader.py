"""Reading a LeRobotDataset v3.0 folder, ours or anybody's: any camera, PNG or video, any action size."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import declared, layout, selection
from .atomic import read_json
from .columns import Keys, matrix, names_of, numeric, side_by_side, sources, width
from .episode import Episode, Floats
from .images import Pixels, decode_image
from .layout import DatasetError
from .tables import read_episodes
from .video import decode_video


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


def read_dataset(
    root: str | Path,
    camera_key: str | None = None,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: selection.Episodes = None,
    exclude: selection.Episodes = None,
) -> "LeRobotData":
    """Open the dataset in ``root``; reads the meta files, no frame yet.

    ``camera_key`` chooses among several cameras. Without it the only camera, or the one called
    ``observation.images.front``, is taken. ``action_key`` and ``state_key`` name the columns with the commands and
    the joint readings; several are put side by side, see ``columns.sources``. ``episodes`` are the ones to read, by
    number or as ranges such as "0:40", and ``exclude`` those to leave out.

    Raises:
        DatasetError: no such dataset, not version 3, no such camera, column or episode, or meta files that contradict
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
    entries = _entries(root, info, camera)
    total = len(entries)
    if episodes is not None or exclude is not None:
        chosen = set(selection.select([entry.index for entry in entries], episodes, exclude, root))
        entries = [entry for entry in entries if entry.index in chosen]
    keys = {layout.STATE_KEY: state_key, layout.ACTION_KEY: action_key}
    parts = {key: sources(info["features"], key, wanted, root) for key, wanted in keys.items()}
    return LeRobotData(root, info, camera, entries, parts, some=len(entries) < total)


class LeRobotData:
    """A dataset on disk. Made by ``read_dataset``; not to be shared between threads."""

    def __init__(
        self,
        root: Path,
        info: dict[str, Any],
        camera_key: str,
        episodes: list[EpisodeEntry],
        parts: dict[str, tuple[str, ...]],
        some: bool = False,
    ) -> None:
        self.root, self.info, self.camera_key, self.episodes = root, info, camera_key, episodes
        self.some = some
        """Whether `episodes` are only some of those that there are."""
        self.fps = float(info["fps"])
        features: dict[str, dict[str, Any]] = info["features"]
        try:
            self.resolution = layout.image_size(features[camera_key])
        except ValueError as error:
            raise DatasetError(f"{root / layout.INFO_PATH}: {camera_key}: {error}") from None
        shapes = numeric(features)
        taken = {part for names in parts.values() for part in names}
        self.sources = {key: names for key, names in parts.items() if names}
        """By column the features that it is made of, side by side: those of commands and joint readings first."""
        self.sources |= {key: (key,) for key, shape in shapes.items() if key not in taken and len(shape) < 2}
        self.columns = {key: sum(width(shapes[part]) for part in names) for key, names in self.sources.items()}
        """Width of every numeric column: action (not in video that was recorded without), state and others."""
        self._tables: dict[Path, pa.Table] = {}
        self._whole: tuple[Path, pa.Table] | None = None
        self._group: tuple[Path, int, pa.ChunkedArray] | None = None

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def action_bounds(self) -> declared.Bounds | None:
        """Between which commands the data say to lie; None where they do not say."""
        return declared.bounds(self.root, self.info, self.sources.get(layout.ACTION_KEY, ()))

    @property
    def frames_total(self) -> int:
        """Frames of all episodes together."""
        return sum(entry.length for entry in self.episodes)

    def names(self, key: str) -> list[str]:
        """What the components of a numeric column are called; made up where the dataset does not say."""
        parts, features = self.sources[key], self.info["features"]
        return side_by_side(features, parts) if len(parts) > 1 else names_of(features[parts[0]], parts[0])

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
        shapes = numeric(self.info["features"])
        for key, parts in self.sources.items():
            columns = []
            for part in parts:
                try:
                    values = matrix(rows.column(part), width(shapes[part]))
                except (KeyError, ValueError, pa.ArrowException) as error:
                    raise _broken(entry.data, entry, f"column {part} cannot be read ({error})") from error
                if key in (layout.STATE_KEY, layout.ACTION_KEY) and not np.isfinite(values).all():
                    raise _broken(
                        entry.data,
                        entry,
                        f"column {part} holds a number that is not finite: mend it, or leave the episode out, "
                        f"exclude=[{entry.index}]",
                    )
                columns.append(values)
            found[key] = np.concatenate(columns, axis=1) if len(columns) > 1 else columns[0]
        return found

    def table(self, episode: int) -> pa.Table:
        """The rows of an episode with all their columns, as they are stored.

        Raises:
            DatasetError: the file is missing, corrupt or short.
        """
        entry = self.episodes[episode]
        if self._whole is None or self._whole[0] != entry.data:
            self._whole = (entry.data, self._read(entry, None))
        table = self._whole[1]
        first, last = self._rows(entry, table)
        return table.slice(first, last - first)

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
            wanted = {*(part for parts in self.sources.values() for part in parts), "episode_index"}
            self._tables = {path: self._read(entry, wanted)}  # episodes are read in order, so one file is enough
        return self._tables[path]

    def _read(self, entry: EpisodeEntry, wanted: set[str] | None) -> pa.Table:
        """The file with the rows of an episode; of its columns those that are wanted, or all."""
        path = entry.data
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return file.read([key for key in file.schema_arrow.names if wanted is None or key in wanted])
        except FileNotFoundError:
            raise _broken(path, entry, "the file is missing") from None
        except (OSError, pa.ArrowException) as error:
            raise _broken(path, entry, f"not a readable parquet file ({error})") from error

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


def _choose_camera(path: Path, features: dict[str, Any], wanted: str | None) -> str:
    cameras = []
    for key, feature in features.items():
        if feature.get("dtype") in ("image", "video") and not layout.is_depth(feature):
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
