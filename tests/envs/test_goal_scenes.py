"""Goals told by the places of tool and object."""

from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.envs.arm.goal_scenes import BEHIND, goal_scene
from forearm.envs.arm.tasks import CUBE_HALF, TASKS
from forearm.errors import InputError


def test_the_object_lies_where_it_was_told_and_the_state_stays_as_it_was() -> None:
    env = envs.make("push")
    env.reset(seed=1)
    before, start = env.snapshot(), env.object_position()
    state = env.goal_state(object=[0.5, 0.1], start=start)
    assert np.array_equal(env.snapshot(), before)
    env.restore(state)
    assert np.allclose(env.object_position()[:2], [0.5, 0.1], atol=1e-3)
    assert env.success()
    behind = env.object_position()[:2] - env.ee_position()[:2]
    along = np.array([0.5, 0.1]) - start[:2]
    assert np.allclose(behind, BEHIND * along / np.linalg.norm(along), atol=3e-3)
    env.close()


def test_where_it_comes_from_is_not_known_the_tool_stands_on_the_side_of_the_base() -> None:
    scene = goal_scene(TASKS["push"], object=[0.5, 0.1])
    assert np.allclose(scene.tool, [0.5 - BEHIND, 0.1, 0.02])


def test_the_tool_stands_elsewhere_where_the_workspace_ends_behind_the_object() -> None:
    scene = goal_scene(TASKS["push"], object=[0.34, 0.0])
    assert scene.tool[0] >= TASKS["push"].low[0]
    assert scene.object_position is not None
    assert np.linalg.norm(scene.tool[:2] - scene.object_position[:2]) == pytest.approx(BEHIND)


def test_an_object_in_the_air_is_held() -> None:
    scene = goal_scene(TASKS["pick_place"], object=[0.5, 0.0, 0.15])
    assert scene.object_position is not None
    assert np.allclose(scene.tool, scene.object_position)
    assert scene.opening < CUBE_HALF


def test_a_place_of_the_tool_alone() -> None:
    assert np.allclose(goal_scene(TASKS["reach"], tool=[0.5, 0.1, 0.1]).tool, [0.5, 0.1, 0.1])


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("reach", {"object": [0.5, 0.1]}, "has no object"),
    ("reach", {}, r"tool: \[x, y, z\]"),
    ("push", {"tool": [0.5, 0.1, 0.02]}, r"object: \[x, y\]"),
    ("push", {"object": [0.9, 0.1]}, "x is 0.9 m, outside the workspace of 'push', 0.33 to 0.68"),
    ("push", {"object": [0.5, float("nan")]}, "expected its place"),
    ("push", {"object": "here"}, "expected its place"),
    ("push", {"object": [0.5]}, "expected its place"),
    ("push", {"object": [0.5, 0.1, 0.2]}, "leave z out"),
    ("push", {"object": [0.5, 0.1], "tool": [0.5, 0.11]}, "stand in each other"),
    ("push", {"object": [0.5, 0.1], "tool": [0.5, 0.3]}, "tool y is 0.3 m"),
    ("pick_place", {"object": [0.5, 0.1, 0.0]}, "in the table"),
    ("pick_place", {"object": [0.5, 0.1, 0.5]}, "higher than the tool"),
    ("pick_place", {"object": [0.5, 0.1, 0.15], "tool": [0.4, 0.0, 0.1]}, "must be held"),
]


@pytest.mark.parametrize(("task", "places", "said"), WRONG)
def test_places_that_cannot_be(task: str, places: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        goal_scene(TASKS[task], **places)
