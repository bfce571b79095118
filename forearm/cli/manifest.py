"""`forearm manifest`: which episodes comparisons consist of, in a file that travels."""

from collections.abc import Sequence

from rich.console import Console

from forearm import envs
from forearm.cli.engine import engine_of
from forearm.cli.progress import bars
from forearm.common.addresses import told
from forearm.common.files import write_json
from forearm.common.parallel import import_modules
from forearm.evaluation.comparison import draw_manifest
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.manifest import Manifest
from forearm.evaluation.protocol import criteria_of
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("manifest", overrides)
    import_modules(chosen["use"])
    out = output.file("out", chosen["out"])
    tasks, protocol = chosen.all("task"), chosen.one("protocol")
    seed, episodes = chosen["seed"], chosen["episodes"]
    criteria = {name: criteria_of(protocol, task) for name, task in tasks.items()}
    for name in tasks:
        check_simulator(name, "running episodes")
    envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with engine_of(chosen) as engine, bars(console, transient=True) as tell:
        workers = chosen["workers"] or engine.default_workers()
        drawn = draw_manifest(tasks, protocol, seed, episodes, workers, tuple(chosen["use"]), tell)
    manifest = Manifest(seed, protocol, criteria, drawn)
    write_json(out, manifest.document)
    for task, sha256 in manifest.sha256.items():
        console.print(f"{task}: {episodes} episodes, {sha256[:16]}", highlight=False, soft_wrap=True)
    console.print(f"manifest: {told(out)}", highlight=False, soft_wrap=True)
    return 0
