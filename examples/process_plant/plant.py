"""The reactor as an environment: `use=[process_plant.plant]` makes it the task `plant/cstr`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forearm import envs
from process_plant import reactor
from process_plant.pid import Pid
from process_plant.reactor import Array, Reactor

TOLERANCE = np.array([0.02, 1.0])
"""mol/l and K within which a set point is reached."""
COLOURS = np.array([[60, 120, 70], [180, 90, 50], [70, 90, 160]], np.uint8)


class Plant(envs.SimulatedEnvironment):
    """Bring c_B and T_R to their set points, from a steady state; commands are in their own units.

    The goal is (3,) readings, NaN for the jacket, of which nothing is asked. Distances are in tolerances, 1 is there.
    Pictures are for people: bars between the least and the greatest value.
    """

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        super().__init__(
            f"plant/{name}",
            camera=camera,
            resolution=resolution,
            cameras=("gauges",),
            actions=tuple(reactor.ACTIONS),
            states=tuple(reactor.SENSORS),
            control_period=reactor.PERIOD,
            max_episode_steps=40,
            description="Bring the concentration of B and the temperature of a reactor to their set points.",
        )
        self.action_space = spaces.Box(reactor.LOW, reactor.HIGH, dtype=np.float64)  # type: ignore[assignment]
        self.reactor, self.goal = Reactor(0), np.zeros(2)

    def begin(self, options: Mapping[str, Any]) -> Array:
        """A steady state and a set point, both drawn."""
        first, last = reactor.commands_of_rest(self.np_random), reactor.commands_of_rest(self.np_random)
        seed = int(self.np_random.integers(2**31))
        goal = Reactor(seed, reactor.steady(last), applied=last)
        self.goal = goal.state[1:3].copy()
        self.reactor = goal
        reached = self.snapshot()
        self.reactor = Reactor(seed, reactor.steady(first), applied=first)
        return reached

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As for every environment, but the goal is told by readings and not shown."""
        observation, info = super().reset(seed=seed, options=options)
        if "goal" in info:
            info["goal"] = self.wanted
        return observation, info

    @property
    def wanted(self) -> NDArray[np.float32]:
        """(3,) the readings that are asked for."""
        return np.append(self.goal, np.nan).astype(np.float32)

    def advance(self, action: NDArray[np.floating]) -> None:
        """One control step; commands outside their bounds are held at them."""
        self.actuate(np.asarray(action, np.float64))
        self.steps += 1

    def actuate(self, action: Array) -> None:
        """Carry out commands (2,) in their units."""
        self.reactor.advance(action)

    def proprio(self) -> Array:
        """(3,) readings, NaN for c_B between two results of the analyser."""
        return self.reactor.read()

    def achieved(self) -> Array:
        """(2,) c_B and T_R as they are."""
        return self.reactor.state[1:3].copy()

    def aim(self, goal: Array) -> None:
        """Make (2,) the set points."""
        self.goal = np.array(goal)

    def distance(self) -> float:
        """How far the furthest of both is from its set point, in tolerances."""
        return float((abs(self.achieved() - self.goal) / TOLERANCE).max())

    def cost(self) -> float:
        """What a planner on the true reactor minimises."""
        return float(np.square((self.achieved() - self.goal) / TOLERANCE).sum())

    def success(self) -> bool:
        """Whether both are within their tolerance."""
        return self.distance() < 1.0

    def positions(self) -> dict[str, Array]:
        """Nothing here has a place, which every environment must tell: mol/l of B, and both temperatures in 100 K."""
        return {"ee_position": self.reactor.state[1:] / [1.0, 100.0, 100.0]}

    def rest(self) -> Array:
        """The commands that are in force."""
        return self.reactor.applied.copy()

    def expert(self, rng: np.random.Generator) -> Pid:
        """What people use: two PI controllers."""
        return Pid(self)

    def render(self, camera: str | None = None, resolution: int | None = None) -> NDArray[np.uint8]:
        """(R, R, 3) bars of c_B, T_R and T_K."""
        side = resolution or self.resolution
        picture = np.full((side, side, 3), 235, np.uint8)
        heights = (self.reactor.state[1:] - [0.6, 110.0, 100.0]) / [0.6, 35.0, 45.0]
        for place, (height, colour) in enumerate(zip(np.clip(heights, 0.02, 1.0), COLOURS, strict=True)):
            left = (1 + 5 * place) * side // 16
            picture[side - int(height * side) :, left : left + side // 4] = colour
        return picture

    def snapshot(self) -> Array:
        """(10,) state, commands in force, set points, steps and seed."""
        plant = self.reactor
        return np.concatenate([plant.state, plant.applied, self.goal, [plant.step, plant.seed]])

    def restore(self, snapshot: Array) -> None:
        """Return to a state; raises ValueError for a vector of another length."""
        found = np.asarray(snapshot, np.float64)
        if found.shape != (10,):
            raise ValueError(f"a snapshot of {self.name} has 10 numbers, not {found.shape}")
        self.reactor = Reactor(int(found[9]), found[:4].copy(), self.reactor.faults, int(found[8]), found[4:6].copy())
        self.goal, self.steps = found[6:8].copy(), int(found[8])


envs.register_environments("plant", Plant, ["cstr"])
