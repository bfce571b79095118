"""One data set of several: their episodes one after the other, so that a model can be trained on all of them.

Numbers, texts, stored images and video files are taken over as they stand, of every camera, to the bit and in their
own types. What counts episodes and frames is counted anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from forearm.common import stored
from forearm.common.files import remove_leftovers
from forearm.common.progress import Count
from forearm.errors import InputError
from forearm.world_model.data import layout, tables
from forearm.world_model.data.atomic import plain, read_json, write_json
from forearm.world_model.data.columns import Keys, names_of, numeric
from forearm.world_model.data.declared import bounds
from forearm.world_model.data.episodes import check_there
from forearm.world_model.data.fingerprint import contents
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import LeRobotData, read_dataset
from forearm.world_model.data.selection import Episodes, of_each
from forearm.world_model.data.statistics import combine
from forearm.world_model.data.takeover import Shape, Source, copied, renumbered, rows_of, take_over, whole_file
from forearm.world_model.data.writer import begin

Row = dict[str, Any]
SHARD = 25
"""Episodes in one data file."""
GROUP = 1 << 26
"""Bytes of a data file from which on every episode has a row group of its own."""
STATISTICS = ("min", "max", "mean", "std", "count")


def merge(
    sources: Sequence[str | Path],
    out: str | Path,
    progress: Count = lambda done, of: None,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: Episodes | Sequence[Episodes] = None,
    exclude: Episodes | Sequence[Episodes] = None,
) -> dict[str, Any]:
    """Copies the episodes of `sources`, in this order, into `out`; returns its `meta/info.json`.

    Columns, their types and all cameras are kept to the bit. A camera that is video in one source and images in another
    becomes images. A merging that was killed goes on where it was.

    Args:
        action_key, state_key: columns that every source must have; they keep their names.
        episodes, exclude: which of each source are meant, see `selection.select`; a list of lists has one a source.

    Raises:
        DatasetError: a source cannot be read, has not one task for all its episodes, or differs from the first in
            cameras, their size, rate, columns or task; or `out` holds something else.
        ValueError: fewer than two sources.
    """
    if len(sources) < 2:
        raise InputError(f"merging needs two data sets or more, got {len(sources)}")
    keys = {"action_key": action_key, "state_key": state_key}
    chosen = of_each(episodes, len(sources), "episodes"), of_each(exclude, len(sources), "exclude")
    parts = [
        _opened(Path(root), {**keys, "episodes": some, "exclude": others})
        for root, some, others in zip(sources, *chosen, strict=True)
    ]
    for part in parts:
        _check_whole(part.data)
        _check_alike(parts[0], part)
    shape = _shape(parts)
    work = _Work(Path(out), parts, shape)
    begin(work.out, work.settings())
    total = len(work.episodes)
    missing = work.missing()
    done = total - sum(len(work.numbers(shard)) for shard in missing)
    progress(done, total)
    written = {}
    for shard in missing:
        written[shard] = work.write(shard)
        done += len(work.numbers(shard))
        progress(done, total)
    return work.finalise(written)


@dataclass(frozen=True)
class _Work:
    """What is written where."""

    out: Path
    parts: Sequence[Source]
    shape: Shape

    @cached_property
    def episodes(self) -> list[tuple[Source, int]]:
        """Every episode: its source, and which of that it is."""
        return [(part, index) for part in self.parts for index in range(len(part.data))]

    @cached_property
    def firsts(self) -> list[int]:
        """Number of the first frame of every episode."""
        lengths = (part.data.episodes[index].length for part, index in self.episodes)
        return list(accumulate(lengths, initial=0))

    def settings(self) -> dict[str, Any]:
        """What must agree for a merging to go on; not where the sources lie: a folder that was moved is the same.

        Reading every picture for it would take longer than merging: what is known of them, and how large their files
        are, tells data sets apart.
        """
        prints = [[contents(view) for view in part.views.values()] for part in self.parts]
        return {"total_episodes": len(self.episodes), "shard_episodes": SHARD, "fingerprint": {"merged": prints}}

    def numbers(self, shard: int) -> range:
        """Episodes of a shard."""
        return range(shard * SHARD, min((shard + 1) * SHARD, len(self.episodes)))

    def missing(self) -> list[int]:
        """Shards whose part of the episodes table is not there: it is written last."""
        shards = range(-(-len(self.episodes) // SHARD))
        return [shard for shard in shards if not stored.exists(self._path(layout.EPISODES_PATH, shard))]

    def write(self, shard: int) -> list[Row]:
        """Take over the episodes of one shard; returns what the episodes table says about them."""
        numbers, chunk, file = self.numbers(shard), *layout.place(shard)
        first, ours = self.firsts[numbers.start], [self.episodes[number] for number in numbers]
        target, (part, _) = self._path(layout.DATA_PATH, shard), ours[0]
        alone = all(other is part for other, _ in ours)
        path = whole_file(part, [index for _, index in ours], self.shape, numbers, first) if alone else None
        tables_of: list[Any] = [None] * len(ours)
        if path is None:
            tables_of = [rows_of(part, index, self.shape) for part, index in ours]
            self._write_rows(target, tables_of, numbers)
        else:
            copied(path, target)
        rows = []
        for number, (part, index), table in zip(numbers, ours, tables_of, strict=True):
            at = self.firsts[number]
            row = take_over(part, index, self.shape, self.out, number=number, first=at, table=table)
            place = {"data/chunk_index": chunk, "data/file_index": file}
            rows.append({**row, **place, "meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file})
        tables.write_episodes(self._path(layout.EPISODES_PATH, shard), rows)
        return rows

    def _write_rows(self, target: Path, groups: Sequence[pa.Table], numbers: range) -> None:
        first = self.firsts[numbers.start]
        whole = renumbered(groups, numbers, first)
        images = [key for key, feature in self.shape.features.items() if feature.get("dtype") == "image"]
        parts = [whole]
        if whole.nbytes > GROUP:  # else who wants one frame reads all of them
            begins = [self.firsts[number] - first for number in numbers]
            parts = [whole.slice(at, len(group)) for at, group in zip(begins, groups, strict=True)]
        tables.write_data(target, parts, plain=images)

    def finalise(self, written: Mapping[int, list[Row]]) -> dict[str, Any]:
        """Write the files about the whole, of which some shards were `written` just now; returns `meta/info.json`."""
        remove_leftovers(self.out)
        shards = range(-(-len(self.episodes) // SHARD))
        rows = [
            row
            for shard in shards
            for row in written.get(shard) or tables.read_episodes(self._path(layout.EPISODES_PATH, shard))
        ]
        statistics = {}
        for key in self.shape.with_statistics:
            found = combine([{f: row[f"stats/{key}/{f}"] for f in STATISTICS} for row in rows])
            if plain(found) == found:  # else a number was nowhere finite, and JSON could not say so
                statistics[key] = found
        write_json(self.out / layout.STATS_PATH, statistics)
        tables.write_tasks(self.out / layout.TASKS_PATH, self.parts[0].data.episodes[0].tasks)
        info = {
            **self.parts[0].data.info,
            "total_episodes": len(rows),
            "total_frames": sum(row["length"] for row in rows),
            "total_tasks": 1,
            "chunks_size": layout.CHUNK_FILES,
            "splits": {"train": f"0:{len(rows)}"},
            "data_path": layout.DATA_PATH,
            "video_path": layout.VIDEO_PATH if self.shape.videos else None,
            "features": self.shape.features,
        }
        write_json(self.out / layout.INFO_PATH, info)
        return info

    def _path(self, template: str, number: int) -> Path:
        chunk, file = layout.place(number)
        return self.out / template.format(chunk_index=chunk, file_index=file)


def _opened(root: Path, chosen: Mapping[str, Any]) -> Source:
    given = {key: value for key, value in chosen.items() if value is not None}
    try:
        features = read_json(root / layout.INFO_PATH)["features"]
    except (DatasetError, KeyError):
        features = {}  # what is wrong is told below
    cameras = [key for key, feature in features.items() if _is_camera(feature)]
    colour = [key for key in cameras if not layout.is_depth(features[key])]
    views = {key: read_dataset(root, key, **given) for key in colour} or {"": read_dataset(root, None, **given)}
    data = next(iter(views.values()))
    for view in views.values():
        check_there(root, view.episodes)
    rows: dict[int, dict[str, Any]] = {}
    for path in stored.glob(root, "meta/episodes/*/*.parquet"):
        rows |= {int(row["episode_index"]): row for row in tables.read_episodes(path)}
    return Source(data, views, tuple(cameras), rows)


def _is_camera(feature: Mapping[str, Any]) -> bool:
    return feature.get("dtype") in ("image", "video")


def _shape(parts: Sequence[Source]) -> Shape:
    """What the merged has: the first source's features, and what all others say as well."""
    first = parts[0].data
    features = {key: dict(feature) for key, feature in first.info["features"].items()}
    everywhere = [part.data.info["features"] for part in parts]
    for camera in parts[0].cameras:
        kinds = {each[camera]["dtype"] for each in everywhere}
        if len(kinds) > 1:
            features[camera] = {**features[camera], "dtype": "image"}
            features[camera].pop("info", None)
        elif "info" in features[camera]:
            said = [each[camera].get("info") or {} for each in everywhere]
            alike = {k: v for k, v in said[0].items() if all(k in other and other[k] == v for other in said)}
            features[camera]["info"] = alike
    for key in features:
        for what in ("unit", "bounds"):
            if any(each[key].get(what) != features[key].get(what) for each in everywhere):
                features[key].pop(what, None)
    for key in first.sources.get(layout.ACTION_KEY, ()):
        said_bounds = {bounds(part.data.root, part.data.info, (key,)) for part in parts}
        if len(said_bounds) == 1 and (one := said_bounds.pop()) is not None:
            features[key]["bounds"] = {"low": list(one[0]), "high": list(one[1])}
    return Shape.of(features, parts)


def _check_whole(part: LeRobotData) -> None:
    """Raise `DatasetError` that says what `part` lacks for a data set of its kind to be written."""
    tasks = {entry.tasks for entry in part.episodes}
    if len(tasks) != 1 or len(next(iter(tasks))) != 1:
        found = ", ".join(sorted({task for names in tasks for task in names})) or "none"
        raise DatasetError(f"{part.root}: merging needs one task that all episodes have; there it is {found}")


def _check_alike(first: Source, other: Source) -> None:
    """Raise `DatasetError` that says in what `other` differs from the first."""
    here, there = (source.data.root for source in (first, other))
    for camera in first.cameras:
        if camera not in other.cameras:
            raise DatasetError(
                f"{there}: has no camera called {camera}; it has {', '.join(other.cameras)}, and {here} has "
                f"{', '.join(first.cameras)}: merge what is alike"
            )
    for camera in other.cameras:
        if camera not in first.cameras:
            raise DatasetError(f"{there}: has a camera called {camera}, which {here} has not: merge what is alike")
    for what, ours, theirs in (
        ("resolution", _resolutions(first), _resolutions(other)),
        ("depth cameras", _depths(first), _depths(other)),
        ("frames a second", first.data.fps, other.data.fps),
        ("columns", _columns(first.data), _columns(other.data)),
        ("task", first.data.episodes[0].tasks, other.data.episodes[0].tasks),
    ):
        if ours != theirs:
            raise DatasetError(f"{there}: {what} {theirs}, but {here} has {ours}: merge what is alike")


def _resolutions(source: Source) -> dict[str, tuple[int, int]]:
    return {camera: layout.image_size(source.data.info["features"][camera]) for camera in source.cameras}


def _depths(source: Source) -> list[str]:
    return [camera for camera in source.cameras if layout.is_depth(source.data.info["features"][camera])]


def _columns(data: LeRobotData) -> dict[str, Any]:
    """Type and shape of every column, and what the numbers in it are called."""
    features = data.info["features"]
    found: dict[str, Any] = {}
    shapes = numeric(features)
    for key, feature in features.items():
        if _is_camera(feature) or key in layout.INDEX_FEATURES:
            continue
        named = names_of(feature, key) if key in shapes else None
        found[key] = (feature.get("dtype"), feature.get("shape"), named)
    return found
