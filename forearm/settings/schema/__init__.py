"""Every setting that there is: its type, its default and what it means, in dataclasses. Nothing else holds a default.

The files in configs/ hold what one task or planner has otherwise. The dataclasses fit OmegaConf's structured configs,
which check types and unknown keys; what a range must be is checked where it is used.
"""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from functools import cache
from typing import Any

from forearm.settings.schema import commands
from forearm.settings.schema.fields import Key, meanings

COMMANDS: dict[str, type[Any]] = {
    "plan": commands.PlanCommand,
    "run": commands.RunCommand,
    "compare": commands.CompareCommand,
    "manifest": commands.ManifestCommand,
    "diagnose": commands.DiagnoseCommand,
    "serve": commands.ServeCommand,
    "collect": commands.CollectCommand,
    "data": commands.DataCommand,
    "train": commands.TrainCommand,
    "train-heads": commands.TrainHeadsCommand,
}
GROUPS = ("task", "planner", "world_model", "protocol", "robot")
CONFIGS = (*COMMANDS, *GROUPS)


@cache
def of_command(command: str) -> type[Any]:
    """The dataclass of a command's own settings."""
    own = COMMANDS[command]
    if command != "train-heads":
        return own
    from forearm.settings.schema.fields import derived
    from forearm.world_model.heads.action_prior import PriorConfig
    from forearm.world_model.heads.distance import DistanceConfig

    heads = {"prior": derived(PriorConfig), "distance": derived(DistanceConfig)}
    sections = [(name, kind, field(default_factory=kind)) for name, kind in heads.items()]
    return make_dataclass(own.__name__, sections, bases=(own,), namespace={"__doc__": own.__doc__})


def of_option(group: str, given: Mapping[str, Any]) -> type[Any] | None:
    """The dataclass of an option that says `given`; None for a planner that this package does not know."""
    if group == "task":
        from forearm.settings.schema.task import TaskConfig

        return TaskConfig
    if group == "protocol":
        from forearm.settings.schema.protocol import ProtocolConfig

        return ProtocolConfig
    if group == "robot":
        from forearm.settings.schema.robot import RobotConfig

        return RobotConfig
    if group == "planner":
        from forearm.settings.schema.planner import planner_config

        return planner_config(str(given.get("name")))
    from forearm.settings.schema.world_model import world_model_config

    return world_model_config(given)


__all__ = ["COMMANDS", "CONFIGS", "GROUPS", "Key", "meanings", "of_command", "of_option"]
