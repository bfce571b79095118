"""`python -m tools.experiments.forces`: what joint torques and a wrist force add to noticing by readings alone.

The events of the benchmark of surprise, told by the linear model of what readings do (`forearm.surprise.joints`), once
with joint positions, velocities and the gripper alone, and once with torques and the force at the wrist beside them.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import count, islice

import numpy as np

from forearm.common.seeds import collection_reset_seed, collection_rng
from forearm.envs import ArmEnv
from forearm.surprise.conformal import Table
from forearm.surprise.joints import JointModel
from forearm.surprise.levels import Levels
from forearm.surprise.usual import whitening
from tools.bench.surprise import SEED, auroc
from tools.bench.surprise.clips import AFTER, Filming, Normal
from tools.bench.surprise.events import SLIP, Event

USUAL_SEED, USUAL_CLIPS = 401, 60
"""Of normal motion: a third fits what is usual, the rest how rare which errors are."""
JOINTS, TORQUES, WRIST = slice(0, 15), slice(15, 22), slice(22, 25)
WAYS = {"joints alone": [JOINTS], "all together": [slice(None)], "each by itself": [JOINTS, TORQUES, WRIST]}
"""Parts of the readings whose errors are taken together; the level is that of the strangest part."""
NAMES = ("arm blocked", "object frozen", "actuator at half", SLIP)
STEPS, KNOWN = 42, 12
"""Control steps of a clip, and those before which nothing happens."""
Clip = tuple[np.ndarray, np.ndarray]
"""Readings (L, P) and the commands (L - 1, A) between them."""


def clip(env: ArmEnv, seed: int, number: int) -> Clip:
    """The explorer's motion."""
    env.reset(seed=collection_reset_seed(seed, number), options={"goal": False})
    policy, readings, actions = env.explorer(collection_rng(seed, number)), [env.proprio()], []
    for _ in range(STEPS):
        actions.append(np.asarray(policy.act(), np.float64))
        env.advance(actions[-1])
        readings.append(env.proprio())
    return np.array(readings), np.array(actions)


class Watch:
    """Levels of the readings in `columns`, as a monitor has them for the joints."""

    def __init__(self, usual: Sequence[Clip], columns: slice) -> None:
        self.columns = columns
        clips = [(readings[:, columns], actions) for readings, actions in usual]
        fits, bounds = clips[::3], [each for i, each in enumerate(clips) if i % 3]
        self.joints = JointModel.fit(fits)
        self.map = whitening(np.concatenate([self.joints.errors(*each) for each in fits]))
        self.table = Table.of(np.concatenate([self._sizes(each) for each in bounds]))

    def levels(self, seen: Clip) -> np.ndarray:
        """(L - 2,) of all steps but the first, before which no command is known."""
        levels = Levels([self.table])
        found = []
        for size in self._sizes((seen[0][:, self.columns], seen[1])):
            levels.see(np.array([size]))
            found.append(levels.joints)
        return np.array(found)

    def _sizes(self, seen: Clip) -> np.ndarray:
        return np.asarray(np.square(self.joints.errors(*seen) @ self.map).mean(axis=1))


def measured(task: str, clips: int) -> list[tuple[str, list[float]]]:
    """By event the AUROC of each of `WAYS`."""
    env = ArmEnv(task, resolution=16, forces=True)
    usual = [clip(env, USUAL_SEED, number) for number in range(USUAL_CLIPS)]
    ways = [[Watch(usual, part) for part in parts] for parts in WAYS.values()]
    film = Filming(env, lambda frames: frames, KNOWN, SEED, task == "pick_place")
    every = (film.normal(number) for number in count())
    chosen = list(islice((each for each in every if each is not None), clips))
    events = {name: film.events[name] for name in NAMES if name in film.events}

    def scores(watches: Sequence[Watch], seen: Sequence[Clip]) -> list[float]:
        return [
            max(float(watch.levels(each)[normal.begin - 2 : normal.begin - 2 + AFTER].max()) for watch in watches)
            for each, normal in zip(seen, chosen, strict=True)
        ]

    def readings(normal: Normal, event: Event | None) -> Clip:
        seen = normal.seen if event is None else [*normal.seen[: normal.begin], *film.again(normal, event)]
        return np.array([each["proprio"] for each in seen], np.float64), np.array(normal.actions[: len(seen) - 1])

    calm = [readings(normal, None) for normal in chosen]
    rows = []
    for name, make in events.items():
        rng = np.random.default_rng([SEED, 1])
        seen = [readings(normal, make(film.scene, rng)) for normal in chosen]
        rows.append((name, [auroc(scores(watches, seen), scores(watches, calm)) for watches in ways]))
    env.close()
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.experiments.forces", description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["push", "pick_place"])
    parser.add_argument("--clips", type=int, default=24)
    asked = parser.parse_args(words)
    sys.stdout.write(f"| task | event | {' | '.join(WAYS)} |\n|---|---|{'--:|' * len(WAYS)}\n")
    for task in asked.tasks:
        for name, found in measured(task, asked.clips):
            sys.stdout.write(f"| `{task}` | {name} | {' | '.join(f'{each:.3f}' for each in found)} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
