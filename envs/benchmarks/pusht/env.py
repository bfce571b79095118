"""PushT (Chi et al. 2023, arXiv 2303.04137) from gym-pusht: a disc pushes a T on a plane until it lies as asked.

Bodies, physics and drawing are the package's. Commands, success and the drawing of starts and goals are those by which
world models are compared on it (arXiv 2411.04983 and 2603.19312, stable-worldmodel): displacements, and pusher and T
within 20 px and 20 degrees of any goal. The package alone knows one fixed goal. Its green outline is never drawn.

The picture's 512 px count as 0.512 m. Every control step begins in a space built anew from the state, without the
contacts that the physics engine remembers and does not tell: only so is a future a function of the state, to the bit.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import gym_pusht  # noqa: F401  (silences what its drawing library warns of)
import numpy as np
import pygame
from gym_pusht.envs.pusht import PushTEnv
from gym_pusht.envs.pymunk_override import DrawOptions

from forearm.envs.benchmarks.pusht.pusher import Pusher, gap, random_pose
from forearm.envs.contract import Array, Frame, Policy
from forearm.envs.simulated_env import SimulatedEnvironment
from forearm.errors import InputError

PIXEL = 0.001
"""Metres that one of the scene's 512 pixels counts for."""
SIDE = 512.0
REACH = 100.0
"""How far (px) from where the pusher is the target of an action of 1 lies."""
NEAR, TURN = 20.0, np.pi / 9
"""Success: pusher and T together within so many px, and the T within this angle (rad)."""
LEVER = 60.0
"""How far (px) a turn of one radian moves the T's parts, roughly: what turns count for in distances."""
STARTS = np.array([[50.0, 50.0, 100.0, 100.0, -np.pi], [450.0, 450.0, 400.0, 400.0, np.pi]])
"""(2, 5) the box from which starts and goals are drawn: pusher x, y, T x, y (px), angle (rad)."""
ACTIONS = ("dx", "dy")
STATES = ("x_m", "y_m", "vx_m_s", "vy_m_s")
POSE, MOTION = 5, 5
"""Numbers of a state: pusher and T's place and angle; their velocities and the T's rate of turning."""


class PushT(SimulatedEnvironment):
    """Push a T to a place and an angle.

    Action (2,): where the pusher is to go, from where it is (10 cm at 1, within the picture); in one control step of
    0.1 s it gets there by a quarter.

    Args:
        name: without meaning here, as the benchmark has one task.
        camera: `top`.
        resolution: side of the frames in pixels.
    """

    def __init__(self, name: str = "", camera: str | None = None, resolution: int = 64) -> None:
        self.inner: Any = PushTEnv()
        super().__init__(
            "pusht",
            camera=camera,
            resolution=resolution,
            cameras=("top",),
            actions=ACTIONS,
            states=STATES,
            control_period=1.0 / self.inner.control_hz,
            max_episode_steps=300,
            description="Push the T to where the goal image shows it, and go there: within 2 cm and 20 degrees.",
        )
        self._substeps = round(1.0 / (self.inner.dt * self.inner.control_hz))
        self._state = np.zeros(POSE + MOTION)
        self._goal = np.zeros(POSE)

    # -- episodes -----------------------------------------------------------------------------------------------

    def begin(self, options: Mapping[str, Any]) -> Array | None:
        """A start and a goal, drawn alike; pusher and T lie apart in both."""
        start, goal = self._draw(), self._draw()
        self.aim(goal[:POSE])
        self._state = goal
        self.steps = 0
        reached = self.snapshot()
        self._state = start
        return reached if options.get("goal", True) else None

    def _draw(self) -> Array:
        while True:
            pose = self.np_random.uniform(*STARTS)
            if gap(pose[:2], pose[2:]) > 0:
                return np.concatenate([pose, np.zeros(MOTION)])

    def actuate(self, action: Array) -> None:
        """What the benchmark's own step does, without its observation."""
        self._place()
        inner = self.inner
        pusher, block = inner.agent, inner.block
        target = np.clip(self._state[:2] + REACH * action, 0.0, SIDE)
        for _ in range(self._substeps):
            force = inner.k_p * (target - pusher.position) + inner.k_v * (0.0 - np.array(pusher.velocity))
            pusher.velocity += force * inner.dt
            inner.space.step(inner.dt)
        pose = [*pusher.position, *block.position, block.angle]
        self._state = np.array([*pose, *pusher.velocity, *block.velocity, block.angular_velocity])

    def _place(self) -> None:
        """Build the bodies anew, as the state says."""
        inner, state = self.inner, self._state.tolist()
        inner._setup()
        inner.agent.position, inner.agent.velocity = state[:2], state[5:7]
        inner.block.angle = state[4]  # before its place: it turns around its centre of mass, which is elsewhere
        inner.block.position = state[2:4]
        inner.block.velocity, inner.block.angular_velocity = state[7:9], state[9]

    # -- goals --------------------------------------------------------------------------------------------------

    def achieved(self) -> Array:
        """(5,) place of the pusher, place of the T (px), angle of the T (rad)."""
        return self._state[:POSE].copy()

    def goal(self) -> Array:
        """(5,) the goal in force, laid out like `achieved`."""
        return self._goal.copy()

    def aim(self, goal: Array) -> None:
        """Make `goal` (5,) the one that success is measured by."""
        self._goal = np.array(goal, np.float64)

    def success(self) -> bool:
        """Pusher and T together within 20 px, the T within 20 degrees."""
        return bool(np.linalg.norm((self._state - self._goal_state())[:4]) < NEAR and self._turn() < TURN)

    def distance(self) -> float:
        """From where pusher and T are to where they shall be, in m; a turn counts as what it moves."""
        return PIXEL * float(np.linalg.norm((self._state - self._goal_state())[:4]) + LEVER * self._turn())

    def cost(self) -> float:
        """The T's part of the distance, plus a tenth of the pusher's way to its goal and to the T."""
        apart = self._state - self._goal_state()
        pusher = np.linalg.norm(apart[:2]) + max(float(gap(self._state[:2], self._state[2:POSE])), 0.0)
        return PIXEL * float(np.linalg.norm(apart[2:4]) + LEVER * self._turn() + 0.1 * pusher)

    def pose_error(self) -> tuple[float, float] | None:
        """Distance (m) and turn (rad) of the T from its goal pose."""
        return PIXEL * float(np.linalg.norm(self._state[2:4] - self._goal[2:4])), self._turn()

    def _goal_state(self) -> Array:
        return np.concatenate([self._goal, np.zeros(MOTION)])

    def _turn(self) -> float:
        return abs((float(self._state[4] - self._goal[4]) + np.pi) % (2 * np.pi) - np.pi)

    # -- what is known ------------------------------------------------------------------------------------------

    def proprio(self) -> Array:
        """Place (m) and velocity (m/s) of the pusher."""
        return PIXEL * np.concatenate([self._state[:2], self._state[POSE : POSE + 2]])

    def positions(self) -> dict[str, Array]:
        """Pusher and T: the middle of its bar's upper edge, as the benchmark counts."""
        pusher, block = PIXEL * self._state[:2], PIXEL * self._state[2:4]
        return {"ee_position": np.append(pusher, 0.0), "object_position": np.append(block, 0.0)}

    def render(self, camera: str | None = None, resolution: int | None = None) -> Frame:
        """The benchmark's picture (R, R, 3) uint8 of pusher, T and walls, without the goal."""
        self._place()
        for body in (self.inner.agent, self.inner.block):
            self.inner.space.reindex_shapes_for_body(body)  # they are drawn where they were looked at last
        screen = pygame.Surface((int(SIDE), int(SIDE)))
        screen.fill((255, 255, 255))
        self.inner.space.debug_draw(DrawOptions(screen))
        whole = np.frombuffer(pygame.image.tobytes(screen, "RGB"), np.uint8).reshape(int(SIDE), int(SIDE), 3)
        side = resolution or self.resolution
        # By areas: places between two pixels then show in the colours.
        how = cv2.INTER_AREA if side < SIDE else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(whole, (side, side), interpolation=how), np.uint8)

    def snapshot(self) -> Array:
        """(16,) state, goal and steps taken."""
        return np.concatenate([self._state, self._goal, [self.steps]])

    def restore(self, snapshot: Array) -> None:
        """Return to a state that `snapshot` described; raises ValueError for a vector of another length."""
        snapshot, size = np.asarray(snapshot, np.float64), POSE + MOTION + POSE + 1
        if snapshot.shape != (size,):
            raise InputError(f"snapshot has shape {snapshot.shape}: task '{self.name}' expects ({size},)")
        self._state, self._goal = snapshot[: POSE + MOTION].copy(), snapshot[POSE + MOTION : -1].copy()
        self.steps = int(snapshot[-1])

    # -- policies -----------------------------------------------------------------------------------------------

    def expert(self, rng: np.random.Generator) -> Policy:
        """Pushes the T to the goal, and goes where the goal wants the pusher."""
        return Pusher(self, None, rng)

    def skill(self, rng: np.random.Generator) -> Policy:
        """Pushes the T towards a pose drawn at random."""
        return Pusher(self, random_pose(rng), rng)
