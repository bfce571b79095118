"""`forearm practice`: rounds of filming what planners do, training on, and keeping what is better."""

import shlex
from collections.abc import Sequence

from rich.console import Console

from forearm import envs
from forearm.cli.progress import bars
from forearm.cli.train import no_data
from forearm.common.files import place
from forearm.common.parallel import default_workers, import_modules
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.table import print_whole
from forearm.planner import checks
from forearm.practice.page import line, table
from forearm.practice.run import practise
from forearm.practice.settings import Practice
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("practice", overrides)
    import_modules(chosen["use"])
    from forearm.world_model.device import choose

    choose(chosen["device"])  # one that is not here is told before anything is filmed
    practice = practice_of(chosen, overrides)
    workers = chosen.whole("workers", 1, default_workers())
    envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with bars(console, transient=True) as tell:
        document = practise(
            practice,
            workers,
            tell,
            lambda made: console.print(line(made, practice.rounds), highlight=False, soft_wrap=True),
        )
    print_whole(console, table(document))
    for what, name in (("curve", "practice.png"), ("figures", "practice.json")):
        console.print(f"{what}: {practice.out / name}", soft_wrap=True, highlight=False)
    console.print(f"checkpoint: {document['checkpoint']}", soft_wrap=True, highlight=False)
    return 0


def practice_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Practice:
    """The practice that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    task = chosen.one("task")
    check_simulator(task["name"], "'practice'")
    data = place(chosen["data"] or f"data/{task['name']}")
    if not data.is_dir():
        raise ForearmError(no_data(data, task["name"]))
    share, rate = chosen["practice"], chosen["learning_rate"]
    if isinstance(share, list) or not 0.0 <= share <= 1.0:
        raise ForearmError(f"practice={share} must be a share of the episodes, between 0 and 1")
    return Practice(
        task=task,
        planners=list(chosen.all("planner").values()),
        protocol=chosen.one("protocol"),
        data=data,
        out=output.folder(chosen["out"], f"outputs/practice-{task['name']}"),
        rounds=chosen.whole("rounds", 1),
        episodes=chosen.whole("episodes", 1),
        steps=chosen.whole("steps", 1, (task.get("collect") or {}).get("steps")),
        practice=share,
        train_steps=chosen.whole("train_steps", 1),
        heads_steps=None if chosen["heads_steps"] is None else chosen.whole("heads_steps", 1),
        learning_rate=None if rate is None else checks.real("learning_rate", rate, above=0.0),
        precision=chosen["precision"],
        freeze_encoder=chosen["freeze_encoder"],
        validation=chosen.whole("validation", 1),
        validation_seed=chosen.whole("validation_seed", 0),
        seed=chosen.whole("seed", 0),
        replan_every=None if chosen["replan_every"] is None else chosen.whole("replan_every", 1),
        storage=chosen["storage"],
        cache_dir=output.cache_folder(chosen["cache_dir"]),
        device=chosen["device"],
        use=tuple(chosen["use"]),
        command=shlex.join(["forearm", "practice", *overrides]),
    )
