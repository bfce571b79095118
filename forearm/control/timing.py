"""When a controller does what."""

from dataclasses import dataclass

from forearm.common import checks, durations

GAP = 0.105
"""s between two commands, beyond which an arm has been left alone: a loop of 10 Hz may be uneven by 5 ms."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a controller does what, in s unless it says otherwise.

    replan_every: from one plan to the next, in periods, or in seconds, such as "0.2s". ahead: alike, from a frame to
    the beginning of the plan that is made from it, rounded up to what the plan source can do: the time that seeing and
    planning may take.
    max_frame_age: of the newest frame, beyond which the arm stops. max_gap: between two calls of
    `act`, beyond which the loop has paused: the arm begins again from rest. max_pause: between two calls, beyond
    which that is a fault. lead: from the moment when a
    plan is turned into a trajectory to its take-over. max_off_path: rad or m that an axis may be off where it was told
    to be, beyond which it stops; None: what the robot's config says of each axis, `following_error`. deadline_ms: for
    the search of a plan, in ms; None for that of the planner's config.

    Raises ValueError for values that are not positive.
    """

    replan_every: int | str = checks.setting("0.2s", durations.steps, least=1, whole=checks.integer)
    ahead: int | str = checks.setting("0.2s", durations.steps, least=0, whole=checks.integer)
    max_frame_age: float = checks.setting(0.35, checks.real, above=0.0)
    max_gap: float = checks.setting(GAP, checks.real, above=0.0)
    max_pause: float = checks.setting(10.0, checks.real, above=0.0)
    lead: float = checks.setting(0.03, checks.real, above=0.0)
    max_off_path: float | None = checks.setting(None, checks.real, above=0.0)
    deadline_ms: float | None = checks.setting(None, checks.real, above=0.0)

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.settings(self)
