"""Whether a frame can show this arm as it stands: what has the right shape may still be wrong.

Four questions, each with a bound that normal motion kept: is the latent like those of the training data, is the
picture like theirs, is it like one of another camera, and is the arm in it where the joint readings say. A fifth needs
no model: whether frames change while the arm moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forearm.control.robots.robot import Robot
from forearm.control.trajectories.trajectory import Array

BLOCKS = 8
"""Blocks in a row, and in a column, to whose mean colours a picture is reduced."""
PICTURE = 3 * BLOCKS**2
"""Numbers of such a picture."""
SURE = 2
"""Frames in a row that must be doubtful."""
FROZEN_FOR = 0.19
"""s for which a frame may come again while the arm moves: a loop may ask faster than its camera sees."""
BREAK = 0.35
"""s without a frame, after which the next one is compared with none before: a camera was away."""
FROZEN_MOVED = {"rad": 0.02, "m": 0.01}
"""How far a joint may move meanwhile."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What frames of one camera and arm look like to a world model, and how far normal ones are from that.

    latent_mean (L,), latent_map (L, L): under which the mean square of a latent is 1 in the training data.
    picture_mean (192,), picture_directions (K, 192): of the mean colours of blocks, and how they vary, orthonormal.
    place_mean (3,), place_map (L, 3): the tool in m, from a latent less its mean. unusual, unlike, apart: the greatest
    of each measure that is believed; see the methods. mistakes: K kinds of wrong frames that are known, such as those
    of another camera, with mistake_directions (K, 192), along which a usual picture lies at 0 and such a one at 1, and
    mistake_bounds (K,), the greatest that is believed.
    """

    latent_mean: Array
    latent_map: Array
    picture_mean: Array
    picture_directions: Array
    place_mean: Array
    place_map: Array
    unusual: float
    unlike: float
    apart: float
    mistakes: tuple[str, ...] = ()
    mistake_directions: Array = field(default_factory=lambda: np.zeros((0, PICTURE)))
    mistake_bounds: Array = field(default_factory=lambda: np.zeros(0))

    def how_unusual(self, latents: Array) -> Array:
        """(N,) root mean square of whitened latents (N, L); 1 is usual."""
        return np.sqrt((((latents - self.latent_mean) @ self.latent_map) ** 2).mean(axis=-1))

    def how_unlike(self, pictures: Array) -> Array:
        """(N,) root mean square, in levels of 255, of what the usual variation of pictures (N, 192) leaves."""
        off = pictures - self.picture_mean
        return np.sqrt(((off - off @ self.picture_directions.T @ self.picture_directions) ** 2).mean(axis=-1))

    def how_mistaken(self, pictures: Array) -> Array:
        """(N, K) how far pictures (N, 192) lie on the way from a usual one to those of each known mistake."""
        return (pictures - self.picture_mean) @ self.mistake_directions.T

    def how_apart(self, latents: Array, tools: Array) -> Array:
        """(N,) m between where latents (N, L) show the tool and where readings have it, (N, 3)."""
        shown = self.place_mean + (latents - self.latent_mean) @ self.place_map
        return np.linalg.norm(shown - tools, axis=-1)

    def doubt(self, pixels: np.ndarray, latent: Array, tool: Array) -> str:
        """Why one frame (R, R, 3) cannot be believed; empty where it can."""
        apart = float(self.how_apart(latent[None], tool[None])[0])
        unusual = float(self.how_unusual(latent[None])[0])
        shown = picture(pixels)[None]
        unlike = float(self.how_unlike(shown)[0])
        mistaken = np.flatnonzero(self.how_mistaken(shown)[0] > self.mistake_bounds)
        if unlike > self.unlike:
            return (
                f"the frame is unlike those of training, by {unlike:.1f} levels where {self.unlike:.1f} are usual: "
                "is it the right camera, the right way up, red first, and lit?"
            )
        if len(mistaken):
            return f"the frame is unlike those of training, and like one {self.mistakes[mistaken[0]]}"
        if unusual > self.unusual:
            return (
                f"the frame is unlike those of training to the model, {unusual:.1f} where {self.unusual:.1f} is usual"
            )
        if apart > self.apart:
            return (
                f"the frame shows the tool {100 * apart:.1f} cm from where the joint readings have it, where "
                f"{100 * self.apart:.1f} cm are usual"
            )
        return ""


def picture(pixels: np.ndarray) -> Array:
    """(192,) mean colours of the blocks of a frame (R, R, 3) uint8; R a multiple of 8, or what is over is cut off."""
    size = pixels.shape[0] // BLOCKS
    whole = pixels[: size * BLOCKS, : size * BLOCKS].astype(np.float64)
    return np.asarray(whole.reshape(BLOCKS, size, BLOCKS, size, 3).mean(axis=(1, 3)).reshape(-1))


class Gate:
    """Looks at every frame; from one thread at a time.

    Args:
        robot: whose tool and joints are seen.
        looks: what its frames look like; None: only whether they stand still is asked.
        cameras: that are seen side by side in a frame, by name; each may stand still alone.

    Attributes:
        sure: whether frames are certainly wrong.
    """

    def __init__(self, robot: Robot, looks: Looks | None = None, cameras: Sequence[str] = ()) -> None:
        self.robot, self.looks, self.cameras = robot, looks, tuple(cameras)
        joints = len(robot.joints)
        self._moved = np.array([FROZEN_MOVED[unit] for unit in robot.limits.units[:joints]])
        self.begin()

    def begin(self) -> None:
        """Nothing has been seen."""
        self.sure = False
        self._doubtful = 0
        self._same: dict[int, _Same] = {}

    def see(self, time: float, observation: Mapping[str, Any], position: Array, latent: Array | None) -> str:
        """Why a frame taken at `time` s cannot be believed; empty where it can.

        `position` (D,) are the readings of the axes; `latent` (L,) is the frame's, None where nobody knows it.
        """
        pixels = np.asarray(observation["pixels"])
        doubt = self._standing(time, pixels, position)
        if doubt:
            self.sure = True
            return doubt
        if self.looks is not None and latent is not None:
            tool = self.robot.geometry.tool(position[None])[0]
            doubt = self.looks.doubt(pixels, latent, tool)
        self._doubtful = self._doubtful + 1 if doubt else 0
        self.sure = self._doubtful >= SURE
        return doubt

    def _standing(self, time: float, pixels: np.ndarray, position: Array) -> str:
        """Why frames of one camera stand still; empty where all change, or the arm does not move."""
        parts = np.split(pixels, max(1, len(self.cameras)), axis=1)
        return next(filter(None, [self._stands(time, i, part, position) for i, part in enumerate(parts)]), "")

    def _stands(self, time: float, camera: int, pixels: np.ndarray, position: Array) -> str:
        same = self._same.get(camera)
        if same is None or time - same.last > BREAK or not np.array_equal(pixels, same.pixels):
            self._same[camera] = _Same(pixels.copy(), position, time, time)
            return ""
        same.last = time
        moved = self.robot.limits.apart(position, same.position)[: len(self._moved)]
        if (moved <= self._moved).all():
            same.since = time  # since then at the latest, it might have changed
            return ""
        if time - same.since < FROZEN_FOR:
            return ""
        which = f"the frame of camera '{self.cameras[camera]}'" if len(self.cameras) > 1 else "the frame"
        return f"{which} has not changed for {time - same.since:.2f} s, but the arm has moved"


@dataclass(eq=False)
class _Same:
    """One camera's frame that comes again: what it shows, where the arm was, since when, and when it came last."""

    pixels: np.ndarray
    position: Array
    since: float
    last: float
