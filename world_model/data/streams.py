"""Numeric streams: the readings of sensors and the commands sent, a row each control step, without any picture.

Where they come from, `stream_sources.py` says.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from forearm.world_model.data import declared, layout
from forearm.world_model.data.cache import FrameCache
from forearm.world_model.data.episode import Floats
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.moments import moments_of


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
