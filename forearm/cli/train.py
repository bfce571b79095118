"""`forearm train`: train a world model, with loss, throughput and time left, and a report at the end."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forearm import envs
from forearm.cli.columns import camera_key_of, keys, steps_table
from forearm.cli.device import device_of
from forearm.cli.progress import bars
from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings
from forearm.settings import paths as output
from forearm.world_model.data.layout import is_source

if TYPE_CHECKING:
    pass

Tasks = Mapping[str, Mapping[str, Any]]
"""Configs as in configs/task, by name."""


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("train", overrides)
    import_modules(chosen["use"])
    device_of(chosen)  # one that is not here is told before any data are looked at
    training = training_of(chosen, chosen.all("task"), chosen.one("world_model"))
    for name, folder in _by_task(training.data, chosen.all("task")).items():
        if not (is_source(folder) or stored.look(folder)):
            raise ForearmError(no_data(folder, name))
    from forearm.world_model.distributed import rank_told

    console = Console(quiet=rank_told() != 0)  # under torchrun the first process speaks for all
    try:
        report = _train(training, bool(chosen["resume"]), chosen["device"], console)
    except FloatingPointError as error:
        raise ForearmError(str(error)) from None
    print_whole(console, report_table(report))
    if (said := _limits(training.out / "model.json")) is not None:
        console.print("commands are absolute joint positions; plans keep to these steps:")
        print_whole(console, said)
    console.print(f"checkpoint: {told(training.out / 'model.json')}", soft_wrap=True, highlight=False)
    return 0


def training_of(chosen: settings.Settings, tasks: Tasks, world_model: Mapping[str, Any]) -> Any:
    """The `forearm.world_model.training.run.Training` that the settings describe: of one task, or of several together.

    Raises ValueError or `ForearmError` if they make no sense.
    """
    from forearm.world_model.config import LossConfig, ModelConfig, TrainConfig, from_mapping
    from forearm.world_model.training.run import Training

    parts = {key: value for key, value in world_model.items() if key not in ("name", "loss", "train")}
    folders = _folders(chosen["data"], list(tasks))
    if parts["frameskip"] is None:
        parts["frameskip"] = _same(tasks, "frameskip", "world_model.frameskip")
    if parts["encoder"] == "sensors":
        parts |= _sizes(folders[0], chosen, parts)
    if parts["action_dim"] is None:
        parts["action_dim"] = _action_size(folders[0], chosen)
    _same(tasks, "camera", "task.camera")
    return Training(
        data=folders[0] if len(tasks) == 1 else dict(zip(tasks, folders, strict=True)),
        out=output.folder(chosen["out"], f"outputs/{'+'.join(tasks)}"),
        model=from_mapping(ModelConfig, {**parts, "resolution": _same(tasks, "resolution", "task.resolution")}),
        loss=from_mapping(LossConfig, dict(world_model["loss"])),
        train=from_mapping(
            TrainConfig,
            {
                **world_model["train"],
                "seed": chosen["seed"],
                "share": chosen["share"],
                "every": chosen["every"],
            },
        ),
        description={**_description(list(tasks)), "name": world_model["name"]},
        camera_key=camera_key_of(chosen["camera_key"]),
        action_key=keys("action_key", chosen["action_key"]),
        state_key=keys("state_key", chosen["state_key"]),
        episodes=chosen["episodes"],
        exclude=chosen["exclude"],
        weights=_weights(chosen["weights"], list(tasks)),
        init=_init(chosen["init"], bool(chosen["freeze_encoder"])),
        absolute=chosen["absolute"],
        cache_dir=output.cache_folder(chosen["cache_dir"]),
    )


def no_data(folder: Path, task: str) -> str:
    """What to say where there is no data set."""
    if task in envs.names():
        return f"data={folder}: no such folder; make it with 'forearm collect task={task} out={folder}'"
    return f"data={folder}: no such folder; name that of a LeRobotDataset v3 that was recorded, data=FOLDER"


def _by_task(data: Path | Mapping[str, Path], tasks: Iterable[str]) -> dict[str, Path]:
    return dict(data) if isinstance(data, Mapping) else dict.fromkeys(tasks, data)


def _folders(given: str | None, tasks: Sequence[str]) -> list[Path]:
    """One folder a task, of `data=FOLDER`, `data=[FOLDER,FOLDER]` or what is usual; raises `ForearmError` otherwise."""
    folders = [Path(f"data/{task}") for task in tasks] if given is None else output.listed(given)
    if len(folders) != len(tasks):
        raise ForearmError(
            f"data={given} names {len(folders)} folder{'s' * (len(folders) != 1)} for {len(tasks)} task"
            f"{'s' * (len(tasks) != 1)} ({', '.join(tasks)}): give one each, in this order, data=[FOLDER,FOLDER,...]"
        )
    return folders


def _weights(given: Any, tasks: Sequence[str]) -> tuple[float, ...]:
    """How often each task is drawn, empty for evenly; raises `ForearmError` unless it is a number above 0 a task."""
    if given is None:
        return ()
    numbers = given if isinstance(given, list) else [given]
    right = all(isinstance(n, (int, float)) and not isinstance(n, bool) and 0 < n < float("inf") for n in numbers)
    if len(tasks) == 1 or len(numbers) != len(tasks) or not right:
        raise ForearmError(
            f"weights={given}: expected a number above 0 for each of several tasks, in their order "
            f"({', '.join(tasks)}), or null to draw them evenly"
        )
    return tuple(map(float, numbers))


def _same(tasks: Tasks, key: str, remedy: str) -> Any:
    """What all tasks have under `key`; raises `ForearmError` where they differ."""
    (first, wanted), *others = ((name, task[key]) for name, task in tasks.items())
    for name, found in others:
        if found != wanted:
            raise ForearmError(
                f"tasks of one model need the same {key}, but {first} has {wanted} and {name} has {found}: "
                f"set {remedy}= for all, or train a model each"
            )
    return wanted


def _description(tasks: Sequence[str]) -> dict[str, Any]:
    """What the checkpoint says about its tasks."""
    known = {task: envs.TASKS[task].description for task in tasks if task in envs.TASKS}
    if len(tasks) > 1:
        return {"tasks": list(tasks), "task_descriptions": known}
    (task,) = tasks
    return {"task": task} | ({"task_description": known[task]} if known else {})


def _init(checkpoint: str | None, freeze_encoder: bool) -> Any:
    """The `world_model.initial.Init` that the settings describe; `ForearmError` for a fixed encoder from nowhere."""
    from forearm.agent.checkpoint_reading import place_of
    from forearm.world_model.training.warm_start import Init

    if checkpoint is not None:
        return Init(str(place_of(checkpoint)), freeze_encoder)
    if freeze_encoder:
        raise ForearmError(
            "freeze_encoder=true without init=: an encoder of random weights would stay one; say where it comes from, "
            "init=CHECKPOINT"
        )
    return None


def _sizes(data: Path, chosen: settings.Settings, parts: Mapping[str, Any]) -> dict[str, int]:
    """How many actions and sensors a source of streams has, where the settings do not say; raises `DatasetError` for
    one that cannot be read.
    """
    from forearm.world_model.data.stream_sources import read_streams

    if not (is_source(data) or stored.look(data)):  # told when all is settled
        return {key: parts[key] or 1 for key in ("action_dim", "proprio_dim")}
    which = {key: keys(key, chosen[key]) for key in ("action_key", "state_key")}
    streams = read_streams(data, **which)
    found = {"action_dim": len(streams.action_names), "proprio_dim": len(streams.names)}
    return {key: found[key] if parts[key] is None else parts[key] for key in found}


def _action_size(data: Path, chosen: settings.Settings) -> int:
    """How many numbers an action of the data set has; 4 where that cannot be read, which training will tell."""
    from forearm.world_model.data import ACTION_KEY
    from forearm.world_model.data.columns import numeric, sources, width
    from forearm.world_model.data.info import read_info

    try:
        features = read_info(data)["features"]
        shapes = numeric(features)
        parts = sources(features, ACTION_KEY, keys("action_key", chosen["action_key"]), data)
        return sum(width(shapes[part]) for part in parts) or 4
    except (ValueError, KeyError, TypeError, AttributeError):
        return 4


def _train(training: Any, resume: bool, device: str | None, console: Console) -> dict[str, Any]:
    from forearm.world_model.training.run import TrainProgress, train

    with bars(console) as tell:
        steps = training.train.steps
        tell("step", 0, steps, "starting")

        def show(progress: TrainProgress) -> None:
            speed = f"loss {progress.terms['loss']:.4f}  {progress.frames_per_s:.0f} frames/s"
            tell("step", progress.step, steps, speed)
            if held_out := progress.validation:
                each = {f"step {progress.step}": held_out} | {f"  {k}": v for k, v in held_out.get("tasks", {}).items()}
                for name, found in each.items():
                    errors = f"{found['error'][0]:.4f} to {found['error'][-1]:.4f}"
                    copies = f"{found['copy_last'][0]:.4f} to {found['copy_last'][-1]:.4f}"
                    console.print(
                        f"{name}: held-out error {errors} (copy last: {copies}), "
                        f"effective rank {found['effective_rank']:.1f}",
                        soft_wrap=True,
                        highlight=False,
                    )

        def notice(text: str) -> None:
            console.print(f"note: {escape(text)}", soft_wrap=True, highlight=False)

        return train(
            training,
            resume=resume,
            device=device,
            on_progress=show,
            on_decoded=partial(tell, "decoding the video"),
            on_features=partial(tell, "looking at the video"),
            on_notice=notice,
        )


def report_table(report: Mapping[str, Any]) -> Table:
    """A held-out report, one line a figure."""
    table = Table(title="held-out report", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(report):
        table.add_row(name, value)
    return table


def _limits(path: Path) -> Table | None:
    """The steps that plans of a checkpoint in positions keep to; None for other commands, or where none was written."""
    from forearm.world_model.absolute import AbsolutePositions

    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    absolute = AbsolutePositions.from_document(document)
    return None if absolute is None else steps_table(absolute, document.get("action_names") or [])


def _flat(report: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in report.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}: ")
        elif isinstance(value, (list, tuple)):
            rows.append((name, "  ".join(f"{item:.4g}" if isinstance(item, float) else str(item) for item in value)))
        else:
            rows.append((name, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows
