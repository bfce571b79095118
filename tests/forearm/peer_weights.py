"""A small state dict of LeWorldModel, the same everywhere: numbers that follow from names and shapes alone."""

import math

import torch
from torch import Tensor

WIDTH, HIDDEN, LATENT, BLOCK, HEADS, MLP = 128, 160, 24, 8, 2, 96
FRAMES = 3
_VIT = {
    "embeddings.cls_token": (1, 1, WIDTH),
    "embeddings.position_embeddings": (1, 5, WIDTH),
    "embeddings.patch_embeddings.projection.weight": (WIDTH, 3, 14, 14),
    "embeddings.patch_embeddings.projection.bias": (WIDTH,),
    "layernorm.weight": (WIDTH,),
    "layernorm.bias": (WIDTH,),
}
_LAYER = {
    "attention.attention.query": (WIDTH, WIDTH),
    "attention.attention.key": (WIDTH, WIDTH),
    "attention.attention.value": (WIDTH, WIDTH),
    "attention.output.dense": (WIDTH, WIDTH),
    "intermediate.dense": (HIDDEN, WIDTH),
    "output.dense": (WIDTH, HIDDEN),
    "layernorm_before": (WIDTH,),
    "layernorm_after": (WIDTH,),
}
LATER = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
"""What transformers 5 calls what transformers 4 calls otherwise."""
_PREDICTOR = {
    "attn.norm": (WIDTH,),
    "attn.to_qkv": (3 * 64 * HEADS, WIDTH),
    "attn.to_out.0": (WIDTH, 64 * HEADS),
    "mlp.net.0": (WIDTH,),
    "mlp.net.1": (MLP, WIDTH),
    "mlp.net.4": (WIDTH, MLP),
    "adaLN_modulation.1": (6 * WIDTH, WIDTH),
}


def state_dict(transformers: int = 4) -> dict[str, Tensor]:
    """As stable-worldmodel's LeWM has it, made beside that release of transformers."""
    shapes: dict[str, tuple[int, ...]] = {f"encoder.{key}": shape for key, shape in _VIT.items()}
    named: dict[str, tuple[int, ...]] = {}
    for layer in range(2):
        named |= {f"encoder.encoder.layer.{layer}.{key}": shape for key, shape in _LAYER.items()}
        named |= {f"predictor.transformer.layers.{layer}.{key}": shape for key, shape in _PREDICTOR.items()}
    name = "predictor.transformer"
    named |= {f"{name}.{key}": shape for key, shape in (("norm", (WIDTH,)), ("input_proj", (WIDTH, LATENT)))}
    named |= {f"{name}.cond_proj": (WIDTH, LATENT), "action_encoder.embed.0": (4 * LATENT, 10)}
    named |= {"action_encoder.embed.2": (LATENT, 4 * LATENT), "action_encoder.patch_embed": (10, BLOCK, 1)}
    for part in ("projector", "pred_proj"):
        named |= {f"{part}.net.0": (MLP, WIDTH), f"{part}.net.1": (MLP,), f"{part}.net.3": (LATENT, MLP)}
        shapes |= {f"{part}.net.1.{key}": (MLP,) for key in ("running_mean", "running_var")}
    shapes["predictor.pos_embedding"] = (1, FRAMES, LATENT)
    for key, shape in named.items():
        shapes[f"{key}.weight"] = shape
        if not key.endswith("to_qkv"):
            shapes[f"{key}.bias"] = shape[:1]
    found = {key: _numbers(key, shape) for key, shape in shapes.items()}
    found |= {f"{part}.net.1.num_batches_tracked": torch.tensor(7) for part in ("projector", "pred_proj")}
    if transformers < 5:
        return found
    later = {}
    for key, tensor in found.items():
        name = key.replace("encoder.encoder.layer.", "encoder.layers.")
        for old, new in LATER.items() if name.startswith("encoder.layers.") else ():
            name = name.replace(f".{old}.", f".{new}.")
        later[name] = tensor
    return later


def _numbers(key: str, shape: tuple[int, ...]) -> Tensor:
    """Waves, about as large as weights are; near 1 where a norm multiplies, and never below 0 for a variance."""
    count = math.prod(shape)
    phase = sum(ord(letter) * (place + 1) for place, letter in enumerate(key.replace("encoder.layer.", ""))) % 97
    if len(shape) > 1:
        size = 4.0 * (count / shape[0]) ** -0.5
    else:
        size = 0.1
    wave = size * torch.sin(torch.arange(count, dtype=torch.float64) * (1.0 + phase / 89) + phase)
    norm = key.endswith("weight") and len(shape) == 1
    return (wave + (1.0 if norm or key.endswith("running_var") else 0.0)).reshape(shape).float()
