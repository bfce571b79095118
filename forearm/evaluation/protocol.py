"""Evaluation protocols: which pairs of start and goal, how many steps, and what counts as solved.

A protocol is a config in configs/protocol. The same rules give every contender its episodes, and are named after
whoever published them, so that a figure can stand beside theirs.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common import checks
from forearm.common.seeds import policy_rng
from forearm.errors import ForearmError
from forearm.settings.schema.protocol import ProtocolConfig

if TYPE_CHECKING:
    from forearm.envs import Environment

RESET, TRAJECTORY, EXPERT, TASKS = "reset", "trajectory", "expert", "tasks"
STARTS = (RESET, TRAJECTORY, EXPERT, TASKS)
BENCHMARK, POSE = "benchmark", "pose"
CRITERIA = (BENCHMARK, POSE)
ANY_STEP, LAST_STEP = "any", "last"
COUNTING = (ANY_STEP, LAST_STEP)
AT_LEAST = checks.worded(checks.integer, "{name}={value} must be at least {least}")
HELD_STEPS = 3
"""Control steps in a row, up to the last one of an episode, for which what is held there meets the criterion."""


@dataclass(frozen=True)
class Rules:
    """How episodes are drawn and judged.

    Attributes:
        name: of the config.
        start: `reset` (the environment's own start and goal), `trajectory` (two states of one held-out trajectory of
            the policy that collects data), `expert` (the environment's own start; the goal image shows where its expert
            is `goal_offset` steps later, success or not), or `tasks` (the benchmark's own evaluation tasks in turn).
        goal_offset: with `trajectory` and `expert`, control steps from start to goal.
        trajectory_steps: with `trajectory`, its length; None leaves it to the task's `collect.steps`.
        max_steps: control steps that an episode may take; None leaves it to the task.
        drop_solved: draw again when the start already meets the criterion.
        rest_tolerance_m: how far hand or object may move in a step of holding still at the start; None: any.
        criterion: `benchmark`, or `pose` (that, and every object within `position_m` and `angle_deg` of its goal pose).
        hold_steps: control steps in a row for which the criterion must be met.
        counts: `any`: the first success counts, and may end an episode; `last`: only the last step does.
    """

    name: str = "rest"
    start: str = checks.setting(ProtocolConfig.start, checks.choice, known=STARTS)
    goal_offset: int = checks.setting(int(ProtocolConfig.goal_offset), AT_LEAST, least=1)
    trajectory_steps: int | None = 150
    max_steps: int | None = checks.setting(None, AT_LEAST, least=1)
    drop_solved: bool = ProtocolConfig.drop_solved
    rest_tolerance_m: float | None = ProtocolConfig.rest_tolerance_m
    criterion: str = checks.setting(ProtocolConfig.criterion, checks.choice, known=CRITERIA)
    position_m: float = ProtocolConfig.position_m
    angle_deg: float = ProtocolConfig.angle_deg
    hold_steps: int = checks.setting(int(ProtocolConfig.hold_steps), AT_LEAST, least=1)
    counts: str = checks.setting(ProtocolConfig.counts, checks.choice, known=COUNTING)

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.settings(self, "protocol.")
        if self.start == TRAJECTORY and self.goal_offset > (self.trajectory_steps or self.goal_offset):
            raise ForearmError(
                f"protocol.goal_offset={self.goal_offset} must lie between 1 and "
                f"protocol.trajectory_steps={self.trajectory_steps}"
            )


def rules_of(config: Mapping[str, Any], task: Mapping[str, Any]) -> Rules:
    """The rules that configs of a protocol and a task describe; statistics' settings are left to the statistics.

    Raises `ForearmError` for settings that make no sense.
    """
    own = {key: value for key, value in config.items() if key not in ("alpha", "confidence")}
    rules = Rules(**own)
    if rules.trajectory_steps:
        return rules
    steps = (task.get("collect") or {}).get("steps")
    if rules.start == TRAJECTORY and steps is None:
        raise ForearmError(
            f"protocol={rules.name} draws states from trajectories as long as the task's collect.steps, which "
            f"task {task['name']} does not say: set protocol.trajectory_steps="
        )
    return rules if steps is None else replace(rules, trajectory_steps=int(steps))


def criteria_of(config: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a success rate what it is, beside the episodes: the rules, with the limit of steps that holds. Only
    the protocol's name is left out. Raises like `rules_of`.
    """
    found = asdict(rules_of(config, task))
    del found["name"]
    return {**found, "max_steps": task.get("max_steps") or found["max_steps"]}


def begin(env: "Environment", rules: Rules, seed: int, episode: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put `env` at the start of an episode; a function of rules, seed and, for `tasks`, the episode's number.

    Returns what `env.reset` returns. Raises `ForearmError` where the environment cannot do what is asked.
    """
    if rules.start == RESET:
        return env.reset(seed=seed)
    if rules.start == TASKS:
        count = int(getattr(env, "tasks", 0))
        if not count:
            raise ForearmError(f"protocol={rules.name} takes a benchmark's own tasks, but {env.name} has none")
        return env.reset(seed=seed, options={"task_id": episode % count + 1})
    return _expert_goal(env, rules, seed) if rules.start == EXPERT else _later_goal(env, rules, seed)


def _expert_goal(env: "Environment", rules: Rules, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The environment's own start and target; the goal image shows what its expert has made of it by then."""
    env.reset(seed=seed, options={"goal": False})
    start, policy = env.snapshot(), env.expert(policy_rng(seed, 0))
    for _ in range(rules.goal_offset):
        env.advance(np.asarray(policy.act(), np.float32))
    shown = {"goal": env.render(), "goal_state": env.snapshot()}
    env.restore(start)
    return env.observe(), {**shown, "distance_m": env.distance(), "success": env.success()}


def _later_goal(env: "Environment", rules: Rules, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two states of one held-out trajectory; the later one is made the target."""
    env.reset(seed=seed, options={"goal": False})
    rng = policy_rng(seed, 0)
    length = rules.trajectory_steps or rules.goal_offset
    first = int(rng.integers(length - rules.goal_offset + 1))
    policy = env.explorer(rng)
    for _ in range(first):
        env.advance(np.asarray(policy.act(), np.float32))
    start = env.snapshot()
    for _ in range(rules.goal_offset):
        env.advance(np.asarray(policy.act(), np.float32))
    observation, info = env.reset(seed=seed, options={"start_state": start, "goal_state": env.snapshot()})
    here = env.snapshot()
    env.restore(info["goal_state"])
    reached = env.success()
    env.restore(here)
    if not reached:
        # Doors, drawers and holes are where they are: what the image shows would not be what is judged.
        raise ForearmError(
            f"protocol={rules.name} makes any state the goal, but the target of {env.name} cannot be moved there; "
            "use protocol=rest"
        )
    return observation, info


class Judge:
    """Says after every control step whether the criterion has been met for long enough, and when that is the end."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._met = rules, 0

    @property
    def held(self) -> bool:
        """Whether the criterion is met now, and has been for `HELD_STEPS`; where the last step alone counts, as it
        counts there.
        """
        needed = self._rules.hold_steps
        return self._met >= (needed if self._rules.counts == LAST_STEP else max(needed, HELD_STEPS))

    def solved(self, env: "Environment") -> bool:
        """Call once per control step; whether the criterion has been met for long enough."""
        self._met = self._met + 1 if meets(env, self._rules) else 0
        return self._met >= self._rules.hold_steps

    def over(self, solved: bool) -> bool:
        """Whether an episode ends that is, or is not, `solved` now; its limit of steps ends it in any case."""
        return solved and self._rules.counts == ANY_STEP


def meets(env: "Environment", rules: Rules) -> bool:
    """Whether the present state meets the rules' criterion."""
    if rules.criterion == BENCHMARK:
        return env.success()
    error = env.pose_error()
    if error is None:
        raise ForearmError(
            f"protocol={rules.name} judges an object's pose, but {env.name} has no goal pose; use protocol=rest"
        )
    near = error[0] <= rules.position_m and error[1] <= math.radians(rules.angle_deg)
    # A scene has more in it than cubes: buttons, a drawer.
    return bool(near and env.success())
