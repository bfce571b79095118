"""What decides where constraints do not: springs, and, weakly, the pose at home."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from forearm.control.robots.ties import SCALAR, stiffness_of
from forearm.control.trajectories.trajectory import Array

FARTHEST = 0.25
"""rad or m that a joint moves at most in one step."""


class Energy:
    """The energy of joints and fixed tendons with springs, and of a weak pull towards a pose at rest.

    Args:
        model: compiled.
        free: (F,) the dofs that may move.
        rest: (nq,) the pose at rest; an attribute that may be changed.
    """

    def __init__(self, model: Any, free: Array, rest: Array) -> None:
        joints = model.dof_jntid[free]
        self._scalar = np.isin(model.jnt_type[joints], SCALAR)
        self._address = np.where(self._scalar, model.jnt_qposadr[joints], 0)
        stiffness = np.asarray(model.jnt_stiffness).reshape(model.njnt, -1)[:, 0][joints]
        self._stiffness = np.where(self._scalar, stiffness, 0.0)
        self._spring = model.qpos_spring[self._address]
        limited = self._scalar & model.jnt_limited[joints].astype(bool)
        self._low = np.where(limited, model.jnt_range[joints, 0], -np.inf)
        self._high = np.where(limited, model.jnt_range[joints, 1], np.inf)
        self._tendons = list(_tendon_springs(model, free))
        strongest = max([self._stiffness.max(initial=0.0), *(k for k, *_ in self._tendons)])
        self._weak = 1e-4 * strongest if strongest else 1.0
        self.rest = rest

    def step(self, qpos: Array, gap: Array, rows: Array, bounded: bool) -> Array:
        """The step (F,) to the least energy with the constraints `gap` (E,), `rows` (E, F) met, as far as is linear."""
        here = qpos[self._address]
        slope = np.where(self._scalar, self._weak * (here - self.rest[self._address]), 0.0)
        slope += self._stiffness * (here - self._spring)
        bend = np.diag(self._stiffness + self._weak)
        for stiffness, of_all, coefficients, low, high in self._tendons:
            length = of_all @ qpos
            slope += stiffness * (length - np.clip(length, low, high)) * coefficients
            if not low <= length <= high:
                bend += stiffness * np.outer(coefficients, coefficients)
        moving = np.ones(len(here), dtype=bool)
        step = np.zeros(len(here))
        for _ in range(len(here) + 1):
            step[:] = 0.0
            step[moving] = _constrained(bend[np.ix_(moving, moving)], slope[moving], gap, rows[:, moving])
            if not bounded:
                break
            size = abs(step).max(initial=0.0)
            short = step * min(1.0, FARTHEST / size) if size else step
            out = moving & ((here + short < self._low - 1e-12) | (here + short > self._high + 1e-12))
            blocked = out & ((here <= self._low) & (step < 0) | (here >= self._high) & (step > 0))
            if not blocked.any():
                return np.where(out, np.clip(here + short, self._low, self._high) - here, short) if out.any() else step
            moving &= ~blocked
        return step


def _constrained(bend: Array, slope: Array, gap: Array, rows: Array) -> Array:
    """The d (F,) that minimises d·bend·d / 2 + slope·d where rows·d = -gap, in the sense of least squares."""
    count = len(gap)
    system = np.block([[bend, rows.T], [rows, np.zeros((count, count))]])
    wanted = np.concatenate([-slope, -gap])
    return np.asarray(np.linalg.lstsq(system, wanted, rcond=1e-10)[0][: len(slope)])


def _tendon_springs(model: Any, free: Array) -> Iterable[tuple[float, Array, Array, float, float]]:
    """Stiffness, coefficients (nq,) of all joints and (F,) of the free ones, and between which lengths it is slack."""
    for tendon in range(model.ntendon):
        stiffness = stiffness_of(model, tendon)
        if stiffness <= 0:
            continue
        of_all, of_dofs = np.zeros(model.nq), np.zeros(model.nv)
        first = int(model.tendon_adr[tendon])
        for wrap in range(first, first + int(model.tendon_num[tendon])):
            joint = int(model.wrap_objid[wrap])
            of_all[model.jnt_qposadr[joint]] += model.wrap_prm[wrap]
            of_dofs[model.jnt_dofadr[joint]] += model.wrap_prm[wrap]
        low, high = model.tendon_lengthspring[tendon]
        yield stiffness, of_all, of_dofs[free], float(low), float(high)
