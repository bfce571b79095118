"""One data set of several: their episodes one after the other, so that a model can be trained on all of them.

Numbers, texts, stored images and video files are taken over as they stand, of every camera, to the bit and in their
own types. What counts episodes and frames is counted anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from forearm.common import stored
from forearm.common.progress import Count
from forearm.errors import InputError
from forearm.world_model.data import layout, tables
from forearm.world_model.data.atomic import read_json
from forearm.world_model.data.columns import Keys, names_of, numeric
from forearm.world_model.data.declared import bounds
from forearm.world_model.data.episodes import check_there
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.merged import Merged
from forearm.world_model.data.reader import LeRobotData, read_dataset
from forearm.world_model.data.selection import Episodes, of_each
from forearm.world_model.data.takeover import Shape, Source
from forearm.world_model.data.writer import begin


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
    parts = _varied(parts)
    shape = _shape(parts)
    work = Merged(Path(out), parts, shape)
    begin(work.out, work.settings())
    return work.write(progress)


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
    paths = stored.glob(root, "meta/episodes/*/*.parquet")
    table = tables.joined(stored.each(tables.read_episodes, paths, root))
    at = {episode: row for row, episode in enumerate(tables.scalars(table.column("episode_index")).tolist())}
    rows = [at[episode] for episode in data.episodes.episode.tolist()]
    return Source(data, views, tuple(cameras), table if rows == list(range(len(table))) else table.take(rows))


def _varied(parts: list[Source]) -> list[Source]:
    """The same; where some say what was otherwise in their episodes, that nothing was in the others'."""
    if not any(key in part.table.column_names for part in parts for key in layout.AS_USUAL):
        return parts
    found = []
    for part in parts:
        table = part.table
        for key, value in layout.AS_USUAL.items():
            if key not in table.column_names:
                table = table.append_column(key, pa.array([value] * len(table)))
        found.append(replace(part, table=table))
    return found


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
