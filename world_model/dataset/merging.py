"""One data set of several: their episodes one after the other, so that a model can be trained on all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import layout
from .episode import Episode
from .layout import DatasetError
from .lerobot import DatasetWriter
from .reader import LeRobotData, read_dataset

NOT_EXTRA = (layout.STATE_KEY, layout.ACTION_KEY)
Progress = Callable[[int, int], None]
"""Called with episodes done and episodes in all."""


def merge(sources: Sequence[Path], out: Path, progress: Progress = lambda done, of: None) -> dict[str, Any]:
    """Copies the episodes of `sources`, in this order, into `out`; returns its `meta/info.json`.

    Frames are kept to the bit; the camera is that of the first source. A merging that was killed goes on where it was.

    Raises:
        DatasetError: a source cannot be read or differs from the first in camera, size, rate or columns, or `out`
            holds something else.
        ValueError: fewer than two sources.
    """
    if len(sources) < 2:
        raise ValueError(f"merging needs two data sets or more, got {len(sources)}")
    parts = [read_dataset(source) for source in sources]
    first = parts[0]
    for part in parts[1:]:
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
        fingerprint={"merged": [[len(part), part.frames_total] for part in parts]},
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
