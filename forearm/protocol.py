"""Evaluation protocols: which pairs of start and goal, how many steps, and what counts as solved.

A protocol is a config in configs/protocol. The same rules give every row its episodes, and are named after whoever
published them, so that a figure can stand beside theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.errors import ForearmError, did_you_mean
from forearm.seeds import policy_rng

if TYPE_CHECKING:
    from envs import Environment

RESET, TRAJECTORY, TASKS = "reset", "trajectory", "tasks"
STARTS = (RESET, TRAJECTORY, TASKS)
BENCHMARK, POSE = "benchmark", "pose"
CRITERIA = (BENCHMARK, POSE)


@dataclass(frozen=True)
class Rules:
    """How episodes are drawn and judged.

    Attributes:
        name: of the config.
        start: `reset` (the environment's own start and goal), `trajectory` (two states of one held-out trajectory of
            the policy that collects data), or `tasks` (the benchmark's own evaluation tasks in turn).
        goal_offset: with `trajectory`, control steps from start to goal.
        trajectory_steps: with `trajectory`, its length; None leaves it to the task's `collect.steps`.
        max_steps: control steps that an episode may take; None leaves it to the task.
        drop_solved: draw again when the start already meets the criterion.
        rest_tolerance_m: how far hand or object may move in a step of holding still at the start; None: any.
        criterion: `benchmark`, or `pose` (`position_m` and `angle_deg` of every object from its goal pose).
        hold_steps: control steps in a row for which the criterion must be met.
    """

    name: str = "rest"
    start: str = RESET
    goal_offset: int = 25
    trajectory_steps: int | None = 150
    max_steps: int | None = None
    drop_solved: bool = True
    rest_tolerance_m: float | None = 0.005
    criterion: str = BENCHMARK
    position_m: float = 0.03
    angle_deg: float = 15.0
    hold_steps: int = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        for key, value, known in (("start", self.start, STARTS), ("criterion", self.criterion, CRITERIA)):
            if value not in known:
                raise ForearmError(f"protocol.{key}={value} is unknown{did_you_mean(str(value), known)}")
        if not 1 <= self.goal_offset <= (self.trajectory_steps or self.goal_offset):
            raise ForearmError(
                f"protocol.goal_offset={self.goal_offset} must lie between 1 and "
                f"protocol.trajectory_steps={self.trajectory_steps}"
            )
        if self.hold_steps < 1 or (self.max_steps is not None and self.max_steps < 1):
            raise ForearmError("protocol.hold_steps and protocol.max_steps must be at least 1")


def rules_of(config: Mapping[str, Any], task: Mapping[str, Any]) -> Rules:
    """The rules that configs of a protocol and a task describe; statistics' settings are left to the statistics.

    Raises `ForearmError` for settings that make no sense.
    """
    own = {key: value for key, value in config.items() if key not in ("alpha", "confidence")}
    rules = Rules(**own)
    return rules if rules.trajectory_steps else replace(rules, trajectory_steps=int(task["collect"]["steps"]))


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
    return env.reset(seed=seed, options={"start_state": start, "goal_state": env.snapshot()})


class Judge:
    """Says after every control step whether an episode is solved by now."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._met = rules, 0

    def solved(self, env: "Environment") -> bool:
        """Call once per control step; whether the criterion has been met for long enough."""
        self._met = self._met + 1 if meets(env, self._rules) else 0
        return self._met >= self._rules.hold_steps


def meets(env: "Environment", rules: Rules) -> bool:
    """Whether the present state meets the rules' criterion."""
    if rules.criterion == BENCHMARK:
        return env.success()
    error = env.pose_error()
    if error is None:
        raise ForearmError(
            f"protocol={rules.name} judges an object's pose, but {env.name} has no goal pose; use protocol=rest"
        )
    return error[0] <= rules.position_m and error[1] <= np.deg2rad(rules.angle_deg)
