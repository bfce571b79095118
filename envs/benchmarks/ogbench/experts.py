"""OGBench's scripted oracles, told what to do next.

The benchmark ships an oracle for each subtask (bring a cube, press a button, move drawer or window). What is here
chooses the subtasks: towards the episode's goal (`Expert`), or at random as in the benchmark's play data (`Play`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from ogbench.manipspace import lie
from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle
from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

from forearm.envs.benchmarks.ogbench.scenes import DRAWER_OPEN, WINDOW_OPEN
from forearm.envs.contract import Array
from forearm.errors import InputError

MARKOV = {
    "cube": CubeMarkovOracle,
    "button": ButtonMarkovOracle,
    "drawer": DrawerMarkovOracle,
    "window": WindowMarkovOracle,
}
PLAN = {"cube": CubePlanOracle, "button": ButtonPlanOracle, "drawer": DrawerPlanOracle, "window": WindowPlanOracle}
CLOSE = 0.02
"""Distance (m) at which a cube, drawer or window counts as placed."""
DRAWER_EDGE = -0.15
"""Beyond this y (m) a cube's place is in the drawer: the table's own places end before it."""


class OGBenchTask(Protocol):
    """What an oracle and who chooses its subtasks look at: `OGBench`."""

    kind: str
    cubes: int
    buttons: int
    inner: Any
    data: Any

    def achieved(self) -> Array:
        """Cubes' poses (7 each), buttons' states, and in a scene drawer and window (m)."""
        ...

    def goal(self) -> Array:
        """The goal in force, laid out like `achieved`."""
        ...


@dataclass(frozen=True)
class Subtask:
    """What one oracle is asked for: `index` of a cube or button, a `place` (3,) and `yaw`, or a slide's `position`."""

    kind: str
    index: int = 0
    place: Array = field(default_factory=lambda: np.zeros(3))
    yaw: float = 0.0
    position: float = 0.0


class Oracle:
    """One of the benchmark's oracles at work on one subtask.

    Args:
        env: what is acted in.
        subtask: what is to be done.
        rng: of the oracle's own randomness.
        planned: the oracle that follows a noisy plan made beforehand, instead of the one that reacts.
    """

    def __init__(self, env: OGBenchTask, subtask: Subtask, rng: np.random.Generator, planned: bool = False) -> None:
        self._env, self.subtask = env, subtask
        closed = {"gripper_always_closed": True} if subtask.kind == "button" and env.kind == "puzzle" else {}
        self._oracle: Any = (PLAN if planned else MARKOV)[subtask.kind](env=env.inner, **closed)
        self._wanted_state = 0
        if subtask.kind == "button":
            self._wanted_state = 1 - int(env.inner._cur_button_states[subtask.index])
        with _global_stream(rng):
            self._oracle.reset(None, self._info())

    @property
    def done(self) -> bool:
        """Whether the oracle has finished and withdrawn, or given up."""
        return bool(self._oracle.done)

    def act(self) -> Array:
        """(5,) action in [-1, 1]."""
        return np.clip(np.asarray(self._oracle.select_action(None, self._info()), np.float64), -1.0, 1.0)

    def _info(self) -> dict[str, Any]:
        """What the benchmark tells its oracles, with this subtask as the target."""
        env, wanted, told = self._env, self.subtask, dict(self._env.inner.compute_ob_info())
        data = env.data
        told["privileged/target_task"] = wanted.kind
        told["privileged/target_block"] = wanted.index
        told["privileged/target_block_pos"] = wanted.place
        told["privileged/target_block_yaw"] = np.array([wanted.yaw])
        if wanted.kind == "button":
            told["privileged/target_button"] = wanted.index
            told["privileged/target_button_state"] = self._wanted_state
            told["privileged/target_button_top_pos"] = data.site(f"btntop_{wanted.index}").xpos.copy()
        if wanted.kind in ("drawer", "window"):
            name = f"privileged/target_{wanted.kind}"
            joint = data.joint(f"{wanted.kind}_slide")
            handle = data.site(f"{wanted.kind}_handle_center").xpos
            told[f"{name}_pos"] = np.array([wanted.position])
            told[f"{name}_handle_pos"] = handle + data.xaxis[joint.id] * (wanted.position - joint.qpos[0])
        return told


class Play:
    """Random subtasks, one after the other: what the benchmark's own data show."""

    def __init__(self, env: OGBenchTask, rng: np.random.Generator) -> None:
        self._env, self._rng = env, rng
        self._planned = bool(rng.random() < 0.5)
        self._oracle: Oracle | None = None

    def act(self) -> Array:
        """(5,) action in [-1, 1]."""
        if self._oracle is None or self._oracle.done:
            self._oracle = Oracle(self._env, self._draw(), self._rng, self._planned)
        return self._oracle.act()

    def _draw(self) -> Subtask:
        env, rng = self._env, self._rng
        kinds = {"cube": ("cube",), "puzzle": ("button",), "scene": ("cube", "button", "drawer", "window")}[env.kind]
        kind = str(rng.choice(kinds))
        if kind == "cube" and (env.kind != "scene" or not in_drawer(env, cube_place(env, 0))):
            free = [i for i in range(env.cubes) if not _covered(env, i)]
            cube = int(rng.choice(free))
            low, high = env.inner._target_sampling_bounds
            place = np.append(rng.uniform(low, high), 0.02)
            others = [i for i in free if i != cube]
            if others and rng.random() < 0.3:
                place = cube_place(env, int(rng.choice(others))) + np.array([0.0, 0.0, 0.04])
            elif env.kind == "scene" and env.data.joint("drawer_slide").qpos[0] < -0.12 and rng.random() < 0.3:
                place = env.inner._drawer_center.copy()
            return Subtask("cube", cube, place, float(rng.uniform(0, 2 * np.pi)))
        if kind in ("button", "cube"):
            return Subtask("button", int(rng.integers(env.buttons)))
        shut = abs(env.data.joint(f"{kind}_slide").qpos[0]) < 0.09
        opened = DRAWER_OPEN if kind == "drawer" else WINDOW_OPEN
        return Subtask(kind, position=opened if shut else 0.0)


class Expert:
    """Subtask after subtask until the episode's goal is reached."""

    def __init__(self, env: OGBenchTask, rng: np.random.Generator) -> None:
        self._env, self._rng = env, rng
        self._oracle: Oracle | None = None

    def act(self) -> Array:
        """(5,) action in [-1, 1]; zeros when there is nothing left to do."""
        if self._oracle is None or self._oracle.done:
            subtask = next(wanted_subtasks(self._env), None)
            if subtask is None:
                return np.zeros(5)
            self._oracle = Oracle(self._env, subtask, self._rng)
        return self._oracle.act()


def wanted_subtasks(env: OGBenchTask) -> Iterator[Subtask]:
    """What remains to be done towards the goal, first things first."""
    if env.kind == "puzzle":
        states, wanted = env.achieved(), env.goal()
        presses = lights_out(states != wanted, env.inner._num_rows, env.inner._num_cols)
        yield from (Subtask("button", int(i)) for i in np.flatnonzero(presses))
    elif env.kind == "scene":
        yield from _scene_subtasks(env)
    else:
        yield from _cube_subtasks(env)


def _cube_subtasks(env: OGBenchTask) -> Iterator[Subtask]:
    goals = env.goal().reshape(-1, 7)
    places = np.stack([cube_place(env, i) for i in range(env.cubes)])
    for i in np.argsort(goals[:, 2], kind="stable"):  # what stands below comes first
        if np.linalg.norm(places[i] - goals[i, :3]) <= CLOSE:
            continue
        near = np.linalg.norm(places[:, :2] - goals[i, :2], axis=1) < 0.05
        blocking = [j for j in np.flatnonzero(near) if j != i and places[j, 2] > goals[i, 2] - 0.02]
        above = [j for j in range(env.cubes) if j != i and _on(places[j], places[i])]
        for j in sorted({*map(int, blocking), *above}, key=lambda j: -float(places[j, 2])):
            yield Subtask("cube", j, _free_place(env, places, goals))
        yield Subtask("cube", int(i), goals[i, :3].copy(), _yaw(goals[i, 3:]))


def _scene_subtasks(env: OGBenchTask) -> Iterator[Subtask]:
    states, goal = env.inner._cur_button_states, env.goal()
    drawer, window = (float(env.data.joint(f"{name}_slide").qpos[0]) for name in ("drawer", "window"))
    wanted_drawer, wanted_window = goal[-2:]
    cube, wanted_cube = cube_place(env, 0), goal[:3]
    inside, wanted_inside = in_drawer(env, cube), wanted_cube[1] < DRAWER_EDGE
    if inside != wanted_inside or (not inside and np.linalg.norm(cube - wanted_cube) > CLOSE):
        if (inside or wanted_inside) and drawer > -0.12:
            if states[0] == 0:
                yield Subtask("button", 0)
            yield Subtask("drawer", position=DRAWER_OPEN)
        # Into the drawer while it is open: closing it takes the cube to where the goal wants it.
        place = env.inner._drawer_center.copy() if wanted_inside else wanted_cube.copy()
        yield Subtask("cube", 0, place, _yaw(goal[3:7]))
    for button, name, here, wanted in (
        (0, "drawer", drawer, wanted_drawer),
        (1, "window", window, wanted_window),
    ):
        if abs(here - wanted) > CLOSE:
            if states[button] == 0:
                yield Subtask("button", button)
            yield Subtask(name, position=float(wanted))
    for button in range(env.buttons):
        if states[button] != round(goal[7 + button]):
            yield Subtask("button", button)


def cube_place(env: OGBenchTask, cube: int) -> Array:
    """(3,) position of a cube in m."""
    return env.data.joint(f"object_joint_{cube}").qpos[:3].copy()


def in_drawer(env: OGBenchTask, place: Array) -> bool:
    """Whether a place is inside the drawer, wherever that is now."""
    return bool(env.inner._is_in_drawer(place))


def lights_out(wrong: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Which buttons (rows * columns,) to press so that the `wrong` ones, and no others, change.

    Gaussian elimination over the field of two elements; raises ValueError where no presses do it.
    """
    size = rows * columns
    matrix = np.zeros((size, size + 1), bool)
    for row in range(rows):
        for column in range(columns):
            for r, c in ((row, column), (row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if 0 <= r < rows and 0 <= c < columns:
                    matrix[r * columns + c, row * columns + column] = True
    matrix[:, -1] = wrong
    pivots: list[int] = []
    for column in range(size):
        below = np.flatnonzero(matrix[len(pivots) :, column]) + len(pivots)
        if not len(below):
            continue
        matrix[[len(pivots), below[0]]] = matrix[[below[0], len(pivots)]]
        others = matrix[:, column].copy()
        others[len(pivots)] = False
        matrix[others] ^= matrix[len(pivots)]
        pivots.append(column)
    if matrix[len(pivots) :, -1].any():
        raise InputError("no presses lead from these buttons to the goal's: it is not reachable")
    presses = np.zeros(size, bool)
    presses[pivots] = matrix[: len(pivots), -1]
    return presses


def _on(upper: Array, lower: Array) -> bool:
    return bool(upper[2] > lower[2] + 0.02 and np.linalg.norm(upper[:2] - lower[:2]) < 0.03)


def _covered(env: OGBenchTask, cube: int) -> bool:
    here = cube_place(env, cube)
    return any(_on(cube_place(env, j), here) for j in range(env.cubes) if j != cube)


def _free_place(env: OGBenchTask, places: Array, goals: Array) -> Array:
    """A place on the table far from every cube and every goal."""
    low, high = env.inner._object_sampling_bounds
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 7).T), -1).reshape(-1, 2)
    taken = np.concatenate([places[:, :2], goals[:, :2]])
    gaps = np.linalg.norm(grid[:, None] - taken[None], axis=-1).min(1)
    return np.append(grid[gaps.argmax()], 0.02)


def _yaw(quaternion: Array) -> float:
    return float(lie.SO3(wxyz=quaternion).compute_yaw_radians())


@contextmanager
def _global_stream(rng: np.random.Generator) -> Iterator[None]:
    """The oracles draw from NumPy's global stream, which others use: lend it to them, seeded, and put it back."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
