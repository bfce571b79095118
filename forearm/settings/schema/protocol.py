"""What a protocol's config says."""

from dataclasses import dataclass

from forearm.settings.schema.fields import REQUIRED


@dataclass
class ProtocolConfig:
    """Where episodes start, how long they are and when they count as a success.

    Attributes:
        name: that of its file below configs/protocol.
        start: reset: the task's own; trajectory: two states of a held-out one; tasks: the benchmark's; expert: the
            task's own start, and where its expert is goal_offset steps later.
        goal_offset: with trajectory and expert: control steps from start to goal, or seconds.
        trajectory_steps: with trajectory: its length in control steps, or seconds; null: the task's collect.steps.
        max_steps: control steps that an episode may take, or seconds; null: the task's own limit.
        drop_solved: whether a pair that is solved at the start is drawn again.
        rest_tolerance_m: how far hand or object may drift, in m, in one control step of holding still; null: any.
        criterion: benchmark: its own; pose: that, and every object within position_m and angle_deg of its goal.
        position_m: of criterion=pose, in m.
        angle_deg: of criterion=pose, in degrees, modulo the object's symmetries.
        hold_steps: control steps in a row, or seconds, for which the criterion must be met.
        counts: any: the first success is one; last: only the last step counts.
        alpha: level of the paired tests, after Holm's correction.
        confidence: of the Wilson intervals.
    """

    name: str = REQUIRED
    start: str = "reset"
    goal_offset: int | str = 25
    trajectory_steps: int | str | None = None
    max_steps: int | str | None = None
    drop_solved: bool = True
    rest_tolerance_m: float | None = 0.005
    criterion: str = "benchmark"
    position_m: float = 0.03
    angle_deg: float = 15.0
    hold_steps: int | str = 1
    counts: str = "any"
    alpha: float = 0.05
    confidence: float = 0.95
