#!/usr/bin/env bash
# The gripper files of robosuite are no MJCF models of their own, and their initial poses break their own ranges.
#
# What surprises (robosuite 1.5.2, MuJoCo 3.3.0): of the files in models/assets/grippers, MuJoCo refuses
#   robotiq_gripper_85.xml (two meshes of one name) and xarm7_gripper.xml (an attribute of <default> that the schema lacks),
#   while robotiq_gripper_140.xml loads and is wrong: it names no unit of angles, so its 0.7 rad are taken for degrees.
#   robosuite's own composer, which mends all this, starts the 2F-85 at a pose outside its joints' ranges: finger_joint, 0 to
#   0.8 rad, at -0.026.
# Where it bites: whoever points a tool at the files in the package, or attaches them to an arm with MjSpec.
# What to do: let robosuite compose the robot and save what it made, `env.sim.model.get_xml()`; do not take a gripper's
#   `init_qpos` for a pose that its model allows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install -q --disable-pip-version-check)
"${pip[@]}" mujoco==3.3.0 numpy==2.4.6 2>/dev/null
"${pip[@]}" --no-deps --target "$folder/packages" robosuite==1.5.2 2>/dev/null
cat >"$folder/ask.py" <<'PY'
import ast
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import mujoco

models = pathlib.Path(sys.argv[1]) / "robosuite/models"
files = models / "assets/grippers"
ok = True
for name in ("robotiq_gripper_85", "xarm7_gripper"):
    try:
        mujoco.MjModel.from_xml_path(str(files / f"{name}.xml"))
        ok, said = False, "loads"
    except ValueError as error:
        said = " ".join(str(error).split())
    print(f"mujoco {mujoco.__version__}, robosuite 1.5.2, {name}.xml: {said}")
model = mujoco.MjModel.from_xml_path(str(files / "robotiq_gripper_140.xml"))
high = model.joint("finger_joint").range[1]
print(f"robotiq_gripper_140.xml: finger_joint goes to {high:.4f} rad where the file says 0.7")
ok &= abs(high - 0.7) > 0.6
tree = ElementTree.parse(files / "robotiq_gripper_85.xml")
low = next(j.get("range").split()[0] for j in tree.iter("joint") if j.get("name") == "finger_joint")
code = ast.parse((models / "grippers/robotiq_85_gripper.py").read_text())
lists = [ast.literal_eval(node.args[0]) for function in ast.walk(code) if getattr(function, "name", "") == "init_qpos"
         for node in ast.walk(function) if isinstance(node, ast.Call)]
print(f"robotiq_gripper_85.xml: finger_joint goes from {low} rad; robosuite starts it at {lists[0][0]}")
ok &= lists[0][0] < float(low)
sys.exit(not ok)
PY
"$folder/venv/bin/python" "$folder/ask.py" "$folder/packages" || {
    echo "no longer as stated"
    exit 1
}
echo "as stated"
