"""What a checkpoint's frames look like in normal motion, and how near to a goal is there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forearm.errors import InputError

if TYPE_CHECKING:
    from forearm.agent.loaded_model import LoadedModel
    from forearm.control.robots.robot import Robot

FIT_SEED, BOUND_SEED, COUNT_SEED = 11, 12, 13
"""Of the episodes that bounds are fitted on, set on and counted on."""


@dataclass(frozen=True)
class Effort:
    """fit_episodes, hours, count_hours: of the explorer, to fit on, to set bounds on, to count false stops in.

    drives: episodes that a controller drives, half of them to count on; seconds: of each.

    Raises InputError for too few.
    """

    fit_episodes: int
    hours: float
    count_hours: float
    drives: int
    seconds: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.fit_episodes < 10 or min(self.hours, self.count_hours) <= 0 or self.drives < 2:
            raise InputError("expected 10 fit-episodes, some hours and 2 drives at least")


def calibrate(loaded: "LoadedModel", robot: "Robot", options: Effort) -> str:
    """Measure the frames of a checkpoint, write that beside it; returns what to say."""
    from forearm.calibrate import fitting
    from forearm.calibrate.motion import STEPS, Watcher, driven, explored
    from forearm.control.action_adapter import ToolActionAdapter
    from forearm.control.calibration import Calibration, save_calibration

    adapter = ToolActionAdapter(str(loaded.task["name"]))
    watcher = Watcher(loaded, robot, adapter)
    bounding, counting = (
        round(3600 * hours / (STEPS * adapter.period)) for hours in (options.hours, options.count_hours)
    )
    looks = fitting.fitted(list(explored(watcher, FIT_SEED, options.fit_episodes, mistakes=True)))
    drives = list(driven(watcher, BOUND_SEED, options.drives, options.seconds))
    first, rest = drives[: len(drives) // 2], drives[len(drives) // 2 :]
    looks = fitting.bounded(looks, [*explored(watcher, BOUND_SEED, bounding), *first])
    counted = fitting.false_stops(looks, [*explored(watcher, COUNT_SEED, counting), *rest])
    radius = fitting.radius(drives, adapter.task.success_radius)
    hours = options.count_hours + len(rest) * options.seconds / 3600
    measured = {
        "hours": round(hours, 3),
        "false_stops": counted,
        "drives": options.drives,
        "fit_episodes": options.fit_episodes,
        "robot": robot.name,
    }
    path = save_calibration(loaded.task, loaded.document, Calibration(looks, radius), measured)
    return f"written: {path}; {counted} false stops in {hours:.2f} h of held-out motion"
