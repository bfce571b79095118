"""One row of a comparison: a planner or policy, on one task and one kind of dynamics."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from forearm.agent.agent import Agent, PlanningModel
from forearm.agent.guided import ALGORITHM, GUIDED, PRIOR, is_guided, suited
from forearm.agent.oracle import NoPlanningModel, OraclePlanningModel
from forearm.agent.scripted import ExpertAgent, HoldAgent
from forearm.errors import ForearmError, did_you_mean
from forearm.evaluation.closed_loop import Acting
from forearm.evaluation.code_hash import code_sha256
from forearm.evaluation.env_pool import environment

if TYPE_CHECKING:
    from forearm.envs import Environment

LEARNED, ORACLE, NONE = "learned", "oracle", "none"
PACE = {"horizon": 12, "action_repeat": 2, "replan_every": 4}
"""Of tasks that say nothing."""
POLICIES = ("random", "hold", "expert", PRIOR)
"""The last one looks through the world model's eyes, and follows its prior without a search."""


@dataclass(frozen=True)
class Contender:
    """Everything that decides how the episodes of a row go, apart from the episodes themselves.

    `task`, `planner` and `protocol` are configs as in configs/; `checkpoint` is a fingerprint.
    """

    task: Mapping[str, Any]
    planner: Mapping[str, Any]
    dynamics: str
    seed: int
    replan_every: int = 1
    checkpoint: str | None = None
    use: tuple[str, ...] = field(default=())
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task_name(self) -> str:
        """The task's name."""
        return str(self.task["name"])

    @property
    def planner_name(self) -> str:
        """The planner's or policy's name."""
        return str(self.planner["name"])

    @property
    def label(self) -> str:
        """A name for files and progress bars."""
        kind = "-oracle" if self.dynamics == ORACLE else ""
        return f"{self.task_name}-{self.planner_name}{kind}"

    @property
    def key(self) -> str:
        """Hash of everything in this row: outcomes stored under it are outcomes of this row."""
        parts = [code_sha256(), asdict(self)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeyedContender:
    """A row that can be a cache key; its config dicts cannot."""

    row: Contender

    def __hash__(self) -> int:
        return hash(self.row.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyedContender) and self.row.key == other.row.key


def imitating(row: Contender, replan_every: int | None = None) -> Contender:
    """The same for the policy `prior`, which needs heads of the task's world model: raises like `fingerprint_of`."""
    from forearm.agent.latent import fingerprint_of

    planner = {"name": PRIOR}
    task = suited(row.task, planner)
    every = replan_every or pace_of(task)["replan_every"]
    return replace(
        row,
        task=task,
        planner={**planner, "horizon": every},
        dynamics=LEARNED,
        replan_every=every,
        checkpoint=fingerprint_of(task),
    )


def check_row(row: Contender) -> None:
    """Raise `ForearmError` or ValueError for settings that contradict each other, before any episode is
    run.
    """
    if row.dynamics == NONE:
        if row.planner_name not in POLICIES:
            raise ForearmError(f"unknown baseline '{row.planner_name}'{did_you_mean(row.planner_name, POLICIES)}")
        return
    if row.dynamics == ORACLE and is_guided(row.planner):
        raise ForearmError(
            f"planner={GUIDED} has no oracle: its prior sees the world model's latents, use another planner"
        )
    horizon = build_planner(row.planner).config.horizon
    if not 1 <= row.replan_every <= horizon:
        raise ForearmError(
            f"replan_every={row.replan_every} must lie between 1 and the horizon of {row.planner_name} ({horizon})"
        )
    if row.dynamics == LEARNED:
        from forearm.agent.latent import check_horizon

        if row.planner_name != PRIOR:  # which rolls nothing out
            check_horizon(row.task, horizon)
        check_rate(row.task, environment(row.task["name"], row.task["camera"], row.task["resolution"]))


def check_rate(task: Mapping[str, Any], env: "Environment") -> None:
    """Raise `ForearmError` unless a task's checkpoint knows commands of the kind and rate that `env` takes."""
    from forearm.agent.latent import load_for

    model, document = load_for(task)
    period, size = float(document["control_period"]), len(env.action_names)
    differing = []
    if not same_period(period, env.control_period):
        differing.append(f"one command every {1e3 * period:.4g} ms, not every {1e3 * env.control_period:.4g} ms")
    if model.config.action_dim != size:
        differing.append(f"commands of {model.config.action_dim} numbers, not {size}")
    if differing:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was trained on {' and '.join(differing)} as {env.name} takes them: "
            f"give another {task['name']}.checkpoint= or train one"
        )


def same_period(one: float, other: float) -> bool:
    """Whether two control periods (s) are meant to be the same."""
    # A data set's frame rate is a whole number, so a period may have been rounded.
    return abs(one - other) <= 0.03 * other


def fitted(planner: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """A planner's config with the task's pace wherever it leaves `horizon` or `action_repeat` open, and `guided` its
    `temperature`.
    """
    task = suited(task, planner)
    known: dict[str, Any] = {key: pace_of(task)[key] for key in ("horizon", "action_repeat")}
    if is_guided(planner):
        known["temperature"] = task[GUIDED]["temperature"]
    return {key: known[key] if value is None and key in known else value for key, value in planner.items()}


def pace_of(task: Mapping[str, Any]) -> dict[str, int]:
    """The `horizon`, `action_repeat` and `replan_every` of a task in control steps; raises ValueError for none."""
    from forearm.planner import checks

    pace = PACE | dict(task.get("plan") or {})
    return {key: checks.integer(f"{task['name']}.plan.{key}", pace[key], 1) for key in PACE}


def build_planner(config: Mapping[str, Any]) -> Any:
    """The planner, or `prior`, that a config describes; raises ValueError for settings that contradict each other."""
    from forearm.planner import make_planner, make_policy

    settings = {key: value for key, value in config.items() if key != "name"}
    name = ALGORITHM if is_guided(config) else config["name"]
    return (make_policy if name == PRIOR else make_planner)(name, **settings)


def build_agent(row: Contender, envs: "Sequence[Environment]") -> Acting:
    """What acts in a row, in the environments `envs`."""
    if row.dynamics == NONE and row.planner_name in ("expert", "hold"):
        return ExpertAgent(envs) if row.planner_name == "expert" else HoldAgent(envs)
    space: Any = envs[0].action_space  # a Box, which Gymnasium's types do not say
    if row.dynamics == NONE:
        from forearm.planner import make_policy

        return Agent(make_policy(row.planner_name), NoPlanningModel(), space.low, space.high, envs[0].control_period)
    planning_model: PlanningModel
    if row.dynamics == ORACLE:
        planning_model = OraclePlanningModel(envs)
    else:
        from forearm.agent.latent import imagination_for

        check_rate(row.task, envs[0])
        planning_model = imagination_for(row.task)
    return Agent(
        build_planner(row.planner),
        planning_model,
        space.low,
        space.high,
        envs[0].control_period,
        row.replan_every,
    )
