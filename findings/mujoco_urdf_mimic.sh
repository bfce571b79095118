#!/usr/bin/env bash
# MuJoCo up to 3.12.0 reads a URDF without its <mimic> elements, and says nothing; later versions tie the joints.
#
# What surprises: a joint that mimics another in a URDF becomes a joint of its own, without an equality constraint and
#   without a warning. The same file's limits, axes and inertias are read. From 3.13.0 on it gets an equality constraint.
# Where it bites: parallel grippers, where one finger of a URDF mimics the other. In the model the second finger stays
#   where it is, or falls, while the first opens: poses, collisions and grasps are wrong.
# What to do: where the model has none yet, add an equality constraint for every <mimic>: joint1 the one that mimics, joint2
#   the one that is mimicked, polycoef "offset multiplier 0 0 0".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install -q --disable-pip-version-check)
"${pip[@]}" numpy==2.4.6 absl-py==2.5.1 etils[epath]==1.15.0 glfw==2.11.0 pyopengl==3.1.10 2>/dev/null
cat >"$folder/ask.py" <<'PY'
import sys

import mujoco

link = '<link name="{}"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>'
joint = ('<joint name="{0}_joint" type="prismatic"><parent link="palm"/><child link="{0}"/><axis xyz="0 1 0"/>'
         '<limit lower="-0.04" upper="0.04" effort="1" velocity="1"/>{1}</joint>')
urdf = ('<robot name="gripper">' + "".join(map(link.format, ("palm", "left", "right"))) + joint.format("left", "")
        + joint.format("right", '<mimic joint="left_joint" multiplier="-1" offset="0"/>') + "</robot>")
model = mujoco.MjModel.from_xml_string(urdf)
print(f"mujoco {mujoco.__version__}: {model.njnt} joints, one mimics the other in the file; equality constraints: {model.neq}")
sys.exit((model.njnt, model.neq) != (2, int(sys.argv[1])))
PY
for wanted in "0 3.3.0" "0 3.12.0" "1 3.13.0" "1 4.0.0"; do
    read -r ties version <<<"$wanted"
    more=()
    if [ "$version" = 4.0.0 ]; then more=(mujoco-core==4.0.0); fi
    "${pip[@]}" --no-deps --target "$folder/$version" "mujoco==$version" "${more[@]}" 2>/dev/null
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/ask.py" "$ties" || {
        echo "mujoco $version no longer behaves as stated"
        exit 1
    }
done
echo "as stated: <mimic> is left out without a word up to 3.12.0, and read from 3.13.0 on"
