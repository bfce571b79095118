"""`forearm run`: closed loop in the simulator, with a film of every episode."""

from collections.abc import Sequence
from functools import partial

from forearm import envs
from forearm.agent.setup import LEARNED, ORACLE
from forearm.cli.compare import live_page, run_and_show
from forearm.cli.device import device_of
from forearm.cli.engine import engine_of
from forearm.cli.models import task_of
from forearm.common.parallel import import_modules
from forearm.control.adapters.hold import hold_of
from forearm.errors import ForearmError, did_you_mean
from forearm.evaluation.comparison import Comparison
from forearm.evaluation.variations import variations_of
from forearm.settings import compose as settings
from forearm.settings import paths as output


def main(overrides: Sequence[str]) -> int:
    """Run the command: a comparison of one contender. Raises what `forearm compare` raises."""
    chosen = settings.load("run", overrides)
    import_modules(chosen["use"])
    task, planner, dynamics = task_of(chosen), chosen.one("planner"), chosen["dynamics"]
    if dynamics not in (LEARNED, ORACLE):
        raise ForearmError(f"unknown dynamics '{dynamics}'{did_you_mean(dynamics, (LEARNED, ORACLE))}")
    episodes = chosen["episodes"]
    comparison = Comparison(
        tasks=[task],
        planners=[planner],
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], f"outputs/{task['name']}-{planner['name']}"),
        episodes=episodes,
        seed=chosen["seed"],
        baselines=(),
        learned=dynamics == LEARNED,
        oracle=dynamics == ORACLE,
        oracle_episodes=episodes,
        replan_every=chosen["replan_every"],
        films=episodes if chosen["films"] is None else chosen["films"],
        use=tuple(chosen["use"]),
        hold=partial(hold_of, chosen.one("robot")),
        to_end=chosen["to_end"],
        variations=variations_of(chosen["vary"]),
        goal_varies=chosen["vary"]["goal_too"],
        device=device_of(chosen),
    )
    envs.working_backend()
    with engine_of(chosen), live_page(chosen) as page:
        run_and_show(comparison, chosen["batch"], chosen["workers"], page)
    return 0
