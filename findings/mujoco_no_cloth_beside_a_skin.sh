#!/usr/bin/env bash
# MuJoCo 3.3.0 to 3.12.0: in a model that has a skin, no cloth (flex) is drawn, by its own Renderer as well.
#
# What surprises: the cloth is in the simulation and in the scene that is handed to the renderer, but not in the frame, as
# soon as the model has any skin, be it out of sight or in a hidden group. A plane that reflects brings it back. From 3.13.0
# on it is drawn (tried: releases from 3.3 to 4.0.1).
# Where it bites: frames of models that mix both, such as a hand with a skin and a cloth.
# What to do: mujoco 3.13 or newer, or no skin. Needs a GL back end; MUJOCO_GL=osmesa works as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PYTHON'
import sys

import mujoco

CLOTH = """<body name="holder" pos="0 0 .35"><flexcomp name="cloth" type="grid" count="7 7 1" spacing=".06 .06 .06" dim="2"
radius=".005" mass=".1" rgba="0 1 0 1"/></body>"""
SKIN = """<deformable><skin name="skin" rgba="1 0 0 1" vertex="-.3 .4 .2 -.3 .4 .4 -.1 .4 .2" face="0 2 1"><bone body="bone"
bindpos="-.3 .4 .3" bindquat="1 0 0 0" vertid="0 1 2" vertweight="1 1 1"/></skin></deformable>"""


def green(skin):
    model = mujoco.MjModel.from_xml_string(f"""<mujoco><visual><headlight ambient=".6 .6 .6"/></visual><worldbody>
        <camera name="camera" pos="0 -1 .9" xyaxes="1 0 0 0 .67 .74"/><body name="bone" pos="-.3 .4 .3"><geom size=".01"/></body>
        {CLOTH}</worldbody>{skin}</mujoco>""")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = mujoco.Renderer(model, 96, 96)
    renderer.update_scene(data, "camera")
    frame = renderer.render().astype(int)
    renderer.close()
    return int(((frame[..., 1] - frame[..., 0] > 60) & (frame[..., 1] - frame[..., 2] > 60)).sum())


alone, beside = green(""), green(SKIN)
print(f"mujoco {mujoco.__version__}: pixels of cloth without a skin {alone}, beside a skin {beside}")
sys.exit(not (alone > 200 and (beside == 0) == (sys.argv[1] == "missing")))
PYTHON
for pair in 3.3.0:missing 3.12.0:missing 3.13.0:drawn; do
    python3 -m venv "$folder/${pair%:*}"
    "$folder/${pair%:*}/bin/pip" install --quiet --disable-pip-version-check "mujoco==${pair%:*}"
    MUJOCO_GL=${MUJOCO_GL:-egl} "$folder/${pair%:*}/bin/python" "$folder/look.py" "${pair#*:}"
done
