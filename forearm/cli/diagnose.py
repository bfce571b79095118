"""`forearm diagnose`: why does a planner fail on a task: latents, cost, dynamics, candidates or distance?"""

from collections.abc import Sequence

from rich.console import Console

from forearm import envs
from forearm.cli.engine import engine_of
from forearm.cli.one_planner import comparison_of, one_of
from forearm.cli.progress import bars
from forearm.common.addresses import told
from forearm.diagnosis.page import tables
from forearm.diagnosis.run import diagnose
from forearm.diagnosis.study import Effort
from forearm.errors import ForearmError
from forearm.evaluation.lengths import steps_of
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("diagnose", overrides)
    task, planner = one_of(chosen)
    for key in ("samples", "iterations"):
        if chosen[key] is not None:
            if key not in planner:
                raise ForearmError(f"planner={planner['name']} has no {key}: give {key}=null")
            planner[key] = chosen[key]
    if "elites" in planner and chosen["samples"] is not None:
        planner["elites"] = min(planner["elites"], max(2, planner["samples"] // 6))
    effort = Effort(
        explore=chosen["explore"],
        explore_steps=steps_of("explore_steps", chosen["explore_steps"] or task["collect"]["steps"], task),
        pools=chosen["pools"],
        pool=chosen["pool"],
        nearer_m=chosen["nearer"],
        starts=chosen["starts"],
        ways=chosen["ways"],
        farthest=chosen["farthest"],
    )
    comparison = comparison_of(chosen, task, planner, overrides)
    envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with engine_of(chosen) as engine, bars(console, transient=True) as tell:
        document = diagnose(comparison, effort, chosen["workers"] or engine.default_workers(), tell)
    for table in tables(document):
        print_whole(console, table)
    for what, name in (("picture", "diagnosis.png"), ("figures", "diagnosis.json")):
        console.print(f"{what}: {told(comparison.out / name)}", soft_wrap=True, highlight=False)
    return 0
