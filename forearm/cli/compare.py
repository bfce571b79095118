"""`forearm compare`: planners on the same episodes, with floors, ceilings and error bars."""

import shlex
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from forearm import envs
from forearm.cli.progress import bars
from forearm.common.parallel import default_workers, import_modules
from forearm.control.adapters.hold import hold_of
from forearm.evaluation.comparison import Comparison, compare, films_of
from forearm.evaluation.table import print_whole, results_tables
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("compare", overrides)
    comparison = comparison_of(chosen, overrides)
    batch, workers = chosen["batch"], chosen["workers"] or default_workers()
    envs.working_backend()  # found once here, not once in every worker
    run_and_show(comparison, batch, workers)
    return 0


def comparison_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Comparison:
    """The comparison that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    import_modules(chosen["use"])
    return Comparison(
        tasks=list(chosen.all("task").values()),
        planners=list(chosen.all("planner").values()),
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], "outputs/compare"),
        episodes=chosen["episodes"],
        seed=chosen["seed"],
        baselines=[str(name) for name in chosen["baselines"]],
        learned=chosen["learned"],
        oracle=chosen["oracle"],
        oracle_episodes=chosen["oracle_episodes"],
        replan_every=chosen["replan_every"],
        films=chosen["films"],
        use=tuple(chosen["use"]),
        to_end=chosen["to_end"],
        hold=partial(hold_of, chosen.one("robot")),
        command=shlex.join(["forearm", "compare", *overrides]),
    )


def run_and_show(comparison: Comparison, batch: int, workers: int) -> None:
    """Run a comparison with progress bars, then print its tables and where films and results are."""
    console = Console()
    with bars(console, transient=True) as tell:
        document = compare(comparison, batch, workers, tell)
    for table in results_tables(document):
        print_whole(console, table)
    films = films_of(comparison, document)
    if films:
        console.print(f"films:   {comparison.out / 'films'} ({len(films)})", soft_wrap=True, highlight=False)
    console.print(f"results: {comparison.out / 'results.json'}", soft_wrap=True, highlight=False)
