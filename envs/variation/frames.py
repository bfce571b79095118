"""What frames suffer between the scene and whoever looks: light, white balance, noise, and how late they are."""

from collections import deque

import numpy as np

from forearm.envs.contract import Frame
from forearm.envs.variation.factors import Variation


def altered(frame: Frame, variation: Variation, rng: np.random.Generator) -> Frame:
    """The frame (H, W, 3) uint8 in another light, with another white balance, or with noise that `rng` draws."""
    strength = variation.strength
    if variation.factor == "light":
        values = frame * float(strength)
    elif variation.factor == "colour":
        values = frame * np.array([1.0 + strength, 1.0, 1.0 - strength])
    elif variation.factor == "noise":
        values = frame + rng.normal(0.0, strength, frame.shape)
    else:
        return frame
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


class Arrival:
    """Which of the frames filmed so far has arrived: one some control steps old, or the last one that was not lost.

    Args:
        variation: `delay` and `dropped` count; with any other factor each frame arrives at once.
    """

    def __init__(self, variation: Variation) -> None:
        late = int(variation.strength) if variation.factor == "delay" else 0
        self._filmed: deque[Frame] = deque(maxlen=late + 1)
        self._lost = variation.strength if variation.factor == "dropped" else 0.0

    def arrived(self, frame: Frame, rng: np.random.Generator) -> Frame:
        """What is there to look at when `frame` has just been filmed; the first frame never is lost."""
        lost = rng.random() < self._lost
        if not (lost and self._filmed):
            self._filmed.append(frame)
        return self._filmed[0]
