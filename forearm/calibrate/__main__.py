"""`python -m forearm.calibrate --task push`: `forearm calibrate task=push parts=[frames]`, as it was called before."""

import argparse
import sys

from forearm.errors import ForearmError, one_line


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
        from forearm.agent.loaded_model import load
        from forearm.calibrate.frames import Effort, calibrate
        from forearm.control.robots.robot import load_robot

        effort = Effort(options.fit_episodes, options.hours, options.count_hours, options.drives, options.seconds)
        loaded = load(options.task) if options.checkpoint is None else load(options.checkpoint, task=options.task)
        sys.stdout.write(calibrate(loaded, load_robot(options.robot), effort) + "\n")
    except (ForearmError, OSError) as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
