"""What a controller does when the world surprises the model: it asks a monitor about the frames that it sees."""

import logging
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forearm.common import checks
from forearm.control.action_adapter import ActionAdapter
from forearm.control.attempt import Frame
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError, one_line
from forearm.surprise.monitor import Monitor, Surprise

logger = logging.getLogger(__name__)

OnSurprise = Literal["slow", "stop", "replan", "ignore"]
SLOW = 0.5
"""Share of a plan's pace after an alarm."""
CALM = 1.0
"""s after the last alarm, from which on the pace is a plan's own."""
SOONEST = 0.75
"""Control periods between two frames that are looked at, at least: others come too soon for the model."""


class Alert:
    """Watches for a controller; from one thread at a time.

    Args:
        monitor: of the model that plans.
        on_surprise: `slow`: half the pace until there was no alarm for a second; `stop`: a fault, at rest until a
            reset; `replan`: a new plan from the newest frame at once; `ignore`: it is counted and said alone.
        adapter: whose commands the monitor's model knows.

    Raises ValueError for another word.
    """

    def __init__(self, monitor: Monitor, on_surprise: OnSurprise, adapter: ActionAdapter) -> None:
        self.monitor, self.adapter = monitor, adapter
        checks.choice("on_surprise", on_surprise, get_args(OnSurprise))
        self.on_surprise = on_surprise
        self.begin()

    def begin(self) -> None:
        """A new attempt: nothing was seen."""
        self.monitor.begin()
        self.newest: Surprise | None = None
        self._time = self._alarmed = -np.inf
        self._broken = self._said = ""

    def see(self, frame: Frame, sent: Callable[[NDArray[np.float64]], Array], latent: Array | None) -> bool:
        """Look at a frame; whether an alarm begins with it.

        `sent` gives the axes (N, D) that were commanded at moments (N,) of the arm's time; `latent` (L,) is the
        frame's, None where nobody knows it.
        """
        if frame.time - self._time < SOONEST * self.adapter.period:
            return False
        first, before = not np.isfinite(self._time), self.newest
        action = None if first else self.adapter.actions(sent(np.array([self._time, frame.time])))[0]
        try:
            found = self.monitor.see(frame.observation, action, time=frame.time, latent=latent)
        except InputError as error:  # an adapter of the user's own may read other joints than the monitor
            if one_line(error) != self._broken:
                self._broken = one_line(error)
                logger.warning("nobody watches for surprise: %s", self._broken)
            return False
        self.newest, self._time = found, frame.time
        if found.alarm:
            self._alarmed, self._said = frame.time, found.reason
        return found.alarm and not (before is not None and before.alarm)

    @property
    def why(self) -> str:
        """One line while there is an alarm, or was one just now; empty else."""
        return self._said if self._said and self._time - self._alarmed <= CALM else ""

    @property
    def told(self) -> str:
        """What a command says of it: what was seen, and what is done about it; empty without an alarm."""
        why = self.why
        done = {"slow": "slowly on", "replan": "planned anew", "stop": "a stop", "ignore": "ignored"}
        return f"surprise, {done[self.on_surprise]}: {why}" if why else ""

    @property
    def pace(self) -> float:
        """At which plans are to be followed, as a share of their own."""
        return SLOW if self.on_surprise == "slow" and self.why else 1.0
