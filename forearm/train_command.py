"""`forearm train`: train a world model, with loss, throughput and time left, and a report at the end."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

import envs
from forearm import output, settings
from forearm.errors import ForearmError
from forearm.parallel import import_modules


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("train", overrides)
    import_modules(chosen["use"])
    task, world_model = chosen.one("task"), chosen.one("world_model")
    training = training_of(chosen, task, world_model)
    if not training.data.is_dir():
        raise ForearmError(
            f"data={training.data}: no such folder; make it with "
            f"'forearm collect task={task['name']} out={training.data}'"
        )
    from world_model.distributed import rank_told

    console = Console(quiet=rank_told() != 0)  # under torchrun the first process speaks for all
    try:
        report = _train(training, bool(chosen["resume"]), chosen["device"], console)
    except FloatingPointError as error:
        raise ForearmError(str(error)) from None
    console.print(report_table(report))
    console.print(f"checkpoint: {training.out / 'model.json'}", soft_wrap=True, highlight=False)
    return 0


def training_of(chosen: settings.Settings, task: Mapping[str, Any], world_model: Mapping[str, Any]) -> Any:
    """The `world_model.training.Training` that the settings describe; raises ValueError if they make no
    sense.
    """
    from world_model.config import LossConfig, ModelConfig, TrainConfig, from_mapping
    from world_model.training import Training

    parts = {key: value for key, value in world_model.items() if key not in ("name", "loss", "train")}
    data = Path(chosen["data"] or f"data/{task['name']}").expanduser()
    if parts["frameskip"] is None:
        parts["frameskip"] = task["frameskip"]
    if parts["action_dim"] is None:
        parts["action_dim"] = _action_size(data)
    known = envs.TASKS.get(task["name"])
    description = {"task": task["name"], "name": world_model["name"]}
    if known is not None:
        description["task_description"] = known.description
    return Training(
        data=data,
        out=output.folder(chosen["out"], f"outputs/{task['name']}"),
        model=from_mapping(ModelConfig, {**parts, "resolution": task["resolution"]}),
        loss=from_mapping(LossConfig, dict(world_model["loss"])),
        train=from_mapping(TrainConfig, {**world_model["train"], "seed": chosen.whole("seed", 0)}),
        description=description,
        camera_key=None if chosen["camera_key"] is None else str(chosen["camera_key"]),
    )


def _action_size(data: Path) -> int:
    """How many numbers an action of the data set has; 4 where that cannot be read, which training will tell."""
    try:
        info = json.loads((data / "meta" / "info.json").read_text(encoding="utf-8"))
        return int(info["features"]["action"]["shape"][0])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return 4


def _train(training: Any, resume: bool, device: str | None, console: Console) -> dict[str, Any]:
    from world_model.training import TrainProgress, train

    columns = (
        TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        line = bar.add_task("starting", total=training.train.steps)

        def show(progress: TrainProgress) -> None:
            bar.update(
                line,
                completed=progress.step,
                description=f"loss {progress.terms['loss']:.4f}  {progress.frames_per_s:.0f} frames/s",
            )
            if held_out := progress.validation:
                errors = f"{held_out['error'][0]:.4f} to {held_out['error'][-1]:.4f}"
                copies = f"{held_out['copy_last'][0]:.4f} to {held_out['copy_last'][-1]:.4f}"
                bar.console.print(
                    f"step {progress.step}: held-out error {errors} (copy last: {copies}), "
                    f"effective rank {held_out['effective_rank']:.1f}",
                    soft_wrap=True,
                    highlight=False,
                )

        def decoded(done: int, frames: int) -> None:
            bar.update(line, description=f"decoding the video: {done} of {frames} frames")

        def seen(done: int, frames: int) -> None:
            bar.update(line, description=f"the backbone looks at the video: {done} of {frames} frames")

        return train(training, resume=resume, device=device, on_progress=show, on_decoded=decoded, on_features=seen)


def report_table(report: Mapping[str, Any]) -> Table:
    """A held-out report, one line a figure."""
    table = Table(title="held-out report", title_justify="left", show_header=False)
    table.add_column()
    table.add_column()
    for name, value in _flat(report):
        table.add_row(name, value)
    return table


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
