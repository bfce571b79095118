"""The half of a controller that keeps track, beat by beat: of the caller's clock, and of where the arm is.

What a beat's coming means for the arm, what its readings say against what was sent, and when the arm must stop.
"""

import numpy as np

from forearm.control.attempt import Frame
from forearm.control.committed_motion import Motion
from forearm.control.fault import Kind
from forearm.control.observation_gate import Seen
from forearm.control.pausable_clock import Pace, Tick
from forearm.control.thinking import Thinking
from forearm.control.whereabouts import NOISE, STILL

UNSURE = 0.02
"""rad or m by which a first reading may lie beyond a limit; it is taken to be at the limit."""
SETTLED = 0.3
"""s after a stop, beyond which servos have come to where they were told to be."""


class Tracking(Thinking):
    """A controller that thinks and keeps track; see `Controller`."""

    def _moving(self) -> bool:
        return self._motion is not None and self._time.last < self._motion.end

    def _forget_where(self) -> None:
        self._sent.forget()
        self._whereabouts.forget()
        self._unseen = False

    def _keep_time(self, tick: Tick) -> None:
        """What a beat's coming means for the arm."""
        if not tick.number:
            self._counts["no_number"] += 1
        elif tick.pace not in (Pace.ON_TIME, Pace.SAME):
            self._counts[tick.pace.value] += 1
        if tick.pace is Pace.SAME:
            return
        new, self._new = self._new, False
        at_stake = self._motion is not None and (self._moving_before(tick) or self._attempt.goal is not None)
        if tick.pace in (Pace.BACK, Pace.AHEAD):
            self._break_off()
            self._observation_gate.reset()
            which = "back" if tick.pace is Pace.BACK else "ahead"
            if at_stake and not new:
                self._latch(Kind.CLOCK, f"the clock went {which} by {tick.seconds:.4g} s")
            elif self._motion is not None:
                self._stop(self._time.last, f"the clock went {which}")
        elif tick.pace is Pace.LATE:
            why = f"no beat came for {tick.seconds:.4g} s"
            if self._motion is not None and self._moving_before(tick):
                self._rest(self._motion.at(self._time.last - self._time.max_gap).position)
                self._counts["stops"] += 1
                self._unseen, self._attempt.paused, self._attempt.begun = True, why, False
            self._break_off()
            if tick.jumped:
                self._observation_gate.reset()
            if at_stake and not new and (tick.jumped or tick.seconds > self.timing.max_pause):
                told = "and the clock jumped" if tick.jumped else "or the clock went ahead"
                self._latch(Kind.CLOCK, f"{why}, {told}")
        elif tick.pace is Pace.STANDING and self._moving():
            assert self._motion is not None
            if self.steady is None:  # nobody knows for how long the arm has stood
                self._rest(self._motion.at(self._time.last).position)
            self._latch(Kind.CLOCK, "the clock stands still, or says no number")

    def _moving_before(self, tick: Tick) -> bool:
        """Whether the arm was on its way at the last beat."""
        gone = self._time.max_gap if tick.pace is Pace.LATE else 0.0
        return self._motion is not None and self._time.last - gone < self._motion.end

    def _rest(self, position: np.ndarray) -> None:
        """At rest at `position` (D,) from now on, whatever was planned."""
        self._motion = Motion(self.robot, position, self._time.last)
        self._stopping, self._stop_again = "", np.inf
        self._epoch += 1
        self._attempt.asked = None

    def _break_off(self) -> None:
        """What was sent and seen until now is of another time."""
        self._sent.forget()
        self._whereabouts.forget()
        self._attempt.frames.clear()
        self._attempt.stale = False
        self._epoch += 1
        self._attempt.asked = None

    def _believe(self, seen: Seen) -> None:
        """Take a reading, and a frame if there is one, for true."""
        attempt = self._attempt
        if not self._time.knows(seen.time):
            self._counts["frames_of_a_pause"] += seen.frame is not None  # what the arm did then was not on its path
            return
        own = self._time.own(seen.time)
        self._whereabouts.read(own, seen.position)
        if self._motion is None:
            self._settle(seen.position)
        elif self._unseen:
            self._begin_again()
        else:
            self._compare(seen.time)
        if seen.frame is None or attempt.goal is None:
            return
        if len(attempt.frames) == attempt.frames.maxlen:
            self._counts["frames_skipped"] += 1
        attempt.frames.append(Frame(own, seen.frame, seen.position))
        self._wake.notify_all()

    def _settle(self, seen: np.ndarray) -> None:
        """The first reading says where the arm is, also while there is a fault."""
        limits = self.robot.limits
        if self._left is not None:  # a joint without end stands where it did, whatever turn its reading is of
            seen = limits.near(seen, self._left)
        if self._kept is not None:
            seen = np.where(self._whereabouts.watched, seen, self._kept)
        position = np.clip(seen, limits.low, limits.high)
        beyond = [name for name, off in zip(limits.names, abs(seen - position), strict=True) if off > UNSURE]
        wrong = self.robot.check_pose(position)
        if beyond or not wrong.ok:
            said = ", ".join(beyond) or str(wrong).splitlines()[0]
            self._latch(Kind.LIMITS, f"the arm stands outside its limits: {said}")
            return
        self._motion = Motion(self.robot, position, self._time.last)

    def _begin_again(self) -> None:
        """The first reading after a pause: the arm rests where it says, or is led there."""
        assert self._motion is not None
        self._unseen = False
        command = self._motion.at(self._time.last).position
        told = not self._sent.empty
        place = self._whereabouts.moved_from(command, STILL if told else NOISE)
        if place is None:
            return
        if why := self._whereabouts.beyond(UNSURE):
            self._latch(Kind.LIMITS, why)
        elif not self._fault and not (wrong := self.robot.check_pose(place)).ok:
            self._latch(Kind.LIMITS, f"the arm stands outside its limits: {str(wrong).splitlines()[0]}")
        if not (told and not self._fault and self._motion.lead(self._time.last, place)):
            self._rest(place)
            self._sent.forget()

    def _compare(self, time: float) -> None:
        """A reading made at `time` s of the caller's, with what was sent until then."""
        assert self._motion is not None
        own, where = self._time.last, self._whereabouts
        told = self._motion.at(own).position if self._fault else self._sent.at(time)
        if told is None:
            return
        if why := where.off(told):
            self._latch(Kind.FOLLOWING, why)
            place = where.moved_from(self._motion.at(own).position, STILL)
        elif why := where.beyond(UNSURE):
            self._latch(Kind.LIMITS, why)
            return
        elif self._fault and own >= self._motion.end + SETTLED:
            place = where.moved_from(told, STILL)
        else:
            return
        if place is not None:  # no motion is asked for of an arm that is not where it should be
            self._rest(place)

    def _watch(self, now: float) -> None:
        """Stop when it is time to."""
        if self._motion is None:
            return
        own, attempt = self._time.own(now), self._attempt
        if self._stopping and own >= self._stop_again:
            self._try_to_stop(own)
        if attempt.goal is None:
            return
        age = now - self._observation_gate.newest_frame
        if age <= self.timing.max_frame_age:
            attempt.stale = False
        elif np.isfinite(age) and not attempt.stale:
            attempt.stale = True
            self._counts["stale"] += 1
            self._stop(own, f"the newest frame is {age:.2f} s old")
