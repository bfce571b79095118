"""`forearm learn`: from nothing to a measured world model within so many minutes, and on from there."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from forearm import envs
from forearm.agent.checkpoint import OF_A_CHECKPOINT
from forearm.agent.fast import wants_student
from forearm.cli.teaching import at_work, chosen_of, data_of, say_where
from forearm.cli.train import training_of as trained_so
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import check_simulator, has_simulator
from forearm.evaluation.lengths import steps_of
from forearm.evaluation.table import print_whole
from forearm.learning.page import line, table
from forearm.learning.run import learn
from forearm.learning.settings import MINUTES, STEPS, Budget, Learning
from forearm.settings import compose as settings
from forearm.settings import paths as output

ENOUGH = 3000
"""Episodes, unless more are asked for."""
STORAGES = ("png", "mp4")
OF_A_TRAINING = ("camera_key", "action_key", "state_key", "absolute", "seed", "cache_dir")
"""Settings that a training takes as they are."""
OF_HEADS = ("prior", "distance", "subgoal")
DECIDING = (*OF_A_TRAINING[:-1], "validation", "validation_seed", "storage", "use", "look", *OF_HEADS)
"""Settings that must agree for a learning to go on."""


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = chosen_of("learn", overrides)
    learning = learning_of(chosen, overrides)
    if learning.data is None or learning.validation:
        envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with at_work(chosen, console) as (workers, tell):
        document = learn(
            learning,
            workers,
            bool(chosen["resume"]),
            tell,
            lambda made: console.print(line(made, learning.budget.unit), highlight=False, soft_wrap=True),
        )
    print_whole(console, table(document))
    if not learning.validation:
        note = (
            f"task '{learning.task['name']}' has no simulator: its error is told, beside that of copying the last frame"
        )
        console.print(note, soft_wrap=True, highlight=False)
    say_where(console, learning.out / "curve.png", document["checkpoint"])
    return 0


def learning_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Learning:
    """The learning that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    task, planner = chosen.one("task"), chosen.one("planner")
    if chosen["data"] is None:
        check_simulator(task["name"], "'learn' without data=FOLDER")
    data = None if chosen["data"] is None else data_of(chosen["data"], task)
    if chosen["storage"] not in STORAGES:
        raise ForearmError(f"storage={chosen['storage']}: expected one of {', '.join(STORAGES)}")
    usual = task.get("collect") or {}
    episodes = chosen["episodes"] or min(ENOUGH, usual.get("episodes") or ENOUGH)
    steps = steps_of("episode_steps", chosen["episode_steps"] or usual.get("steps"), task) if data is None else 0
    measured = has_simulator(task["name"])
    heads = {name: chosen.values[name] for name in OF_HEADS}
    return Learning(
        task=task,
        planner=planner,
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], f"outputs/learn-{task['name']}"),
        budget=Budget.read(*((MINUTES, chosen["minutes"]) if chosen["steps"] == "0" else (STEPS, chosen["steps"]))),
        training=lambda folder, out: _training(chosen, folder, out),
        identity={
            "task": {key: value for key, value in task.items() if key not in OF_A_CHECKPOINT},
            "planner": dict(planner),
            "protocol": chosen.one("protocol"),
            "world_model": chosen.one("world_model"),
            **(
                {"episodes": episodes, "episode_steps": steps} if data is None else {"data": _fingerprint(chosen, data)}
            ),
            **{key: chosen.values[key] for key in DECIDING},
        },
        data=data,
        episodes=episodes,
        steps=steps,
        look=chosen["look"],
        validation=chosen["validation"] if measured else 0,
        validation_seed=chosen["validation_seed"],
        parts=_parts(task, planner),
        heads=heads,
        seed=chosen["seed"],
        storage=chosen["storage"],
        cache_dir=output.cache_folder(chosen["cache_dir"]),
        device=chosen["device"],
        use=tuple(chosen["use"]),
        command=shlex.join(["forearm", "learn", *overrides]),
    )


def _training(chosen: settings.Settings, data: Path, out: Path) -> Any:
    """As `forearm train` would train on `data`."""
    values = {**settings.load("train").values, **{key: chosen.values[key] for key in OF_A_TRAINING}}
    groups = {"task": chosen.groups["task"], "world_model": chosen.groups["world_model"]}
    told = settings.Settings("train", {**values, "data": str(data), "out": str(out)}, groups)
    return trained_so(told, groups["task"], told.one("world_model"))


def _fingerprint(chosen: settings.Settings, data: Path) -> str:
    from forearm.cli.columns import camera_key_of, keys
    from forearm.world_model.data import dataset_fingerprint, read_dataset

    action, state = (keys(key, chosen[key]) for key in ("action_key", "state_key"))
    return dataset_fingerprint(
        read_dataset(data, camera_key_of(chosen["camera_key"]), action_key=action, state_key=state)
    )


def _parts(task: Any, planner: Any) -> tuple[str, ...]:
    """The heads that a task is planned with by a planner."""
    guided = planner["name"] == "guided"
    subgoal = task["guided"]["subgoal"] if guided else planner["name"] == "hierarchical" or task["objective"]["subgoal"]
    heads = guided or "prior" in task["proposals"] or task["objective"]["terminal"] or task["objective"]["unlikely"]
    student = ("student",) if wants_student(task, planner) else ()
    return (("heads",) if heads else ()) + student + (("subgoal",) if subgoal else ())
