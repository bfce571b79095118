"""`forearm practice`: rounds of filming what planners do, training on, and keeping what is better."""

import shlex
from collections.abc import Sequence

from rich.console import Console

from forearm import envs
from forearm.cli.teaching import at_work, chosen_of, data_of, say_where
from forearm.control.adapters.hold import hold_of
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.lengths import steps_of
from forearm.evaluation.table import print_whole
from forearm.practice.page import line, table
from forearm.practice.run import practise
from forearm.practice.settings import Practice
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = chosen_of("practice", overrides)
    practice = practice_of(chosen, overrides)
    envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with at_work(chosen, console) as (workers, tell):
        document = practise(
            practice,
            workers,
            tell,
            lambda made: console.print(line(made, practice.rounds), highlight=False, soft_wrap=True),
        )
    print_whole(console, table(document))
    say_where(console, practice.out / "practice.png", document["checkpoint"])
    return 0


def practice_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Practice:
    """The practice that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    task = chosen.one("task")
    check_simulator(task["name"], "'practice'")
    data = data_of(chosen["data"] or f"data/{task['name']}", task)
    steps = chosen["steps"] or (task.get("collect") or {}).get("steps")
    return Practice(
        task=task,
        planners=list(chosen.all("planner").values()),
        protocol=chosen.one("protocol"),
        data=data,
        out=output.folder(chosen["out"], f"outputs/practice-{task['name']}"),
        rounds=chosen["rounds"],
        episodes=chosen["episodes"],
        steps=steps_of("steps", steps, task),
        practice=chosen["practice"],
        train_steps=chosen["train_steps"],
        heads_steps=chosen["heads_steps"],
        learning_rate=chosen["learning_rate"],
        precision=chosen["precision"],
        freeze_encoder=chosen["freeze_encoder"],
        validation=chosen["validation"],
        validation_seed=chosen["validation_seed"],
        seed=chosen["seed"],
        replan_every=chosen["replan_every"],
        storage=chosen["storage"],
        cache_dir=output.cache_folder(chosen["cache_dir"]),
        device=chosen["device"],
        use=tuple(chosen["use"]),
        hold=hold_of(chosen.one("robot"), task),
        command=shlex.join(["forearm", "practice", *overrides]),
    )
