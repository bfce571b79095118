"""LeWorldModel's weights, as le-wm and stable-worldmodel save them, as a world model to plan in.

Maes et al., arXiv 2603.19312: a ViT's class token is projected to a latent, and a causal transformer, which the actions
modulate (AdaLN-zero), predicts the next one. PLDM of stable-worldmodel is built of the same parts. The shapes of the
tensors tell how large each part is; the number of heads is told by heads of 64 numbers each, as in both projects.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor
from torch.nn import functional

from forearm.errors import ForearmError, InputError
from forearm.integrations.peer_inputs import IMAGENET_MEAN, IMAGENET_STD, Blocks, folded, pixels
from forearm.world_model.runtime.latent_dynamics import LatentState

HEAD = 64
"""Numbers in a head of attention; the ViT of 1280 has 80."""
_RENAMED = (  # transformers 4 to 5
    (r"^encoder\.encoder\.layer\.", "encoder.layers."),
    (r"\.attention\.attention\.(query|key|value)\.", lambda found: f".attention.{found[1][0]}_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(layers\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)
_NEEDED = (
    "encoder.embeddings.cls_token",
    "encoder.embeddings.position_embeddings",
    "encoder.embeddings.patch_embeddings.projection.weight",
    "encoder.layernorm.weight",
    "predictor.pos_embedding",
    "predictor.transformer.norm.weight",
    "action_encoder.patch_embed.weight",
    "action_encoder.embed.0.weight",
)


class LeWorldModel:
    """See `forearm.WorldModel`; made by `load_lewm`.

    Attributes:
        resolution: of the frames in pixels; they are resized to what the ViT was trained on.
        history: frames given; what is predicted joins them, up to those that the predictor was trained on.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], blocks: Blocks, history: int = 1, resolution: int | None = None
    ) -> None:
        self._tensors, self._blocks = dict(tensors), blocks
        patches = self._tensors["encoder.embeddings.position_embeddings"].shape[1] - 1
        self._patch = self._tensors["encoder.embeddings.patch_embeddings.projection.weight"].shape[-1]
        self._side = round(patches**0.5) * self._patch
        self._frames = self._tensors["predictor.pos_embedding"].shape[1]
        if not 1 <= history <= self._frames:
            raise InputError(f"history={history}: expected 1 to {self._frames}, the frames that the predictor knows")
        self.history, self.resolution = history, resolution or self._side
        self.action_dim, self.frameskip = blocks.action_dim, blocks.frameskip
        self.fingerprint = ""

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Latents (N, D) of frames (N, R, R, 3) uint8."""
        images = pixels(frames, self._side, IMAGENET_MEAN, IMAGENET_STD)
        name = "encoder.embeddings.patch_embeddings.projection"
        tokens = functional.conv2d(
            images, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"], stride=self._patch
        )
        first = self._tensors["encoder.embeddings.cls_token"].expand(len(images), -1, -1)
        x = torch.cat((first, tokens.flatten(2).transpose(1, 2)), dim=1)
        x = x + self._tensors["encoder.embeddings.position_embeddings"]
        for layer in self._layers("encoder.layers."):
            inner = self._norm(x, f"{layer}.layernorm_before", 1e-12)
            q, k, v = (self._linear(inner, f"{layer}.attention.{part}_proj") for part in "qkv")
            head = 80 if x.shape[-1] == 1280 else HEAD
            x = x + self._linear(_attend(q, k, v, head), f"{layer}.attention.o_proj")
            inner = self._norm(x, f"{layer}.layernorm_after", 1e-12)
            x = x + self._linear(functional.gelu(self._linear(inner, f"{layer}.mlp.fc1")), f"{layer}.mlp.fc2")
        return self._project(self._norm(x[:, 0], "encoder.layernorm", 1e-12), "projector")

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """Latents (B, K, H / s, D) after each s of the commands (B, K, H, A)."""
        latents, blocks = folded(state.states, self._blocks(state.actions), self._blocks(actions))
        told = self._told(blocks)
        for end in range(self.history, blocks.shape[1] + 1):
            seen = slice(max(0, end - self._frames), end)
            latents = torch.cat((latents, self._predict(latents[:, seen], told[:, seen])[:, None]), dim=1)
        return latents[:, self.history :].unflatten(0, actions.shape[:2])

    def _told(self, blocks: Tensor) -> Tensor:
        """Embeddings (N, M, D) of action blocks (N, M, s·A)."""
        weight, bias = (self._tensors[f"action_encoder.patch_embed.{part}"] for part in ("weight", "bias"))
        x = functional.linear(blocks, weight[..., 0], bias)
        return self._linear(functional.silu(self._linear(x, "action_encoder.embed.0")), "action_encoder.embed.2")

    def _predict(self, latents: Tensor, told: Tensor) -> Tensor:
        """The next latent (N, D) after latents (N, T, D) and what is done after each."""
        name = "predictor.transformer"
        x = self._maybe(latents + self._tensors["predictor.pos_embedding"][:, : latents.shape[1]], f"{name}.input_proj")
        condition = functional.silu(self._maybe(told, f"{name}.cond_proj"))
        for layer in self._layers(f"{name}.layers."):
            shifts = self._linear(condition, f"{layer}.adaLN_modulation.1").chunk(6, dim=-1)
            inner = _modulated(x, shifts[0], shifts[1])
            q, k, v = self._linear(self._norm(inner, f"{layer}.attn.norm"), f"{layer}.attn.to_qkv").chunk(3, dim=-1)
            x = x + shifts[2] * self._maybe(_attend(q, k, v, HEAD, causal=True), f"{layer}.attn.to_out.0")
            inner = self._norm(_modulated(x, shifts[3], shifts[4]), f"{layer}.mlp.net.0")
            inner = functional.gelu(self._linear(inner, f"{layer}.mlp.net.1"))
            x = x + shifts[5] * self._linear(inner, f"{layer}.mlp.net.4")
        x = self._maybe(self._norm(x[:, -1], f"{name}.norm"), f"{name}.output_proj")
        return self._project(x, "pred_proj")

    def _project(self, x: Tensor, name: str) -> Tensor:
        """An MLP with a norm in the middle, or nothing where there is none."""
        if f"{name}.net.0.weight" not in self._tensors:
            return x
        x = self._linear(x, f"{name}.net.0")
        if f"{name}.net.1.running_mean" in self._tensors:
            mean, var, weight, bias = (
                self._tensors[f"{name}.net.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = functional.batch_norm(x, mean, var, weight, bias)
        elif f"{name}.net.1.weight" in self._tensors:
            x = self._norm(x, f"{name}.net.1")
        return self._linear(functional.gelu(x), f"{name}.net.3")

    def _layers(self, prefix: str) -> list[str]:
        numbers = {int(key[len(prefix) :].partition(".")[0]) for key in self._tensors if key.startswith(prefix)}
        return [f"{prefix}{number}" for number in sorted(numbers)]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self._tensors[f"{name}.weight"], self._tensors.get(f"{name}.bias"))

    def _maybe(self, x: Tensor, name: str) -> Tensor:
        return self._linear(x, name) if f"{name}.weight" in self._tensors else x

    def _norm(self, x: Tensor, name: str, eps: float = 1e-5) -> Tensor:
        return functional.layer_norm(
            x, x.shape[-1:], self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"], eps
        )


def load_lewm(
    path: str | Path,
    action_dim: int,
    action_mean: float | Sequence[float] = 0.0,
    action_std: float | Sequence[float] = 1.0,
    *,
    history: int = 1,
    resolution: int | None = None,
) -> LeWorldModel:
    """A LeWorldModel out of a safetensors file with its state dict.

    Args:
        path: the file.
        action_dim: A, numbers in a command of the task; how many commands make one block follows from the weights.
        action_mean, action_std: of the commands in the data that it was trained on, one number or (A,).
        history: frames that it looks back on; its authors plan from one.
        resolution: of the frames that are drawn for it; those of another size than its own are resized.

    Raises `ForearmError` for a file that cannot be read or holds other weights.
    """
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
        tensors = load_tensors(content)
    except OSError as error:
        raise ForearmError(f"{file}: cannot be read ({error.strerror})") from error
    except SafetensorError as error:
        raise ForearmError(
            f"{file}: is no safetensors file ({error}); convert the state dict first, see docs/own_model.md"
        ) from error
    tensors = _in_one_way(tensors)
    for key in _NEEDED:
        if key not in tensors:
            raise ForearmError(f"{file}: has no '{key}', so it is no state dict of a LeWorldModel")
    size = tensors["action_encoder.patch_embed.weight"].shape[1]
    if action_dim < 1 or size % action_dim:
        raise ForearmError(f"{file}: takes actions of {size} numbers, no multiple of action_dim={action_dim}")
    model = LeWorldModel(
        tensors, Blocks.of(action_dim, size // action_dim, action_mean, action_std), history, resolution
    )
    told = f"{action_mean}{action_std}{history}{resolution}"
    model.fingerprint = hashlib.sha256(content + told.encode()).hexdigest()
    return model


def _in_one_way(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as transformers 5 names them, whatever stands before, in single precision."""
    found = {}
    for key, tensor in tensors.items():
        name = key.removeprefix("model.")
        for old, new in _RENAMED:
            name = re.sub(old, new, name)
        found[name] = tensor.float()
    return found


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def _attend(q: Tensor, k: Tensor, v: Tensor, head: int, causal: bool = False) -> Tensor:
    """Attention of tokens (N, T, heads·head)."""
    q, k, v = (part.unflatten(-1, (-1, head)).transpose(1, 2) for part in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
