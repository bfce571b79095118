"""`forearm compare`: planners on the same episodes, with floors, ceilings and error bars."""

import shlex
from collections.abc import Sequence

from rich.console import Console

from forearm import envs
from forearm.cli.progress import bars
from forearm.cli.report import PAGE, show_report
from forearm.common.parallel import default_workers, import_modules
from forearm.common.progress import ALL_ROWS
from forearm.evaluation.comparison import Comparison, compare, films_of
from forearm.evaluation.table import print_whole, results_tables
from forearm.report.page import EMBED_MB
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("compare", overrides)
    comparison = comparison_of(chosen, overrides)
    batch, workers = chosen.whole("batch", 1), chosen.whole("workers", 1, default_workers())
    envs.working_backend()  # found once here, not once in every worker
    run_and_show(comparison, batch, workers, report=chosen["report"])
    return 0


def comparison_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Comparison:
    """The comparison that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    import_modules(chosen["use"])
    return Comparison(
        tasks=list(chosen.all("task").values()),
        planners=list(chosen.all("planner").values()),
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], "outputs/compare"),
        episodes=chosen.whole("episodes", 1),
        seed=chosen.whole("seed", 0),
        baselines=[str(name) for name in chosen["baselines"]],
        learned=chosen["learned"],
        oracle=chosen["oracle"],
        oracle_episodes=chosen.whole("oracle_episodes", 1),
        replan_every=None if chosen["replan_every"] is None else chosen.whole("replan_every", 1),
        films=chosen.whole("films", 0),
        use=tuple(chosen["use"]),
        to_end=chosen["to_end"],
        command=shlex.join(["forearm", "compare", *overrides]),
    )


def run_and_show(comparison: Comparison, batch: int, workers: int, report: bool = False) -> None:
    """Run a comparison with progress bars, then print its tables and where films, results and the `report` are.

    Raises KeyboardInterrupt with words about what is kept.
    """
    console = Console()
    with bars(console, transient=True) as tell:
        try:
            document = compare(comparison, batch, workers, tell, tell.left)
        except KeyboardInterrupt:
            if ALL_ROWS not in tell.told:
                raise
            done, of = tell.told[ALL_ROWS]
            raise KeyboardInterrupt(
                f"interrupted; {done} of {of} episodes are kept in {comparison.out}: repeat the command to go on"
            ) from None
    for table in results_tables(document):
        print_whole(console, table)
    films = films_of(comparison, document)
    if films:
        console.print(f"films:   {comparison.out / 'films'} ({len(films)})", soft_wrap=True, highlight=False)
    console.print(f"results: {comparison.out / 'results.json'}", soft_wrap=True, highlight=False)
    if report:
        show_report(console, document, comparison.out / PAGE, comparison.out, EMBED_MB)
