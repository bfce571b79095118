"""Every setting that there is: its type, its default and what it means, in dataclasses. Nothing else holds a default.

The files in configs/ hold what one task or planner has otherwise. The dataclasses fit OmegaConf's structured configs,
which check types and unknown keys. Limits stand beside the defaults and are checked where a setting is used.
"""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from functools import cache
from typing import Any

from forearm.settings.schema import commands
from forearm.settings.schema.fields import Key, derived, meanings

COMMANDS: dict[str, type[Any]] = {
    "plan": commands.PlanCommand,
    "imagine": commands.ImagineCommand,
    "run": commands.RunCommand,
    "compare": commands.CompareCommand,
    "report": commands.ReportCommand,
    "manifest": commands.ManifestCommand,
    "diagnose": commands.DiagnoseCommand,
    "pools": commands.PoolsCommand,
    "serve": commands.ServeCommand,
    "mcp": commands.McpCommand,
    "ros2": commands.Ros2Command,
    "collect": commands.CollectCommand,
    "calibrate": commands.CalibrateCommand,
    "monitor": commands.MonitorCommand,
    "practice": commands.PracticeCommand,
    "learn": commands.LearnCommand,
    "data": commands.DataCommand,
    "robot-check": commands.RobotCommand,
    "train": commands.TrainCommand,
    "train-heads": commands.TrainHeadsCommand,
}
GROUPS = ("task", "planner", "world_model", "protocol", "robot")
CONFIGS = (*COMMANDS, *GROUPS)


@cache
def of_command(command: str) -> type[Any]:
    """The dataclass of a command's own settings."""
    own = COMMANDS[command]
    bases = (
        (own,) if own in (commands.DataCommand, commands.RobotCommand) else (commands.ImportingCommand, own)
    )  # whose fields come first
    heads: dict[str, type[Any]] = {}
    if command in ("train-heads", "learn"):
        from forearm.world_model.heads.action_prior import PriorConfig
        from forearm.world_model.heads.decoder import DecoderConfig
        from forearm.world_model.heads.distance import DistanceConfig
        from forearm.world_model.heads.ranking import RankingConfig
        from forearm.world_model.heads.recorded import RecordedConfig
        from forearm.world_model.heads.student import StudentConfig
        from forearm.world_model.heads.subgoal import SubgoalConfig

        kinds = {
            "prior": PriorConfig,
            "distance": DistanceConfig,
            "student": StudentConfig,
            "subgoal": SubgoalConfig,
            "recorded": RecordedConfig,
            "ranking": RankingConfig,
            "decoder": DecoderConfig,
        }
        if command == "learn":  # which trains what the planner of a task wants
            kinds = {name: kinds[name] for name in ("prior", "distance", "subgoal")}
        heads = {name: derived(kind) for name, kind in kinds.items()}
    sections = [(name, kind, field(default_factory=kind)) for name, kind in heads.items()]
    return make_dataclass(own.__name__, sections, bases=bases, namespace={"__doc__": own.__doc__})


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
