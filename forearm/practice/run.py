"""The loop: rounds that are done once, and a curve of what came of them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from forearm.agent.checkpoint_reading import BESIDE_IT
from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.files import remove_leftovers, write_json
from forearm.common.progress import Progress
from forearm.evaluation.results import provenance
from forearm.evaluation.statistics import wilson
from forearm.practice.page import save_curve
from forearm.practice.settings import Practice
from forearm.practice.steps import film, measure, merge, once, train, train_heads, training_of

Round = dict[str, Any]


def practise(
    practice: Practice,
    workers: int,
    tell: Progress = lambda what, done, of: None,
    on_round: Callable[[Round], None] = lambda found: None,
) -> dict[str, Any]:
    """Do the steps of all rounds that are missing; returns and writes what came of them.

    A round is kept if it has strictly more successes on the validation episodes than the checkpoint that is kept;
    otherwise the next one goes on from that. Writes `practice.json` and `practice.png` into the practice's folder, and
    what each step came to into `round-N`. The merged data of a round are removed once it is done, as they are made of
    the data and the films.

    Args:
        practice: the settings.
        workers: processes that film and measure.
        tell: told how far a step is.
        on_round: called with each round, those of earlier calls as well.

    Raises:
        ForearmError: what can be mended; see `Practice.begin`, and the steps' own errors.
    """
    training_of(practice, 1, practice.task)  # settings that make no sense are told before anything is filmed
    practice.begin()
    remove_leftovers(practice.out)
    kept = dict(practice.task)
    rounds: list[Round] = []
    for number in range(practice.rounds + 1):
        best = next((each for each in reversed(rounds) if each["kept"]), None)
        task = kept if number == 0 else _trained(practice, number, kept, workers, tell)
        folder = practice.folder(number)
        found = once(folder / "measure.json", partial(measure, practice, number, task, workers, tell))
        better = best is None or found["successes"] > best["successes"]
        made = {
            "round": number,
            **found,
            "ci95": list(wilson(found["successes"], found["episodes"], float(practice.protocol["confidence"]))),
            "kept": better,
            "before": None if best is None else best["successes"],
            "path": told(task["checkpoint"]),
        }
        write_json(folder / "round.json", made)
        stored.remove(folder / "data")
        rounds.append(made)
        on_round(made)
        kept = dict(task) if better else kept
    document = _document(practice, rounds, kept)
    write_json(practice.out / "practice.json", document)
    save_curve(practice.out / "practice.png", document)
    return document


def _trained(practice: Practice, number: int, kept: Mapping[str, Any], workers: int, tell: Progress) -> dict[str, Any]:
    """The task's config with what a round made of the checkpoint in `kept`."""
    folder = practice.folder(number)
    once(folder / "film.json", partial(film, practice, number, kept, workers, tell))
    once(folder / "merge.json", partial(merge, practice, number, tell))
    once(folder / "train.json", partial(train, practice, number, kept, tell))
    once(folder / "heads.json", partial(train_heads, practice, number, kept, tell))
    student = BESIDE_IT if kept.get("student") else None
    beside = {
        "heads": None,
        "student": student,
        "subgoals": None,
        "hierarchical": {**(kept.get("hierarchical") or {}), "data": None},
    }
    return {**kept, "checkpoint": str(folder / "model"), **beside}


def _document(practice: Practice, rounds: list[Round], kept: Mapping[str, Any]) -> dict[str, Any]:
    sha256 = str(rounds[0]["manifest_sha256"])
    return provenance(practice.command, practice.seed, practice.protocol, sha256) | {
        "task": practice.task["name"],
        "planners": [str(planner["name"]) for planner in practice.planners],
        "practice": practice.practice,
        "episodes": practice.episodes,
        "train_steps": practice.train_steps,
        "validation_seed": practice.validation_seed,
        "rounds": rounds,
        "checkpoint": told(kept["checkpoint"]),
    }
