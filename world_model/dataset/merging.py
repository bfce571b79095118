"""One data set of several: their episodes one after the other, so that a model can be trained on all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import layout
from .episode import Episode
from .fingerprint import dataset_fingerprint
from .layout import DatasetError
from .lerobot import DatasetWriter
from .reader import LeRobotData, read_dataset

NOT_EXTRA = (layout.STATE_KEY, layout.ACTION_KEY)
Progress = Callable[[int, int], None]
"""Called with episodes done and episodes in all."""


def merge(sources: Sequence[Path], out: Path, progress: Progress = lambda done, of: None) -> dict[str, Any]:
    """Copies the episodes of `sources`, in this order, into `out`; returns its `meta/info.json`.

    Frames are kept to the bit; the camera is that of the first source. A merging that was killed goes on where it was.
    Of the last frame of an episode no command is kept: nothing follows it.

    Raises:
        DatasetError: a source cannot be read, lacks states, actions or one task for all its episodes, has no whole
            number of frames a second, or differs from the first in camera, size, rate, columns or task; or `out` holds
            something else.
        ValueError: fewer than two sources.
    """
    if len(sources) < 2:
        raise ValueError(f"merging needs two data sets or more, got {len(sources)}")
    first = read_dataset(sources[0])
    parts = [first, *(read_dataset(source, first.camera_key) for source in sources[1:])]
    for part in parts:
        _check_whole(part)
        _check_alike(first, part)
    episodes = [(part, index) for part in parts for index in range(len(part))]
    writer = DatasetWriter(
        out,
        fps=round(first.fps),
        resolution=first.resolution,
        state_names=first.names(layout.STATE_KEY),
        action_names=first.names(layout.ACTION_KEY),
        task=first.episodes[0].tasks[0],
        total_episodes=len(episodes),
        # Not where they lie: a folder that was moved is the same data.
        fingerprint={"merged": [dataset_fingerprint(part) for part in parts]},
        camera_key=first.camera_key,
        extra={key: first.names(key) for key in first.columns if key not in NOT_EXTRA},
        robot_type=str(first.info.get("robot_type", "unknown")),
    )
    missing = writer.missing_shards()
    done = len(episodes) - sum(len(writer.shard_range(shard)) for shard in missing)
    progress(done, len(episodes))
    for shard in missing:
        numbers = writer.shard_range(shard)
        writer.write_shard(shard, [_plain(*episodes[number]) for number in numbers])
        done += len(numbers)
        progress(done, len(episodes))
    return writer.finalise()


def _plain(part: LeRobotData, index: int) -> Episode:
    """An episode with one command fewer than frames: nothing follows the last."""
    episode = part.episode(index)
    return replace(episode, action=episode.action[:-1])


def _check_whole(part: LeRobotData) -> None:
    """Raise `DatasetError` that says what `part` lacks for a data set of its kind to be written."""
    for key in NOT_EXTRA:
        if not part.columns.get(key):
            raise DatasetError(f"{part.root}: has no feature called {key} that is a vector, which merging needs")
    if part.fps != round(part.fps):
        raise DatasetError(f"{part.root}: has {part.fps:g} frames a second: merging needs a whole number")
    tasks = {entry.tasks for entry in part.episodes}
    if len(tasks) != 1 or len(next(iter(tasks))) != 1:
        found = ", ".join(sorted({task for names in tasks for task in names})) or "none"
        raise DatasetError(f"{part.root}: merging needs one task that all episodes have; there it is {found}")


def _check_alike(first: LeRobotData, other: LeRobotData) -> None:
    """Raise `DatasetError` that says in what `other` differs from the first."""
    for what, ours, theirs in (
        ("camera", first.camera_key, other.camera_key),
        ("resolution", first.resolution, other.resolution),
        ("frames a second", first.fps, other.fps),
        ("columns", {k: first.names(k) for k in first.columns}, {k: other.names(k) for k in other.columns}),
        ("task", first.episodes[0].tasks, other.episodes[0].tasks),
    ):
        if ours != theirs:
            raise DatasetError(f"{other.root}: {what} {theirs}, but {first.root} has {ours}: merge what is alike")
