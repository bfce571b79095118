"""Timed trajectories: piecewise cubic in time, so that position, velocity and acceleration are continuous.

Jerk is constant within a piece. The largest values of everything are then known exactly, not only where somebody
happened to sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHORTEST = 1e-9
"""Pieces shorter than this many seconds are rounding."""


@dataclass(frozen=True, eq=False)
class State:
    """Position, velocity and acceleration, each (D,) or (N, D), in the units of the axes (rad, or m for a gripper)."""

    position: Array
    velocity: Array
    acceleration: Array

    @classmethod
    def at_rest(cls, position: Array) -> "State":
        """Standing still at `position` (D,)."""
        position = np.array(position, dtype=np.float64)
        return cls(position, np.zeros_like(position), np.zeros_like(position))


@dataclass(frozen=True, eq=False)
class Extremes:
    """The smallest and largest values within each piece, all (N, D), exact."""

    position_low: Array
    position_high: Array
    velocity: Array
    acceleration: Array
    jerk: Array


@dataclass(frozen=True, eq=False)
class Trajectory:
    """D axes over time.

    times: (N + 1,) seconds, the ends of the N pieces. position, velocity, acceleration: (N, D) at the beginning of
    each piece. jerk: (N, D), constant within a piece. Before its first moment it stands at its first position, after
    its last at its last one.

    Raises ValueError for shapes that do not fit together and times that do not rise.
    """

    times: Array
    position: Array
    velocity: Array
    acceleration: Array
    jerk: Array

    def __post_init__(self) -> None:
        """Check shapes and times."""
        shape = self.position.shape
        if len(shape) != 2 or len(self.times) != shape[0] + 1 or shape[0] == 0:
            raise ValueError(f"{len(self.times)} times do not go with pieces {shape}: expected one time more")
        if any(part.shape != shape for part in (self.velocity, self.acceleration, self.jerk)):
            raise ValueError("position, velocity, acceleration and jerk must have one shape (N, D)")
        if not np.all(np.diff(self.times) > 0):
            raise ValueError("the times of a trajectory must rise")

    @classmethod
    def resting(cls, position: Array, start: float, duration: float = 1.0) -> "Trajectory":
        """Standing still at `position` (D,)."""
        here = np.array(position, dtype=np.float64)[None]
        nothing = np.zeros_like(here)
        return cls(np.array([start, start + duration]), here, nothing, nothing, nothing)

    @property
    def start(self) -> float:
        """Its first moment, s."""
        return float(self.times[0])

    @property
    def end(self) -> float:
        """Its last moment, s."""
        return float(self.times[-1])

    @property
    def axes(self) -> int:
        """D."""
        return int(self.position.shape[1])

    def at(self, time: float) -> State:
        """The state at one moment, (D,) each."""
        return self._at(time) if self.times[0] <= time <= self.times[-1] else self._outside(time)

    def sample(self, times: Array) -> State:
        """The states at `times` (M,), (M, D) each."""
        times = np.asarray(times, dtype=np.float64)
        states = self._at(np.clip(times, self.start, self.end))
        outside = (times < self.start) | (times > self.end)
        for part in (states.velocity, states.acceleration):
            part[outside] = 0.0
        return states

    def extremes(self) -> Extremes:
        """What each piece goes through, exactly: the roots of the derivatives are those of quadratics."""
        h = np.diff(self.times)[:, None]
        p, v, a, j = self.position, self.velocity, self.acceleration, self.jerk
        end = _advanced(p, v, a, j, h)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            turn = -a / j  # where the velocity is extreme
            root = np.sqrt(a * a - 2.0 * j * v)
            stops = [(-a + root) / j, (-a - root) / j, -v / a]  # where the position is
        low, high = np.minimum(p, end[0]), np.maximum(p, end[0])
        for tau in stops:
            inside = np.where(np.isfinite(tau) & (tau > 0) & (tau < h), tau, 0.0)
            there = _advanced(p, v, a, j, inside)[0]
            low, high = np.minimum(low, there), np.maximum(high, there)
        inside = np.where(np.isfinite(turn) & (turn > 0) & (turn < h), turn, 0.0)
        fastest = np.maximum(np.maximum(abs(v), abs(end[1])), abs(_advanced(p, v, a, j, inside)[1]))
        return Extremes(low, high, fastest, np.maximum(abs(a), abs(end[2])), abs(j))

    def split(self, times: Array) -> "Trajectory":
        """The same motion with additional piece ends at `times` (M,)."""
        extra = [t for t in np.asarray(times) if self.start < t < self.end and abs(self.times - t).min() > SHORTEST]
        if not extra:
            return self
        ends = np.sort(np.concatenate([self.times, extra]))
        index = np.clip(np.searchsorted(self.times, ends[:-1], side="right") - 1, 0, len(self.position) - 1)
        state = self._at(ends[:-1], index)
        return Trajectory(ends, state.position, state.velocity, state.acceleration, self.jerk[index])

    def between(self, start: float, end: float) -> "Trajectory | None":
        """The part from `start` to `end`, None where that is empty."""
        start, end = max(start, self.start), min(end, self.end)
        if end - start <= SHORTEST:
            return None
        whole = self.split(np.array([start, end]))
        first = int(abs(whole.times - start).argmin())
        last = int(abs(whole.times - end).argmin())
        return whole.pieces(first, last) if last > first else None

    def pieces(self, first: int, last: int) -> "Trajectory":
        """Pieces `first` to `last`, the last not included."""
        part = slice(first, last)
        return Trajectory(
            self.times[first : last + 1],
            self.position[part],
            self.velocity[part],
            self.acceleration[part],
            self.jerk[part],
        )

    def _at(self, times: Array | float, index: NDArray[np.intp] | None = None) -> State:
        if index is None:
            index = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.position) - 1)
        tau = np.asarray(times - self.times[index])[..., None]
        moved = _advanced(self.position[index], self.velocity[index], self.acceleration[index], self.jerk[index], tau)
        return State(*moved)

    def _outside(self, time: float) -> State:
        return State.at_rest(self._at(self.start if time < self.start else self.end).position)


def joined(parts: Sequence[Trajectory]) -> Trajectory:
    """Trajectories that follow each other, as one. Raises ValueError unless each begins where the last one ends."""
    for before, after in pairwise(parts):
        if abs(after.start - before.end) > 1e-6:
            raise ValueError(f"a part begins at {after.start} s, but the one before ends at {before.end} s")
    return Trajectory(
        np.concatenate([*[part.times[:-1] for part in parts], parts[-1].times[-1:]]),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("position", "velocity", "acceleration", "jerk")
        ),
    )


def _advanced(p: Array, v: Array, a: Array, j: Array, tau: Array) -> tuple[Array, Array, Array]:
    """Position, velocity, acceleration after `tau` s of constant jerk."""
    return p + tau * (v + tau * (a / 2.0 + tau * j / 6.0)), v + tau * (a + tau * j / 2.0), a + tau * j
