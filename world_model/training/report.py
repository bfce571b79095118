"""What a trained model is worth before anyone plans with it.

A low prediction error alone says little: latents that collapse are easy to predict. So the error stands beside that
of "copy the last frame", the latents' effective rank shows collapse, and probes show in millimetres how well
positions can be read off them. Probes are for this report only; planning never sees them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from forearm.world_model.data import WindowMixture, Windows
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.model.precision import full_precision

BATCH = 64
WINDOWS = 512
"""Of held-out episodes, for one report."""
PROBE_STEPS = 600
"""Of training the small MLP that says what latents show."""


@dataclass(frozen=True)
class Report:
    """Figures of one model on held-out episodes.

    Attributes:
        error: mean squared latent error after 1, 2, … latent steps.
        copy_last: the same for predicting that nothing changes.
        effective_rank: exp of the entropy of the latents' covariance eigenvalues (Roy and Vetterli 2007).
        probe_mm: by position column, mean distance in mm of a linear and a small MLP probe.
    """

    error: list[float]
    copy_last: list[float]
    effective_rank: float
    probe_mm: dict[str, dict[str, float]]

    def numbers(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "error": [round(e, 5) for e in self.error],
            "copy_last": [round(e, 5) for e in self.copy_last],
            "effective_rank": round(self.effective_rank, 2),
            "probe_mm": self.probe_mm,
        }


@torch.no_grad()
def embed(model: JEPA, sampler: Windows, limit: int, where: torch.device) -> dict[str, Tensor]:
    """Latents (N, T, D), predictions (N, M, D) and positions (N, T, 3) of `limit` windows spread over the episodes."""
    model.eval()
    history = model.config.history
    positions = positions_of(sampler)
    gathered: dict[str, list[Tensor]] = {}
    for batch in sampler.in_order(BATCH, limit):
        batch = {k: v.to(where) for k, v in batch.items()}
        latents = model.latents(batch)
        blocks = model.blocks_between(latents, batch)
        states = model.state(latents, batch["state"] if model.config.proprio_dim else None)
        predicted = model.rollout(states[:, :history], blocks[:, : history - 1], blocks[:, history - 1 :])
        found = {"latents": latents, "predicted": predicted[..., : latents.shape[-1]]}
        found |= {key: batch[key].to(latents) for key in positions}
        for key, value in found.items():
            gathered.setdefault(key, []).append(full_precision(value).cpu())
    return {key: torch.cat(parts) for key, parts in gathered.items()}


def report(
    model: JEPA,
    validation: Windows,
    fitting: Windows | None,
    where: torch.device,
    windows: int = WINDOWS,
) -> Report:
    """Figures on windows of held-out episodes; probes are fitted on windows of `fitting`, and left out without it."""
    held_out = embed(model, validation, windows, where)
    history = model.config.history
    latents, predicted = held_out["latents"], held_out["predicted"]
    target, last = latents[:, history:], latents[:, history - 1 : history]
    probes: dict[str, dict[str, float]] = {}
    if fitting is not None:
        known = embed(model, fitting, 4 * windows, where)
        for key in sorted(positions_of(fitting) & positions_of(validation)):
            seen = _with_positions(known["latents"], known[key])
            unseen = _with_positions(latents, held_out[key])
            if len(seen[0]) and len(unseen[0]):
                probes[key] = {kind: round(1000 * error, 1) for kind, error in probe(*seen, *unseen).items()}
    return Report(
        error=(predicted - target).pow(2).mean((0, 2)).tolist(),
        copy_last=(last - target).pow(2).mean((0, 2)).tolist(),
        effective_rank=effective_rank(latents.flatten(0, 1)),
        probe_mm=probes,
    )


def positions_of(windows: Windows) -> set[str]:
    """Columns that are positions in metres in every data set of these windows."""
    return set.intersection(*(set(part.cache.positions) for part in windows.parts))


def _with_positions(latents: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Latents (M, D) and positions (M, 3) of the frames of (N, T, …) whose position is known."""
    latents, positions = latents.flatten(0, 1), positions.flatten(0, 1)
    known = torch.isfinite(positions).all(dim=1)
    return latents[known], positions[known]


def numbers(model: JEPA, validation: Windows, fitting: Windows | None, where: torch.device) -> dict[str, Any]:
    """The report as plain values for JSON; where windows are of several tasks, of all and under `tasks` of each.

    Probes are fitted to each task by itself, so that their errors compare with those of a model of that task alone.
    """
    if not isinstance(validation, WindowMixture):
        return report(model, validation, fitting, where).numbers()
    found = report(model, validation, None, where).numbers()
    del found["probe_mm"]
    # While training goes on, all tasks together are looked at as long as one; in the end, each.
    windows = WINDOWS if fitting is not None else WINDOWS // len(validation.parts)
    of_task: dict[str, Any] = {}
    for index, name in enumerate(validation.names):
        known = None if fitting is None else fitting.parts[index]
        of_task[name] = report(model, validation.parts[index], known, where, windows).numbers()
    return {**found, "tasks": of_task}


def effective_rank(latents: Tensor) -> float:
    """Effective rank of latents (N, D): between 1 (collapsed to a line) and D."""
    eigenvalues = torch.linalg.eigvalsh(torch.cov(latents.T.double())).clamp_min(0)
    share = eigenvalues / eigenvalues.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


def probe(inputs: Tensor, targets: Tensor, test_inputs: Tensor, test_targets: Tensor) -> dict[str, float]:
    """Mean distance, in the targets' unit, of a ridge regression and of a small MLP from latents to positions."""
    mean, std = targets.mean(0), targets.std(0).clamp_min(1e-4)
    wanted = (targets - mean) / std

    def distance(guess: Tensor) -> float:
        return float(torch.linalg.vector_norm(guess * std + mean - test_targets, dim=-1).mean())

    with_one = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    gram = with_one.T @ with_one + 1e-2 * torch.eye(with_one.shape[1])
    weights = torch.linalg.solve(gram, with_one.T @ wanted)
    linear = distance(test_inputs @ weights[:-1] + weights[-1])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(inputs.shape[1], 256), nn.SiLU(), nn.Linear(256, targets.shape[1]))
        optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
        order = torch.Generator().manual_seed(0)
        for _ in range(PROBE_STEPS):
            pick = torch.randint(len(inputs), (512,), generator=order)
            optimizer.zero_grad()
            (net(inputs[pick]) - wanted[pick]).pow(2).mean().backward()
            optimizer.step()
        mlp = distance(net(test_inputs).detach())
    return {"linear": linear, "mlp": mlp}
