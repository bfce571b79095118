"""How much of an explorer is the expert stands in the documents as it is."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.envs import exploration
from forearm.envs.arm import skills

PAGE = Path(__file__).parents[2] / "docs" / "built_in_tasks.md"


class _Able:
    """An environment with a skill."""

    action_names = ("x", "y", "z", "gripper")
    control_period = 0.05

    def skill(self, rng: np.random.Generator) -> Any:
        return self

    def act(self) -> np.ndarray:
        return np.zeros(4)


def told() -> list[tuple[float, float]]:
    """The shares of the skill that the page tells: of the segments and of the steps; of the arm and the benchmarks."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| the scripted skill", "| the skill's share"))]
    segments, steps = ([float(number) for number in re.findall(r"(\d+) %", row)] for row in rows)
    return list(zip(segments, steps, strict=True))


@pytest.mark.parametrize("where", ["reach", "push", "pick_place", "benchmarks"])
def test_the_share_of_the_expert_is_the_one_that_is_told(where: str) -> None:
    rng, able = np.random.default_rng(0), _Able()
    if where == "benchmarks":
        drawn = [exploration.segment(able, rng) for _ in range(4000)]
        skilled = np.array([one.policy is able for one in drawn])
    else:
        arm: Any = SimpleNamespace(task=envs.TASKS[where])
        drawn = [skills.segment(arm, rng) for _ in range(4000)]
        skilled = np.array([getattr(one.policy, "_skill", None) is skills.SKILLS[where] for one in drawn])
    steps = np.array([one.steps for one in drawn])
    of_segments, of_steps = told()[where == "benchmarks"]
    assert 100 * skilled.mean() == pytest.approx(of_segments, abs=2)
    assert 100 * steps[skilled].sum() / steps.sum() == pytest.approx(of_steps, abs=2)
