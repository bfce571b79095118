"""The joint-embedding predictive architecture: encode frames, predict latents, never a pixel.

frame ── encode ──▶ latent ──┐
joint readings (optional) ───┼─▶ state ── predict(state, action block) ──▶ next state ──▶ …
action block ────────────────┘
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.absolute import AbsolutePositions
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.backbone import Backbone
from forearm.world_model.model.balance import balanced
from forearm.world_model.model.batch_norm import WholeBatchNorm
from forearm.world_model.model.encoders import FrozenEncoder, make_encoder, pixels
from forearm.world_model.model.precision import full_precision
from forearm.world_model.model.predictors import InverseDynamics, make_predictor
from forearm.world_model.model.sensor_encoder import SensorEncoder

ENCODING = ("encoder.", "project.", "norm.", "median_colour")
"""How the names of the weights begin that make latents of frames."""


class JEPA(nn.Module):
    """Encoder and action-conditioned predictor, with the normalisation of its inputs inside.

    A *state* is the latent (D), followed by the normalised joint readings where the model uses them (S = D + P).
    An *action block* is the `frameskip` commands between two latents, concatenated. A model of video without commands
    (`action_dim` 0) has blocks of no numbers, or of the `inferred_dim` that it infers itself from the two latents,
    after LAPO (arXiv 2312.10812): so few that they can tell what was done, but not what came of it.
    """

    action_mean: Tensor
    action_std: Tensor
    action_rest: Tensor
    proprio_mean: Tensor
    proprio_std: Tensor
    step_covariance: Tensor
    median_colour: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = make_encoder(config)
        # What the settings of a backbone had left open is known now, and belongs into the checkpoint.
        self.config = config if self.backbone is None else replace(config, backbone=self.backbone.config)
        self.project = nn.Linear(self.encoder.features, config.latent_dim)
        # A batch norm, not a layer norm: the latter confines latents to a sphere, which no Gaussian fits.
        self.norm = WholeBatchNorm(config.latent_dim)
        self.predictor = make_predictor(config, self.state_dim)
        self.infer = InverseDynamics(config.latent_dim, config.inferred_dim) if config.inferred_dim else None
        self.absolute: AbsolutePositions | None = None
        """What joint positions as commands keep to; the model itself takes their differences. None: other commands."""
        self.encoder_is_fixed = False
        """Whether only the rest is trained, see `fix_encoder`."""
        self.register_buffer("action_mean", torch.zeros(config.action_dim))
        self.register_buffer("action_std", torch.ones(config.action_dim))
        # The command before an episode began; it stands in the checkpoint's JSON.
        self.register_buffer("action_rest", torch.zeros(config.action_dim), persistent=False)
        self.register_buffer("proprio_mean", torch.zeros(config.proprio_dim))
        self.register_buffer("proprio_std", torch.ones(config.proprio_dim))
        # Of the latents' changes in one step, set when training exports the model; see runtime/slowness.py.
        self.register_buffer("step_covariance", torch.eye(config.latent_dim))
        if config.balance:
            self.register_buffer("median_colour", torch.full((3,), 127.5))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.action_mean.device

    @property
    def state_dim(self) -> int:
        """S, numbers per state."""
        return self.config.latent_dim + self.config.proprio_dim

    @property
    def backbone(self) -> Backbone | None:
        """The pretrained image model that is not trained, where the encoder is `frozen`."""
        return self.encoder.backbone if isinstance(self.encoder, FrozenEncoder) else None

    def fix_encoder(self) -> None:
        """Keep encoder, projection and norm as they are; latents of a frame can then be made once and kept."""
        self.encoder_is_fixed = True
        for part in (self.encoder, self.project, self.norm):
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "JEPA":
        """As for every module, but what is fixed stays in evaluation mode: a batch norm must not follow its batches."""
        super().train(mode)
        if self.encoder_is_fixed:
            for part in (self.encoder, self.project, self.norm):
                part.eval()
        return self

    @property
    def kept(self) -> tuple[dict[str, Any], tuple[int, ...]] | None:
        """What data sets can keep of a frame instead of looking at it again, see `features`: all that it depends on,
        and its shape; None where everything that looks at frames is trained.
        """
        if isinstance(self.encoder, SensorEncoder):  # quicker looked at again
            return None
        if self.encoder_is_fixed:
            weights = {key: value for key, value in self.state_dict().items() if key.startswith(ENCODING)}
            backbone = None if self.backbone is None else self.backbone.identity()
            return {"latents": digest(weights), "backbone": backbone}, (self.config.latent_dim,)
        return None if self.backbone is None else (self.backbone.identity(), self.backbone.shape)

    def encode(self, frames: Tensor | NDArray[Any]) -> Tensor:
        """Latents (N, D) of frames (N, R, R, 3) uint8; of a model of sensors, of moments (N, P, 2) float32.

        Raises:
            ValueError: the frames are not uint8 or have another shape than this model was trained on.
        """
        frames = torch.as_tensor(frames)
        if isinstance(self.encoder, SensorEncoder):
            return self._latents(self.encoder(self._moments(frames), self.proprio_mean, self.proprio_std))
        side = self.config.resolution
        if frames.dtype != torch.uint8 or frames.shape[1:] != (side, side, 3):
            raise InputError(
                f"frames are {str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}: "
                f"this model expects uint8 (N, {side}, {side}, 3)"
            )
        frames = frames.to(self.device)
        return self._latents(self.encoder(balanced(frames, self.median_colour) if self.config.balance else frames))

    def latents(self, batch: dict[str, Tensor]) -> Tensor:
        """Latents (N, T, D) of the windows of a batch: of `pixels`, or of the `features` that were kept of them.

        Raises:
            ValueError: the batch has features, but this model makes none, or they are of another shape.
        """
        if "features" not in batch:
            return self.encode(batch["pixels"].flatten(0, 1)).unflatten(0, batch["pixels"].shape[:2])
        maps = batch["features"]
        if self.encoder_is_fixed and maps.shape[2:] == (self.config.latent_dim,):
            return maps.float()
        if not isinstance(self.encoder, FrozenEncoder) or maps.shape[2:] != self.encoder.backbone.shape:
            expected = None if self.backbone is None else self.backbone.shape
            raise InputError(f"features are {tuple(maps.shape[2:])} a frame: this model expects {expected or 'pixels'}")
        return self._latents(self.encoder.reduce(maps.flatten(0, 1))).unflatten(0, maps.shape[:2])

    def features(self, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
        """What is `kept` of frames (N, R, R, 3) uint8: the backbone's maps (N, C, h, w), or the latents (N, D) of a
        fixed encoder.

        Raises:
            ValueError: this model has neither.
        """
        if self.encoder_is_fixed:
            with torch.no_grad():
                return self.encode(frames).half().cpu().numpy()
        if self.backbone is None:
            raise InputError(f"encoder is '{self.config.encoder}': features are made by encoder=frozen alone")
        where = self.device
        # Few at a time, so that what lies between two layers stays in a processor's caches: twice as fast as many.
        parts = torch.from_numpy(frames).split(8 if where.type == "cpu" else len(frames))
        return torch.cat([self.backbone(pixels(part.to(where))).cpu() for part in parts]).numpy()

    def _moments(self, moments: Tensor) -> Tensor:
        expected = (self.config.proprio_dim, 2)
        if not moments.is_floating_point() or moments.shape[1:] != expected:
            raise InputError(
                f"moments are {str(moments.dtype).removeprefix('torch.')} {tuple(moments.shape)}: this model expects "
                f"float32 (N, {expected[0]}, 2), a value and an age for each sensor"
            )
        return moments.to(self.proprio_mean)

    def _latents(self, encoded: Tensor) -> Tensor:
        # Not trained, as the batch norm takes it off again. Its gradient is zero but for rounding, and Adam, which
        # divides by its size, would make whole steps of that: a walk that is another one on every processor, and behind
        # which the running mean lags that later encodes frames.
        bias = self.project.bias.detach()
        return self.norm(full_precision(nn.functional.linear(encoded, self.project.weight, bias)))

    def state(self, latents: Tensor, proprio: Tensor | None) -> Tensor:
        """States (…, S) of latents (…, D) and joint readings (…, P).

        Raises:
            ValueError: the model uses joint readings and none, or too few, were given.
        """
        if not self.config.proprio_dim:
            return latents
        if proprio is None or proprio.shape[-1] != self.config.proprio_dim:
            got = "none" if proprio is None else proprio.shape[-1]
            raise InputError(f"joint readings: got {got}, this model expects {self.config.proprio_dim} numbers")
        scaled = (proprio - self.proprio_mean) / self.proprio_std
        if isinstance(self.encoder, SensorEncoder):
            scaled = scaled.nan_to_num()  # the mean, for a sensor that was not measured yet
        return torch.cat([latents, scaled], dim=-1)

    def measured(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """Which numbers of the states (N, T, S) of a batch of windows were seen, 1, and which are only held from
        before, 0; None for a model of frames, of which all are.
        """
        if not isinstance(self.encoder, SensorEncoder):
            return None
        values, ages = batch["pixels"].unbind(-1)
        seen = (~torch.isnan(values) & (ages == 0)).to(self.proprio_mean)
        return nn.functional.pad(seen, (self.config.latent_dim, 0), value=1.0)

    def blocks(self, actions: Tensor) -> Tensor:
        """Normalised action blocks (…, M, frameskip·A) of actions (…, M·frameskip, A), one a control step."""
        normal = (actions - self.action_mean) / self.action_std
        skip, size = self.config.frameskip, self.config.frameskip * self.config.action_dim
        return normal.reshape(*actions.shape[:-2], actions.shape[-2] // skip, size)

    def blocks_between(self, latents: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Blocks (N, T-1, block) between the latents (N, T, D) of a batch of windows: of its `actions`, or inferred."""
        if self.infer is not None:
            return torch.tanh(self.infer(latents[:, :-1], latents[:, 1:]))
        skip, size = self.config.frameskip, self.config.action_dim
        if not size:
            return latents.new_zeros(len(latents), latents.shape[1] - 1, 0)
        return self.blocks(batch["actions"].unflatten(-1, (skip, size)).flatten(1, 2))

    def predict(self, states: Tensor, blocks: Tensor) -> Tensor:
        """Next state (N, S) after states (N, T, S) and normalised blocks (N, T, block)."""
        return self.predictor(states, blocks)

    def rollout(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """States from the present on, as `config.predictor` foretells them.

        Args:
            states: (N, T, S), the newest last; or (1, T, S) where all N paths begin alike.
            past_blocks: (N, T-1, block) or (1, T-1, block), the normalised blocks between them.
            blocks: (N, M, block), what is done from now on.

        Returns:
            (N, M, S), the predicted states.
        """
        return self.predictor.rollout(states, past_blocks, blocks)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of named tensors, 64 hexadecimal digits."""
    found = hashlib.sha256()
    for key in sorted(tensors):
        found.update(f"{key}{tuple(tensors[key].shape)}".encode())
        found.update(tensors[key].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
