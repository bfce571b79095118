"""Is it noticed that the world does not do what it should: beside pixel difference, one-step error and joints alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forearm import envs
from forearm.agent.loaded_model import load
from forearm.surprise.alarm import most_per_hour
from forearm.surprise.calibration import surprise_calibration_of
from forearm.surprise.monitor import RATE, Monitor
from forearm.surprise.prediction import errors_of
from forearm.surprise.usual import of_errors
from tools.bench.budget import Budget
from tools.bench.surprise.clips import AFTER, NORMAL, Filming, Part
from tools.bench.timing import threads

SEED = 311
"""Of the clips; neither models nor calibrations saw them, and nothing was chosen by them."""
LIFTED = ("pick_place", "ogbench/cube-single")
"""Tasks of which clips are such that the object is held in the air."""
SOON = 5
"""Control steps within which an event should be noticed."""
SCORES = ("monitor", "pixels", "one_step", "joints")


def surprise(
    budget: Budget,
    tasks: Sequence[str] = ("push",),
    clips: int | None = None,
    kept: Path | None = None,
    seed: int = SEED,
) -> dict[str, Any]:
    """How well each event is told from the same clips without it; films that `kept` has are not made again."""
    count = clips or budget.surprise_clips
    with threads(1):
        rows = [row for task in tasks for row in _of_task(task, count, kept, seed)]
    return {"clips": count, "tasks": list(tasks), "after": AFTER, "seed": seed, "rows": rows}


def _of_task(task: str, clips: int, kept: Path | None, seed: int) -> list[dict[str, Any]]:
    watch = Watch(_monitor(task))
    film = filming(task, watch.monitor, seed)
    found: dict[str, list[dict[str, Any]]] = {}
    for begin, parts in film.clips(clips, kept):
        for name, part in parts.items():
            whole = part if name == NORMAL else parts[NORMAL].then(part, begin)
            found.setdefault(name, []).append(watch.scores(whole, begin))
    film.env.close()
    normal = found.pop(NORMAL, [])
    hours = sum(each["known"] for each in normal) * film.env.control_period / 3600
    rows: list[dict[str, Any]] = [
        {
            "task": task, "event": "normal motion", "clips": len(normal), "hours": hours, "rate": watch.monitor.rate,
            "false_alarms": sum(each["alarms"] for each in normal),
        }
    ]  # fmt: skip
    for name, scores in found.items():
        delays = [each["delay"] for each in scores if each["delay"] is not None]
        rows.append(
            {
                "task": task, "event": name, "clips": len(scores), "noticed": len(delays),
                "soon": sum(delay <= SOON for delay in delays),
                "delay": float(np.median(delays)) if delays else None,
                "auroc": {key: auroc([s[key] for s in scores], [s[key] for s in normal]) for key in SCORES},
            }
        )  # fmt: skip
    return rows


def _monitor(task: str) -> Monitor:
    """At the usual rate, or the least that its calibration can promise."""
    loaded = load(task)
    known = surprise_calibration_of(loaded.task, loaded.document)
    return Monitor(loaded, known, max(RATE, float(np.ceil(most_per_hour(0, known.alarms.hours)))))


def filming(task: str, monitor: Monitor, seed: int) -> Filming:
    """Of a task's clips, with what its monitor sees."""
    config = monitor.loaded.model.config
    known = (config.history - 1 + monitor.calibration.usual.horizons) * config.frameskip
    env = envs.make(task, None, monitor.loaded.resolution)
    return Filming(env, monitor.loaded.model.encode, known, seed, task in LIFTED)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a value of `positive` is greater than one of `negative`; ties count half."""
    one, other = np.asarray(positive)[:, None], np.asarray(negative)[None]
    return float(((one > other) + 0.5 * (one == other)).mean())


class Watch:
    """Scores clips: by a monitor, and by what it is compared with."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor

    def scores(self, part: Part, begin: int) -> dict[str, Any]:
        """The greatest of each score in the steps after `begin`, the delay of the alarm, and for how many steps, and
        how often, there was an alarm in the whole clip.
        """
        monitor, readings, actions = self.monitor, part.readings.astype(np.float64), part.actions[1:]
        usual = monitor.calibration.usual
        errors = errors_of(monitor.loaded.model, part.latents, readings, actions, usual.horizons)
        levels, joints = monitor.levels_of(of_errors(usual, errors, readings, actions))
        each = (levels, part.changes, np.square(errors[:, 0]).mean(axis=1), joints)
        after = slice(begin, begin + AFTER)
        alarm = levels > monitor.threshold
        late = np.flatnonzero(alarm[after])
        return {
            **{name: float(np.nan_to_num(values[after]).max()) for name, values in zip(SCORES, each, strict=True)},
            "delay": int(late[0]) if len(late) else None,
            "alarms": int((np.diff(alarm.astype(int), prepend=0) == 1).sum()),
            "known": int((~np.isnan(errors[:, 0, 0])).sum()),
        }
