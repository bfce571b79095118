"""`forearm collect`: film an exploratory policy, with a progress bar and a page of frames to look at."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from forearm import envs
from forearm.cli.engine import engine_of
from forearm.cli.progress import bars
from forearm.common import checks
from forearm.common.addresses import told
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.lengths import steps_of
from forearm.recording.collect import Collection, collect, practising
from forearm.recording.contact_sheet import save_contact_sheet
from forearm.recording.vary import Varying
from forearm.settings import compose as settings
from forearm.settings import paths as output

if TYPE_CHECKING:
    from forearm.agent.setup import PlanningSetup


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("collect", overrides)
    import_modules(chosen["use"])
    task = chosen.one("task")
    check_simulator(task["name"], "'collect'")
    practice, usual = chosen["practice"], task.get("collect") or {}
    counts = {key: usual.get(key) if chosen[key] is None else chosen[key] for key in ("episodes", "steps")}
    envs.working_backend()  # found once here, not once in every worker
    collection = Collection(
        task=task["name"],
        out=output.data_folder(chosen["out"], f"data/{task['name']}"),
        episodes=checks.whole("episodes", counts["episodes"], least=1),
        steps=steps_of("steps", counts["steps"], task),
        seed=chosen["seed"],
        camera=task["camera"],
        resolution=task["resolution"],
        storage=chosen["storage"],
        shard_episodes=chosen["shard_episodes"],
        use=tuple(chosen["use"]),
        practice=practice,
        agent=_agent(chosen) if practice else None,
        varying=Varying.of(chosen["vary"], task),
    )
    if practice and not collection.practised(collection.episodes):
        raise ForearmError(
            f"practice={practice} of {collection.episodes} episodes is none: give at least "
            f"practice={1 / collection.episodes:.2g}, or practice=0"
        )
    console = Console()
    with engine_of(chosen) as engine:
        _film(collection, chosen["workers"] or engine.default_workers(), console)
    if chosen["contact_sheet"]:
        sheet = collection.out / "contact_sheet.png"
        save_contact_sheet(sheet, _examples(collection))
        console.print(f"frames to look at: {told(sheet)}", soft_wrap=True)
    return 0


def _agent(chosen: settings.Settings) -> "PlanningSetup":
    """Who practises; raises what `forearm compare` raises for settings that contradict each other."""
    return practising(chosen.one("task"), chosen.one("planner"), chosen["replan_every"])


def _film(collection: Collection, workers: int, console: Console) -> None:
    started = time.perf_counter()
    with bars(console) as tell:
        tell(collection.task, 0, collection.episodes)
        frames = 0
        for state in collect(collection, workers):
            frames = state.frames_now
            speed = f"{frames / (time.perf_counter() - started):.0f} frames/s" if frames else ""
            tell(collection.task, state.episodes_done, collection.episodes, speed)
    seconds = time.perf_counter() - started
    console.print(
        f"{collection.episodes} episodes in {told(collection.out)}; "
        f"{frames} frames filmed now in {seconds:.0f} s ({frames / seconds:.0f} frames/s)",
        soft_wrap=True,
    )


def _examples(collection: Collection, rows: int = 10) -> list[np.ndarray]:
    """Frames (T, H, W, 3) of some episodes, spread over the data set, as they are read back from disk."""
    from forearm.world_model.data.reader import read_dataset

    data = read_dataset(collection.out)
    episodes = np.linspace(0, len(data) - 1, min(rows, len(data))).round().astype(int)
    return [np.stack(list(data.frames(int(episode)))) for episode in episodes]
