"""Normal motion to calibrate on: what explorers show, and what a controller shows on its way and after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.control.frame_gate import picture
from forearm.control.trajectories.trajectory import Array

if TYPE_CHECKING:
    from forearm.agent.loaded_model import LoadedModel
    from forearm.control.action_adapter import ToolActionAdapter
    from forearm.control.robots.robot import Robot
    from forearm.envs import Environment

STEPS = 50
"""Control steps of an explorer's episode."""
MISTAKES_EVERY = 5
"""Control steps from one wrong frame to the next."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Frames of one episode: latents (N, L), pictures (N, 192), and where readings have the tool, (N, 3) in m.

    distance: (N,) m from the goal, and nearness: (N,) of the latents, both None where there is no goal.
    mistakes: by what is wrong with them, pictures (M, 192) of frames that should not be believed.
    """

    latents: Array
    pictures: Array
    tools: Array
    distance: Array | None = None
    nearness: Array | None = None
    mistakes: Mapping[str, Array] = field(default_factory=dict)


class Watcher:
    """Keeps what a model sees in frames."""

    def __init__(self, loaded: "LoadedModel", robot: "Robot", adapter: "ToolActionAdapter") -> None:
        self.loaded, self.robot, self.adapter = loaded, robot, adapter

    def shown(self, observations: list[dict[str, Any]], distance: Any = None, nearness: Any = None) -> Shown:
        """Of the observations of one episode."""
        import torch

        frames = np.stack([seen["pixels"] for seen in observations])
        wrong = [seen["mistakes"] for seen in observations if "mistakes" in seen]
        with torch.inference_mode():
            latents = self.loaded.model.encode(frames).double().numpy()
        positions = np.stack([self.adapter.read(seen) for seen in observations])
        return Shown(
            latents,
            np.stack([picture(frame) for frame in frames]),
            self.robot.geometry.tool(positions),
            None if distance is None else np.asarray(distance),
            None if nearness is None else np.asarray(nearness),
            {name: np.stack([picture(each[name]) for each in wrong]) for name in (wrong[0] if wrong else ())},
        )


def explored(watcher: Watcher, seed: int, episodes: int, mistakes: bool = False) -> Iterator[Shown]:
    """Episodes of the task's explorer, from resets that data collections are drawn from."""
    task = str(watcher.loaded.task["name"])
    for observations in exploring(task, watcher.loaded.resolution, seed, episodes, mistakes):
        yield watcher.shown(observations)


def exploring(
    task: str, resolution: int, seed: int, episodes: int, mistakes: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """Observations of such episodes, (STEPS + 1) each, one control period apart; some with `mistakes` beside."""
    from forearm import envs
    from forearm.common.seeds import collection_reset_seed, collection_rng

    env = envs.make(task, None, resolution)
    for episode in range(episodes):
        seen, _ = env.reset(seed=collection_reset_seed(seed, episode), options={"goal": False})
        policy, observations = env.explorer(collection_rng(seed, episode)), [seen]
        for step in range(STEPS):
            env.advance(policy.act())
            observations.append(env.observe())
            if mistakes and step % MISTAKES_EVERY == 0:
                observations[-1]["mistakes"] = mistaken(env, observations[-1]["pixels"])
        yield observations
    env.close()


def mistaken(env: "Environment", frame: np.ndarray) -> dict[str, np.ndarray]:
    """Frames in the place of `frame` that an arm should not believe, by what is wrong with them."""
    others = {f"of camera '{name}'": env.render(name) for name in env.cameras if name != env.camera}
    return {**others, "upside down": frame[::-1], "with red and blue exchanged": frame[..., ::-1]}


def driven(watcher: Watcher, seed: int, episodes: int, seconds: float) -> Iterator[Shown]:
    """Held-out episodes of the task that a controller drives for so long each, whether it has arrived or not."""
    from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
    from forearm.control import Controller
    from forearm.control.plan_source import LocalPlanSource

    source = LocalPlanSource(watcher.loaded.setup())  # it has no radius, so that the controller does not stop there
    arm = SimulatedArm(str(watcher.loaded.task["name"]), seed, watcher.loaded.resolution)
    for _ in range(episodes):
        control = Controller(source, watcher.robot, watcher.adapter, mode="inline", clock=lambda: 0.0)
        control.reset(arm.goal)
        observations, distance, nearness = list[dict[str, Any]](), list[float](), list[float]()
        for beat in range(round(seconds / BEAT)):
            seen = arm.observe(beat * BEAT) if beat % FRAME_EVERY == 0 else None
            command = control.act(seen, beat * BEAT)
            if seen is not None:
                observations.append(seen)
                distance.append(arm.env.distance())
                apart = source.distance()
                assert apart is not None
                nearness.append(apart)
            arm.move(command, watcher.robot)
        yield watcher.shown(observations, distance, nearness)
        arm.begin()
    arm.close()
