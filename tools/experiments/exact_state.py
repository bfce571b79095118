"""What the data alone are good for: imitation from the exact state, which no camera has to find.

    python -m tools.experiments.exact_state task=fetch/pick-and-place data=data/fetch-pick-and-place

Trains the action prior of `forearm train-heads` on where the objects really are and on the joint readings, instead of
on latents, and follows its likeliest commands on held-out episodes. Where this succeeds and the prior on latents does
not, the latents are what limits it; where neither does, the data are. With `one=true` it is shown the goal of one
object after the other: how much of it lies in not knowing what comes first. A diagnosis: the simulator is asked where
things are.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forearm.agent.agent import Act, Observation
from forearm.evaluation.closed_loop import run_episodes
from forearm.evaluation.env_pool import environment
from forearm.evaluation.manifest import HeldOutEpisode, make_episode
from forearm.evaluation.protocol import rules_of
from forearm.evaluation.statistics import wilson
from forearm.settings import compose as settings
from forearm.world_model.config import from_mapping
from forearm.world_model.data import ACTION_KEY, STATE_KEY, Floats, read_dataset
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig, train_prior
from forearm.world_model.heads.trajectories import Trajectories

OBJECT = re.compile(r"object\d*_position")
PRIOR = {"moved": 0.1, "horizon": 16, "farthest": 60, "width": 512, "depth": 3, "steps": 4000}
"""Of three numbers, an object's place, three slow features are all: three for each object; see `PriorConfig`."""
CHOICES = {
    "task": "fetch/push", "data": "", "protocol": "rest", "episodes": "50", "seed": "0", "replan_every": "2",
    "one": "false",
}  # fmt: skip
PLACED = 0.03
"""Distance (m) from its goal at which an object counts as placed, where one after the other is shown."""


class Imitator:
    """Follows the prior's likeliest commands, a few at a time.

    Args:
        prior: of commands, given the objects' places and the readings, both normalised as `scale` says.
        envs: asked where the objects are, one for each episode.
        goals: (B, 3 n), where the n objects shall be (m).
        scale: mean and deviation of the objects' places and of the readings.
        every: control steps that are carried out of each proposal.
        one: shows it one object's goal at a time, see `next_goal`.
    """

    def __init__(
        self,
        prior: ActionPrior,
        envs: Sequence[Any],
        goals: np.ndarray,
        scale: "Scale",
        every: int,
        one: bool = False,
    ) -> None:
        self._prior, self._envs, self._scale, self._every = prior, envs, scale, every
        self._goals, self._one = goals, one
        self._plans: list[np.ndarray] = []

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin episodes; the goal frames are not looked at."""
        self._plans = [np.zeros((0, self._prior.action_dim)) for _ in goals]

    @torch.inference_mode()
    def act(self, observations: Sequence[Observation | None]) -> list[Act | None]:
        """The next action of each episode."""
        actions: list[Act | None] = []
        for b, seen in enumerate(observations):
            if seen is None:
                actions.append(None)
                continue
            if not len(self._plans[b]):
                places, goal = places_of(self._envs[b].positions()), self._goals[b]
                goal = next_goal(places, goal) if self._one else goal
                state = torch.cat([self._scale.place(places), self._scale.readings(seen["proprio"])])
                commands = self._prior(state[None], self._scale.place(goal)[None])[0][0]
                self._plans[b] = commands.clamp(-1.0, 1.0).double().numpy()[: self._every]
            actions.append(Act(self._plans[b][0], None, False))
            self._plans[b] = self._plans[b][1:]
        return actions


class Scale:
    """Mean and deviation of places and readings, so that all are of size 1."""

    def __init__(self, places: Floats, readings: Floats) -> None:
        self._of = [(values.mean(0), values.std(0) + 1e-4) for values in (places, readings)]

    def place(self, values: np.ndarray) -> torch.Tensor:
        """Of the objects, (..., 3 n) m."""
        return self._scaled(0, values)

    def readings(self, values: np.ndarray) -> torch.Tensor:
        """Of the joints, (..., P)."""
        return self._scaled(1, values)

    def _scaled(self, which: int, values: np.ndarray) -> torch.Tensor:
        mean, deviation = self._of[which]
        return torch.as_tensor((np.asarray(values) - mean) / deviation, dtype=torch.float32)


def main(words: Sequence[str]) -> int:
    """Train, run, and print success with its Wilson interval; returns 0, or 2 for words that make no sense."""
    chosen, sizes = dict(CHOICES), dict(PRIOR)
    for word in words:
        key, _, value = word.partition("=")
        name = key.removeprefix("prior.")
        if key in chosen:
            chosen[key] = value
        elif name != key and name in PriorConfig.__dataclass_fields__:
            sizes[name] = type(getattr(PriorConfig, name))(value)
        else:
            print(f"unknown word '{word}': expected one of {', '.join(chosen)} or prior.KEY", file=sys.stderr)
            return 2
    if chosen["one"] not in ("true", "false"):
        print(f"one={chosen['one']}: expected true or false", file=sys.stderr)
        return 2
    task = settings.load("compare", [f"task={chosen['task']}"]).one("task")
    protocol = settings.load("compare", [f"protocol={chosen['protocol']}"]).one("protocol")
    rules, count = rules_of(protocol, task), int(chosen["episodes"])
    recorded = read_dataset(Path(chosen["data"] or f"data/{chosen['task'].replace('/', '-')}"))
    each = [recorded.numbers(episode) for episode in range(len(recorded))]  # no frame is decoded
    places = np.concatenate([places_of(one) for one in each])
    readings, actions = (np.concatenate([one[key] for one in each]) for key in (STATE_KEY, ACTION_KEY))
    sizes.setdefault("slow", places.shape[1])
    scale = Scale(places, readings)
    left = np.concatenate([np.arange(len(one[ACTION_KEY]) - 1, -1, -1) for one in each])
    data = Trajectories(
        scale.place(places), torch.from_numpy(actions), torch.from_numpy(left), scale.readings(readings)
    )
    prior, _ = train_prior(data, from_mapping(PriorConfig, sizes), int(chosen["seed"]))
    solved = 0
    for at in range(0, count, 10):
        envs = [environment(task["name"], task["camera"], 64, b) for b in range(min(10, count - at))]
        episodes = [make_episode(envs[0], int(chosen["seed"]), at + b, rules) for b in range(len(envs))]
        goals = np.stack([_goal(envs[0], episode) for episode in episodes])
        agent = Imitator(prior, envs, goals, scale, int(chosen["replan_every"]), chosen["one"] == "true")
        solved += sum(done.success for done in run_episodes(agent, envs, episodes, int(chosen["seed"]), rules=rules))
    low, high = wilson(solved, count)
    print(
        f"{chosen['task']}, {chosen['protocol']}: imitation from the exact state succeeds in "
        f"{100 * solved / count:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {count}, from {len(recorded)} episodes"
    )
    return 0


def next_goal(places: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(3 n) where only the lowest of the n objects that are not placed yet is wanted elsewhere than it is."""
    here, there = places.reshape(-1, 3), goal.reshape(-1, 3)
    wrong = np.linalg.norm(here - there, axis=1) > PLACED
    if not wrong.any():
        return goal
    first = min(np.flatnonzero(wrong), key=lambda i: (there[i, 2], i))
    shown = here.copy()
    shown[first] = there[first]
    return shown.reshape(-1)


def places_of(positions: Mapping[str, np.ndarray]) -> np.ndarray:
    """(..., 3 n) places of the n objects among named `positions` (..., 3), in the order of their names."""
    return np.concatenate([positions[name] for name in sorted(positions) if OBJECT.fullmatch(name)], axis=-1)


def _goal(env: Any, episode: HeldOutEpisode) -> np.ndarray:
    env.restore(np.array(episode.goal_state))
    return places_of(env.positions())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
