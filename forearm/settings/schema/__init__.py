"""Every setting that there is: its type, its default and what it means, in dataclasses. Nothing else holds a default.

The files in configs/ hold what one task or planner has otherwise. The dataclasses fit OmegaConf's structured configs,
which check types and unknown keys; what a range must be is checked where it is used.

For a reference, with no file read and nothing composed but what is asked for:

    from forearm.settings.schema import keys

    for key in keys("planner=cem"):  # or "plan", "task", "protocol", "robot", "world_model=conv", ...
        key.name, key.type, key.default, key.meaning  # "planner.samples", "int", 128, "candidates per iteration ..."

`CONFIGS` names the commands and groups; `forearm.settings.compose.options(group)` the options of a group.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field, make_dataclass
from functools import cache
from typing import Any

from forearm.settings.schema import commands
from forearm.settings.schema.fields import Key, meanings, walk

COMMANDS: dict[str, type[Any]] = {
    "plan": commands.PlanCommand,
    "run": commands.RunCommand,
    "compare": commands.CompareCommand,
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


def keys(config: str) -> Iterator[Key]:
    """Every setting of a command (`plan`), a group (`task`) or an option (`planner=cem`), in the order of its class.

    A group has the defaults that its dataclass has, an option those of its file as well. Groups without options of
    their own kind have one class; planners and world models have one an option, so `planner` alone stands for `cem`
    and `world_model` for `conv`. Raises `ForearmError` for a config that there is not.
    """
    if config in COMMANDS:
        yield from walk(of_command(config), config)
        return
    from forearm.errors import ForearmError, did_you_mean
    from forearm.settings import compose

    group, chosen, name = config.partition("=")
    if group not in GROUPS:
        raise ForearmError(f"unknown config '{config}'{did_you_mean(group, CONFIGS)}")
    given = compose.option(group, name) if chosen else {"name": "cem"} if group == "planner" else {}
    kind = of_option(group, given)
    if kind is not None:
        yield from walk(kind, config, f"{group}.", given if chosen else None)


__all__ = ["COMMANDS", "CONFIGS", "GROUPS", "Key", "keys", "meanings", "of_command", "of_option"]
