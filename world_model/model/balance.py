"""Frames in the light of the training data, whatever light they were taken in."""

import torch
from torch import Tensor


def median_colour(frames: Tensor) -> Tensor:
    """(N, 3) in [0, 255], the median red, green and blue of frames (N, R, R, 3) uint8."""
    return frames.flatten(1, 2).float().median(dim=1).values


def balanced(frames: Tensor, wanted: Tensor) -> Tensor:
    """Frames (N, R, R, 3) uint8 in [0, 255], each colour scaled so that its median is the one `wanted`, (3,).

    The von Kries adaptation, with the median in the place of the mean of the "grey world" (Buchsbaum, J. Franklin
    Institute 310, 1980): an arm that comes into the picture does not move it.
    """
    gain = wanted / median_colour(frames).clamp_min(1.0)
    return torch.clamp(frames * gain[:, None, None], 0.0, 255.0)
