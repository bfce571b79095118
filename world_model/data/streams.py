"""Numeric streams: the readings of sensors and the commands sent, a row each control step, without any picture.

They come from the columns of a LeRobot data set, or from a table that a description tells about (`sensor_table.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from forearm.world_model.data import declared, layout
from forearm.world_model.data.cache import FrameCache
from forearm.world_model.data.columns import Keys, advice
from forearm.world_model.data.episode import Floats
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.moments import moments_of
from forearm.world_model.data.selection import Episodes


@dataclass(frozen=True, eq=False)
class Stream:
    """One episode: readings (L, P), NaN where a sensor was not measured; commands (L, A), the n-th sent after the n-th
    readings; times (L,) in s.
    """

    number: int
    readings: Floats
    actions: Floats
    times: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Streams:
    """The episodes of one source; units are None where it says none."""

    source: Path
    names: tuple[str, ...]
    units: tuple[str, ...] | None
    action_names: tuple[str, ...]
    action_units: tuple[str, ...] | None
    action_bounds: declared.Bounds | None
    fps: float
    episodes: Sequence[Stream]

    def check_varying(self) -> None:
        """Raise DatasetError for a sensor that was never measured, or that never changes: nothing is learned of it."""
        every = np.concatenate([each.readings for each in self.episodes])
        for name, column in zip(self.names, every.T, strict=True):
            known = column[~np.isnan(column)]
            if not len(known):
                raise DatasetError(f"{self.source}: sensor {name} was never measured: leave it out")
            if np.ptp(known) == 0:
                raise DatasetError(
                    f"{self.source}: sensor {name} is {known[0]:g} throughout, so nothing can be learned of it: leave "
                    "it out, or give data in which it changes"
                )

    def check_like(self, names: Sequence[str], units: Sequence[str] | None, made: str) -> None:
        """Raise DatasetError unless sensors and their units are those that `made`, a checkpoint, was trained on."""
        if tuple(names) != self.names:
            raise DatasetError(
                f"{self.source}: has sensors {', '.join(self.names)}, but {made} was trained on {', '.join(names)}"
            )
        for name, ours, theirs in zip(self.names, self.units or (), units or (), strict=False):
            if ours != theirs:
                raise DatasetError(
                    f"{self.source}: sensor {name} is in {ours}, but {made} was trained on {theirs}: convert it"
                )

    def cache(self, folder: Path | None = None) -> FrameCache:
        """All moments in memory, as training samples them; `folder` is where anything kept of them would go."""
        lengths = np.array([len(each.readings) for each in self.episodes], np.int64)
        moments = np.concatenate([moments_of(each.readings, self.names) for each in self.episodes])
        actions = np.concatenate([each.actions for each in self.episodes])
        held = moments[..., 0]
        state = np.where(np.isnan(held), np.nanmean(held, axis=0), held)
        fingerprint = hashlib.sha256(repr((self.names, self.action_names, self.fps)).encode())
        for array in (moments, actions, lengths):
            fingerprint.update(np.ascontiguousarray(array).tobytes())
        return FrameCache(
            path=(folder or self.source.parent) / self.source.name,
            fingerprint=fingerprint.hexdigest(),
            frames=moments,
            state=state.astype(np.float32),
            action=actions,
            extra={},
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            fps=self.fps,
            camera_key=layout.NO_CAMERA,
            names={layout.STATE_KEY: list(self.names), layout.ACTION_KEY: list(self.action_names)},
            source_resolution=(0, 0),
            action_bounds=self.action_bounds,
            action_units=self.action_units,
            reading_units=self.units,
        )


def read_streams(
    source: str | Path,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: Episodes = None,
    exclude: Episodes = None,
) -> Streams:
    """The streams of a LeRobot folder, of the columns that are named, or of the description of a table.

    Raises:
        DatasetError: no such source; columns, units, times or gaps that are not as they should be.
    """
    source = Path(source)
    if source.suffix in layout.DESCRIPTIONS:
        from forearm.world_model.data.sensor_table import read_table

        if action_key is not None or state_key is not None:
            raise DatasetError(f"{source}: its sensors and actions are named in it: leave out state_key and action_key")
        return read_table(source, episodes, exclude)
    return _of_lerobot(source, action_key, state_key, episodes, exclude)


def _of_lerobot(root: Path, action_key: Keys, state_key: Keys, episodes: Episodes, exclude: Episodes) -> Streams:
    from forearm.world_model.data.reader import read_dataset

    data = read_dataset(
        root, layout.NO_CAMERA, action_key=action_key, state_key=state_key, episodes=episodes, exclude=exclude
    )
    if not data.columns.get(layout.STATE_KEY):
        raise DatasetError(
            f"{root}: has no readings that are clearly such; {advice(data.info['features'], layout.STATE_KEY)}"
        )
    found = []
    for index, entry in enumerate(data.episodes):
        numbers = data.numbers(index)
        actions = numbers.get(layout.ACTION_KEY, np.zeros((entry.length, 0), np.float32))
        times = np.arange(entry.length) / data.fps
        table = data.table(index)
        if "timestamp" in table.column_names:
            told = np.asarray(table.column("timestamp").to_pylist(), np.float64).reshape(-1)
            _check_steady(root, entry.index, told, data.fps)
        found.append(Stream(entry.index, numbers[layout.STATE_KEY], actions, times))
    names = [tuple(data.names(key)) if key in data.columns else () for key in (layout.STATE_KEY, layout.ACTION_KEY)]
    units = declared.units(data.info, data.sources.get(layout.STATE_KEY, ()))
    return Streams(root, names[0], units, names[1], data.action_units, data.action_bounds, data.fps, found)


def _check_steady(root: Path, number: int, times: npt.NDArray[np.float64], fps: float) -> None:
    steps = np.diff(times) * fps
    wrong = np.flatnonzero(~(abs(steps - 1) < 0.5))  # NaN too
    if len(wrong):
        row = int(wrong[0]) + 1
        raise DatasetError(
            f"{root}: episode {number}: {steps[row - 1] / fps:.3g} s lie before row {row}, but there are {fps:g} rows "
            f"a second: leave it out, exclude=[{number}], or split it there"
        )
