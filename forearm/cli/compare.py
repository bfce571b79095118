"""`forearm compare`: planners on the same episodes, with floors, ceilings and error bars."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from forearm import envs
from forearm.cli.device import device_of
from forearm.cli.engine import engine_of
from forearm.cli.models import tasks_of
from forearm.cli.progress import bars
from forearm.cli.report import PAGE, show_report
from forearm.common.addresses import told
from forearm.common.files import place, write_json
from forearm.common.parallel import import_modules
from forearm.common.progress import ALL_ROWS
from forearm.common.reading import here
from forearm.control.adapters.hold import hold_of
from forearm.errors import ForearmError
from forearm.evaluation.budget import MS, Budget
from forearm.evaluation.comparison import Comparison, compare, films_of
from forearm.evaluation.manifest import read_manifest
from forearm.evaluation.merging import read_results
from forearm.evaluation.pooling import together
from forearm.evaluation.table import print_whole, results_tables
from forearm.evaluation.variations import variations_of
from forearm.evaluation.vary_picture import save_curves
from forearm.report.page import EMBED_MB
from forearm.settings import compose as settings
from forearm.settings import paths as output
from forearm.settings import sweep
from forearm.settings.words import unquoted, written

OF_A_MERGE = ("out", "unpaired")
"""Settings that go with files of results."""

if TYPE_CHECKING:
    from forearm.live.page import LivePage


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    files = [here(word) for word in overrides if _is_file(word)]
    if files:
        merge_and_show(files, [word for word in overrides if not _is_file(word)], overrides)
        return 0
    chosen = chosen_of(overrides)
    comparison = comparison_of(chosen, overrides)
    envs.working_backend()  # found once here, not once in every worker
    with engine_of(chosen) as engine, live_page(chosen) as page:
        workers = chosen["workers"] or engine.default_workers()
        run_and_show(comparison, chosen["batch"], workers, page, report=chosen["report"])
    return 0


def _is_file(word: str) -> bool:
    """Whether a word is meant for a file of results rather than a setting."""
    return ("=" not in word and word.endswith(".json")) or place(word).is_file()


def chosen_of(overrides: Sequence[str]) -> settings.Settings:
    """The settings of a comparison, with what its manifest brings, and a config for each value that is swept."""
    return sweep.load("compare", [*of_manifest(overrides), *overrides])


def of_manifest(overrides: Sequence[str]) -> list[str]:
    """Words for what a manifest brings and `overrides` leave open; raises `ForearmError` for one that is none."""
    given = {word.partition("=")[0].strip(): word.partition("=")[2] for word in overrides}
    named = unquoted(given.get("manifest", "").strip())
    if named in ("", "null"):
        return []
    manifest = read_manifest(here(named))
    words = [] if "task" in given else [f"task={written(list(manifest.episodes))}"]
    if "protocol" not in given:
        rules = {key: value for key, value in manifest.protocol.items() if key not in ("alpha", "confidence")}
        words += [f"protocol={rules.pop('name')}", *(f"protocol.{key}={written(rules[key])}" for key in rules)]
        words += [
            f"{task}.max_steps={written(of['max_steps'])}" for task, of in _limited(manifest.criteria, rules, given)
        ]
    words += [] if "seed" in given else [f"seed={manifest.seed}"]
    return words + ([] if "episodes" in given else [f"episodes={min(map(len, manifest.episodes.values()))}"])


def _limited(
    criteria: Mapping[str, Mapping[str, Any]], rules: Mapping[str, Any], given: Mapping[str, str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Tasks with a limit of steps of their own."""
    return [
        (task, found)
        for task, found in criteria.items()
        if found["max_steps"] != rules["max_steps"] and "task" not in given
    ]


def comparison_of(chosen: settings.Settings, overrides: Sequence[str] = ()) -> Comparison:
    """The comparison that settings, made by `overrides`, describe; `ForearmError` for those that make no sense."""
    import_modules(chosen["use"])
    manifest = None if chosen["manifest"] is None else read_manifest(here(chosen["manifest"]))
    seeds = chosen.values["seed"] if isinstance(chosen.values["seed"], list) else [chosen["seed"]]
    if manifest is not None and len(seeds) > 1:
        raise ForearmError(f"seed={written(seeds)}: a manifest has one seed: leave seed= out")
    budget = None if chosen["budget"] is None else Budget.read(str(chosen["budget"]))
    if budget is not None and budget.kind == MS and chosen["batch"] != 1:
        raise ForearmError(f"budget={budget} is of a plan of one episode: leave batch={chosen['batch']} out")
    return Comparison(
        tasks=tasks_of(chosen),
        planners=list(chosen.all("planner").values()),
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], "outputs/compare"),
        episodes=chosen["episodes"],
        seed=seeds[0],
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
        hold=partial(hold_of, chosen.one("robot")),
        command=shlex.join(["forearm", "compare", *overrides]),
        manifest=manifest,
        seeds=tuple(seeds),
        budget=budget,
        device=device_of(chosen),
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
        console.print(f"films:   {told(films[0].parent)} ({len(films)})", soft_wrap=True, highlight=False)
    curves = comparison.out / "vary.png"
    if save_curves(curves, document):
        console.print(f"curves:  {told(curves)}", soft_wrap=True, highlight=False)
    console.print(f"results: {told(comparison.out / 'results.json')}", soft_wrap=True, highlight=False)
    if report:
        show_report(console, document, comparison.out / PAGE, comparison.out, EMBED_MB)


def merge_and_show(files: Sequence[Path], words: Sequence[str], overrides: Sequence[str]) -> None:
    """Print one table of several files of results, and keep it where `out=` says; raises `ForearmError`."""
    chosen = settings.load("compare", words)
    for word in words:
        if (key := word.partition("=")[0].strip()) not in OF_A_MERGE:
            raise ForearmError(f"{key}= does not go with files of results, which are only put together: leave it out")
    folder = None if chosen["out"] is None else output.folder(chosen["out"], "")
    command = shlex.join(["forearm", "compare", *overrides])
    results = [(path, read_results(path)) for path in files]
    document = together(results, folder or Path(), command, chosen["unpaired"])
    console = Console()
    for table in results_tables(document):
        print_whole(console, table)
    if folder is not None:
        write_json(folder / "results.json", document)
        console.print(f"results: {told(folder / 'results.json')}", soft_wrap=True, highlight=False)
