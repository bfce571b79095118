"""A decoder: what a state of the frozen world model looks like, as a picture for people.

It learns from latents that were made before, so nothing of it flows back: the world model, and every plan, stay what
they were. Pictures of imagined states show what the model expects, as far as its latents know it and the decoder has
learned to draw it; `picture_errors` says how far that is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.heads.fitting import POSITIVE, Fitting, OnStep, fit
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.model.encoders import pixels
from forearm.world_model.model.jepa import JEPA

Frames = Callable[[Tensor], NDArray[np.uint8]]
"""The frames (N, R, R, 3) uint8 of the moments (N,) of some trajectories."""
SHRUNK = 16
"""How much smaller than a frame the first map is."""
AT_ONCE = 64
"""States that are drawn together."""
MEASURED = 512
"""Held-out moments from which `picture_errors` looks ahead."""
SEEN = 2048
"""Frames of which the mean frame is made."""


@dataclass(frozen=True)
class DecoderConfig(Fitting):
    """Sizes of the decoder, from states to pictures, and of its training.

    Attributes:
        width: channels of the last and largest map; every one before it has twice as many as the next.
    """

    batch: int = checks.setting(64, checks.integer, least=1)
    rate: float = checks.setting(2e-3, POSITIVE, above=0.0)
    width: int = checks.setting(16, checks.integer, least=1)

    def __post_init__(self) -> None:
        """Raise ValueError for a size that cannot be."""
        super().__post_init__()
        if self.width % 8:
            raise InputError(f"decoder.width must be a multiple of 8, got {self.width}")


class Decoder(nn.Module):
    """Frames of states (S): a mean frame, and what is otherwise, by convolutions on maps of twice the side each.

    Args:
        state_dim: S, of the latent and the joint readings that the world model uses.
        resolution: R, side of a frame in pixels, a multiple of 16.
        config: sizes.
    """

    mean: Tensor

    def __init__(self, state_dim: int, resolution: int, config: DecoderConfig) -> None:
        super().__init__()
        self.state_dim, self.resolution, self.config = state_dim, resolution, config
        self._side, width = resolution // SHRUNK, config.width
        self.first = nn.Linear(state_dim, 8 * width * self._side**2)
        layers: list[nn.Module] = [nn.SiLU()]
        for channels in (8 * width, 4 * width, 2 * width):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels // 2, 3, padding=1)]
            layers += [nn.GroupNorm(8, channels // 2), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2))
        self.register_buffer("mean", torch.zeros(3, resolution, resolution))

    def forward(self, states: Tensor) -> Tensor:
        """(N, S) to (N, 3, R, R), near [-0.5, 0.5]."""
        maps = self.first(states).unflatten(1, (8 * self.config.width, self._side, self._side))
        drawn: Tensor = self.mean + self.body(maps)
        return drawn

    @torch.inference_mode()
    def draw(self, states: Tensor) -> NDArray[np.uint8]:
        """The frames (N, R, R, 3) uint8 of states (N, S)."""
        where = self.mean.device
        parts = [self(part.to(where)) for part in states.split(AT_ONCE)]
        levels = (255.0 * (torch.cat(parts) + 0.5)).round().clamp(0, 255).to(torch.uint8)
        return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def train_decoder(
    data: Trajectories,
    frames: Frames,
    resolution: int,
    config: DecoderConfig,
    seed: int = 0,
    on_step: OnStep = lambda step: None,
) -> tuple[Decoder, list[float]]:
    """A decoder fitted to the `frames` of encoded episodes by squared error, in evaluation mode; and the losses."""
    count = len(data.latents)

    def make() -> Decoder:
        decoder = Decoder(data.states(torch.zeros(1, dtype=torch.long)).shape[1], resolution, config)
        some = torch.linspace(0, count - 1, min(count, SEEN)).long()
        decoder.mean.copy_(pixels(torch.from_numpy(frames(some))).mean(0))
        return decoder

    def loss(decoder: Decoder, draw: Generator) -> Tensor:
        rows = torch.randint(count, (config.batch,), generator=draw)
        wanted = pixels(torch.from_numpy(frames(rows)))
        return (decoder(data.states(rows)) - wanted).square().mean()

    return fit(make, loss, config, seed, on_step)


@torch.inference_mode()
def picture_errors(
    model: JEPA, decoder: Decoder, data: Trajectories, frames: Frames, longest: int = 6
) -> dict[str, list[float]]:
    """How far imagined pictures are from what came, on episodes that were not trained on.

    Mean squared errors of levels in [0, 1], 1 to `longest` steps of the model ahead, and the peak signal-to-noise ratio
    that each means: of the prediction, decoded (`imagined`); of the last frame seen (`copy_last`); and of the frame's
    own latent, decoded (`decoded`), which no prediction is better than but by chance.

    Raises ValueError where no episode is long enough for a single step.
    """
    skip, history = model.config.frameskip, model.config.history
    rows = _moments(data, (history - 1) * skip, longest * skip)
    if not len(rows):
        if longest == 1:
            raise InputError(f"no held-out episode is longer than {history * skip} control steps")
        return picture_errors(model, decoder, data, frames, longest - 1)
    rows = rows[torch.randperm(len(rows), generator=Generator().manual_seed(0))[:MEASURED]]
    seen = torch.stack([data.states(rows - skip * ago) for ago in range(history - 1, -1, -1)], dim=1)
    first, last = -(history - 1) * skip, longest * skip
    blocks = model.blocks(data.actions[rows[:, None] + torch.arange(first, last)])
    predicted = model.rollout(seen, blocks[:, : history - 1], blocks[:, history - 1 :])
    errors: dict[str, list[float]] = {"imagined": [], "decoded": [], "copy_last": []}
    now = frames(rows)
    for step in range(1, longest + 1):
        ahead = rows + step * skip
        came = frames(ahead)
        errors["imagined"].append(squared_error(decoder.draw(predicted[:, step - 1]), came))
        errors["decoded"].append(squared_error(decoder.draw(data.states(ahead)), came))
        errors["copy_last"].append(squared_error(now, came))
    mse = {f"{name}_mse": [round(value, 6) for value in values] for name, values in errors.items()}
    return mse | {f"{name}_psnr": [round(psnr(value), 2) for value in values] for name, values in errors.items()}


def squared_error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean squared difference of two pictures of one shape, of levels in [0, 1]."""
    return float(np.square((one.astype(np.float64) - other) / 255.0).mean())


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a `squared_error`; of none at all, as much as a double can tell."""
    return -10.0 * math.log10(max(error, np.finfo(np.float64).tiny))


def _moments(data: Trajectories, before: int, after: int) -> Tensor:
    """Rows that have `before` moments of their episode before them, and `after` behind."""
    count = len(data.left)
    place = torch.arange(count)
    begins = torch.ones(count, dtype=torch.bool)
    begins[1:] = data.left[:-1] == 0
    since = place - torch.where(begins, place, 0).cummax(0).values
    return torch.nonzero((since >= before) & (data.left >= after))[:, 0]
