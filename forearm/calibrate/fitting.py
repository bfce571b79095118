"""Bounds from normal motion: fitted on some of it, set on more, counted on the rest."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forearm.calibrate.motion import Shown
from forearm.control.frame_gate import PICTURE, SURE, Looks
from forearm.control.trajectories.trajectory import Array

DIRECTIONS = 24
"""Ways in which pictures usually vary."""
FLOOR = 1e-3
"""Of the largest variance of a latent's directions: the least that a direction is taken to vary."""
NOISE = 1.0
"""Variance of a picture's numbers, in levels of 255, that is taken to be there in any case."""
MARGIN = 1.25
"""Times the greatest value of normal motion, up to which a frame is believed."""
TOLD_APART = 0.5
"""Of the way from a usual picture to a mistaken one: normal motion must stay below, if that mistake is to be told.
The bound then lies halfway between its greatest value and the mistake."""
INSIDE = 0.75
"""Share of the task's success radius within which an arm that has arrived must be, so that it may roll on a little."""
WRONG = 0.01
"""Share of frames that may be said to have arrived and have not."""


def fitted(shown: Sequence[Shown]) -> Looks:
    """What frames look like; the bounds are infinite as yet."""
    latents, pictures, tools = (np.concatenate([getattr(part, key) for part in shown]) for key in _KEYS)
    mean, place = latents.mean(axis=0), tools.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(latents.T))
    values = np.maximum(values, FLOOR * values.max())
    off = latents - mean
    ridge = FLOOR * len(off) * values.mean() * np.eye(off.shape[1])
    usual = pictures.mean(axis=0)
    _, _, directions = np.linalg.svd(pictures - usual, full_matrices=False)
    names = list(shown[0].mistakes)
    mistaken = [np.concatenate([part.mistakes[name] for part in shown]) for name in names]
    return Looks(
        latent_mean=mean,
        latent_map=(vectors / np.sqrt(values)) @ vectors.T,
        picture_mean=usual,
        picture_directions=directions[:DIRECTIONS],
        place_mean=place,
        place_map=np.linalg.solve(off.T @ off + ridge, off.T @ (tools - place)),
        unusual=np.inf,
        unlike=np.inf,
        apart=np.inf,
        mistakes=tuple(names),
        mistake_directions=np.array([_toward(wrong, pictures) for wrong in mistaken]).reshape(-1, PICTURE),
        mistake_bounds=np.full(len(names), np.inf),
    )


def _toward(wrong: Array, usual: Array) -> Array:
    """(192,) Fisher's direction between two kinds of pictures: usual ones are at 0 along it, those of `wrong` at 1."""
    way = wrong.mean(axis=0) - usual.mean(axis=0)
    spread = (np.cov(usual.T) + np.cov(wrong.T)) / 2
    spread += (NOISE + FLOOR * np.diag(spread).mean()) * np.eye(len(way))
    direction: Array = np.linalg.solve(spread, way)
    return direction / (direction @ way)


def bounded(looks: Looks, shown: Sequence[Shown]) -> Looks:
    """The same with bounds that all of this normal motion keeps, with a margin.

    Mistakes that look too much like normal motion are left out.
    """
    worst = np.max([[values.max() for values in _measures(looks, part)] for part in shown], axis=0)
    unusual, unlike, apart = (MARGIN * worst[:3]).tolist()
    mistaken = worst[3:]
    told = np.flatnonzero(mistaken < TOLD_APART)
    return replace(
        looks,
        unusual=unusual,
        unlike=unlike,
        apart=apart,
        mistakes=tuple(looks.mistakes[number] for number in told),
        mistake_directions=looks.mistake_directions[told],
        mistake_bounds=(mistaken[told] + 1.0) / 2.0,
    )


def false_stops(looks: Looks, shown: Sequence[Shown]) -> int:
    """How often frames of normal motion would stop the arm: so many doubtful ones in a row."""
    stops = 0
    for part in shown:
        bounds = (looks.unusual, looks.unlike, looks.apart, *looks.mistake_bounds)
        doubtful = np.any([m > most for m, most in zip(_measures(looks, part), bounds, strict=True)], axis=0)
        run = 0
        for doubt in doubtful:
            run = run + 1 if doubt else 0
            stops += run == SURE
    return stops


def radius(shown: Sequence[Shown], success: float) -> float | None:
    """The greatest distance of a latent from the goal's at which an arm has arrived, but for a few frames.

    `success` is the task's success radius in m. None where no distance tells.
    """
    near, apart = [], []
    for part in shown:
        assert part.nearness is not None and part.distance is not None
        near.append(np.maximum(part.nearness[1:], part.nearness[:-1]))
        apart.append(part.distance[1:])
    order = np.argsort(np.concatenate(near))
    nearness, wrong = np.concatenate(near)[order], np.concatenate(apart)[order] > INSIDE * success
    share = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    good = np.flatnonzero(share <= WRONG)
    return float(nearness[good[-1]]) if len(good) else None


_KEYS = ("latents", "pictures", "tools")


def _measures(looks: Looks, part: Shown) -> tuple[Array, ...]:
    return (
        looks.how_unusual(part.latents),
        looks.how_unlike(part.pictures),
        looks.how_apart(part.latents, part.tools),
        *looks.how_mistaken(part.pictures).T,
    )
