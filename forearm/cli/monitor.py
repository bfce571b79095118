"""`forearm monitor`: what in recorded episodes surprises a checkpoint."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from forearm.cli.columns import keys
from forearm.cli.progress import bars
from forearm.cli.train import no_data
from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.files import place
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings import paths as output
from forearm.world_model.data.layout import is_source

MOST = 20
"""Alarms that are printed; the page and the table have all."""


def main(overrides: Sequence[str]) -> int:
    """Run the command; 1 if there was an alarm. Raises `ForearmError` and the rooms' own errors for the front door."""
    chosen = settings.load("monitor", overrides)
    import_modules(chosen["use"])
    task = chosen.one("task")
    if chosen["data"] is None:
        raise ForearmError("which episodes? give the folder of a data set, data=FOLDER")
    folder, rate, films = place(chosen["data"]), chosen["rate"], chosen["films"]
    if not (is_source(folder) or stored.look(folder)):
        raise ForearmError(no_data(folder, task["name"]))
    out = output.folder(chosen["out"], f"outputs/monitor-{task['name']}")

    from forearm.agent.loaded_model import LoadedModel
    from forearm.surprise.calibration import surprise_calibration_of
    from forearm.surprise.monitor import Monitor
    from forearm.surprise.page import Watched, save_page, save_table
    from forearm.surprise.recorded import Recorded

    loaded = LoadedModel(task)
    monitor = Monitor(loaded, surprise_calibration_of(loaded.task, loaded.document), rate)
    which = {key: keys(key, chosen[key]) for key in ("action_key", "state_key")}
    recorded = Recorded(loaded, folder, **which, episodes=chosen["episodes"], exclude=chosen["exclude"])
    console, watched = Console(), list[Watched]()
    names = loaded.document["sensors"]["names"] if loaded.of_sensors else ()
    with bars(console, transient=True) as tell:
        for episode in recorded:
            watched.append(Watched(episode.number, episode.frames, _said(monitor, episode), names))
            tell("watching", len(watched), len(recorded))
    save_table(out / "surprise.csv", watched)
    title = f"What surprised {task['checkpoint']} in {folder.name}"
    save_page(out / "surprise.html", title, monitor.promise, monitor.threshold, watched, films)
    found = [(each.number, said) for each in watched for said in each.alarms]
    for number, said in found[:MOST]:
        _say(console, f"episode {number}, step {said.step}: {said.reason}")
    if len(found) > MOST:
        _say(console, f"… and {len(found) - MOST} more")
    _say(console, f"{len(found)} alarms in {len(watched)} episodes; {monitor.promise}")
    for what, name in (("page", "surprise.html"), ("table", "surprise.csv")):
        _say(console, f"{what}: {told(out / name)}")
    return 1 if found else 0


def _said(monitor: Any, episode: Any) -> list[Any]:
    """What a monitor says of each frame of an episode."""
    monitor.begin()
    readings = [None] * len(episode.frames) if episode.readings is None else episode.readings
    rows = zip(episode.frames, readings, [None, *episode.actions], episode.times, strict=True)
    try:
        return [
            monitor.see({"pixels": pixels, "proprio": joints}, action, time=float(time))
            for pixels, joints, action, time in rows
        ]
    except ValueError as error:
        raise ForearmError(
            f"episode {episode.number}: {error}; leave it out, exclude=[{episode.number}], or name other columns"
        ) from None


def _say(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True, highlight=False)
