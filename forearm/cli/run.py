"""`forearm run`: closed loop in the simulator, with a film of every episode."""

from collections.abc import Sequence

from forearm import envs
from forearm.agent.setup import LEARNED, ORACLE
from forearm.cli.compare import run_and_show
from forearm.cli.device import device_of
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError, did_you_mean
from forearm.evaluation.comparison import Comparison
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command: a comparison of one contender. Raises what `forearm compare` raises."""
    chosen = settings.load("run", overrides)
    import_modules(chosen["use"])
    task, planner, dynamics = chosen.one("task"), chosen.one("planner"), chosen["dynamics"]
    if dynamics not in (LEARNED, ORACLE):
        raise ForearmError(f"unknown dynamics '{dynamics}'{did_you_mean(dynamics, (LEARNED, ORACLE))}")
    episodes = chosen.whole("episodes", 1)
    comparison = Comparison(
        tasks=[task],
        planners=[planner],
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], f"outputs/{task['name']}-{planner['name']}"),
        episodes=episodes,
        seed=chosen.whole("seed", 0),
        baselines=(),
        learned=dynamics == LEARNED,
        oracle=dynamics == ORACLE,
        oracle_episodes=episodes,
        replan_every=None if chosen["replan_every"] is None else chosen.whole("replan_every", 1),
        films=chosen.whole("films", 0, episodes),
        use=tuple(chosen["use"]),
        to_end=chosen["to_end"],
        device=device_of(chosen),
    )
    batch, workers = chosen.whole("batch", 1), chosen.whole("workers", 1)
    envs.working_backend()
    run_and_show(comparison, batch, workers)
    return 0
