"""A scripted pusher for PushT, which ships none: it looks at true positions. Lengths in px, angles in rad.

It chooses, again and again, the place on the T's edge from which a short push brings the T nearest to the target pose,
goes there around the T, and pushes. A T that is pushed slowly moves along the push and turns around its centre of mass.
"""

from typing import Protocol

import numpy as np

from forearm.envs.contract import Array

BOXES = np.array([[[-60.0, 0.0], [60.0, 30.0]], [[-15.0, 30.0], [15.0, 120.0]]])
"""(2, 2, 2) lower and upper corners of bar and stem, in the T's own frame."""
CENTRE = np.array([0.0, 45.0])
"""The T's centre of mass in its own frame."""
RADIUS, CLEAR = 15.0, 8.0
"""Of the pusher; how far it keeps from the T on its way."""
SPARE = 3.0
"""How near it may come to it."""
GYRATION = 55.0
"""How hard the T is to turn: the larger, the less a push off the centre turns it."""
LEVER = 60.0
"""What a radian counts for beside places."""
STROKE, PUSHES = 8, 24.0
"""Control steps for which a push goes on before the next place is chosen; how far ahead of itself the pusher aims."""
SIDE, EDGE, WALL = 512.0, 20.0, 60.0
"""Of the picture; how near to its edge a push may begin, and how near it may bring the T's centre."""
DONE, SLACK = 6.0, 2.0
"""What is near enough; how many times as much it may be once it was, before the pusher begins again."""


_OUT = RADIUS + CLEAR
CORNERS = np.array([(-60.0, 0.0), (60.0, 0.0), (-60.0, 30.0), (60.0, 30.0), (-15.0, 120.0), (15.0, 120.0)])
CORNERS += _OUT * np.array([(-1, -1), (1, -1), (-1, 1), (1, 1), (-1, 1), (1, 1)])
"""(6, 2) places around the T, in its own frame, between which ways are free."""


def _faces() -> tuple[Array, Array]:
    """Places (N, 2) on the T's edge and directions (N, 2) into it, in its own frame."""
    ends = [((-60, 15), (1, 0)), ((60, 15), (-1, 0)), ((0, 120), (0, -1))]
    top = [((x, 0), (0, 1)) for x in (-52, -36, -18, 0, 18, 36, 52)]
    under = [((x, 30), (0, -1)) for x in (-52, -42, 42, 52)]
    stem = [((side * 15, y), (-side, 0)) for y in (52, 70, 90, 110) for side in (-1, 1)]
    places, directions = zip(*ends, *top, *under, *stem, strict=True)
    return np.array(places, np.float64), np.array(directions, np.float64)


PLACES, DIRECTIONS = _faces()


class Scene(Protocol):
    """What a pusher looks at: `PushT`."""

    def achieved(self) -> Array:
        """(5,) place of the pusher, place of the T, angle of the T."""
        ...

    def goal(self) -> Array:
        """(5,) the goal in force, laid out likewise."""
        ...


class Pusher:
    """Brings the T to a pose.

    Args:
        env: what is acted in.
        target: (3,) place and angle of the T; None: the goal's, and then the pusher's own place in the goal.
        rng: of its choices.
    """

    def __init__(self, env: Scene, target: Array | None, rng: np.random.Generator) -> None:
        self._env, self._target, self._rng = env, target, rng
        self._face, self._left, self._done, self._least = 0, 0, False, np.inf

    def act(self) -> Array:
        """(2,) action in [-1, 1]."""
        state, goal = self._env.achieved(), self._env.goal()
        hand, block = state[:2], state[2:]
        target = goal[2:] if self._target is None else self._target
        self._done = _error(block, target) < (SLACK * DONE if self._done else DONE)
        if self._done:
            return self._travel(hand, block, goal[:2]) if self._target is None else np.zeros(2)
        error = _error(block, target)
        self._least = min(self._least, error)
        if self._left <= 0 or error > self._least + 1.0:
            self._face = self._choose(hand, block, target)
            self._left, self._least = 4 * STROKE, error  # so long it may take to get there
        self._left -= 1
        place, into = _world(PLACES[self._face], block), _turned(DIRECTIONS[self._face], block[2])
        relative = hand - place
        along, aside = float(relative @ into), relative - (relative @ into) * into
        if -RADIUS - CLEAR - 6.0 < along < 0.0 and np.linalg.norm(aside) < 8.0:
            self._left = min(self._left, STROKE)
            ahead = min(PUSHES, 0.5 * error + 4.0)
            return np.clip((into * (ahead + max(-along - RADIUS, 0.0)) - aside) / 100.0, -1.0, 1.0)
        return self._travel(hand, block, place - into * (RADIUS + CLEAR))

    def _choose(self, hand: Array, block: Array, target: Array) -> int:
        """The place from which a short push helps most, way and chance counted."""
        into = _turned(DIRECTIONS, block[2])
        arms = _turned(PLACES - CENTRE, block[2])
        turning = (arms[:, 0] * into[:, 1] - arms[:, 1] * into[:, 0]) / GYRATION**2
        starts = _world(PLACES, block) - into * (RADIUS + CLEAR)
        error, reach = _error(block, target), np.linalg.norm(starts - hand, axis=1)
        best = np.full(len(PLACES), np.inf)
        for push in (4.0, 12.0, 30.0):
            centre = _world(CENTRE, block) + push * into
            angle = block[2] + push * turning
            place = centre - _turned(np.broadcast_to(CENTRE, centre.shape), angle)
            after = np.stack([*place.T, angle], -1)
            best = np.minimum(best, [_error(pose, target) for pose in after])
        # A T is not pushed into a wall: it would be pushed through.
        ends = _world(CENTRE, block) + 30.0 * into
        best = best + 1e3 * ((ends < WALL) | (ends > SIDE - WALL)).any(1)
        score = (best - error) + 0.02 * reach + self._rng.normal(0.0, 0.05 * error, len(PLACES))
        outside = ((starts < EDGE) | (starts > SIDE - EDGE)).any(1)
        return int(np.argmin(np.where(outside, score + 1e3, score)))

    def _travel(self, hand: Array, block: Array, goal: Array) -> Array:
        """Towards a free place, around the T where that is in the way."""
        way = _next(hand, goal, block) - hand
        length = float(np.linalg.norm(way))
        return np.clip(way * min(1.6, 70.0 / max(length, 1e-9)) / 100.0, -1.0, 1.0)


def random_pose(rng: np.random.Generator) -> Array:
    """(3,) a place and an angle for the T."""
    return np.array([*rng.uniform(110.0, 400.0, 2), rng.uniform(-np.pi, np.pi)])


def gap(hand: Array, block: Array) -> Array:
    """From the edge of pushers at (..., 2) to that of a T at (3,); below 0 where they overlap."""
    own = _turned(np.asarray(hand, np.float64) - block[:2], -block[2])[..., None, :]
    outside = np.maximum(BOXES[:, 0] - own, own - BOXES[:, 1])
    inside = np.minimum(outside.max(-1), 0.0)
    return (np.linalg.norm(np.maximum(outside, 0.0), axis=-1) + inside).min(-1) - RADIUS


def _next(hand: Array, goal: Array, block: Array) -> Array:
    """Where to go next on the shortest free way to `goal`: there, or to a corner on the way; there if none is free."""
    corners = _world(CORNERS, block)
    corners = corners[((corners > 0.0) & (corners < SIDE)).all(1)]
    nodes = np.vstack([hand, goal, corners])
    steps = np.linspace(0.1, 1.0, 10)[:, None, None, None]
    between = nodes[:, None] + steps * (nodes[None] - nodes[:, None])
    # Ends that touch the T already are left, and entered, without coming nearer.
    clear = np.minimum(SPARE, gap(nodes, block) - 1.0)
    free = (gap(between, block) > np.minimum(clear[:, None], clear[None])).all(0)
    ways = np.where(free, np.linalg.norm(nodes[None] - nodes[:, None], axis=-1), np.inf)
    left = ways[:, 1]
    for _ in corners:
        left = np.minimum(left, (ways + left).min(1))
    via = ways[0, 1:] + np.append(0.0, left[2:])
    return nodes[1 + int(np.argmin(via))]


def _error(block: Array, target: Array) -> float:
    turn = (block[2] - target[2] + np.pi) % (2 * np.pi) - np.pi
    apart = _world(CENTRE, block) - _world(CENTRE, target)
    return float(np.hypot(np.linalg.norm(apart), LEVER * turn))


def _world(places: Array, block: Array) -> Array:
    """Places (..., 2) of the T's own frame where it lies."""
    return block[:2] + _turned(places, block[2])


def _turned(vectors: Array, angle: Array | float) -> Array:
    """Vectors (..., 2) turned by `angle`."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([vectors[..., 0] * cos - vectors[..., 1] * sin, vectors[..., 0] * sin + vectors[..., 1] * cos], -1)
