"""From plans to a robot's joints: on time, within limits, and at rest when in doubt."""

from typing import TYPE_CHECKING, Any

from forearm.control.command import Command, Status

if TYPE_CHECKING:
    from forearm.control.controller import Controller
    from forearm.control.robots.robot import Robot, load_robot
    from forearm.control.timing import Timing

__all__ = ["Command", "Controller", "Robot", "Status", "Timing", "load_robot"]

_LAZY = {"Controller": "controller", "Timing": "timing", "Robot": "robots.robot", "load_robot": "robots.robot"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:  # MuJoCo and Ruckig are loaded when they are needed
        import importlib

        return getattr(importlib.import_module(f"forearm.control.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'forearm.control' has no attribute '{name}'")
