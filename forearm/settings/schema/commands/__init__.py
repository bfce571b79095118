"""Settings of the commands: all that `forearm COMMAND` takes beside its choices of task, planner and the like."""

from dataclasses import dataclass, field

from forearm.settings.schema.commands.comparing import (
    CompareCommand,
    DiagnoseCommand,
    ManifestCommand,
    PoolsCommand,
    ReportCommand,
)
from forearm.settings.schema.commands.planning import ImagineCommand, PlanCommand, RunCommand
from forearm.settings.schema.commands.recording import (
    CalibrateCommand,
    CollectCommand,
    DataCommand,
    MonitorCommand,
    RobotCommand,
)
from forearm.settings.schema.commands.serving import McpCommand, Ros2Command, ServeCommand
from forearm.settings.schema.commands.training import PracticeCommand, TrainCommand, TrainHeadsCommand

__all__ = [
    "CalibrateCommand",
    "CollectCommand",
    "CompareCommand",
    "DataCommand",
    "DiagnoseCommand",
    "ImagineCommand",
    "ImportingCommand",
    "ManifestCommand",
    "McpCommand",
    "MonitorCommand",
    "PlanCommand",
    "PoolsCommand",
    "PracticeCommand",
    "ReportCommand",
    "RobotCommand",
    "Ros2Command",
    "RunCommand",
    "ServeCommand",
    "TrainCommand",
    "TrainHeadsCommand",
]


@dataclass
class ImportingCommand:
    """What comes last of the commands that run code of one's own.

    Attributes:
        use: Python modules to import first.
    """

    use: list[str] = field(default_factory=list)
