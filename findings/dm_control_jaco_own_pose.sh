#!/usr/bin/env bash
# The Jaco arm that dm_control ships has no keyframe, and its model's own pose is one that the arm can never take.
#
# What surprises: in dm_control 1.0.28 the zero pose (qpos0) of third_party/kinova/jaco_arm.xml lies outside the ranges of
#   two of its own joints, and ten pairs of links that are no neighbours overlap there, by up to 15 cm.
# Where it bites: whoever takes qpos0 for home, where a model has no keyframe: the first pose of a plan, a reset, or a list
#   of "pairs that overlap by design" made at that pose, which then hides true collisions.
# What to do: choose a start pose within the ranges. Find overlaps by design in many poses, never at qpos0 alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install -q --disable-pip-version-check)
"${pip[@]}" mujoco==3.3.0 numpy==2.4.6 2>/dev/null
"${pip[@]}" --no-deps --target "$folder/packages" dm_control==1.0.28 2>/dev/null
cat >"$folder/ask.py" <<'PY'
import sys

import mujoco

model = mujoco.MjModel.from_xml_path(sys.argv[1])
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
limited = [j for j in range(model.njnt) if model.jnt_limited[j]]
outside = [model.joint(j).name for j in limited
           if not model.jnt_range[j, 0] <= model.qpos0[model.jnt_qposadr[j]] <= model.jnt_range[j, 1]]
inside = {tuple(sorted(int(b) for b in model.geom_bodyid[c.geom])): c.dist for c in data.contact if c.dist < 0}
print(f"mujoco {mujoco.__version__}, dm_control 1.0.28: {model.nkey} keyframes; at qpos0 outside their ranges: "
      f"{', '.join(outside)}; {len(inside)} pairs of links in each other, the deepest by {-100 * min(inside.values()):.1f} cm")
sys.exit(not (model.nkey == 0 and len(outside) == 2 and len(inside) == 10))
PY
"$folder/venv/bin/python" "$folder/ask.py" "$folder/packages/dm_control/third_party/kinova/jaco_arm.xml" || {
    echo "no longer as stated"
    exit 1
}
echo "as stated"
