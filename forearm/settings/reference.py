"""Every setting with its type, default and meaning; no file is read and nothing composed but what is asked for.

    from forearm.settings.reference import keys

    for key in keys("planner=cem"):  # or "plan", "task", "protocol", "robot", "world_model=conv", ...
        key.name, key.type, key.default, key.meaning  # "planner.samples", "int", 128, "candidates per iteration ..."

`forearm.settings.schema.CONFIGS` names the commands and groups, `forearm.settings.compose.options(group)` the options
of a group.
"""

from collections.abc import Iterator

from forearm.errors import ForearmError, did_you_mean
from forearm.settings.schema import COMMANDS, CONFIGS, GROUPS, of_command, of_option
from forearm.settings.schema.fields import Key, walk


def keys(config: str) -> Iterator[Key]:
    """Every setting of a command (`plan`), a group (`task`) or an option (`planner=cem`), in the order of its class.

    A group has the defaults that its dataclass has, an option those of its file as well. Groups without options of
    their own kind have one class; planners and world models have one an option, so `planner` alone stands for `cem`
    and `world_model` for `conv`. Raises `ForearmError` for a config that there is not.
    """
    if config in COMMANDS:
        yield from walk(of_command(config), config)
        return
    from forearm.settings.compose import option  # takes Hydra, which a command's own settings do not need

    group, chosen, name = config.partition("=")
    if group not in GROUPS:
        raise ForearmError(f"unknown config '{config}'{did_you_mean(group, CONFIGS)}")
    given = option(group, name) if chosen else {"name": "cem"} if group == "planner" else {}
    kind = of_option(group, given)
    if kind is not None:
        yield from walk(kind, config, f"{group}.", given if chosen else None)
