"""The adapter that a config chooses: one of those that ship, or a class of one's own."""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forearm.agent.action_spec import ActionSpec
from forearm.common.dotted import look_here
from forearm.control.action_adapter import ActionAdapter, ToolActionAdapter
from forearm.errors import ForearmError, InputError, did_you_mean, one_line
from forearm.settings.schema.adapter import KINDS, AdapterConfig
from forearm.settings.schema.checked import complete

if TYPE_CHECKING:
    from forearm.control.robots.robot import Robot

NEEDED = ("low", "high", "period", "read", "targets", "actions")
"""What a class of one's own must have."""


def chosen_adapter(
    robot: "Robot", task: Mapping[str, Any], actions: ActionSpec, names: Sequence[str] | None = None
) -> ActionAdapter:
    """The adapter that the config of a task chooses, or that of the robot, or else that of the built-in arm.

    `actions` and `names` are those of the world model. Raises `ForearmError` for settings that do not fit, for a
    missing library, and where nothing is chosen for a task of another arm than the built-in one.
    """
    from forearm import envs

    config = task.get("adapter") or robot.adapter
    if config is not None:
        return make_adapter(config, robot, actions, names)
    name = str(task["name"])
    if name in envs.TASKS:
        return ToolActionAdapter(name)
    raise ForearmError(
        f"task '{name}' is not of the built-in arm, and nothing says what its commands mean for robot '{robot.name}': "
        f"add 'adapter: {{kind: …}}' to the config of either, with one of {', '.join(KINDS)}, or a class of your own"
    )


def make_adapter(
    config: Mapping[str, Any], robot: "Robot", actions: ActionSpec, names: Sequence[str] | None = None
) -> ActionAdapter:
    """An adapter as `AdapterConfig` describes it, for commands with these bounds, rate and names.

    Raises `ForearmError` as `chosen_adapter` does.
    """
    settings = complete(AdapterConfig, config, "adapter")
    kind = str(settings.get("kind", ""))
    if "." in kind:
        return _own(kind, robot, actions, settings["options"])
    if kind not in KINDS:
        raise InputError(f"unknown adapter '{kind}'{did_you_mean(kind, KINDS)}; a class of your own is MODULE.CLASS")
    if settings["options"]:
        raise InputError(f"adapter.options are for a class of your own; '{kind}' has none")
    if kind == "tool_displacement":
        from forearm.control.adapters.tool import ToolAdapter

        return ToolAdapter(robot, actions, settings, names)
    from forearm.control.adapters.joints import JointAdapter

    return JointAdapter(robot, actions, settings, names)


def _own(kind: str, robot: "Robot", actions: ActionSpec, options: Mapping[str, Any]) -> ActionAdapter:
    """An instance of the class that `kind` names; its module is looked for in the current folder as well."""
    module, _, name = kind.rpartition(".")
    look_here()
    try:
        found: Any = getattr(importlib.import_module(module), name)(robot, actions, **options)
    except Exception as error:  # of code that is not ours
        raise InputError(
            f"adapter.kind={kind}: cannot be made, {type(error).__name__}: {one_line(error)}; it is a class "
            "MODULE.CLASS on PYTHONPATH or in the current folder, called with the robot and the commands' bounds"
        ) from error
    if lacking := [part for part in NEEDED if not hasattr(found, part)]:
        raise InputError(f"adapter.kind={kind}: lacks {', '.join(lacking)}, which an ActionAdapter has")
    adapter: ActionAdapter = found
    return adapter
