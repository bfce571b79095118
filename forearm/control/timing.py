"""When a controller does what."""

from dataclasses import dataclass

from forearm.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a controller does what, in s unless it says otherwise.

    replan_every: periods from one plan to the next. ahead: periods from a frame to the beginning of the plan that is
    made from it, rounded up to what the plan source can do: the time that seeing and planning may take.
    max_frame_age: of the newest frame, beyond which the arm stops. max_gap: between two calls of
    `act`, beyond which the loop has paused: the arm begins again from rest. max_pause: between two calls, beyond
    which that is a fault. lead: from the moment when a
    plan is turned into a trajectory to its take-over. max_off_path: rad or m that an axis may be off where it was told
    to be, beyond which it stops; None: what the robot's config says of each axis, `following_error`. deadline_ms: for
    the search of a plan, in ms; None for that of the planner's config.

    Raises ValueError for values that are not positive.
    """

    replan_every: int = 2
    ahead: int = 2
    max_frame_age: float = 0.35
    max_gap: float = 0.1
    max_pause: float = 10.0
    lead: float = 0.03
    max_off_path: float | None = None
    deadline_ms: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("replan_every", "max_frame_age", "max_gap", "max_pause", "lead"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.max_off_path is not None and not self.max_off_path > 0:
            raise InputError(f"max_off_path must be above 0, not {self.max_off_path}")
        if self.deadline_ms is not None and not self.deadline_ms > 0:
            raise InputError(f"deadline_ms must be above 0, not {self.deadline_ms}")
        if self.ahead < 0:
            raise InputError(f"ahead must be at least 0 periods, not {self.ahead}")
