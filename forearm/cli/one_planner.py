"""What `forearm diagnose` and `forearm pools` look into: one planner on one task, in its simulator."""

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from forearm.cli.models import task_of
from forearm.common.parallel import import_modules
from forearm.control.adapters.hold import hold_of
from forearm.evaluation.comparison import Comparison
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.lengths import lengths_in_steps
from forearm.settings import paths as output
from forearm.settings.compose import Settings


def one_of(chosen: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configs of the task, with its lengths in control steps, and of the planner; raises `ForearmError` for several of
    either, or a task that has no simulator.
    """
    import_modules(chosen["use"])
    task, planner = task_of(chosen), dict(chosen.one("planner"))
    check_simulator(task["name"], f"'{chosen.command}'")
    return dict(lengths_in_steps([task], {})[0][0]), planner


def comparison_of(
    chosen: Settings, task: Mapping[str, Any], planner: Mapping[str, Any], overrides: Sequence[str]
) -> Comparison:
    """A comparison of that planner alone, on that task; `overrides` made the settings."""
    return Comparison(
        tasks=[task],
        planners=[planner],
        protocol=chosen.one("protocol"),
        out=output.folder(chosen["out"], f"outputs/{chosen.command}-{task['name']}-{planner['name']}"),
        episodes=chosen["episodes"],
        seed=chosen["seed"],
        baselines=(),
        replan_every=chosen["replan_every"],
        use=tuple(chosen["use"]),
        hold=partial(hold_of, chosen.one("robot")),
        command=shlex.join(["forearm", chosen.command, *overrides]),
    )
