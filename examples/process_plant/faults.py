"""Faults in a plant under PID control, and who notices them: forearm's monitor beside PCA's T^2 and Q.

All detectors are judged alike: what they say of each step is strangeness by the values of held-out normal operation, a
mean over time is the level, and there is an alarm above the level that this operation seldom passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forearm.surprise.alarm import SMOOTH, FalseAlarms
from forearm.surprise.conformal import Table
from forearm.surprise.monitor import Monitor
from process_plant.log import write
from process_plant.pca import Pca
from process_plant.pid import Pid
from process_plant.plant import Plant
from process_plant.reactor import PERIOD, Faults

PCA = ((0.95, 0), (0.99, 0), (0.999, 5))
"""Shares and lags: the usual one, and the two best of twelve for these very faults."""
STEPS, AT = 80, 40
"""Steps of a clip, and the step in which something breaks; a new set point comes at steps 0 and 20, 40 and 60."""
FAULTS = {
    "T_R reads 2 K more": Faults(bias=(0.0, 2.0, 0.0)),
    "c_B reads 0.05 mol/l more": Faults(bias=(0.05, 0.0, 0.0)),
    "feed valve stuck": Faults(stuck=(True, False)),
    "cooling stuck": Faults(stuck=(False, True)),
    "fouling of 30 %": Faults(fouling=0.3),
}


@dataclass(frozen=True, eq=False)
class Clip:
    """Readings (L, 3), NaN where there are none, and the commands (L, 2) that were sent after each."""

    readings: np.ndarray
    actions: np.ndarray

    @property
    def held(self) -> np.ndarray:
        """(L, 5) readings, held where there are none, and the commands before them."""
        found = self.readings.copy()
        for step in range(1, len(found)):
            found[step] = np.where(np.isnan(found[step]), found[step - 1], found[step])
        return np.concatenate([found, np.concatenate([self.actions[:1], self.actions[:-1]])], axis=1)


def clip(seed: int, faults: Faults | None = None, steps: int = STEPS) -> Clip:
    """Operation under PID, through set points that change every 20 steps; `faults` from step `AT` on."""
    plant, rng = Plant("cstr", resolution=16), np.random.default_rng([seed, 7])
    plant.reset(seed=seed, options={"goal": False})
    policy, readings, actions = Pid(plant), [], []
    for step in range(steps):
        if step and step % 20 == 0:
            plant.aim(plant.goal + rng.uniform(-1, 1, 2) * [0.05, 2.0])
        if faults is not None and step == AT:
            plant.reactor.break_down(faults)
        readings.append(plant.proprio())
        actions.append(policy.act())
        plant.advance(actions[-1])
    return Clip(np.array(readings), np.array(actions))


def write_normal(path: Path, clips: int, seed: int) -> Path:
    """A table of normal operation, to calibrate on; returns its description."""
    found = [clip(seed + number) for number in range(clips)]
    return write(path, np.stack([each.readings for each in found]), np.stack([each.actions for each in found]))


def levels_of_monitor(monitor: Monitor, seen: Clip) -> np.ndarray:
    """(L,) what a monitor says of a clip."""
    monitor.begin()
    commands = [None, *seen.actions[:-1]]
    rows = zip(seen.readings, commands, strict=True)
    return np.array([monitor.see({"proprio": reading}, command).level for reading, command in rows])


class PcaMonitor:
    """T^2 and Q with the levels, and the promise, of forearm's monitor.

    Args:
        normal: clips; of each seven one fits the components, four set bounds.
        lags, share: see `Pca`.
        rate: false alarms an hour, at most.
    """

    def __init__(self, normal: list[Clip], lags: int, rate: float, share: float = 0.95) -> None:
        runs = [each.held for each in normal]
        self.pca = Pca.fit([run for i, run in enumerate(runs) if i % 7 == 0], lags, share)
        bound = [self.pca.scores(run) for i, run in enumerate(runs) if 1 <= i % 7 <= 4]
        every = np.concatenate(bound)
        self.tables = [Table.of(column[~np.isnan(column)]) for column in every.T]
        self.threshold = FalseAlarms.of([self._levels(each) for each in bound], PERIOD).threshold(rate)

    def levels(self, seen: Clip) -> np.ndarray:
        """(L,) the greater of the levels of T^2 and Q."""
        return self._levels(self.pca.scores(seen.held))

    def _levels(self, scores: np.ndarray) -> np.ndarray:
        level, found = np.zeros(2), []
        for row in scores:
            strange = [0.0 if np.isnan(v) else float(t.strangeness(v)) for t, v in zip(self.tables, row, strict=True)]
            level = level + SMOOTH * (np.array(strange) - level)
            found.append(level.max())
        return np.array(found)


@dataclass(frozen=True)
class Found:
    """Of one fault: AUROC of the greatest level after it, the share of clips with an alarm, and steps to it (median of
    those, NaN for none).
    """

    auroc: float
    noticed: float
    delay: float


def judged(broken: list[np.ndarray], normal: list[np.ndarray], threshold: float) -> Found:
    """Levels (L,) of clips with a fault against those of clips without."""
    high, usual = (np.array([levels[AT:].max() for levels in part]) for part in (broken, normal))
    auroc = (high[:, None] > usual).mean() + 0.5 * (high[:, None] == usual).mean()
    delays = list(_delays(broken, threshold))
    return Found(float(auroc), len(delays) / len(broken), float(np.median(delays)) if delays else np.nan)


def _delays(broken: list[np.ndarray], threshold: float) -> Iterator[int]:
    for levels in broken:
        above = np.flatnonzero(levels[AT:] > threshold)
        if len(above):
            yield int(above[0])


def false_alarms(normal: list[np.ndarray], threshold: float) -> float:
    """Steps an hour above the threshold."""
    return sum(int((levels > threshold).sum()) for levels in normal) / (sum(map(len, normal)) * PERIOD / 3600)
