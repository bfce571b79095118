"""Whether an arm, anywhere on a path, leaves its workspace or comes too near to itself or to what stands around it.

MuJoCo's own geometry answers, and nothing is simulated: `touching` says what can touch, `linkage` where the joints are
that nobody commands. Parts that are joined are neighbours and may touch, as may two parts of a gripper.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.robots.gripper import Gripper, factors_of, joint_range, unit
from forearm.control.robots.linkage import Linkage, Walk
from forearm.control.robots.touching import allow, clearances, named, touch
from forearm.control.trajectories.limits import LimitReport, Violation
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError, did_you_mean

POSES = 64
"""Random poses by which parts that always overlap are found."""
ALWAYS = 0.95
"""Share of these poses in which two parts of the robot are too near, from which on they are so by design."""
OPENINGS = 65
"""Openings of a gripper that are tried for what its followers allow."""


class Geometry:
    """The arm's shape in space. Safe to use from several threads.

    Args:
        spec: MuJoCo's description of the arm and what stands around it; it is changed.
        joints: names of the arm's joints, in the order of a path's columns.
        gripper: names of joints that open with the path's last column, see `Gripper`; may be empty.
        tool: name of the site whose position counts for the workspace, or of a body, where no site has it.
        table_clearance, self_clearance: m that must be kept from what is not the robot's or stands still, and between
            parts of the robot that move; fingers may come close to their own palm.
        ignore: pairs of bodies that may touch.
        keyframe: name of the key that says where all other joints stand; None: `home`, else the first, else none.

    Raises ValueError for joints, sites, bodies or keys that the model lacks, or a model that MuJoCo refuses.

    Attributes:
        units: of the path's columns, "rad" or "m" each.
        by_design: pairs of numbers of bodies of the robot that overlap, or nearly do, in nearly all poses, and may.
    """

    def __init__(
        self,
        spec: mujoco.MjSpec,
        joints: Sequence[str],
        gripper: Sequence[str] | Mapping[str, float],
        tool: str,
        table_clearance: float,
        self_clearance: float,
        ignore: Sequence[Sequence[str]] = (),
        keyframe: str | None = None,
    ) -> None:
        self.model = model = named(spec)
        key = _keyframe(model, keyframe)
        self._arm = [_id(model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint") for name in joints]
        fingers = [_id(model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint") for name in gripper]
        for name in (all_names := [*joints, *gripper]):
            if all_names.count(name) > 1:
                raise InputError(f"joint '{name}' is named twice")
        self._tool = _place_of(model, tool)
        self.units = [unit(model, joint) for joint in self._arm]
        start = model.qpos0 if key is None else model.key_qpos[key]
        self._gripper = Gripper(model, fingers, factors_of(gripper), start) if fingers else None
        opens = self._gripper.told if self._gripper else []
        if self._gripper:
            self.units.append(self._gripper.unit)
        self._driven = [*self._arm, *opens]
        self._linkage = Linkage(model, self._driven, key)
        follows = self._linkage.drivers
        moving = {*self._driven, *follows}
        held = {*fingers, *(joint for joint, drivers in follows.items() if drivers & set(opens))}
        margin = max(table_clearance, self_clearance)
        may_touch = touch(model, self._arm, held, moving, margin, ignore)
        least = clearances(model, moving, held, table_clearance, self_clearance)
        self._body_of, self._least = model.geom_bodyid.tolist(), allow(least, may_touch).tolist()
        self._own = threading.local()
        self.by_design = self._always_near()
        self._least = allow(least, self.by_design).tolist()

    def joint_range(self, name: str) -> tuple[float, float]:
        """The model's range of a joint in rad or m; infinite where it has none."""
        return joint_range(self.model, _id(self.model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint"))

    def opening_range(self) -> tuple[float, float]:
        """Between which openings every joint of the gripper is within its range, in the gripper's unit."""
        assert self._gripper is not None
        low, high = -np.inf, np.inf
        for joint, factor in zip(self._gripper.told, self._gripper.factors, strict=True):
            ends = sorted(end / factor for end in joint_range(self.model, joint))
            low, high = max(low, ends[0]), min(high, ends[1])
        followers = [joint for joint in self._gripper.followers if self.model.jnt_limited[joint]]
        if not followers or not np.isfinite([low, high]).all() or not low < high:
            return float(low), float(high)
        walk, row = self._walk(), self.home
        address = self.model.jnt_qposadr[followers]
        slack = 1e-3 * np.ptp(self.model.jnt_range[followers], axis=1)
        fits = []
        for opening in np.linspace(low, high, OPENINGS):
            row[-1] = opening
            here = self._place(walk, row).qpos[address]
            beyond = abs(np.clip(here, *self.model.jnt_range[followers].T) - here)
            fits.append(bool((beyond <= slack).all()))
        where = np.linspace(low, high, OPENINGS)[fits]
        return (float(where[0]), float(where[-1])) if len(where) > 1 else (np.inf, -np.inf)

    @property
    def keyed(self) -> bool:
        """Whether a keyframe of the model says where home is."""
        return self._linkage.keyframe is not None

    @property
    def home_pose(self) -> Array:
        """(nq,) of all joints of the model at home, those that nobody commands included."""
        return np.array(self._linkage.home)

    @property
    def home(self) -> Array:
        """(D,) positions of the axes in the keyframe, or the model's own pose."""
        count = len(self._arm) + bool(self._gripper)
        return np.array(self._linkage.home[self.model.jnt_qposadr[self._driven[:count]]])

    def tool(self, positions: Array) -> Array:
        """Where the tool is, (N, 3) in m, at positions (N, D)."""
        walk = self._walk()
        found = np.empty((len(positions), 3))
        for i, row in enumerate(positions):
            found[i] = self._tool(self._place(walk, row))
        return found

    def pose(self, position: Array) -> Array:
        """(nq,) where every joint of the model is at `position` (D,)."""
        return np.array(self._place(self._walk(), position).qpos)

    def check(self, times: Array, positions: Array, low: Array, high: Array) -> LimitReport:
        """The worst of each kind along positions (N, D) at `times` (N,): the tool outside the box from `low` (3,) to
        `high` (3,) m, and bodies nearer to each other than they may be.
        """
        walk = self._walk()
        worst: dict[tuple[str, str], Violation] = {}

        def note(kind: str, where: str, time: float, value: float, limit: float, sign: int) -> None:
            known = worst.get((kind, where))
            if known is None or sign * (value - known.value) > 0:
                worst[kind, where] = Violation(kind, where, time, value, limit, "m")

        for time, row in zip(times.tolist(), positions, strict=True):
            data = self._place(walk, row)
            tool = self._tool(data)
            for axis in range(3):
                if tool[axis] < low[axis]:
                    note("workspace low", f"tool {'xyz'[axis]}", time, float(tool[axis]), float(low[axis]), -1)
                if tool[axis] > high[axis]:
                    note("workspace high", f"tool {'xyz'[axis]}", time, float(tool[axis]), float(high[axis]), 1)
            for first, second, distance, least in self._too_near(data):
                names = " and ".join(sorted(self.model.body(body).name for body in (first, second)))
                note("clearance", names, time, distance, least, -1)
        return LimitReport(tuple(worst.values()))

    def _too_near(self, data: Any) -> list[tuple[int, int, float, float]]:
        """Bodies that move against each other and are nearer than they may be: both, how near, how near they may be."""
        mujoco.mj_collision(self.model, data)
        found = []
        if data.ncon:
            for (one, other), distance in zip(data.contact.geom.tolist(), data.contact.dist.tolist(), strict=True):
                if one < 0 or other < 0:  # a soft body: it gives way
                    continue
                first, second = self._body_of[one], self._body_of[other]
                least = self._least[first][second]
                if distance < least:
                    found.append((first, second, distance, least))
        return found

    def _always_near(self) -> frozenset[frozenset[int]]:
        """Pairs of the robot's own bodies that are too near in nearly every pose: so they were built."""
        walk, random = self._walk(), np.random.default_rng(0)
        ranges = np.array([joint_range(self.model, joint) for joint in self._arm]).reshape(-1, 2)
        if self._gripper:
            ranges = np.vstack([ranges, self.opening_range()])
        low = np.where(np.isfinite(ranges[:, 0]), ranges[:, 0], np.minimum(ranges[:, 1], np.pi) - 2 * np.pi)
        low = np.where(np.isfinite(ranges).any(axis=1), low, -np.pi)
        high = np.where(np.isfinite(ranges[:, 1]), ranges[:, 1], low + 2 * np.pi)
        root = int(self.model.body_rootid[self.model.jnt_bodyid[self._arm[0]]])
        seen: dict[frozenset[int], int] = {}
        for row in random.uniform(np.minimum(low, high), np.maximum(low, high), (POSES, len(low))):
            near = self._too_near(self._place(walk, row))
            for pair in {frozenset((first, second)) for first, second, *_ in near}:
                seen[pair] = seen.get(pair, 0) + 1
        return frozenset(
            pair
            for pair, count in seen.items()
            if count >= ALWAYS * POSES and all(self.model.body_rootid[body] == root for body in pair)
        )

    def _walk(self) -> Walk:
        if not hasattr(self._own, "data"):
            self._own.data = mujoco.MjData(self.model)
            if self._linkage.keyframe is not None:
                mujoco.mj_resetDataKeyframe(self.model, self._own.data, self._linkage.keyframe)
        return self._linkage.walk(self._own.data)

    def _place(self, walk: Walk, row: Array) -> Any:
        count = len(self._arm)
        told = np.empty(len(self._driven))
        told[:count] = row[:count]
        if self._gripper:
            told[count:] = row[-1] * self._gripper.factors
        walk.place(told)
        mujoco.mj_kinematics(self.model, walk.data)
        return walk.data


def _keyframe(model: Any, name: str | None) -> int | None:
    """The number of a key: the one of that name, else `home`, else the first; None where there is none."""
    names = [model.key(number).name for number in range(model.nkey)]
    if name is not None:
        if name not in names:
            raise InputError(f"the arm's model has no keyframe named '{name}'{did_you_mean(name, names)}")
        return names.index(name)
    return next((i for i, known in enumerate(names) if known.lower() == "home"), 0 if names else None)


def _place_of(model: Any, tool: str) -> Callable[[Any], Array]:
    """What gives the place (3,) of a site, or else of a body, in m."""
    body = int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, tool))
    if body > 0 and mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, tool) < 0:
        return lambda data: data.xpos[body]
    site = _id(model, mujoco.mjtObj.mjOBJ_SITE, tool, "site")
    return lambda data: data.site_xpos[site]


def _id(model: Any, kind: Any, name: str, word: str) -> int:
    found = int(mujoco.mj_name2id(model, kind, name))
    if found < 0:
        count = {"joint": model.njnt, "site": model.nsite}[word]
        names = [mujoco.mj_id2name(model, kind, number) for number in range(count)]
        near = did_you_mean(name, [known for known in names if known])
        raise InputError(f"the arm's model has no {word} named '{name}'{near}")
    return found
