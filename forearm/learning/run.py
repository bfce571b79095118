"""The loop: stages that are done once, within their minutes, and a curve of what came of them."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.files import remove_leftovers, write_json
from forearm.common.progress import Progress
from forearm.errors import ForearmError
from forearm.evaluation.results import provenance
from forearm.evaluation.statistics import wilson
from forearm.learning.page import save_curve
from forearm.learning.settings import MINUTES, Learning, Stage
from forearm.learning.steps import LOOK, Found, film_first, measure, merge, train, train_heads, training_of
from forearm.practice.steps import once

KEPT_FOR_MEASURING = 0.3
"""Share of the first stage that is left for what comes after its training, as nobody knows yet how long that takes."""
KEPT_UNSEEN = 0.1
"""Share of a leg that is left for measuring in its last stage, where nothing was measured before."""
KEPT_FOR_HEADS = 0.15
"""And for heads, where a task has some and none were trained before."""

LEAST = 0.1
"""Share of a leg for which its last stage is trained, however long all else took."""


def learn(
    learning: Learning,
    workers: int,
    resume: bool = False,
    tell: Progress = lambda what, done, of: None,
    on_stage: Callable[[Found], None] = lambda found: None,
) -> dict[str, Any]:
    """Do the steps of all stages that are missing; returns and writes what came of them.

    Writes `curve.json` and `curve.png` into the learning's folder, and what each step came to into `stage-N`. The
    merged films of a stage are removed once it is done.

    Args:
        learning: the settings.
        workers: processes that film and measure; half of them film beside the training.
        resume: go on with a learning that is there; otherwise it is an error that one is.
        tell: told how far a step is.
        on_stage: called with each stage, those of earlier calls as well.

    Raises:
        ForearmError: what can be mended; see `Learning.begin`, and the steps' own errors.
    """
    first = Stage(1, 0, learning.budget.amount, 1.0, 1.0, look=False)
    training_of(learning, first, learning.data or learning.out, learning.budget.amount)  # settings that make no sense
    stages = learning.begin(resume)
    remove_leftovers(learning.out)
    made: list[Found] = []
    for stage in stages:
        found = once(learning.folder(stage) / "stage.json", partial(_stage, learning, stage, made, workers, tell))
        stored.remove(learning.folder(stage) / "data")
        made.append(found)
        on_stage(found)
    document = {
        **provenance(learning.command, learning.seed, learning.protocol, str(made[-1].get("manifest_sha256"))),
        "task": learning.task["name"],
        "planner": str(learning.planner["name"]),
        "unit": learning.budget.unit,
        "validation_seed": learning.validation_seed,
        "stages": made,
        "checkpoint": told(learning.out / f"stage-{len(made)}" / "model"),
    }
    write_json(learning.out / "curve.json", document)
    save_curve(learning.out / "curve.png", document)
    return document


def _stage(learning: Learning, stage: Stage, made: list[Found], workers: int, tell: Progress) -> Found:
    """All steps of one stage, and what they came to."""
    folder = learning.folder(stage)
    filmed = _timed(folder / "film.json", partial(film_first, learning, stage, workers, tell))
    merged = _timed(folder / "merge.json", partial(merge, learning, stage, filmed["films"], tell))
    data = learning.data if merged["data"] is None else learning.out / merged["data"]
    assert data is not None
    before = [each for each in made if each["leg"] == stage.leg]
    spent = sum(each["seconds"] for each in before) + filmed["seconds"] + merged["seconds"]
    films = filmed["films"]
    planned = once(folder / "plan.json", lambda: {"amount": _amount(learning, stage, made, spent, films)})
    trained = _timed(folder / "train.json", partial(train, learning, stage, data, planned["amount"], workers, tell))
    if learning.budget.unit == MINUTES:  # also of a training that a kill came between
        trained["seconds"] = max(trained["seconds"], planned["amount"])
    heads, measured = {"seconds": 0.0}, {"seconds": 0.0}
    if learning.look or not stage.look:
        heads = _timed(folder / "heads.json", partial(train_heads, learning, stage, data, tell))
        measured = _timed(folder / "measure.json", partial(measure, learning, stage, workers, tell))
    seconds = {
        "filming": filmed["seconds"] + merged["seconds"],
        "training": trained["seconds"],
        "heads": heads["seconds"],
        "measuring": measured["seconds"],
    }
    parts = {"decoding": trained.get("decoding", 0.0), "episode": measured.get("each", 0.0)}
    return {
        "stage": stage.number,
        "leg": stage.leg,
        "minutes": _so_far(made, "minutes") + sum(seconds.values()) / 60,
        "steps": _so_far(made, "steps") + (planned["amount"] if learning.budget.unit != MINUTES else 0),
        "seconds": sum(seconds.values()),
        "of_each": {**seconds, **parts},
        "films": films,
        "look": stage.look,
        "amount": planned["amount"],
        "error": trained["error"][-1],
        "copy_last": trained["copy_last"][-1],
        **{key: measured[key] for key in ("successes", "episodes", "manifest_sha256") if key in measured},
        **({"ci95": _interval(learning, measured)} if measured.get("episodes") else {}),
        "path": told(folder / "model"),
    }


def _amount(learning: Learning, stage: Stage, made: list[Found], spent: float, films: int) -> float:
    """Steps of a stage's training; or the seconds that are left for it, beside what the last one took for all else."""
    if learning.budget.unit != MINUTES:
        end, begin = (round(stage.of_leg * share) for share in (stage.end, stage.end - stage.share))
        return max(1, end - begin)
    whole = 60 * stage.of_leg
    left = (stage.share if stage.look else 1.0) * (whole - spent)
    after = KEPT_FOR_MEASURING * left
    if made:
        last = made[-1]
        each = last["of_each"]
        episodes = learning.validation - last.get("episodes", learning.validation)
        grown = max(1, films) / max(1, last["films"]) - 1
        after = each["heads"] * (LOOK if last["look"] else 1)
        after += each["measuring"] + each.get("episode", 0.0) * episodes
        after += each["training"] - last["amount"] + each.get("decoding", 0.0) * grown
        if learning.validation and not each["measuring"]:
            after += KEPT_UNSEEN * whole
        if learning.parts and not each["heads"]:
            after += KEPT_FOR_HEADS * whole
        after = min(after, left / 2)
    if made:  # what took too long is told, in the minutes that it came to
        return max(left - after, LEAST * whole)
    if left - after < 1.0:
        raise ForearmError(
            f"minutes={stage.of_leg:g} are too few: {spent:.1f} s went into films and their data, and no time is left "
            f"to train; resume=true minutes={max(2 * stage.of_leg, spent / 15):.2g} goes on from them"
        )
    return left - after


def _timed(path: Path, do: Callable[[], Found]) -> Found:
    """As `once`, with how many seconds it took."""

    def timed() -> Found:
        began = time.perf_counter()
        found = do()
        return {**found, "seconds": time.perf_counter() - began}

    return once(path, timed)


def _so_far(made: list[Found], key: str) -> float:
    return float(made[-1][key]) if made else 0.0


def _interval(learning: Learning, measured: Found) -> list[float]:
    return list(wilson(measured["successes"], measured["episodes"], float(learning.protocol["confidence"])))
