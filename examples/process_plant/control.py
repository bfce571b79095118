"""Set-point changes by each controller: how far from the set points it was, added up over time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from forearm.agent.loaded_model import load
from process_plant.pid import Pid
from process_plant.plant import Plant
from process_plant.reactor import STEP, Array

FIRST_SEED = 1000
"""Of the set points that controllers are judged on; none was used to learn, or to tune."""
Acts = Callable[[Mapping[str, Any]], Array]
"""From an observation to commands."""


def planned(checkpoint: str, planner: str, plant: Plant, seed: int) -> Acts:
    """A planner of forearm on what was learned from the log."""
    agent = load(checkpoint, task="plant/cstr").setup(planner).agent()
    agent.reset([plant.wanted], [seed])

    def act(observation: Mapping[str, Any]) -> Array:
        [found] = agent.act([dict(observation)])
        assert found is not None
        return found.action

    return act


def hold(plant: Plant) -> Acts:
    """Nothing is done."""
    return lambda observation: plant.rest()


def pid(plant: Plant) -> Acts:
    """Two PI controllers."""
    policy = Pid(plant)
    return lambda observation: policy.act()


def mpc(plant: Plant) -> Acts:
    """Model predictive control on the true equations."""
    from process_plant.mpc import Mpc

    policy = Mpc(plant)
    return lambda observation: policy.act()


def controllers(checkpoint: str | None, oracle: bool) -> dict[str, Callable[[Plant, int], Acts]]:
    """By name, what makes a controller of a plant and a seed."""
    found: dict[str, Callable[[Plant, int], Acts]] = {
        "hold": lambda plant, seed: hold(plant),
        "PID": lambda plant, seed: pid(plant),
    }
    if checkpoint is not None:
        for name in ("cem", "mppi"):
            found[name] = lambda plant, seed, name=name: planned(checkpoint, name, plant, seed)  # type: ignore[misc]
    if oracle:
        found["do-mpc, true model"] = lambda plant, seed: mpc(plant)
    return found


def errors(make: Callable[[Plant, int], Acts], seeds: Sequence[int], steps: int) -> np.ndarray:
    """(E, 3) of each episode: the integrated absolute error of c_B, mol/l h, and of T_R, K h, and the distance at the
    end, in tolerances.
    """
    rows = []
    for seed in seeds:
        plant = Plant("cstr", resolution=16)
        observation, _ = plant.reset(seed=seed)
        act, total = make(plant, seed), np.zeros(2)
        for _ in range(steps):
            observation = plant.step(act(observation))[0]
            total += abs(plant.achieved() - plant.goal) * STEP
        rows.append([*total, plant.distance()])
    return np.array(rows)
