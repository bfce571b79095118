"""What happens in the benchmark of surprise: to the command that is carried out, to the scene, or to the frame."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import mujoco
import numpy as np

from forearm.envs.rendering import View
from forearm.envs.variation.factors import Variation
from forearm.envs.variation.frames import Arrival, altered
from forearm.envs.variation.scene import Parts

TELEPORT, PUSHED, PUSH = 0.08, 0.4, 0.3
"""m along both axes; s for which somebody pushes, and m/s."""
STUCK = 1e6
"""N s/m, or N m s/rad: damping with which something stays where it is, whatever pushes it."""
TURN = 5.0
"""Degrees by which a bumped camera turns."""
OBJECTS = {"fetch": ("object0", (1.3, 0.75)), "ogbench": ("object_0", (0.425, 0.0))}
"""By benchmark the object's body, and the middle of where it is, in m; the built-in arm says the first itself."""
MIDDLE = (0.5, 0.0)


def _same(action: np.ndarray, since: int) -> np.ndarray:
    return action


def _nothing(env: Any, since: int) -> None:
    pass


@dataclass
class Event:
    """What happens from a step on: to the command that is carried out, to the scene, to the frame.

    Each is called at every step from then on, the scene before the step, with the number of steps since.
    """

    command: Callable[[np.ndarray, int], np.ndarray] = _same
    before: Callable[[Any, int], None] = _nothing
    frame: Callable[[np.ndarray, int], np.ndarray] = _same

    @property
    def of_frames(self) -> bool:
        """Whether nothing happens but to frames."""
        return self.command is _same and self.before is _nothing


class Scene:
    """What of an environment's simulation is the object and what the arm.

    Raises ForearmError where it is not known.
    """

    def __init__(self, env: Any) -> None:
        name, self.middle = OBJECTS.get(env.name.partition("/")[0], (env.layout.object, MIDDLE))
        self.has_object = "object_position" in env.positions()
        model, self.object, self.object_speeds = env.model, np.zeros(0, int), np.zeros(0, int)
        if self.has_object:
            env.layout = Parts(env.layout.table, name, env.layout.reach)
            joint = int(model.body(name).jntadr[0])
            self.object = int(model.jnt_qposadr[joint]) + np.arange(7)
            self.object_speeds = int(model.jnt_dofadr[joint]) + np.arange(6)
        self.arm_speeds = np.setdiff1d(np.arange(model.nv), self.object_speeds)

    def inwards(self, env: Any) -> np.ndarray:
        """(2,) signs of the way from the object to the middle, along x and y."""
        return np.sign(np.array(self.middle) - env.data.qpos[self.object[:2]])


def _teleport(scene: Scene) -> Event:
    def before(env: Any, since: int) -> None:
        if since == 0:
            env.data.qpos[scene.object[:2]] += TELEPORT * scene.inwards(env)

    return Event(before=before)


def _vanish(scene: Scene) -> Event:
    def before(env: Any, since: int) -> None:
        env.data.qpos[scene.object[:3]] = (5.0, 5.0, 0.05)
        env.data.qvel[scene.object_speeds] = 0.0

    return Event(before=before)


def _push(scene: Scene) -> Event:
    def before(env: Any, since: int) -> None:
        if since * env.control_period < PUSHED:
            env.data.qvel[scene.object_speeds[:2]] = PUSH * scene.inwards(env)

    return Event(before=before)


def _hold(speeds: np.ndarray) -> Event:
    def before(env: Any, since: int) -> None:
        if since == 0:
            env.model.dof_damping[speeds], env.data.qvel[speeds] = STUCK, 0.0

    return Event(before=before)


def edit(variation: Variation, rng: np.random.Generator, turn: float = 0.0) -> Event:
    """A change of the scene, and of where its camera looks: `turn` degrees."""

    def before(env: Any, since: int) -> None:
        if since == 0:
            env.scene_edit().apply(variation, rng)
            _turn(env, turn)

    return Event(before=before)


def _turn(env: Any, degrees: float) -> None:
    """A camera of the model about the line of sight, a free one about the vertical."""
    view = env._twin.cameras[env.camera]
    if isinstance(view, View):
        there, around = np.array(view.lookat), view.distance * np.cos(np.deg2rad(view.elevation))
        ways = [np.array([np.cos(turn), np.sin(turn)]) for turn in np.deg2rad([view.azimuth, view.azimuth + degrees])]
        there[:2] += around * (ways[1] - ways[0])
        lookat = (float(there[0]), float(there[1]), float(there[2]))
        env._twin.cameras[env.camera] = replace(view, lookat=lookat, azimuth=view.azimuth + degrees)
        return
    camera, turned, by = env.model.camera(view), np.empty(4), np.empty(4)
    mujoco.mju_axisAngle2Quat(by, np.array([0.0, 0.0, 1.0]), np.deg2rad(degrees))
    mujoco.mju_mulQuat(turned, camera.quat.copy(), by)
    camera.quat[:] = turned


def _delayed(steps: int) -> Event:
    sent: list[np.ndarray] = []

    def command(action: np.ndarray, since: int) -> np.ndarray:
        sent.append(action)
        return sent[max(0, len(sent) - 1 - steps)]

    return Event(command=command)


def _stale(again: Callable[[int], bool]) -> Event:
    shown: list[np.ndarray] = []

    def frame(pixels: np.ndarray, since: int) -> np.ndarray:
        if not (shown and again(since)):
            shown[:] = [pixels]
        return shown[0]

    return Event(frame=frame)


def _dropped(rng: np.random.Generator) -> Event:
    arrival = Arrival(Variation("dropped", 0.3))
    return Event(frame=lambda pixels, since: arrival.arrived(pixels, rng))


def _altered(factor: str, strength: float, scene: Scene, rng: np.random.Generator) -> Event:
    return Event(frame=lambda pixels, since: altered(pixels, Variation(factor, strength), rng))


Make = Callable[[Scene, np.random.Generator], Event]
OF_OBJECTS: dict[str, Make] = {
    "object teleported": lambda scene, rng: _teleport(scene),
    "object vanished": lambda scene, rng: _vanish(scene),
    "object pushed by nobody": lambda scene, rng: _push(scene),
    "object frozen": lambda scene, rng: _hold(scene.object_speeds),
    "friction x 0.2": lambda scene, rng: edit(Variation("friction", 0.2), rng),
    "mass x 5": lambda scene, rng: edit(Variation("mass", 5.0), rng),
}
SLIP = "gripper slips"
OF_GRIPS: dict[str, Make] = {SLIP: lambda scene, rng: edit(Variation("friction", 0.01), rng)}
"""Of a task in which the object is held in the air, where friction all but goes."""
OF_ALL: dict[str, Make] = {
    "arm blocked": lambda scene, rng: _hold(scene.arm_speeds),
    "actuator at half": lambda scene, rng: Event(command=lambda action, since: 0.5 * action),
    "actuator two steps late": lambda scene, rng: _delayed(2),
    "camera bumped by 2 cm, 5 degrees": lambda scene, rng: edit(Variation("camera", 0.02), rng, turn=TURN),
    "frames frozen": lambda scene, rng: _stale(lambda since: True),
    "frames repeated": lambda scene, rng: _stale(lambda since: since % 2 == 1),
    "frames dropped, 30 %": lambda scene, rng: _dropped(rng),
    "light x 0.8 (nuisance)": partial(_altered, "light", 0.8),
    "light x 1.2 (nuisance)": partial(_altered, "light", 1.2),
    "noise of 4 levels (nuisance)": partial(_altered, "noise", 4.0),
}


def events_of(scene: Scene, lifted: bool) -> dict[str, Make]:
    """What can happen in a scene; `lifted`: where the object is held in the air."""
    return (OF_OBJECTS if scene.has_object else {}) | OF_ALL | (OF_GRIPS if lifted else {})
