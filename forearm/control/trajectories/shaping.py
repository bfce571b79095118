"""Motions that keep velocity, acceleration and jerk limits, made with Ruckig.

Ruckig (Berscheid and Kröger, Jerk-limited Real-time Trajectory Generation with Arbitrary Target States, RSS 2021) finds
the fastest motion between two states under such limits. Here it bridges: from what the arm does now to a plan's curve,
over stretches of the curve that no arm could follow, and to a stop.
"""

import numpy as np
import ruckig

from forearm.control.trajectories.limits import Limits, check, keeps
from forearm.control.trajectories.trajectory import SHORTEST, Array, State, Trajectory, joined

INSIDE = 1.0 - 1e-6
"""Share of the limits that Ruckig is given, so that its rounding stays within them."""

SAME_MOMENT = 1e-7
"""s within which two axes change their jerk at one moment."""


class Shaper:
    """Makes motions for axes with these limits. Safe to use from several threads: it keeps nothing between calls.

    Args:
        limits: of the axes.
        grid: s between the moments at which a curve may be left and joined.
        gentlest: s that a bridge to a curve takes at least, if the limits allow it.
    """

    def __init__(self, limits: Limits, grid: float = 0.01, gentlest: float = 0.1) -> None:
        self.limits, self.grid, self.gentlest = limits, grid, gentlest

    def stop(self, start: State, time: float) -> Trajectory | None:
        """The fastest stop from `start` at `time`; None where it would leave the position limits."""
        wanted = self._input(start)
        wanted.control_interface = ruckig.ControlInterface.Velocity
        nothing = [0.0] * len(self.limits.names)
        wanted.target_velocity, wanted.target_acceleration = nothing, nothing
        return self._solved(wanted, time)

    def bridge(self, start: State, time: float, target: State, until: float | None) -> Trajectory | None:
        """From `start` at `time` to `target` at `until`, or as fast as can be where that is None.

        None where it takes longer, or would leave the position limits.
        """
        wanted = self._input(start)
        wanted.target_position = target.position.tolist()
        wanted.target_velocity = target.velocity.tolist()
        wanted.target_acceleration = target.acceleration.tolist()
        if until is not None:
            wanted.minimum_duration = until - time
        return self._solved(wanted, time, until)

    def follow(self, start: State, time: float, curve: Trajectory) -> Trajectory | None:
        """From `start` at `time` onto `curve` and along it to its end, where it must be at rest.

        The curve is followed to the letter where it keeps the limits. Where it does not, it is left, while there is
        still a way to leave it by, and joined again as soon as the limits allow. What cannot be caught up ends later
        than the curve, at its last position. None where even that would leave the position limits.
        """
        steps = int(np.ceil((curve.end - time) / self.grid))
        moments = time + self.grid * np.arange(1, steps, dtype=np.float64)
        curve = curve.split(moments)
        fits = keeps(curve, self.limits)
        parts: list[Trajectory] = []
        here, now = start, time
        while True:
            piece = int(np.searchsorted(curve.times, now + SHORTEST, side="right")) - 1
            on_curve = 0 <= piece < len(fits) and abs(curve.times[piece] - now) < 1e-6 and _same(here, curve.at(now))
            last = self._last(curve, piece, fits) if on_curve else piece
            if last > piece:
                part = curve.pieces(piece, last)
                parts.append(part)
                if last == len(fits):
                    return joined(parts)
                now = part.end
                here = curve.at(now)
                continue
            path = self._joining(here, now, curve, fits)
            if path is None:
                end = self._ending(here, now, State.at_rest(curve.at(curve.end).position))
                return None if end is None else joined([*parts, *end])
            parts.append(path)
            now = path.end
            here = curve.at(now)
            if now >= curve.end - 1e-6:
                return joined(parts)

    def _last(self, curve: Trajectory, piece: int, fits: np.ndarray) -> int:
        """Before which piece to leave the curve when it is followed from `piece` on: before the first that breaks a
        limit, or so much earlier that the arm can still stop there.

        A piece may keep every limit and yet end where any continuation breaks one: near the highest velocity with an
        acceleration that cannot be taken back in time.
        """
        broken = np.flatnonzero(~fits[piece:])
        if not len(broken):
            return len(fits)
        last = piece + int(broken[0])
        while last > piece and not self._can_stop(curve.at(float(curve.times[last]))):
            last -= 1
        return last

    def _can_stop(self, state: State) -> bool:
        return not (state.velocity.any() or state.acceleration.any()) or self.stop(state, 0.0) is not None

    def _ending(self, here: State, now: float, target: State) -> list[Trajectory] | None:
        """To `target`, at rest, as fast as can be; by way of a stop where the fastest way leaves the limits."""
        if (path := self.bridge(here, now, target, None)) is not None:
            return [path]
        stop = self.stop(here, now)
        rest = None if stop is None else self.bridge(stop.at(stop.end), stop.end, target, None)
        return None if stop is None or rest is None else [stop, rest]

    def _joining(self, here: State, now: float, curve: Trajectory, fits: np.ndarray) -> Trajectory | None:
        """The bridge to the earliest moment of the curve that can be reached and followed."""
        for piece, moment in enumerate(curve.times):
            if moment < now + self.gentlest - SHORTEST or (piece < len(fits) and not fits[piece]):
                continue
            target = curve.at(float(moment))
            path = self.bridge(here, now, target, float(moment))
            if path is not None and self._can_stop(target):
                return path
        return None

    def _input(self, start: State) -> "ruckig.InputParameter":
        limits = self.limits
        wanted = ruckig.InputParameter(len(limits.names))
        wanted.max_velocity = (INSIDE * limits.velocity).tolist()
        wanted.max_acceleration = (INSIDE * limits.acceleration).tolist()
        wanted.max_jerk = (INSIDE * limits.jerk).tolist()
        wanted.current_position = start.position.tolist()
        wanted.current_velocity = start.velocity.tolist()
        wanted.current_acceleration = start.acceleration.tolist()
        return wanted

    def _solved(self, wanted: "ruckig.InputParameter", time: float, until: float | None = None) -> Trajectory | None:
        axes = len(self.limits.names)
        found = ruckig.Trajectory(axes)
        try:
            result = ruckig.Ruckig(axes).calculate(wanted, found)
        except ruckig.RuckigError:  # a target beyond the limits
            return None
        if result not in (ruckig.Result.Working, ruckig.Result.Finished):
            return None
        if until is not None and abs(time + found.duration - until) > 1e-6:
            return None
        path = _pieces(found, time)
        return path if path is not None and check(path, self.limits).ok else None


def _same(a: State, b: State) -> bool:
    return all(
        np.allclose(x, y, rtol=0, atol=tolerance)
        for x, y, tolerance in (
            (a.position, b.position, 1e-7),
            (a.velocity, b.velocity, 1e-6),
            (a.acceleration, b.acceleration, 1e-4),
        )
    )


def _pieces(found: "ruckig.Trajectory", time: float) -> Trajectory | None:
    """Ruckig's answer as pieces of constant jerk; None for one that takes no time."""
    ends = {0.0, float(found.duration)}
    for profile in found.profiles[0]:
        clock = 0.0
        for length in (*profile.brake.t, *profile.accel.t, *profile.t):
            clock += length
            if length > 0.0 and clock < found.duration:
                ends.add(clock)
    moments: list[float] = []
    for moment in sorted(ends):
        if not moments or moment - moments[-1] > SAME_MOMENT:
            moments.append(moment)
    if len(moments) < 2:
        return None
    moments[-1] = float(found.duration)
    states: list[Array] = [np.array(found.at_time(moment)[:3]) for moment in moments]
    position, velocity, acceleration = np.stack(states, axis=1)
    times = np.array(moments)
    jerk = np.diff(acceleration, axis=0) / np.diff(times)[:, None]
    return Trajectory(time + times, position[:-1], velocity[:-1], acceleration[:-1], jerk)
