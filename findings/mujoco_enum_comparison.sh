#!/usr/bin/env bash
# MuJoCo's Python enums stopped being equal to the numbers in a model, in one direction only, with 3.12.0.
#
# What surprises: `model.eq_type[0] == mjtEq.mjEQ_JOINT` is True in every version, but `mjtEq.mjEQ_JOINT == model.eq_type[0]`
#   is True up to 3.11.0 and False from 3.12.0 on, 4.0.0 included. Python asks the second way round in `kind in (A, B)` and
#   compares keys likewise in `{A: ...}.get(kind)`. Plain ints are equal both ways in all of them, and `np.isin` is right.
# Where it bites: code that sorts joints, geoms or constraints by kind with `in` or a dict goes on without an error and
#   takes every one for unknown; constraints are left out, joints are taken for others.
# What to do: turn both into int before comparing, `int(kind) in (int(mjtEq.mjEQ_JOINT), ...)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install -q --disable-pip-version-check)
"${pip[@]}" numpy==2.4.6 absl-py==2.5.1 etils[epath]==1.15.0 glfw==2.11.0 pyopengl==3.1.10 2>/dev/null
cat >"$folder/ask.py" <<'PY'
import sys

import mujoco

model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><body><joint name="a" type="slide"/><joint name="b"/><geom size=".1"/></body></worldbody>'
    '<equality><joint joint1="a" joint2="b"/></equality></mujoco>'
)
kind, name = model.eq_type[0], mujoco.mjtEq.mjEQ_JOINT
seen = [bool(kind == name), bool(name == kind), kind in (name,), kind in {name: 1}, bool(name == int(kind))]
print(f"mujoco {mujoco.__version__}: {type(kind).__name__} == enum {seen[0]}; enum == {type(kind).__name__} {seen[1]}; "
      f"in a tuple {seen[2]}; in a dict {seen[3]}; enum == int {seen[4]}")
sys.exit(seen != [True, *[sys.argv[1] == "equal"] * 3, True])
PY
for wanted in "equal 3.11.0" "unequal 3.12.0" "unequal 4.0.0"; do
    read -r answer version <<<"$wanted"
    more=()
    if [ "$version" = 4.0.0 ]; then more=(mujoco-core==4.0.0); fi
    "${pip[@]}" --no-deps --target "$folder/$version" "mujoco==$version" "${more[@]}" 2>/dev/null
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/ask.py" "$answer" || {
        echo "mujoco $version no longer behaves as stated"
        exit 1
    }
done
echo "as stated: equal both ways up to 3.11.0, one way only from 3.12.0 on"
