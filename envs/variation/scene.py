"""Changes of a MuJoCo simulation: where the camera is, colours, things that lie about, friction and mass.

All of them are edits of the model, or shapes that are drawn beside it, and can be taken back to the bit.
"""

import colorsys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forearm.envs.backend import mujoco
from forearm.envs.rendering import Shape
from forearm.envs.twin import Twin
from forearm.envs.variation.factors import FACTORS, SCENE, Variation

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
EDITED = (
    *("cam_pos", "geom_rgba", "geom_friction", "pair_friction", "body_mass", "body_inertia"),
    *("body_subtreemass", "body_invweight0", "dof_M0", "dof_invweight0", "tendon_invweight0", "tendon_length0"),
    *("actuator_acc0", "actuator_length0", "tendon_lengthspring", "cam_pos0", "cam_poscom0", "cam_mat0"),
    *("light_pos0", "light_poscom0", "light_dir0"),
)
"""Arrays of a model that a variation writes, or that MuJoCo works out from those."""
MEANS = ("meaninertia", "meanmass")
SPREAD = 0.08
"""How far outside of the tool's reach things lie about, in m, at most."""
CLEAR = 0.03
"""How far outside of it they lie at least."""


@dataclass(frozen=True)
class Parts:
    """What of a model is what; empty where that is not known.

    Attributes:
        table: geoms of the ground on which objects lie.
        object: body of the object that must be moved.
        reach: low and high corner (m) of the box in which the tool moves; things lie about around it.
    """

    table: tuple[str, ...] = ()
    object: str | None = None
    reach: Box | None = None

    def factors(self) -> list[str]:
        """Factors of the kind `scene` that can be changed."""
        known = {"table": bool(self.table), "object": self.object, "mass": self.object, "distractor": self.reach}
        return [name for name, factor in FACTORS.items() if factor.kind == SCENE and known.get(name, True)]


class SceneEdit:
    """Applies one variation to a simulation and takes it back.

    Args:
        model: is edited in place.
        parts: of it.
        twin: draws it.
        camera: the one in use.
    """

    def __init__(self, model: mujoco.MjModel, parts: Parts, twin: Twin, camera: str) -> None:
        self._model, self._parts, self._twin, self._camera = model, parts, twin, camera
        self._view = twin.cameras[camera]
        self._before = {name: getattr(model, name).copy() for name in EDITED}
        self._mean = {name: float(getattr(model.stat, name)) for name in MEANS}

    def undo(self) -> None:
        """All as it was."""
        for name, values in self._before.items():
            getattr(self._model, name)[...] = values
        for name, value in self._mean.items():
            setattr(self._model.stat, name, value)
        self._twin.cameras[self._camera], self._twin.shapes = self._view, ()

    def apply(self, variation: Variation, rng: np.random.Generator) -> None:
        """Change what the variation says.

        What is drawn (a colour, a direction, a place) depends on `rng` alone, so that a greater strength goes further
        the same way.
        """
        model, parts, strength = self._model, self._parts, variation.strength
        if variation.factor == "camera":
            self._move(strength, rng.uniform(0, 2 * np.pi))
        elif variation.factor == "table":
            self._paint([model.geom(name).id for name in parts.table], strength, _colour(rng, (0.1, 0.6), (0.25, 0.6)))
        elif variation.factor == "object":
            self._paint(self._of_object(), strength, _colour(rng, (0.75, 1.0), (0.75, 1.0)))
        elif variation.factor == "distractor":
            self._twin.shapes = tuple(self._thing(rng) for _ in range(int(strength)))
        elif variation.factor == "friction":
            model.geom_friction[:, 0] *= strength
            model.pair_friction[:, :2] *= strength
        elif variation.factor == "mass":
            body = model.body(parts.object).id
            model.body_mass[body] *= strength
            model.body_inertia[body] *= strength
            mujoco.mj_setConst(model, mujoco.MjData(model))

    def _move(self, way: float, angle: float) -> None:
        """Moves the camera by `way` m, in its picture's plane."""
        right, up, _ = self._axes()
        offset = way * (np.cos(angle) * right + np.sin(angle) * up)
        if isinstance(self._view, str):
            self._model.camera(self._view).pos[:] += offset
        else:
            lookat = (np.array(self._view.lookat) + offset).tolist()
            self._twin.cameras[self._camera] = replace(self._view, lookat=tuple(lookat))

    def _axes(self) -> NDArray[np.float64]:
        """(3, 3) what is right, up and backward in the picture: of a fixed camera in its body's frame."""
        if isinstance(self._view, str):
            axes = np.empty(9)
            mujoco.mju_quat2Mat(axes, self._model.camera(self._view).quat)
            return axes.reshape(3, 3).T
        turn, tilt = np.deg2rad([self._view.azimuth, self._view.elevation])
        forward = np.array([np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)])
        right = np.array([np.sin(turn), -np.cos(turn), 0.0])
        return np.stack([right, np.cross(right, forward), -forward])

    def _is_seen(self, place: NDArray[np.float64]) -> bool:
        """Whether a fixed camera of the world shows a point (3,) in m."""
        if not isinstance(self._view, str):
            return True
        camera = self._model.camera(self._view)
        x, y, z = self._axes() @ (place - camera.pos)
        return bool(max(abs(x), abs(y)) < -z * np.tan(np.deg2rad(camera.fovy[0]) / 2))

    def _of_object(self) -> list[int]:
        body = self._model.body(self._parts.object).id
        return np.flatnonzero(self._model.geom_bodyid == body).tolist()

    def _paint(self, geoms: list[int], share: float, colour: NDArray[np.float64]) -> None:
        rgba = self._model.geom_rgba
        rgba[geoms, :3] = (1 - share) * rgba[geoms, :3] + share * colour

    def _thing(self, rng: np.random.Generator) -> Shape:
        """A box, ball or cylinder of an object's size and some colour, beside the tool's reach and in the picture."""
        assert self._parts.reach is not None
        low, high = (np.array(corner) for corner in self._parts.reach)
        size = rng.uniform(0.015, 0.035)
        kind = ("box", "sphere", "cylinder")[int(rng.integers(3))]
        colour = _colour(rng, (0.5, 1.0), (0.4, 1.0))
        while True:
            place = np.append(rng.uniform(low[:2] - SPREAD, high[:2] + SPREAD), size)
            inside = np.all((low[:2] - CLEAR < place[:2]) & (place[:2] < high[:2] + CLEAR))
            if not inside and self._is_seen(place):
                return Shape(kind, tuple(place.tolist()), size, tuple(colour.tolist()))


def _colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> NDArray[np.float64]:
    """(3,) red, green and blue in [0, 1] of any hue."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value)))
