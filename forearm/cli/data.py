"""`forearm data`: what is in a LeRobotDataset folder and what is wrong with it; one of several, or of recordings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forearm.cli.columns import keys, steps_table
from forearm.cli.progress import bars
from forearm.common import stored
from forearm.common.addresses import told
from forearm.errors import ForearmError
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings
from forearm.settings import paths as output

if TYPE_CHECKING:
    from forearm.world_model.data.inspection import Inspection

ACTIONS = ("inspect", "merge", "convert")
DEPTH = ", depth: left out, as it shows no colours"
MOST = 20
"""Problems that are shown; the rest is counted."""


def main(overrides: Sequence[str]) -> int:
    """Run the command; 1 if the data set has problems. Raises `ForearmError` and `DatasetError` for the front door."""
    words = list(overrides)
    if not words or words[0] not in ACTIONS:
        raise ForearmError(
            "'data' is followed by what to do: forearm data inspect data=FOLDER, or "
            "forearm data merge 'data=[FOLDER,FOLDER]' out=FOLDER, or "
            "forearm data convert data=RECORDING out=FOLDER"
        )
    chosen = settings.load("data", [word if "=" in word else f"data={word}" for word in words[1:]])
    if chosen["data"] is None:
        raise ForearmError("which data set? give its folder, data=FOLDER")
    folders = output.listed(chosen["data"])
    if words[0] == "merge":
        if len(folders) < 2 or chosen["out"] is None:
            raise ForearmError("merge needs folders and a new one: 'data=[FOLDER,FOLDER]' out=FOLDER")
        return _merge(folders, output.data_folder(chosen["out"], "data/merged"), _chosen(chosen))
    if words[0] == "convert":
        if chosen["out"] is None or (chosen["commands"] is not None and len(folders) != 1):
            raise ForearmError(
                "convert needs data=RECORDING out=FOLDER, or for what forearm recorded data=FILE.mcap commands=TASK"
            )
        return _convert(
            [stored.brought(folder) for folder in folders], output.data_folder(chosen["out"], "data/converted"), chosen
        )
    if len(folders) != 1:
        raise ForearmError("inspect looks into one data set at a time: data=FOLDER")
    return _inspect(folders[0], bool(chosen["frames"]), _chosen(chosen))


def _chosen(chosen: settings.Settings) -> dict[str, Any]:
    """Which columns and episodes the settings name."""
    named = {key: keys(key, chosen[key]) for key in ("action_key", "state_key")}
    return {**named, "episodes": chosen["episodes"], "exclude": chosen["exclude"]}


def _merge(sources: Sequence[Path], out: Path, chosen: Mapping[str, Any]) -> int:
    from forearm.world_model.data.merging import merge

    console = Console()
    with bars(console, transient=True) as tell:
        info = merge(sources, out, lambda done, of: tell("merging", done, of), **chosen)
    frames = info["total_frames"]
    console.print(f"{info['total_episodes']} episodes, {frames} frames in {told(out)}", highlight=False, soft_wrap=True)
    return 0


def _convert(recordings: Sequence[Path], out: Path, chosen: settings.Settings) -> int:
    for key in ("episodes", "exclude"):
        if chosen[key] is not None:
            raise ForearmError(f"convert takes recordings whole: leave out {key}=, and choose in training")
    if chosen["commands"] is not None:
        from forearm.integrations.ros2 import episodes

        info = episodes.convert(recordings[0], str(chosen["commands"]), out)
    else:
        from forearm.integrations.convert.conversion import convert
        from forearm.integrations.convert.recorded import Asked

        named = {key: keys(f"{key}_key", chosen[f"{key}_key"]) for key in ("state", "action")}
        several = {key: [value] if isinstance(value, str) else value for key, value in named.items()}
        with bars(Console(), transient=True) as tell:
            camera = keys("camera_key", chosen["camera_key"])
            if isinstance(camera, list):
                raise ForearmError("convert takes one camera: camera_key=NAME")
            asked = Asked(camera, several["state"], several["action"], chosen["fps"])
            info = convert(recordings, out, asked, lambda done, of: tell("converting", done, of))
    text = f"{info['total_episodes']} episodes, {info['total_frames']} frames in {told(out)}"
    Console().print(text, highlight=False, soft_wrap=True)
    return 0


def _inspect(folder: Path, frames: bool, chosen: Mapping[str, Any]) -> int:
    from forearm.world_model.data.inspection import inspect

    found = inspect(folder, frames=frames, **chosen)
    console = Console()
    for line in lines(found):
        console.print(line, highlight=False, soft_wrap=True)
    print_whole(console, columns(found))
    if found.absolute is not None:
        console.print("commands look like absolute joint positions; plans will keep to these steps:")
        names = [column.name for column in found.columns if column.feature == "action"]
        print_whole(console, steps_table(found.absolute, names))
    for note in found.notes[:MOST]:
        console.print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    for problem in found.problems[:MOST]:
        console.print(f"[bold red]![/] {escape(problem)}", highlight=False, soft_wrap=True)
    if len(found.problems) > MOST:
        console.print(f"… and {len(found.problems) - MOST} more", highlight=False)
    console.print("no problems found" if not found.problems else f"{len(found.problems)} problems", highlight=False)
    return 1 if found.problems else 0


def lines(found: "Inspection") -> list[str]:
    """What there is, a line each."""
    seconds = found.frames / found.fps
    shown = [
        f"{escape(told(found.root))}: LeRobotDataset {found.version}, robot {escape(found.robot)}",
        f"{found.episodes} episodes of {found.shortest} to {found.longest} frames, {found.frames} frames in all, "
        f"{seconds / 60:.1f} min at {found.fps:g} frames/s",
    ]
    shown += [f"task: {escape(task)} ({count} episodes)" for task, count in sorted(found.tasks.items())]
    if found.varied:
        shown.append("varied: " + ", ".join(f"{escape(what)} ({count})" for what, count in found.varied.items()))
    for camera in found.cameras:
        height, width = camera.size
        shown.append(
            f"camera: {escape(camera.key)}, {width} x {height} pixels, {escape(camera.storage)}{DEPTH * camera.depth}"
        )
    if not any(column.feature == "action" for column in found.columns):
        shown.append(
            "no actions: an encoder can be learned from the frames alone, world_model=video; "
            "or name the column that holds them, action_key=NAME"
        )
    return shown if found.cameras else [*shown, "no camera"]


def columns(found: "Inspection") -> Table:
    """Range of every number."""
    table = Table(title="numbers", title_justify="left", box=None, padding=(0, 1))
    for title in ("feature", "name"):
        table.add_column(title, no_wrap=True)
    for title in ("least", "most", "mean", "std", "max step"):
        table.add_column(title, justify="right", no_wrap=True)
    for column in found.columns:
        values = (column.low, column.high, column.mean, column.std, column.largest_step)
        table.add_row(escape(column.feature), escape(column.name), *(f"{value:.3g}" for value in values))
    return table
