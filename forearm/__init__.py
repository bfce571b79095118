"""A robot arm that looks before it moves. This is the public API.

    import forearm

    env = forearm.make_env("push")
    observation, info = env.reset(seed=1)
    plan = forearm.plan(observation["pixels"], info["goal"], task="push", planner="cem", deadline_ms=100)
    print(plan)

torch and MuJoCo are loaded when something needs them.
"""

from typing import TYPE_CHECKING, Any

from forearm.common.lazy import attach
from forearm.common.version import VERSION
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from forearm.agent.loaded_model import LoadedModel, load, plan
    from forearm.agent.model_check import check_model
    from forearm.agent.own_model import WorldModel
    from forearm.control.controller import Controller
    from forearm.envs import Environment
    from forearm.surprise.monitor import Monitor

__version__ = VERSION
__all__ = [
    "Controller",
    "ForearmError",
    "LoadedModel",
    "Monitor",
    "WorldModel",
    "check_model",
    "compare",
    "load",
    "make_env",
    "plan",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "agent.loaded_model": ["LoadedModel", "load", "plan"],
        "agent.model_check": ["check_model"],
        "agent.own_model": ["WorldModel"],
        "control.controller": ["Controller"],
        "surprise.monitor": ["Monitor"],
    },
    {"Brain": "LoadedModel"},
)


def make_env(task: str = "reach", camera: str | None = None, resolution: int = 64) -> "Environment":
    """The simulator of a task; raises ValueError for an unknown one, `ForearmError` for one that has none,
    `envs.MissingExtra` for a benchmark that is not installed.
    """
    from forearm import envs
    from forearm.evaluation.env_pool import check_simulator
    from forearm.settings.compose import options

    if task in options("task"):
        check_simulator(task, "make_env")
    return envs.make(task, camera, resolution)


def compare(
    task: "str | Sequence[str] | None" = None,
    planner: "str | Sequence[str]" = "cem",
    *,
    out: "str | Path" = "outputs/compare",
    batch: int = 1,
    workers: int = 1,
    **settings: Any,
) -> dict[str, Any]:
    """Planners on the same episodes; returns the content of results.json, which is also written to `out`.

    A page to look at, report.html, is written beside it.
    `settings` are those of `forearm compare`, such as `episodes=50`, `seed=[0, 1]` or `oracle=True`, and of its tasks
    and planners, `**{"planner.horizon": [8, 12]}`. `task` is reach unless it is given, by a manifest for instance.
    Raises `ForearmError` for unknown names and settings, and where a script calls it without
    `if __name__ == "__main__":`, which every program needs that starts processes.
    """
    from forearm.common.engine.local import check_guarded

    check_guarded()
    from forearm.cli.compare import chosen_of, comparison_of, live_page
    from forearm.cli.engine import engine_of
    from forearm.cli.report import PAGE
    from forearm.evaluation.comparison import compare as run
    from forearm.report.page import write_report
    from forearm.settings.words import word

    names = {"planner": planner} if task is None else {"task": task, "planner": planner}
    words = [word(key, value) for key, value in {**names, **settings}.items()]
    chosen = chosen_of([*words, f"out={out}"])
    comparison = comparison_of(chosen)
    with engine_of(chosen), live_page(chosen) as page:
        document = run(comparison, batch, workers, live=None if page is None else page.feed_url)
    if chosen["report"]:
        write_report(comparison.out / PAGE, document, comparison.out)
    return document
