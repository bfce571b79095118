"""Episodes that the benchmark does not have: cubes, drawer, window and buttons begin and end anywhere."""

from typing import Any

import numpy as np

from forearm.envs.contract import Array

CUBE = 0.04
"""Side of a cube (m)."""
DRAWER_OPEN = -0.16
WINDOW_OPEN = 0.2
TAKEN_ALONG = 0.116
"""How far the drawer takes a cube in it towards negative y as it closes (m): the rest of its way the cube slides."""
STACKED = 0.3
"""Share of the goals with several cubes in which the second stands on the first."""
STORED = 0.2
"""Share of a scene's goals in which the cube is in the drawer. No start has it there: its oracle takes none out."""


def random_cubes(rng: np.random.Generator, cubes: int, low: Array, high: Array) -> dict[str, Any]:
    """A task of the benchmark's form: `cubes` anywhere on the table, and anywhere else, or stacked, as the goal.

    Args:
        rng: what is drawn with.
        cubes: how many.
        low: (2,) least x and y (m) of a cube.
        high: (2,) largest x and y.
    """
    places = _apart(rng, cubes, low, high), _apart(rng, cubes, low, high)
    start, goal = (np.column_stack([xy, np.full(cubes, CUBE / 2)]) for xy in places)
    if cubes > 1 and rng.random() < STACKED:
        goal[1] = goal[0] + [0.0, 0.0, CUBE]
    return {"task_name": "random", "init_xyzs": start, "goal_xyzs": goal}


def random_scene(rng: np.random.Generator, low: Array, high: Array, drawer: Array) -> dict[str, Any]:
    """A task of the benchmark's form with one cube, two buttons, drawer and window, each drawn for start and for goal.

    Args:
        rng: what is drawn with.
        low: (2,) least x and y (m) of a cube on the table; the drawer begins beyond.
        high: (2,) largest x and y.
        drawer: (3,) where a cube lies in the open drawer (m).
    """
    start, goal = (_scene(rng, low, high, drawer, stored) for stored in (0.0, STORED))
    return {"task_name": "random", "init": start, "goal": goal}


def _scene(rng: np.random.Generator, low: Array, high: Array, inside: Array, stored: float) -> dict[str, Any]:
    drawer, window = DRAWER_OPEN * float(rng.integers(2)), WINDOW_OPEN * float(rng.integers(2))
    place = np.append(rng.uniform(low, high), CUBE / 2)
    if rng.random() < stored:
        place = inside - [0.0, TAKEN_ALONG * (1 - drawer / DRAWER_OPEN), 0.0]
    return {
        "block_xyzs": place[None],
        "button_states": rng.integers(0, 2, 2),
        "drawer_pos": drawer,
        "window_pos": window,
    }


def _apart(rng: np.random.Generator, count: int, low: Array, high: Array) -> Array:
    """Places (count, 2) on the table, at least one and a half cubes apart."""
    while True:
        places = rng.uniform(low, high, (count, 2))
        gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(count)
        if gaps.min() > 1.5 * CUBE:
            return places
