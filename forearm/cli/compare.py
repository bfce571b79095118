"""`forearm compare`: planners on the same episodes, with floors, ceilings and error bars."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from forearm import envs
from forearm.cli.models import tasks_of
from forearm.cli.progress import bars
from forearm.cli.report import PAGE, show_report
from forearm.common.parallel import default_workers, import_modules
from forearm.common.progress import ALL_ROWS
from forearm.evaluation.comparison import Comparison, compare, films_of
from forearm.evaluation.table import print_whole, results_tables
from forearm.evaluation.variations import variations_of
from forearm.evaluation.vary_picture import save_curves
from forearm.report.page import EMBED_MB
from forearm.settings import compose as settings
from forearm.settings import paths as output

if TYPE_CHECKING:
    from forearm.live.page import LivePage


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("compare", overrides)
    comparison = comparison_of(chosen, overrides)
    batch, workers = chosen["batch"], chosen["workers"] or default_workers()
    envs.working_backend()  # found once here, not once in every worker
    with live_page(chosen) as page:
        run_and_show(comparison, batch, workers, page, report=chosen["report"])
    return 0


def comparison_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Comparison:
    """The comparison that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    import_modules(chosen["use"])
    return Comparison(
        tasks=tasks_of(chosen),
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
        variations=variations_of(chosen["vary"]),
        goal_varies=chosen["vary"]["goal_too"],
        command=shlex.join(["forearm", "compare", *overrides]),
    )


@contextmanager
def live_page(chosen: settings.Settings) -> Iterator["LivePage | None"]:
    """The page that `live=true` asks for; raises `ForearmError` where there can be none."""
    if not chosen["live"]:
        yield None
        return
    from forearm.live.page import LivePage

    with LivePage(chosen["live_port"]) as page:
        yield page


def run_and_show(
    comparison: Comparison, batch: int, workers: int, page: "LivePage | None" = None, report: bool = False
) -> None:
    """Run a comparison with progress bars, then print its tables and where films, results and the `report` are.

    Raises KeyboardInterrupt with words about what is kept.
    """
    console = Console()
    if page is not None:
        console.print(f"live:    {page.url}", soft_wrap=True, highlight=False)
    with bars(console, transient=True) as tell:
        try:
            feed = None if page is None else page.feed_url
            document = compare(comparison, batch, workers, tell, left=tell.left, live=feed)
        except KeyboardInterrupt:
            if ALL_ROWS not in tell.told:
                raise
            done, of = tell.told[ALL_ROWS]
            raise KeyboardInterrupt(
                f"interrupted; {done} of {of} episodes are kept in {comparison.out}: repeat the command to go on"
            ) from None
    for table in results_tables(document):
        print_whole(console, table)
    for line in document.get("left_out", ()):
        console.print(f"left out: {line}", soft_wrap=True, highlight=False)
    films = films_of(comparison, document)
    if films:
        console.print(f"films:   {comparison.out / 'films'} ({len(films)})", soft_wrap=True, highlight=False)
    curves = comparison.out / "vary.png"
    if save_curves(curves, document):
        console.print(f"curves:  {curves}", soft_wrap=True, highlight=False)
    console.print(f"results: {comparison.out / 'results.json'}", soft_wrap=True, highlight=False)
    if report:
        show_report(console, document, comparison.out / PAGE, comparison.out, EMBED_MB)
