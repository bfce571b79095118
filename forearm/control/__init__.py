"""From plans to a robot's joints: on time, within limits, and at rest when in doubt."""

from typing import TYPE_CHECKING

from forearm.common.lazy import attach
from forearm.control.command import Command, Status

if TYPE_CHECKING:
    from forearm.control.adapters.choice import make_adapter
    from forearm.control.controller import Controller
    from forearm.control.robots.robot import Robot, load_robot
    from forearm.control.timing import Timing

__all__ = ["Command", "Controller", "Robot", "Status", "Timing", "load_robot", "make_adapter"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "adapters.choice": ["make_adapter"],
        "controller": ["Controller"],
        "robots.robot": ["Robot", "load_robot"],
        "timing": ["Timing"],
    },
)
