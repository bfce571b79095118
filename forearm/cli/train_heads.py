"""`forearm train-heads`: an action prior, a distance to the goal, statistics and a decoder, on a frozen world model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from forearm import envs
from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.checkpoint_reading import file_of
from forearm.cli.columns import keys
from forearm.cli.progress import bars
from forearm.cli.train import no_data, report_table
from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.dotted import is_dotted
from forearm.common.files import place
from forearm.common.parallel import import_modules
from forearm.common.reading import here
from forearm.errors import ForearmError
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings
from forearm.settings import paths as output
from forearm.world_model.data.layout import is_source


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("train-heads", overrides)
    import_modules(chosen["use"])
    task = chosen.one("task")
    training = training_of(chosen, task)
    if training.learns_from_data and not (is_source(training.data) or stored.look(training.data)):
        raise ForearmError(no_data(training.data, task["name"]))
    console = Console()
    try:
        report = _train(training, console)
    except FloatingPointError as error:
        raise ForearmError(str(error)) from None
    print_whole(console, report_table(report))
    for part, path in training.files.items():
        console.print(f"{part}: {told(path)}", soft_wrap=True, highlight=False)
    return 0


def training_of(chosen: settings.Settings, task: Mapping[str, Any]) -> Any:
    """The `world_model.heads_training.HeadsTraining` that the settings describe.

    Raises `CheckpointError` or `ForearmError` for a checkpoint that is none or not this task's, ValueError for settings
    that make no sense.
    """
    from forearm.world_model.config import from_mapping
    from forearm.world_model.heads.action_prior import PriorConfig
    from forearm.world_model.heads.checkpoint import heads_path
    from forearm.world_model.heads.decoder import DecoderConfig
    from forearm.world_model.heads.distance import DistanceConfig
    from forearm.world_model.heads.ranking import RankingConfig
    from forearm.world_model.heads.recorded import RecordedConfig
    from forearm.world_model.heads.student import StudentConfig
    from forearm.world_model.heads.subgoal import SubgoalConfig
    from forearm.world_model.heads.training import HeadsTraining
    from forearm.world_model.runtime.checkpoint import shipped

    name = str(task["checkpoint"])
    if is_dotted(name):
        raise ForearmError(f"heads are trained on checkpoints of 'forearm train', and model {name} is none")
    LoadedCheckpoint.read(task)
    checkpoint = name if name in shipped() else file_of(name)
    beside = heads_path(checkpoint)
    own = Path("outputs") / str(task["name"]) if name in shipped() else beside.parent
    known = envs.TASKS.get(task["name"])
    return HeadsTraining(
        checkpoint=checkpoint,
        data=place(chosen["data"] or f"data/{task['name']}"),
        out=output.folder(chosen["out"], str(own)) / beside.name,
        prior=from_mapping(PriorConfig, chosen["prior"]),
        distance=from_mapping(DistanceConfig, chosen["distance"]),
        student=from_mapping(StudentConfig, chosen["student"]),
        subgoal=from_mapping(SubgoalConfig, chosen["subgoal"]),
        recorded=from_mapping(RecordedConfig, chosen["recorded"]),
        ranking=from_mapping(RankingConfig, chosen["ranking"]),
        decoder=from_mapping(DecoderConfig, chosen["decoder"]),
        pools=tuple(here(path) for path in chosen["pools"]),
        parts=tuple(chosen["parts"]),
        validation=chosen["validation"],
        seed=chosen["seed"],
        action_key=keys("action_key", chosen["action_key"]),
        state_key=keys("state_key", chosen["state_key"]),
        episodes=chosen["episodes"],
        exclude=chosen["exclude"],
        cache_dir=output.cache_folder(chosen["cache_dir"]),
        description={"task": task["name"]} | ({} if known is None else {"task_description": known.description}),
    )


def _train(training: Any, console: Console) -> dict[str, Any]:
    from forearm.world_model.heads.training import train_heads

    with bars(console) as tell:
        return train_heads(training, tell)
