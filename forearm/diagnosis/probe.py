"""Positions read off latents by a small network: what the latents show, whoever looks at them.

For diagnosis only. Planning never sees it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

STEPS, BATCH, WIDTH = 1500, 256, 256


@dataclass
class Probe:
    """A network of two hidden layers from latents (..., D) to positions (..., P, 3) in m."""

    net: nn.Sequential
    things: int

    @torch.inference_mode()
    def positions(self, latents: Tensor) -> NDArray[np.float64]:
        """(..., P, 3) in m; of states (..., S), which begin with the latent."""
        entries = self.net[0].get_buffer("mean").numel()
        return self.net(latents[..., :entries].float()).unflatten(-1, (self.things, 3)).double().cpu().numpy()

    def errors(self, latents: Tensor, positions: NDArray[np.float64]) -> list[float]:
        """Mean distance in m of each of the P positions read from the true ones (..., P, 3)."""
        off = np.linalg.norm(self.positions(latents) - positions, axis=-1)
        return [float(x) for x in off.reshape(-1, self.things).mean(0)]

    def save(self, path: Path) -> None:
        """Write the weights as safetensors, whole or not at all."""
        from safetensors.torch import save_file

        from forearm.common.files import replacing

        with replacing(path) as temporary:
            save_file({key: value.contiguous() for key, value in self.net.state_dict().items()}, temporary)


class Standardise(nn.Module):
    """(x - mean) / std, or back."""

    def __init__(self, mean: Tensor, std: Tensor, back: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.back = back

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return x * std + mean if self.back else (x - mean) / std


def network(entries: int, things: int) -> nn.Sequential:
    """An untrained one for latents of `entries` numbers."""
    out = 3 * things
    return nn.Sequential(
        Standardise(torch.zeros(entries), torch.ones(entries)),
        nn.Linear(entries, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, out),
        Standardise(torch.zeros(out), torch.ones(out), back=True),
    )  # fmt: skip


def fit(latents: Tensor, positions: NDArray[np.float64], seed: int = 0) -> Probe:
    """A probe trained on latents (N, D) and positions (N, P, 3) in m; the same for the same seed."""
    inputs = latents.detach().float().clone()
    targets = torch.as_tensor(positions.reshape(len(positions), -1), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        net = network(inputs.shape[1], positions.shape[1])
        net[0] = Standardise(inputs.mean(0), inputs.std(0).clamp_min(1e-6))
        mean, std = targets.mean(0), targets.std(0).clamp_min(1e-3)
        net[-1] = Standardise(mean, std, back=True)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            pick = torch.randint(len(inputs), (BATCH,))
            optimizer.zero_grad()
            ((net(inputs[pick]) - targets[pick]) / std).square().mean().backward()
            optimizer.step()
            schedule.step()
    return Probe(net.eval(), positions.shape[1])


def load(path: Path) -> Probe:
    """What `Probe.save` wrote."""
    from safetensors.torch import load_file

    weights = load_file(path)
    things = weights["6.mean"].numel() // 3
    net = network(weights["0.mean"].numel(), things)
    net.load_state_dict(weights)
    return Probe(net.eval(), things)
