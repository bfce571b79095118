"""Makes the stored frames: `python -m tests.golden.frames`. Entries that plan from them then change."""

import json

from PIL import Image

import forearm
from tests.golden.drawing import FOLDER

SIDES = {"reach": 64, "push": 64, "pick_place": 128}
SEED = 11


def main() -> None:
    """Draw start and goal of each task, and keep the arm's readings at the start."""
    readings = {}
    for task, side in SIDES.items():
        (FOLDER / task).mkdir(parents=True, exist_ok=True)
        observation, info = forearm.make_env(task, resolution=side).reset(seed=SEED)
        for which, pixels in (("start", observation["pixels"]), ("goal", info["goal"])):
            Image.fromarray(pixels).save(FOLDER / task / f"{which}.png", optimize=True)
        readings[task] = [float(number) for number in observation["proprio"]]
    (FOLDER / "readings.json").write_text(json.dumps(readings, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
