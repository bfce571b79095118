"""`forearm list`: what there is to choose from."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from forearm.agent.setup import BASELINES
from forearm.envs.benchmarks.catalog import SETS
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings


def main(overrides: Sequence[str]) -> int:
    """Print tasks, planners, baselines, world models, checkpoints and protocols."""
    console = Console()
    for table in tables():
        print_whole(console, table)
    return 0


def tables() -> Iterable[Table]:
    """One table for each kind of thing."""
    from forearm import envs, planner

    tasks = _table("tasks", "task=")
    shared: dict[str, list[str]] = {}
    for name in settings.options("task"):
        prefix, _, rest = name.partition("/")
        if rest and prefix in envs.BENCHMARKS:
            shared.setdefault(prefix, []).append(rest)
        else:
            known = envs.TASKS.get(name)
            tasks.add_row(name, known.description if known else settings.describe("task", name))
    for prefix, names in shared.items():
        about = settings.describe("task", f"{prefix}/{settings.ANY}")
        tasks.add_row(f"{prefix}/...", f"{about} {', '.join(names)}")
    for name, several in SETS.items():
        tasks.add_row(name, f"{', '.join(several)}: to train one model on, or to compare")
    yield tasks
    yield _options("planner", "planners")
    baselines = _table("baselines, which do not plan", "baselines=")
    words = {"expert": "The task's scripted expert, which looks inside the simulator."}
    for name in BASELINES:
        baselines.add_row(name, words.get(name) or _first_line(planner.BASELINES[name][0]))
    yield baselines
    yield _checkpoints()
    yield _options("world_model", "world models to train")
    yield _options("protocol", "protocols")
    yield _options("robot", "robots")


def _options(group: str, title: str) -> Table:
    table = _table(title, f"{group}=")
    for name in settings.options(group):
        table.add_row(name, settings.describe(group, name))
    return table


def _checkpoints() -> Table:
    from forearm.world_model.heads.checkpoint import heads_path
    from forearm.world_model.runtime.checkpoint import load_checkpoint, shipped, tasks_of

    table = _table("checkpoints", "task.checkpoint=")
    for name in shipped():
        model, document = load_checkpoint(name)
        tasks = tasks_of(document)
        what = "tasks" if len(tasks) > 1 else "task"
        size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        data = document.get("dataset", {})
        frames = f", {data['frames']} frames" if "frames" in data else ""
        heads = ", with heads" if heads_path(name).is_file() else ""
        table.add_row(
            name,
            f"{what} {', '.join(tasks)}, {model.config.encoder} encoder, {size:.1f} M parameters{frames}{heads}",
        )
    if not table.row_count:
        table.add_row("none shipped", "make one with 'forearm collect' and 'forearm train'")
    return table


def _table(title: str, key: str) -> Table:
    table = Table(title=f"{title} ({key})", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    return table


def _first_line(of: type) -> str:
    return " ".join((of.__doc__ or "").strip().split("\n\n")[0].split())
