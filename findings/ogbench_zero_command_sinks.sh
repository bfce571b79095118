#!/usr/bin/env bash
# OGBench 1.2.2: an action of zero does not hold the arm still; the hand sinks by decimetres over an episode.
#
# What surprises: actions are displacements of the hand, so zero reads like "stay". But the target is the hand's present
# pose plus the action, and the position servos carry the arm's weight by lagging behind their targets: each zero makes
# the sagging pose the next target. In `scene` the hand takes the cube along.
# Where it bites: floors of "doing nothing", padding with zeros, pauses in scripted data, idle steps of a controller.
# What to do: remember the first pose and ask for it again at each step, (pose - present) / (0.05, 0.05, 0.05, 0.3, 1);
# the hand then sags once, by 3 to 7 mm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    ogbench==1.2.2 mujoco==3.3.0 dm-control==1.0.28 gymnasium==1.4.0
MUJOCO_GL=disable "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from ogbench.manipspace.envs.cube_env import CubeEnv

print("ogbench", version("ogbench"), "mujoco", version("mujoco"))


def sinks(command):
    env = CubeEnv(env_type="single", ob_type="states", mode="task")
    env.reset(seed=0, options={"task_id": 1})
    hand = lambda: env.compute_ob_info()["proprio/effector_pos"]
    first = hand()
    for _ in range(200):
        env.step(command(first, hand()))
    return 1000 * float(np.linalg.norm(hand() - first))


zero = sinks(lambda first, here: np.zeros(5))
again = sinks(lambda first, here: np.array([*np.clip((first - here) / 0.05, -1, 1), 0, 0]))
print(f"hand after 200 steps of zero: {zero:.0f} mm away; of its first pose asked for again: {again:.1f} mm")
sys.exit(not (zero > 100 and again < 10))
PYTHON
