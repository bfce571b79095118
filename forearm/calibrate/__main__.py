"""`python -m forearm.calibrate --task push`: measure a checkpoint's frames, write NAME.calibration.json beside it."""

import argparse
import sys
from typing import Any

from forearm.errors import ForearmError, InputError, one_line

FIT_SEED, BOUND_SEED, COUNT_SEED = 11, 12, 13
"""Of the episodes that bounds are fitted on, set on and counted on."""


def main(argv: list[str] | None = None) -> int:
    """Calibrate one checkpoint; 2 with one line where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m forearm.calibrate", description=__doc__)
    parser.add_argument("--task", required=True, help="of the built-in arm")
    parser.add_argument("--checkpoint", help="another than the task's own, by name or path")
    parser.add_argument("--robot", default="panda", help="in configs/robot")
    parser.add_argument("--fit-episodes", type=int, default=200, help="of the explorer, 5 s each")
    parser.add_argument("--hours", type=float, default=0.5, help="of the explorer, for the bounds")
    parser.add_argument("--count-hours", type=float, default=1.0, help="of the explorer, to count false stops in")
    parser.add_argument("--drives", type=int, default=12, help="episodes that a controller drives, half to count on")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    import torch

    torch.set_num_threads(1)
    try:
        sys.stdout.write(calibrate(options) + "\n")
    except (ForearmError, OSError) as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 2
    return 0


def calibrate(options: Any) -> str:
    """What `main` does; returns what to say."""
    from forearm.agent.loaded_model import load
    from forearm.calibrate import fitting
    from forearm.calibrate.motion import STEPS, Watcher, driven, explored
    from forearm.control.action_adapter import ToolActionAdapter
    from forearm.control.calibration import Calibration, save_calibration
    from forearm.control.robots.robot import load_robot

    if options.fit_episodes < 10 or min(options.hours, options.count_hours) <= 0 or options.drives < 2:
        raise InputError("expected 10 fit-episodes, some hours and 2 drives at least")
    loaded = load(options.task) if options.checkpoint is None else load(options.checkpoint, task=options.task)
    robot, adapter = load_robot(options.robot), ToolActionAdapter(options.task)
    watcher = Watcher(loaded, robot, adapter)
    bounding, counting = (
        round(3600 * hours / (STEPS * adapter.period)) for hours in (options.hours, options.count_hours)
    )
    looks = fitting.fitted(list(explored(watcher, FIT_SEED, options.fit_episodes)))
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


if __name__ == "__main__":
    sys.exit(main())
