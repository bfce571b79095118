"""Which observations a controller believes: everything else is counted, and goes no further."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forearm.agent.sensor_fit import SensorFit
from forearm.control.action_adapter import ActionAdapter
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError, one_line
from forearm.world_model.data.incoming import FrameFit

FUTURE = 0.05
"""s by which two clocks may differ before a frame counts as from the future."""


@dataclass(frozen=True, eq=False)
class Seen:
    """An observation that was believed: when it was made, its frame if it has one, positions (D,) of the axes."""

    time: float
    frame: Mapping[str, Any] | None
    position: Array


class ObservationGate:
    """Checks observations: `pixels` (H, W, 3) uint8, what `body.read` wants, `time` in s of the caller's clock, and
    `drive`, whether the drives are on.

    Frames of any size leave it resized as in training; of several cameras they come by name. For a model of sensors
    `proprio` is what a frame is for others: readings by name or in a row, NaN where one was not measured. `time` may be
    missing (the observation is then of this moment), so may `pixels`, where readings come more often than frames, and
    `drive`, which is then taken to be true. `counts` says how many there were of each kind, by name.
    """

    def __init__(self, adapter: ActionAdapter, fit: FrameFit | SensorFit, axes: int) -> None:
        self.adapter, self.fit, self.axes = adapter, fit, axes
        self.counts: Counter[str] = Counter()
        self.newest_frame = -np.inf
        self.why = ""

    def reset(self) -> None:
        """Forget when the last frame came."""
        self.newest_frame = -np.inf

    def take(self, observation: Any, now: float) -> Seen | None:
        """The observation, or None for one that cannot be used; `why` then says the reason in a line."""
        try:
            seen = self._checked(observation, now)
        except _Refused as refused:
            self.counts[refused.kind] += 1
            self.why = str(refused)
            return None
        except Exception as error:  # of whatever the observation is made of
            self.counts["malformed"] += 1
            self.why = f"an observation that cannot be looked at: {type(error).__name__}"
            return None
        if seen.frame is not None:
            self.counts["frames"] += 1
            self.newest_frame = seen.time
            self.why = ""
        return seen

    def _checked(self, observation: Any, now: float) -> Seen:
        if not isinstance(observation, Mapping):
            raise _Refused("malformed", f"an observation is a mapping, not {type(observation).__name__}")
        observation = dict(observation)
        stamp = observation.get("time", now)
        time = _seconds(stamp)
        if time is None:
            raise _Refused("bad_time", f"the time of an observation is a number of seconds, not {str(stamp)[:60]!r}")
        if time > now + FUTURE:
            raise _Refused("from_the_future", f"an observation is {time - now:.3f} s ahead of the clock")
        what = ("proprio", "readings") if isinstance(self.fit, SensorFit) else ("pixels", "a frame")
        pixels = observation.get(what[0])
        if pixels is not None:
            try:
                pixels = self.fit(pixels, what[1])
            except InputError as error:
                raise _Refused("bad_frame", str(error)) from None
            if time == self.newest_frame:
                raise _Refused("duplicate", f"two frames were taken at {time:.3f} s")
            if time < self.newest_frame:
                raise _Refused("out_of_order", f"a frame of {time:.3f} s came after one of {self.newest_frame:.3f} s")
        try:
            position = np.asarray(self.adapter.read(observation), dtype=np.float64)
        except ValueError as error:
            raise _Refused("bad_readings", str(error)) from None
        except Exception as error:  # of an adapter of the user's own: a robot's loop must not end with it
            raise _Refused("bad_readings", f"{type(error).__name__}: {one_line(error)}") from None
        if position.shape != (self.axes,) or not np.isfinite(position).all():
            raise _Refused("bad_readings", f"expected {self.axes} finite positions, got shape {position.shape}")
        if pixels is None:
            return Seen(min(time, now), None, position)
        return Seen(min(time, now), _kept({**observation, what[0]: pixels}), position)


def drives_off(observation: Any) -> bool:
    """Whether an observation says that the drives are off, or says something about them that nobody understands."""
    try:
        said = dict(observation).get("drive", True) if isinstance(observation, Mapping) else True
    except Exception:  # it says nothing at all, and is refused as a whole
        return False
    return not (isinstance(said, bool | np.bool_ | int) and bool(said))


def _seconds(stamp: Any) -> float | None:
    if isinstance(stamp, bool) or not isinstance(stamp, int | float | np.number):
        return None
    try:
        found = float(stamp)
    except (OverflowError, TypeError):
        return None
    return found if np.isfinite(found) else None


def _kept(observation: Mapping[str, Any]) -> dict[str, Any]:
    """A copy: a camera's driver may write its next frame over this one before the plan source has looked at it."""
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in observation.items()}


class _Refused(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
