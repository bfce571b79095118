"""Calibrate surprise on held-out episodes: fitted on some, bounds set on more, alarms counted on the rest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.errors import ForearmError
from forearm.surprise.alarm import FalseAlarms
from forearm.surprise.calibration import SurpriseCalibration
from forearm.surprise.conformal import LEAST, Table
from forearm.surprise.joints import JointModel
from forearm.surprise.levels import Levels
from forearm.surprise.prediction import Array, errors_of
from forearm.surprise.usual import Usual, sizes_of, whitening

if TYPE_CHECKING:
    from forearm.world_model.model.jepa import JEPA

OF = 7
FIT, BOUND, COUNT = (0,), (1, 2, 3, 4), (5, 6)
"""Of each seven episodes."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One episode: latents (L, D) float32, commands (L - 1, A) between them, readings (L, P) or None."""

    latents: Array
    actions: Array
    readings: Array | None = None


def fit(
    model: "JEPA",
    episodes: Sequence[Recording],
    horizons: int,
    period: float,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> SurpriseCalibration:
    """What is usual of these held-out episodes, a frame each `period` s; `tell` hears how many of how many are done.

    Raises `ForearmError` where they are too few for that.
    """
    check_frames([len(each.latents) for each in episodes])
    parts = _shared(episodes)
    usual = _usual(model, parts[0], horizons)
    sizes = [list(_sizes(model, usual, part, tell)) for part in parts[1:]]
    every = np.concatenate(sizes[0])
    tables = tuple(
        None if column == horizons and usual.joints is None else Table.of(_known(every[:, column]))
        for column in range(horizons + 1)
    )
    found = [[_levels(tables, each) for each in part] for part in sizes]
    whole = Table.of(np.concatenate([_known(strange) for strange, _ in found[0]]) + 1.0)
    alarms, counted = (FalseAlarms.of([level for _, level in part], period) for part in found)
    return SurpriseCalibration(usual, tables, whole, alarms, counted, {"episodes": len(episodes)})


def _shared(episodes: Sequence[Any]) -> list[list[Any]]:
    """Those that are fitted on, those that set bounds, those that alarms are counted on."""
    return [[each for i, each in enumerate(episodes) if i % OF in share] for share in (FIT, BOUND, COUNT)]


def check_frames(lengths: Sequence[int]) -> None:
    """Raise `ForearmError` for held-out episodes of so many frames each that are too few to calibrate on."""
    frames = list(map(sum, _shared(lengths)))
    if frames[0] < LEAST or frames[1] < len(BOUND) * LEAST or not frames[2]:
        raise ForearmError(
            f"{len(lengths)} held-out episodes with {sum(frames)} frames are too few to calibrate on: expected "
            f"{2 * OF * LEAST} frames in {OF} episodes at least"
        )


def hours_of(lengths: Sequence[int], model: "JEPA", readings: bool, period: float) -> float:
    """In how many of the hours of such episodes that set bounds something is expected of a frame, as `fit` has them."""
    unknown = model.config.history * model.config.frameskip  # frames that a first prediction wants before it
    unknown = min(unknown, 2) if readings else unknown  # of the joints, two commands
    return sum(max(0, length - unknown) for length in _shared(lengths)[1]) * period / 3600


def _usual(model: "JEPA", episodes: Sequence[Recording], horizons: int) -> Usual:
    latent_map = whitening(np.concatenate([_errors(model, each) for each in episodes]))
    pairs = [(each.readings, each.actions) for each in episodes if each.readings is not None]
    if len(pairs) < len(episodes):
        return Usual(latent_map, horizons)
    joints = JointModel.fit(pairs)
    return Usual(latent_map, horizons, joints, whitening(np.concatenate([joints.errors(*pair) for pair in pairs])))


def _errors(model: "JEPA", episode: Recording) -> Array:
    """(N, D) errors one step ahead."""
    errors = errors_of(model, episode.latents, episode.readings, episode.actions, 1)[:, 0]
    return errors[~np.isnan(errors[:, 0])]


def _sizes(
    model: "JEPA", usual: Usual, episodes: Sequence[Recording], tell: Callable[[int, int], None]
) -> Iterator[Array]:
    """(L, K + 1) of each episode."""
    for done, episode in enumerate(episodes, 1):
        yield sizes_of(model, usual, episode.latents, episode.readings, episode.actions)
        tell(done, len(episodes))


def _levels(tables: Sequence[Table | None], sizes: Array) -> tuple[Array, Array]:
    """(L,) the strangest part of each frame and (L,) levels; NaN where nothing was expected."""
    levels = Levels(tables)
    strange, level = [], []
    for each in sizes:
        found = levels.see(each)
        strange.append(np.nan if np.isnan(found).all() else np.nanmax(found))
        level.append(np.nan if np.isnan(strange[-1]) else levels.level)
    return np.array(strange), np.array(level)


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]
