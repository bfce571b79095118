"""LeWorldModel's recipe on frames filmed here, for so many minutes: what it comes to on a processor.

    python -m tools.experiments.lewm_recipe data=data/push out=outputs/lewm minutes=8
    export PYTHONPATH=outputs/lewm
    forearm compare task=push model=lewm_trained:load planner.horizon=20 planner.action_repeat=5
        task.objective.weights=last

After Maes et al., arXiv 2603.19312: a ViT-tiny (12 layers, width 192, 3 heads) whose class token is projected to a
latent, a causal transformer (6 layers, 16 heads) that actions modulate, the squared error of the next latent, and
SIGReg over 1,024 directions at 0.1; 128 windows of four frames, five commands from one to the next, AdamW.
Two things differ, in its favour: patches of 8 of frames of 64 pixels in place of 14 of 224, a quarter of the
tokens, and a learning rate that can be chosen. Dropout is left out, as so few steps overfit nothing.

The weights have the names and shapes of the published ones, and `LeWorldModel` runs them; a module that loads them is
written beside them.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from forearm.common.files import write_json
from forearm.integrations.lewm import HEAD, LeWorldModel
from forearm.integrations.peer_inputs import Blocks
from forearm.world_model.data import WindowSampler, open_cache, split_episodes
from forearm.world_model.training.normalisation import known_commands
from forearm.world_model.training.regularizers import random_directions, sigreg

CHOICES = {"minutes": "8", "rate": "0.0005", "batch": "128", "patch": "8", "seed": "0", "threads": "2"}
WIDTH, LAYERS, PREDICTOR_LAYERS, PREDICTOR_HEADS, HIDDEN = 192, 12, 6, 16, 2048
HISTORY, FRAMESKIP = 3, 5
REGULARIZER, DIRECTIONS = 0.1, 1024
DECAY, WARMUP, CLIP = 1e-3, 0.05, 1.0
WEIGHTS, MODULE, REPORT = "weights.safetensors", "lewm_trained.py", "report.json"
LOADER = """from pathlib import Path

from forearm.integrations.lewm import load_lewm


def load():
    return load_lewm(Path(__file__).with_name({file!r}), {action_dim}, {mean}, {std})
"""


class Learned(LeWorldModel):
    """The same with weights that are trained: norms of a batch take the batch's own statistics."""

    def _project(self, x: Tensor, name: str) -> Tensor:
        x = self._linear(x, f"{name}.net.0")
        mean, var, weight, bias = (
            self._tensors[f"{name}.net.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.batch_norm(x.float(), mean, var, weight, bias, training=True)
        return self._linear(functional.gelu(x), f"{name}.net.3")

    def next_ones(self, latents: Tensor, blocks: Tensor) -> Tensor:
        """Latents (N, T, D) after each of (N, T, D), of which each is foretold from those up to it."""
        told = self._told(blocks)
        found = [self._predict(latents[:, : at + 1], told[:, : at + 1]) for at in range(latents.shape[1])]
        return torch.stack(found, dim=1)


def weights(side: int, patch: int, block: int, seed: int) -> dict[str, Tensor]:
    """Tensors under their published names, drawn as torch draws those of its layers."""
    torch.manual_seed(seed)
    found: dict[str, Tensor] = {}

    def keep(name: str, layer: nn.Module) -> None:
        found.update({f"{name}.{key}": value.detach() for key, value in layer.state_dict().items()})

    def projection(name: str) -> None:
        keep(f"{name}.net.0", nn.Linear(WIDTH, HIDDEN))
        keep(f"{name}.net.1", nn.BatchNorm1d(HIDDEN))
        del found[f"{name}.net.1.num_batches_tracked"]
        keep(f"{name}.net.3", nn.Linear(HIDDEN, WIDTH))

    found["encoder.embeddings.cls_token"] = 0.02 * torch.randn(1, 1, WIDTH)
    found["encoder.embeddings.position_embeddings"] = 0.02 * torch.randn(1, (side // patch) ** 2 + 1, WIDTH)
    keep("encoder.embeddings.patch_embeddings.projection", nn.Conv2d(3, WIDTH, patch, stride=patch))
    for layer in range(LAYERS):
        name = f"encoder.layers.{layer}"
        keep(f"{name}.layernorm_before", nn.LayerNorm(WIDTH))
        keep(f"{name}.layernorm_after", nn.LayerNorm(WIDTH))
        for part in "qkvo":
            keep(f"{name}.attention.{part}_proj", nn.Linear(WIDTH, WIDTH))
        keep(f"{name}.mlp.fc1", nn.Linear(WIDTH, 4 * WIDTH))
        keep(f"{name}.mlp.fc2", nn.Linear(4 * WIDTH, WIDTH))
    keep("encoder.layernorm", nn.LayerNorm(WIDTH))
    projection("projector")
    projection("pred_proj")
    found["predictor.pos_embedding"] = 0.02 * torch.randn(1, HISTORY, WIDTH)
    inner = PREDICTOR_HEADS * HEAD
    for layer in range(PREDICTOR_LAYERS):
        name = f"predictor.transformer.layers.{layer}"
        found[f"{name}.adaLN_modulation.1.weight"] = torch.zeros(6 * WIDTH, WIDTH)
        found[f"{name}.adaLN_modulation.1.bias"] = torch.zeros(6 * WIDTH)
        keep(f"{name}.attn.norm", nn.LayerNorm(WIDTH))
        keep(f"{name}.attn.to_qkv", nn.Linear(WIDTH, 3 * inner, bias=False))
        keep(f"{name}.attn.to_out.0", nn.Linear(inner, WIDTH))
        keep(f"{name}.mlp.net.0", nn.LayerNorm(WIDTH))
        keep(f"{name}.mlp.net.1", nn.Linear(WIDTH, HIDDEN))
        keep(f"{name}.mlp.net.4", nn.Linear(HIDDEN, WIDTH))
    keep("predictor.transformer.norm", nn.LayerNorm(WIDTH))
    keep("action_encoder.patch_embed", nn.Conv1d(block, 10, 1))
    keep("action_encoder.embed.0", nn.Linear(10, 4 * WIDTH))
    keep("action_encoder.embed.2", nn.Linear(4 * WIDTH, WIDTH))
    return found


def train(data: Path, out: Path, minutes: float, rate: float, batch: int, patch: int, seed: int) -> dict[str, Any]:
    """Train for so long, write the weights into the folder `out`, and return what came of it."""
    cache = open_cache(data)
    fitting, _ = split_episodes(cache.episodes, 0.05, seed)
    sampler = WindowSampler(cache, HISTORY, 1, FRAMESKIP, fitting)
    commands = known_commands(sampler, 1.0)
    mean, std = commands.mean(0).tolist(), np.maximum(commands.std(0), 1e-6).tolist()
    action_dim, side = commands.shape[1], cache.resolution[0]
    tensors = weights(side, patch, FRAMESKIP * action_dim, seed)
    trained = [tensor.requires_grad_() for name, tensor in tensors.items() if "running" not in name]
    model = Learned(tensors, Blocks.of(action_dim, FRAMESKIP, mean, std))
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=DECAY)
    step, losses, began, over = 0, [], time.perf_counter(), 0.0
    for _, found in sampler.prefetch(0, sys.maxsize, batch, seed):
        if over >= 1.0:
            break
        for group in optimizer.param_groups:
            rising = min(1.0, max(over / WARMUP, 0.01))
            group["lr"] = rate * rising * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1.0, over))))
        actions = found["actions"].unflatten(-1, (FRAMESKIP, action_dim)).flatten(1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            latents = model.encode(found["pixels"].flatten(0, 1).numpy()).unflatten(0, (batch, HISTORY + 1))
            expected = model.next_ones(latents[:, :-1], model._blocks(actions))
        latents = latents.float()
        error = (expected.float() - latents[:, 1:]).square().mean()
        directions = random_directions(DIRECTIONS, WIDTH, torch.Generator().manual_seed(step), torch.device("cpu"))
        loss = error + REGULARIZER * sigreg(latents, directions)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        step, over = step + 1, (time.perf_counter() - began) / (60 * minutes)
        losses.append((float(error.detach()), float(latents.detach().var(dim=(0, 1)).mean())))
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, out / WEIGHTS)
    (out / MODULE).write_text(LOADER.format(file=WEIGHTS, action_dim=action_dim, mean=mean, std=std), encoding="utf-8")
    last = np.mean(losses[-20:], axis=0)
    seconds = time.perf_counter() - began
    frames = step * batch * (HISTORY + 1) / seconds
    parameters = sum(tensor.numel() for tensor in trained)
    about = {"steps": step, "seconds": seconds, "frames_per_s": frames, "parameters": parameters}
    about |= {"error": float(last[0]), "variance": float(last[1])}
    write_json(out / REPORT, about)
    return about


def main(words: list[str]) -> None:
    """`data=` is a data set, `out=` the folder of the weights; the others as in `CHOICES`."""
    given = {**CHOICES, **dict(word.split("=", 1) for word in words)}
    torch.set_num_threads(int(given["threads"]))
    batch, patch, seed = (int(given[name]) for name in ("batch", "patch", "seed"))
    minutes, rate = float(given["minutes"]), float(given["rate"])
    print(json.dumps(train(Path(given["data"]), Path(given["out"]), minutes, rate, batch, patch, seed), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
