"""Faults: what stops the arm until somebody who looks at it says that it may go on."""

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What a fault is of; also the name under which it is counted."""

    CLOCK = "fault_clock"
    """The clock went back or stands still, or no beat came for longer than a pause may last."""
    FOLLOWING = "fault_following"
    """A joint is further from where it was told to be than the robot's config allows."""
    DRIVE = "fault_drive"
    """An observation said that the drives are off."""
    LIMITS = "fault_limits"
    """The arm stands outside its limits."""
    FRAMES = "fault_frames"
    """Frames of the right shape that cannot show this arm as it stands."""
    SURPRISE = "fault_surprise"
    """The world did not do what the model expects, and the controller is to stop then."""
    STOPPED = "fault_stopped"
    """The loop that calls asked for it, `Controller.stop`."""


@dataclass(eq=False)
class Latch:
    """Holds the first fault until it is cleared. `kind` is None, and `why` empty, where there is none."""

    kind: Kind | None = None
    why: str = ""

    def __bool__(self) -> bool:
        return self.kind is not None

    def set(self, kind: Kind, why: str) -> bool:
        """Latch; False if a fault was latched already, which then stays as it is."""
        if self.kind is not None:
            return False
        self.kind, self.why = kind, why
        return True

    def clear(self) -> None:
        """Forget the fault: an operator said so."""
        self.kind, self.why = None, ""
