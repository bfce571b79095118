"""`forearm calibrate`: measure what is normal for a checkpoint, and write it beside it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from forearm.cli.columns import keys
from forearm.cli.progress import bars
from forearm.cli.train import no_data
from forearm.common import checks, stored
from forearm.common.files import place
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.world_model.data.layout import is_source

if TYPE_CHECKING:
    from forearm.agent.loaded_model import LoadedModel
    from forearm.surprise.recorded import Recorded

FRAMES, SURPRISE = PARTS = ("frames", "surprise")


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("calibrate", overrides)
    import_modules(chosen["use"])
    parts = [checks.choice("parts", part, PARTS) for part in chosen["parts"]]
    task = chosen.one("task")
    if SURPRISE in parts and chosen["data"] is None:
        raise ForearmError(
            "what surprises is measured in held-out episodes, data=FOLDER: film some with 'forearm collect "
            f"task={task['name']} seed=201 episodes=700 steps=50 out=FOLDER', or leave it out, parts=[frames]"
        )
    if SURPRISE in parts and not (is_source(place(chosen["data"])) or stored.look(place(chosen["data"]))):
        raise ForearmError(no_data(place(chosen["data"]), task["name"]))
    horizons, rate = chosen["horizons"], chosen["rate"]  # what is wrong is told before anything is measured
    import torch

    from forearm.agent.loaded_model import LoadedModel

    torch.set_num_threads(1)
    loaded, console = LoadedModel(task), Console()
    recorded = _recorded(loaded, chosen) if SURPRISE in parts else None  # this too is told before
    if recorded is not None:
        from forearm.surprise.alarm import check_hours
        from forearm.surprise.fitting import check_frames, fit, hours_of

        period = float(loaded.document["control_period"])
        check_frames(recorded.lengths)
        check_hours(hours_of(recorded.lengths, loaded.model, recorded.read, period), rate)
    if FRAMES in parts:
        from forearm.calibrate.frames import Effort, calibrate
        from forearm.control.robots.robot import load_robot

        names = ("fit_episodes", "hours", "count_hours", "drives", "seconds")
        effort = Effort(**{name: chosen[name] for name in names})
        _say(console, calibrate(loaded, load_robot(chosen.one("robot")["name"]), effort))
    if recorded is not None:
        from forearm.surprise.alarm import most_per_hour
        from forearm.surprise.calibration import save_surprise

        with bars(console, transient=True) as tell:
            episodes = []
            for episode in recorded.recordings():
                episodes.append(episode)
                tell("encoding", len(episodes), len(recorded))
            found = fit(loaded.model, episodes, horizons, period, lambda n, of: tell("predicting", n, of))
        threshold = found.alarms.threshold(rate)
        path, false = save_surprise(loaded.task, loaded.document, found), found.counted.passed(threshold)
        _say(
            console,
            f"written: {path}; at {rate:g} an hour, {false} false alarms in {found.counted.hours:.2f} h of "
            f"held-out motion, at most {most_per_hour(false, found.counted.hours):.1f} an hour (95 %)",
        )
    return 0


def _recorded(loaded: "LoadedModel", chosen: settings.Settings) -> "Recorded":
    from forearm.surprise.recorded import Recorded

    which = {key: keys(key, chosen[key]) for key in ("action_key", "state_key")}
    return Recorded(loaded, place(chosen["data"]), **which, episodes=chosen["episodes"], exclude=chosen["exclude"])


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)
