"""Reading a LeRobotDataset v3.0 folder, ours or anybody's: any camera, PNG or video, any action size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.errors import InputError
from forearm.world_model.data import declared, layout, selection
from forearm.world_model.data.columns import Keys, matrix, names_of, numeric, side_by_side, sources, width
from forearm.world_model.data.entries import EpisodeEntry
from forearm.world_model.data.episode import Episode, Floats
from forearm.world_model.data.episodes import EpisodesTable, read_table
from forearm.world_model.data.images import Pixels, decode_image
from forearm.world_model.data.info import read_info
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.tables import scalars
from forearm.world_model.data.video import check_interval, decode_video, timestamps

MISSING = "the file is missing, to which the table of episodes and video_path in meta/info.json lead"


def read_dataset(
    root: str | Path,
    camera_key: str | None = None,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: selection.Episodes = None,
    exclude: selection.Episodes = None,
    memory: Path | None = None,
) -> "LeRobotData":
    """Open the dataset in ``root``; reads the meta files, no frame yet.

    ``camera_key`` chooses among several cameras. Without it the only camera, or the one called
    ``observation.images.front``, is taken; ``layout.view`` names several that are seen together, ``layout.NO_CAMERA``
    none. ``action_key`` and
    ``state_key`` name the columns with the commands and the joint readings; several are put side by side, see
    ``columns.sources``. ``episodes`` are the ones to read, by number or as ranges such as "0:40", and ``exclude`` those
    to leave out. ``memory`` is the folder of the frame caches, in which the table of episodes is remembered.

    Raises:
        DatasetError: no such dataset, not version 3, no such camera, column or episode, or meta files that contradict
            each other; the message names the file.
    """
    data = open_unchecked(
        root, camera_key, action_key=action_key, state_key=state_key, episodes=episodes, exclude=exclude, memory=memory
    )
    for contradiction in [each for one in (data, *data.beside) for each in one.contradictions]:
        raise DatasetError(f"{contradiction}; mend the table, or 'forearm data inspect data={root}' lists all")
    return data


def open_unchecked(
    root: str | Path,
    camera_key: str | None = None,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: selection.Episodes = None,
    exclude: selection.Episodes = None,
    memory: Path | None = None,
) -> "LeRobotData":
    """As ``read_dataset``, but an episodes table that contradicts itself is only noted, in ``contradictions``."""
    root = Path(root)
    stored.look(root)
    info = read_info(root)
    features = info["features"]
    wanted_cameras = [camera_key] if camera_key is None or camera_key in features else layout.cameras_of(camera_key)
    if camera_key == layout.NO_CAMERA:
        seen = [layout.NO_CAMERA]
    else:
        seen = [_choose_camera(root / layout.INFO_PATH, features, camera) for camera in wanted_cameras]
    if len(set(seen)) < len(seen):
        raise DatasetError(f"{root}: camera_key names {', '.join(seen)}: expected each camera once")
    keys = {layout.STATE_KEY: state_key, layout.ACTION_KEY: action_key}
    parts = {key: sources(info["features"], key, wanted, root) for key, wanted in keys.items()}
    first, *others = (
        LeRobotData(root, info, camera, read_table(root, info, camera, episodes, exclude, memory), parts)
        for camera in seen
    )
    first.beside = others
    return first


class LeRobotData:
    """A dataset on disk. Made by ``read_dataset``; not to be shared between threads."""

    def __init__(
        self,
        root: Path,
        info: dict[str, Any],
        camera_key: str,
        table: EpisodesTable,
        parts: dict[str, tuple[str, ...]],
    ) -> None:
        self.root, self.info, self.camera_key = root, info, camera_key
        self.episodes, self.everything = table.entries, table.everything
        """Those that were chosen, and all that there are."""
        self.some = len(self.episodes) < len(self.everything)
        """Whether not all were chosen."""
        self.fps = float(info["fps"])
        features: dict[str, dict[str, Any]] = info["features"]
        self.sensors_alone = camera_key == layout.NO_CAMERA
        """Whether no camera is looked at; readings may then be missing, NaN."""
        self.resolution = (0, 0) if self.sensors_alone else layout.image_size(features[camera_key])
        shapes = numeric(features)
        taken = {part for names in parts.values() for part in names}
        self.sources = {key: names for key, names in parts.items() if names}
        """By column the features that it is made of, side by side: those of commands and joint readings first."""
        self.sources |= {key: (key,) for key, shape in shapes.items() if key not in taken and len(shape) < 2}
        self.columns = {key: sum(width(shapes[part]) for part in names) for key, names in self.sources.items()}
        """Width of every numeric column: action (not in video that was recorded without), state and others."""
        self.beside: list[LeRobotData] = []
        """The same, as seen by further cameras; frames and checks are those of each alone."""
        self.contradictions = table.contradictions
        """What in the episodes table contradicts itself: a sentence each; empty as ``read_dataset`` gives it."""
        self.untidy = table.untidy
        """What in the meta files is odd, but leads to no wrong frame or number."""
        self._tables: dict[Path, pa.Table] = {}
        self._whole: tuple[Path, pa.Table] | None = None
        self._times: tuple[Path, npt.NDArray[np.float64]] | None = None
        self._group: tuple[Path, int, pa.ChunkedArray] | None = None

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def view(self) -> str:
        """The cameras that are seen together; see ``layout.view``."""
        return layout.view([each.camera_key for each in (self, *self.beside)])

    @property
    def action_bounds(self) -> declared.Bounds | None:
        """Between which commands the data say to lie; None where they do not say."""
        return declared.bounds(self.root, self.info, self.sources.get(layout.ACTION_KEY, ()))

    @property
    def action_units(self) -> tuple[str, ...] | None:
        """What 1.0 of each number of a command is, such as ``1 rad``; None where the data do not say."""
        return declared.units(self.info, self.sources.get(layout.ACTION_KEY, ()))

    @property
    def frames_total(self) -> int:
        """Frames of all episodes together."""
        return int(self.episodes.length.sum())

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
            columns, may_miss = [], self.sensors_alone and key == layout.STATE_KEY
            for part in parts:
                try:
                    values = matrix(rows.column(part), width(shapes[part]), missing=may_miss)
                except (KeyError, ValueError, pa.ArrowException) as error:
                    raise _broken(entry.data, entry, f"column {part} cannot be read ({error})") from error
                seen = values[~np.isnan(values)] if may_miss else values
                if key in (layout.STATE_KEY, layout.ACTION_KEY) and not np.isfinite(seen).all():
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
        table = self.file_table(episode)
        first, last = self._rows(self.episodes[episode], table)
        return table.slice(first, last - first)

    def file_table(self, episode: int) -> pa.Table:
        """All rows of the data file in which an episode stands; raises as `table`, but counts none."""
        entry = self.episodes[episode]
        if self._whole is None or self._whole[0] != entry.data:
            self._whole = (entry.data, self._read(entry, None))
        return self._whole[1]

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
                    raise InputError(f"frame {count} is {size} pixels, not {wanted}")
                yield frame
                count += 1
        except DatasetError:
            raise
        except (ValueError, OSError, pa.ArrowException) as error:
            raise _broken(path, entry, str(error)) from error

    def seen(self, episode: int) -> Iterator[tuple[Pixels, ...]]:
        """Yield the frames of an episode moment by moment, those of all cameras that are seen together; as `frames`."""
        return zip(*(each.frames(episode) for each in (self, *self.beside)), strict=True)

    def episode(self, episode: int) -> Episode:
        """A whole episode in memory, with L action rows."""
        numbers = self.numbers(episode)
        empty = np.zeros((self.episodes[episode].length, 0), np.float32)
        action = numbers.pop(layout.ACTION_KEY, empty)
        state = numbers.pop(layout.STATE_KEY, empty)
        return Episode(np.stack(list(self.frames(episode))), state, action, numbers)

    def times(self, video: Path) -> npt.NDArray[np.float64]:
        """When each frame of a video is shown, (N,) seconds; the last file is kept. Raises ValueError if unreadable."""
        if self._times is None or self._times[0] != video:
            self._times = (video, timestamps(stored.fetched(video)))
        return self._times[1]

    def check_times(self, episode: int) -> None:
        """Raise `DatasetError` unless an episode's video shows each row at its time; nothing is decoded."""
        entry = self.episodes[episode]
        if entry.video is None:
            return
        try:
            if not stored.exists(entry.video):
                raise InputError(MISSING)
            self._check_times(entry)
        except ValueError as error:
            if isinstance(error, DatasetError):
                raise
            raise _broken(entry.video, entry, str(error)) from error

    def _video(self, entry: EpisodeEntry) -> Iterator[Pixels]:
        assert entry.video is not None
        if not stored.exists(entry.video):
            raise InputError(MISSING)
        self._check_times(entry)
        yield from decode_video(stored.fetched(entry.video), start=entry.video_start, length=entry.length, fps=self.fps)

    def _check_times(self, entry: EpisodeEntry) -> None:
        """Raise ValueError unless the video shows each row at the time that the table and the row say."""
        assert entry.video is not None
        times = self.times(entry.video)
        if not np.isfinite(entry.video_start):
            raise InputError(f"from_timestamp is {entry.video_start}, expected seconds")
        self._check_filled(entry, times)
        check_interval(times, start=entry.video_start, length=entry.length, fps=self.fps)
        table = self._numeric_table(entry)
        if "timestamp" not in table.column_names:
            return
        first, last = self._rows(entry, table)
        said = scalars(table.column("timestamp").slice(first, last - first)).astype(np.float64)
        off = abs(said * self.fps - np.arange(entry.length))
        if not (off < 0.5).all():  # NaN too
            row = int(np.flatnonzero(~(off < 0.5))[0])
            raise InputError(f"timestamp of frame {row} is {said[row]:.6g} s, expected {row / self.fps:.6g} s")

    def _check_filled(self, entry: EpisodeEntry, times: npt.NDArray[np.float64]) -> None:
        """Raise ValueError where a video has as many frames as its episodes, and this one begins at another's."""
        within = self.everything.at(entry.video)
        if within.length.sum() != len(times):
            return
        before = int(within.length[within.video_start < entry.video_start].sum())
        if abs(times[before] - entry.video_start) * self.fps >= 0.5 - 1e-6:
            raise InputError(
                f"from_timestamp is {entry.video_start:.6g} s, expected {times[before]:.6g} s: the video holds its "
                f"episodes' {len(times)} frames and no others, {before} of them before this one's"
            )

    def _images(self, entry: EpisodeEntry) -> Iterator[Pixels]:
        first, last = self._rows(entry, self._numeric_table(entry))
        with pq.ParquetFile(stored.fetched(entry.data), page_checksum_verification=True) as file:
            begin = 0
            for number in range(file.num_row_groups):
                end = begin + file.metadata.row_group(number).num_rows
                for row in range(max(first, begin), min(last, end)):
                    cell = self._image_group(file, entry.data, number)[row - begin].as_py()
                    try:
                        yield decode_image(self._image_bytes(cell))
                    except (ValueError, OSError) as error:
                        raise InputError(f"frame {row - first}: {error}") from error
                begin = end

    def _image_group(self, file: pq.ParquetFile, path: Path, number: int) -> pa.ChunkedArray:
        # Others' files may hold many episodes in one row group: keep the last one that was read.
        if self._group is None or self._group[:2] != (path, number):
            if self.camera_key not in file.schema_arrow.names:
                raise InputError(f"has no column {self.camera_key}")
            self._group = (path, number, file.read_row_group(number, [self.camera_key]).column(0))
        return self._group[2]

    def _image_bytes(self, cell: Any) -> bytes:
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data is None and isinstance(cell, dict) and cell.get("path"):
            data = stored.fetched(self.root / cell["path"]).read_bytes()
        if not isinstance(data, bytes):
            raise InputError("no image is stored")
        return data

    def _numeric_table(self, entry: EpisodeEntry) -> pa.Table:
        path = entry.data
        if path not in self._tables:
            wanted = {*(part for parts in self.sources.values() for part in parts), "episode_index", "timestamp"}
            self._tables = {path: self._read(entry, wanted)}  # episodes are read in order, so one file is enough
        return self._tables[path]

    def _read(self, entry: EpisodeEntry, wanted: set[str] | None) -> pa.Table:
        """The file with the rows of an episode; of its columns those that are wanted, or all."""
        path = entry.data
        try:
            with pq.ParquetFile(stored.fetched(path), page_checksum_verification=True) as file:
                keys = [key for key in file.schema_arrow.names if wanted is None or key in wanted]
                return file.read(keys, use_threads=wanted is not None)
        except FileNotFoundError:
            raise _broken(path, entry, "the file is missing") from None
        except (OSError, pa.ArrowException) as error:
            raise _broken(path, entry, f"not a readable parquet file ({error})") from error

    def _rows(self, entry: EpisodeEntry, table: pa.Table) -> tuple[int, int]:
        if "episode_index" not in table.column_names:
            raise _broken(entry.data, entry, "has no column episode_index")
        try:
            rows = np.flatnonzero(scalars(table.column("episode_index")) == entry.index)
        except ValueError as error:
            raise _broken(entry.data, entry, f"column episode_index {error}") from None
        if len(rows) != entry.length:
            raise _broken(entry.data, entry, f"holds {len(rows)} of its {entry.length} frames")
        if rows[-1] - rows[0] + 1 != len(rows):
            raise _broken(entry.data, entry, "its rows do not stand together")
        return int(rows[0]), int(rows[-1]) + 1


def _broken(path: Path, entry: EpisodeEntry, reason: str) -> DatasetError:
    return DatasetError(f"{path}: episode {entry.index}: {reason}")


def _choose_camera(path: Path, features: dict[str, Any], wanted: str | None) -> str:
    pictures = {key: feature for key, feature in features.items() if feature["dtype"] in ("image", "video")}
    cameras = [key for key, feature in pictures.items() if not layout.is_depth(feature)]
    known = ", ".join(cameras) or "none"
    depth = ", ".join(key for key in pictures if key not in cameras)
    if wanted is not None:
        if wanted in pictures and wanted not in cameras:
            raise DatasetError(f"{path}: {wanted} is a depth camera and shows no colours; choose from {known}")
        if wanted not in cameras:
            raise DatasetError(f"{path}: has no camera called {wanted}; it has {known}")
        return wanted
    if layout.CAMERA_KEY in cameras:
        return layout.CAMERA_KEY
    if len(cameras) != 1:
        raise DatasetError(
            f"{path}: which camera? It has {known}{f' beside depth ({depth})' if depth else ''}"
            f"{'; name one with camera_key=' if cameras else ''}"
        )
    return str(cameras[0])
