"""Writing a LeRobotDataset v3.0 folder in shards, by several processes, across kills.

A shard is a run of ``shard_episodes`` episodes: one data file, one video file if the camera is stored
as video, and its slice of the episodes table. Each file appears whole or not at all and the slice comes
last, so a shard is there when its slice is. Shards know nothing of each other: which are missing is seen
on disk, any process may write any of them, and writing one twice gives the same folder.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.common.files import remove_leftovers
from forearm.common.nested import leaves
from forearm.errors import InputError
from forearm.world_model.data import layout, tables
from forearm.world_model.data.atomic import read_json, replacing, write_json
from forearm.world_model.data.episode import Episode, checked
from forearm.world_model.data.layout import AT_LEAST, DatasetError
from forearm.world_model.data.statistics import combine, image_statistics, vector_statistics
from forearm.world_model.data.video import encode_video, pixel_format

COLLECTION_PATH = "meta/collection.json"
"""What the folder is being filled with; compared when the work is taken up again."""


class DatasetWriter:
    """A folder that fills up with episodes.

    Cheap to make and to pickle; make one per process. ``resolution`` is a side length or (height, width)
    in pixels. ``extra`` names the components of further float32 columns, and ``units`` says in which unit some of
    them are. ``action_bounds`` are the lowest and the highest command (A,) that were possible; without them
    what was recorded tells. ``fingerprint`` is anything JSON can hold that decides what the episodes are (task,
    policy, seed, versions): a folder that was begun with another one is not continued.

    Raises:
        DatasetError: the folder holds another dataset, or was begun with other settings.
        ValueError: a setting makes no sense.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        fps: int,
        resolution: int | tuple[int, int],
        state_names: Sequence[str],
        action_names: Sequence[str],
        task: str,
        total_episodes: int,
        fingerprint: Mapping[str, Any],
        camera_key: str = layout.CAMERA_KEY,
        storage: Literal["png", "mp4"] = "png",
        shard_episodes: int = 25,
        extra: Mapping[str, Sequence[str]] | None = None,
        units: Mapping[str, str] | None = None,
        action_bounds: tuple[Sequence[float], Sequence[float]] | None = None,
        robot_type: str = "forearm",
    ) -> None:
        if storage not in ("png", "mp4"):
            raise InputError(f"storage is {storage!r}; it can be png or mp4")
        counts = {"fps": fps, "total_episodes": total_episodes, "shard_episodes": shard_episodes}
        for name, number in counts.items():
            AT_LEAST(name, number, least=1)
        self.root = Path(root)
        self.fps, self.task, self.camera_key, self.storage = fps, task, camera_key, storage
        self.resolution = (resolution, resolution) if isinstance(resolution, int) else resolution
        self.total_episodes, self.shard_episodes = total_episodes, shard_episodes
        self.columns = {layout.STATE_KEY: list(state_names), layout.ACTION_KEY: list(action_names)}
        self.columns |= {key: list(names) for key, names in (extra or {}).items()}
        self.robot_type = robot_type
        self._said: dict[str, dict[str, Any]] = {key: {"unit": unit} for key, unit in (units or {}).items()}
        if action_bounds is not None:
            sides = {
                side: [float(b) for b in bound] for side, bound in zip(("low", "high"), action_bounds, strict=True)
            }
            self._said[layout.ACTION_KEY] = {"bounds": sides}
        self._begin(dict(fingerprint))

    @property
    def shards(self) -> int:
        """How many shards the finished dataset has."""
        return -(-self.total_episodes // self.shard_episodes)

    def shard_range(self, index: int) -> range:
        """Episode indices of shard ``index``."""
        if not 0 <= index < self.shards:
            raise ValueError(f"shard {index} does not exist; there are {self.shards}")
        first = index * self.shard_episodes
        return range(first, min(first + self.shard_episodes, self.total_episodes))

    def missing_shards(self) -> list[int]:
        """Indices of the shards that are not there yet, or not whole, in order."""
        stored.look(self.root)
        whole = stored.each(self._is_whole, range(self.shards), self.root)
        return [index for index, there in enumerate(whole) if not there]

    def write_shard(self, index: int, episodes: Sequence[Episode]) -> None:
        """Write shard ``index`` from its episodes, in the order of ``shard_range(index)``.

        Raises:
            DatasetError: a file cannot be written.
            ValueError: there are more or fewer episodes than the shard has, or one has a wrong shape.
        """
        numbers = self.shard_range(index)
        if len(episodes) != len(numbers):
            raise ValueError(f"shard {index} has {len(numbers)} episodes, not {len(episodes)}")
        widths = {key: len(names) for key, names in self.columns.items()}
        shape = {"state": widths.pop(layout.STATE_KEY), "action": widths.pop(layout.ACTION_KEY)}
        recorded = []
        for number, episode in zip(numbers, episodes, strict=True):
            try:
                recorded.append(checked(episode, resolution=self.resolution, **shape, extra=widths))
            except ValueError as error:
                raise InputError(f"episode {number}: {error}") from None
        # Right at once if all episodes are equally long, as they mostly are; else finalise() mends it.
        first = numbers[0] * len(recorded[0])
        groups, rows, in_shard = [], [], 0
        for number, episode in zip(numbers, recorded, strict=True):
            start = first + in_shard
            groups.append(self._data_table(number, episode, start))
            rows.append(self._episode_row(index, number, episode, start, in_shard))
            in_shard += len(episode)
        if self.storage == "mp4":
            height, width = self.resolution
            with replacing(self._path(layout.VIDEO_PATH, index)) as temporary:
                pixels = (episode.pixels for episode in recorded)
                encode_video(temporary, pixels, fps=self.fps, height=height, width=width)
        tables.write_data(self._path(layout.DATA_PATH, index), groups)
        tables.write_episodes(self._path(layout.EPISODES_PATH, index), rows)

    def finalise(self) -> dict[str, Any]:
        """Number the frames through and write the dataset-wide files; returns ``meta/info.json``.

        Call it once all shards are there and nobody writes any more. Doing it again changes nothing.

        Raises:
            DatasetError: shards are missing.
        """
        missing = self.missing_shards()
        if missing:
            shown = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
            raise DatasetError(f"{self.root}: {len(missing)} of {self.shards} shards are missing ({shown})")
        remove_leftovers(self.root)
        rows, frames = [], 0
        for index in range(self.shards):
            path = self._path(layout.EPISODES_PATH, index)
            shard = tables.episode_rows(path)
            if shard[0]["dataset_from_index"] != frames:
                # Data before its slice: a kill between the two leaves work to redo, never a wrong number.
                tables.renumber(self._path(layout.DATA_PATH, index), frames)
                for row, start in zip(shard, _starts(shard, frames), strict=True):
                    row["dataset_from_index"], row["dataset_to_index"] = start, start + row["length"]
                tables.write_episodes(path, shard)
            frames += sum(row["length"] for row in shard)
            rows += shard
        keys = [self.camera_key, *self.columns]
        fields = ("min", "max", "mean", "std", "count")
        parts = {key: [{f: row[f"stats/{key}/{f}"] for f in fields} for row in rows] for key in keys}
        write_json(self.root / layout.STATS_PATH, {key: combine(part) for key, part in parts.items()})
        tables.write_tasks(self.root / layout.TASKS_PATH, [self.task])
        info = self._info(frames)
        write_json(self.root / layout.INFO_PATH, info)
        return info

    def _begin(self, fingerprint: dict[str, Any]) -> None:
        ours: dict[str, Any] = {
            "fps": self.fps,
            "resolution": list(self.resolution),
            "camera_key": self.camera_key,
            "storage": self.storage,
            "task": self.task,
            "robot_type": self.robot_type,
            "total_episodes": self.total_episodes,
            "shard_episodes": self.shard_episodes,
            "columns": self.columns,
            "fingerprint": fingerprint,
        }
        begin(self.root, ours)

    def _path(self, template: str, shard: int) -> Path:
        chunk, file = layout.place(shard)
        return self.root / template.format(chunk_index=chunk, file_index=file, video_key=self.camera_key)

    def _is_whole(self, index: int) -> bool:
        try:
            rows = tables.episode_rows(self._path(layout.EPISODES_PATH, index), statistics=False)
            frames = pq.read_metadata(stored.opened(self._path(layout.DATA_PATH, index))).num_rows
        except (OSError, pa.ArrowException):
            return False
        numbers = [row["episode_index"] for row in rows]
        if numbers != list(self.shard_range(index)) or frames != sum(row["length"] for row in rows):
            return False
        return self.storage == "png" or stored.exists(self._path(layout.VIDEO_PATH, index))

    def _vectors(self, episode: Episode) -> dict[str, Any]:
        return {layout.STATE_KEY: episode.state, layout.ACTION_KEY: episode.action, **episode.extra}

    def _data_table(self, number: int, episode: Episode, first: int) -> pa.Table:
        columns = {}
        if self.storage == "png":
            columns[self.camera_key] = tables.image_column(episode.pixels)
        vectors = self._vectors(episode)
        columns |= {key: tables.vector_column(vectors[key]) for key in self.columns}
        columns |= tables.index_columns(episode=number, length=len(episode), first=first, fps=self.fps)
        table = pa.table(columns)
        return tables.with_image_type(table, self.camera_key) if self.storage == "png" else table

    def _episode_row(self, shard: int, number: int, episode: Episode, first: int, in_shard: int) -> dict[str, Any]:
        chunk, file = layout.place(shard)
        row: dict[str, Any] = {"episode_index": number, "tasks": [self.task], "length": len(episode), **episode.about}
        row |= {"data/chunk_index": chunk, "data/file_index": file}
        row |= {"dataset_from_index": first, "dataset_to_index": first + len(episode)}
        if self.storage == "mp4":
            video = f"videos/{self.camera_key}"
            row |= {f"{video}/chunk_index": chunk, f"{video}/file_index": file}
            row[f"{video}/from_timestamp"] = in_shard / self.fps
            row[f"{video}/to_timestamp"] = (in_shard + len(episode)) / self.fps
        statistics = {key: vector_statistics(value) for key, value in self._vectors(episode).items()}
        statistics[self.camera_key] = image_statistics(episode.pixels)
        row |= {f"stats/{key}/{f}": value for key, s in statistics.items() for f, value in s.items()}
        return row | {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file}

    def _info(self, frames: int) -> dict[str, Any]:
        height, width = self.resolution
        video = pixel_format() if self.storage == "mp4" else None
        camera = layout.camera_feature(height, width, fps=self.fps, video_format=video)
        features: dict[str, Any] = {self.camera_key: camera}
        features |= {
            key: layout.vector_feature(names, **self._said.get(key, {})) for key, names in self.columns.items()
        }
        scalars = layout.INDEX_FEATURES.items()
        features |= {key: {"dtype": dtype, "shape": [1], "names": None} for key, dtype in scalars}
        return {
            "codebase_version": layout.CODEBASE_VERSION,
            "robot_type": self.robot_type,
            "total_episodes": self.total_episodes,
            "total_frames": frames,
            "total_tasks": 1,
            "chunks_size": layout.CHUNK_FILES,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{self.total_episodes}"},
            "data_path": layout.DATA_PATH,
            "video_path": layout.VIDEO_PATH if video else None,
            "features": features,
        }


def begin(root: Path, ours: Mapping[str, Any]) -> None:
    """Note in ``root`` what it is being filled with, or see that it was begun with the same settings.

    Raises:
        DatasetError: the folder holds another dataset, or was begun with other settings; the message names one.
    """
    path = root / COLLECTION_PATH
    if not stored.exists(path):
        if stored.exists(root / layout.INFO_PATH) or stored.glob(root, "data/*/*"):
            raise DatasetError(f"{root}: already holds another dataset; choose another folder")
        write_json(path, ours)
    found = dict(leaves(read_json(path)))
    # Through JSON, as what was found there came through it: tuples are lists now.
    wanted = dict(leaves(json.loads(json.dumps(ours))))
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise DatasetError(
                f"{root}: was begun with {key}={found.get(key)}, not {key}={wanted.get(key)}; "
                "continue it with the same settings or choose another folder"
            )


def _starts(rows: Sequence[Mapping[str, Any]], first: int) -> list[int]:
    starts = []
    for row in rows:
        starts.append(first)
        first += row["length"]
    return starts
