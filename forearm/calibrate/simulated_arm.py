"""A simulated arm that is commanded a hundred times a second and seen ten times a second."""

from typing import Any

import mujoco
import numpy as np

from forearm.common.seeds import evaluation_reset_seed
from forearm.control.command import Command
from forearm.control.robots.robot import Robot

BEAT = 0.01
FRAME_EVERY = 10
"""Beats from one frame to the next."""


class SimulatedArm:
    """The arm of a task; each `goal` is that of another held-out episode, reached from wherever the arm is."""

    def __init__(self, task: str, seed: int = 0, resolution: int | None = None) -> None:
        from forearm import envs

        self.env = envs.ArmEnv(task) if resolution is None else envs.ArmEnv(task, resolution=resolution)
        self._seed, self._episode = seed, -1
        self._steps = round(BEAT / self.env.model.opt.timestep)
        self.begin()

    def begin(self) -> np.ndarray:
        """Set up the next episode; returns its goal frame."""
        self._episode += 1
        _, info = self.env.reset(seed=evaluation_reset_seed(self._seed, self._episode))
        self.goal: np.ndarray = info["goal"]
        return self.goal

    def next_goal(self) -> np.ndarray:
        """The goal frame of the next episode; the arm stays where it is."""
        state = self.env.snapshot()
        goal = self.begin()
        position = self.env.goal_position
        self.env.restore(state)
        self.env.goal_position = position
        return goal

    def observe(self, time: float) -> dict[str, Any]:
        """Frame and joint readings, taken at `time` s."""
        return {**self.env.observe(), "time": time}

    def move(self, command: Command, robot: Robot) -> None:
        """One beat of physics."""
        assert command.positions is None or len(command.positions) == len(robot.joints)
        self.act(command.positions, command.gripper)

    def act(self, positions: np.ndarray | None, gripper: float | None) -> None:
        """One beat of physics towards joint positions (J,) in rad and an opening in m; None: the servos hold."""
        data = self.env.data
        if positions is not None:
            data.ctrl[: len(positions)] = positions
            data.ctrl[len(positions) :] = gripper
        for _ in range(self._steps):
            mujoco.mj_step(self.env.model, data)
        mujoco.mj_kinematics(self.env.model, data)
        mujoco.mj_camlight(self.env.model, data)

    def hold(self) -> None:
        """One beat in which brakes hold the arm, whatever it was told."""
        self.env.data.qvel[:] = 0.0

    def close(self) -> None:
        """Free the renderer."""
        self.env.close()
