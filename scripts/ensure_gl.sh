#!/usr/bin/env bash
# ensure_gl.sh: make sure that some GL back end really draws a frame without a screen, installing one if need be.
set -euo pipefail
cd "$(dirname "$0")/.."

# Succeeds when a frame that is not black comes back; the back end's name is printed.
draws() {
    .venv/bin/python - <<'PYTHON'
import os
import sys

# With a back end that is not there, MuJoCo cannot even be imported.
asked = os.environ.pop("MUJOCO_GL", "").lower()

from forearm.envs.rendering import BACKENDS, probe

for backend in [asked] if asked else BACKENDS:
    if probe(backend):
        sys.stdout.write(f"gl: {backend} draws\n")
        sys.exit(0)
sys.exit(1)
PYTHON
}

if draws; then exit 0; fi
if [ -n "${MUJOCO_GL:-}" ]; then
    echo "gl: MUJOCO_GL=$MUJOCO_GL draws nothing here: unset it, or install what it needs" >&2
    exit 1
fi
# OSMesa needs no device and no display; where a distribution has dropped it, EGL on Mesa serves.
for packages in "libosmesa6" "libegl1 libgl1-mesa-dri libopengl0"; do
    # shellcheck disable=SC2086  # a list of packages
    if scripts/apt_install.sh $packages && draws; then exit 0; fi
done
echo "gl: no GL back end can draw a frame here: as root, run 'apt-get install libosmesa6' (or 'libegl1 libgl1-mesa-dri libopengl0'), then repeat the command" >&2
exit 1
