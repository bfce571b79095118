#!/usr/bin/env bash
# Meta-World 3.1.1: the scripted policy of reach-v3 brings another point to the target than the one that is judged.
#
# What surprises: the policy steers the position it observes, that of the hand's body, and ends 2 mm from the target.
# Success is judged at the centre between the finger tips, 45 mm below, and 50 mm are allowed: so an episode is solved
# with 5 mm to spare, and always from below.
# Where it bites: a goal picture out of the policy's last frames, as latent planners take it, shows an arm that is
# solved by a few millimetres: who ends a centimetre below it has failed.
# What to do: measure such a benchmark by the distance to the picture's pose as well, or read its rate as that of an
# arm which must be right to some 3 mm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    metaworld==3.1.1 mujoco==3.3.0 gymnasium==1.4.0 packaging==26.3
MUJOCO_GL=disable "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import metaworld
import numpy as np
from metaworld.policies import SawyerReachV3Policy

print("metaworld", version("metaworld"), "mujoco", version("mujoco"))
benchmark = metaworld.MT1("reach-v3", seed=0)
env, policy = benchmark.train_classes["reach-v3"](), SawyerReachV3Policy()
hand, judged, solved = [], [], 0
for task in benchmark.train_tasks[:20]:
    env.set_task(task)
    seen, _ = env.reset()
    for _ in range(200):
        seen, *_, info = env.step(np.clip(policy.get_action(seen), -1, 1))
    hand.append(1000 * np.linalg.norm(seen[:3] - env._target_pos))
    judged.append(1000 * np.linalg.norm(env.tcp_center - env._target_pos))
    solved += int(info["success"])
print(f"after 200 steps of 20 episodes, mm from the target: hand {np.median(hand):.1f}, centre of the finger tips")
print(f"{np.median(judged):.1f} (from {min(judged):.1f} to {max(judged):.1f}), of which 50 are allowed; {solved} of 20 solved")
sys.exit(not (np.median(hand) < 5 and 43 < min(judged) and max(judged) < 50 and solved == 20))
PYTHON
