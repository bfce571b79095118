"""Imports MuJoCo even where `MUJOCO_GL` names a back end that is not installed.

MuJoCo loads that back end while it is imported, and fails with whatever the GL wrappers raise. Here a failure waits
until the first frame is drawn, where it can be explained (see `rendering.py`).
"""

import os

try:
    import mujoco
except (AttributeError, ImportError, RuntimeError):
    _chosen = os.environ["MUJOCO_GL"]
    os.environ["MUJOCO_GL"] = "disable"
    import mujoco

    os.environ["MUJOCO_GL"] = _chosen

__all__ = ["mujoco"]
