"""A plan of LeWorldModel's size: 300 candidates, 30 iterations, 5 latent steps, its 6-layer predictor.

The predictor has the published shape (arXiv 2603.19312: width 192, 6 layers, 16 heads of 64, MLP 2048, AdaLN-zero
conditioning on the action block, history 3) with random weights, for time does not depend on them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from forearm.planner import LatentDistance, Problem, captured
from tools.bench.budget import Budget
from tools.bench.cases import Case
from tools.bench.runners import Ours, at_budget, bare_loop
from tools.bench.timing import Bare, rounds, threads

PUBLISHED_S = 0.98
SAMPLES, STEPS, HISTORY, WIDTH, BLOCK = 300, 5, 3, 192, 10
ON_CPU, ON_GPU = ("as it is",), ("as it is", "graph", "TF32", "graph, TF32")


class AdaLNBlock(nn.Module):
    """A causal transformer layer, each half scaled, shifted and gated by the action (Peebles and Xie 2023)."""

    def __init__(self, width: int, heads: int = 16, head: int = 64, hidden: int = 2048) -> None:
        super().__init__()
        self.heads, self.head = heads, head
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2))
        self.modulate = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * heads * head, bias=False)
        self.out = nn.Linear(heads * head, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Tokens (N, T, W) and their conditions (N, T, W)."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulate(condition).chunk(6, dim=-1)
        x = x + gate_a * self._attend(self.norms[0](x) * (1 + scale_a) + shift_a)
        return x + gate_m * self.mlp(self.norms[1](x) * (1 + scale_m) + shift_m)

    def _attend(self, x: Tensor) -> Tensor:
        rows, tokens = x.shape[:2]
        q, k, v = self.qkv(self.before(x)).view(rows, tokens, 3, self.heads, self.head).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class LeWMSized(nn.Module):
    """Dynamics with LeWorldModel's predictor: one frame is known at the start, the history grows to three."""

    def __init__(self, width: int = WIDTH, depth: int = 6, block: int = BLOCK) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(1, HISTORY, width))
        self.embed = nn.Sequential(
            nn.Linear(block, block), nn.Linear(block, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.layers = nn.ModuleList(AdaLNBlock(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Latents (B, K, H, W) after action blocks (B, K, H, block), from latents (B, W)."""
        return torch.stack([self._one(state[b], actions[b]) for b in range(len(actions))])

    def _one(self, state: Tensor, blocks: Tensor) -> Tensor:
        conditions = self.embed(blocks)
        frames = [state.expand(len(blocks), -1)]
        for step in range(blocks.shape[1]):
            first = max(0, step + 1 - HISTORY)
            x = torch.stack(frames[first:], dim=1)
            x = x + self.place[:, : x.shape[1]]
            for layer in self.layers:
                x = layer(x, conditions[:, first : step + 1])
            frames.append(self.norm(x)[:, -1])
        return torch.stack(frames[1:], dim=1)


def lewm_case(device: torch.device, width: int = WIDTH, depth: int = 6, steps: int = STEPS) -> Case:
    """A plan of its size: the cost is the distance of the last latent to a goal latent."""
    torch.manual_seed(0)
    model = LeWMSized(width, depth).eval().requires_grad_(False).to(device)
    goal, start = torch.randn(1, width, device=device), torch.randn(1, width, device=device)
    ones = torch.ones(BLOCK, device=device)
    problem = Problem(model, LatentDistance(goal, "last"), start, -ones, ones, batch=1, control_period=0.5)
    return Case(name="lewm", problem=problem, variables=steps)


def lewm(budget: Budget, name: str = "cem", device: torch.device | None = None) -> dict[str, Any]:
    """Seconds of a plan and of the bare loop beside what LeWorldModel reports."""
    where = device or torch.device("cpu")
    rows = []
    for how in ON_GPU if where.type == "cuda" else ON_CPU:
        for count in budget.threads if where.type == "cpu" else (1,):
            with threads(count), matrix_products("high" if "TF32" in how else "highest"):
                plan, bare = _times(lewm_case(where), budget, name, graph="graph" in how)
            outside, ratio = 100 * (1 - bare / plan), plan / PUBLISHED_S
            rows.append(
                {
                    "how": how, "threads": count, "plan_s": plan, "bare_s": bare, "outside_percent": outside,
                    "ratio": ratio,
                }
            )  # fmt: skip
    return {
        "device": where.type, "samples": SAMPLES, "iterations": budget.lewm_iterations, "steps": STEPS, "block": BLOCK,
        "rounds": budget.lewm_rounds, "published_s": PUBLISHED_S, "rows": rows,
    }  # fmt: skip


def _times(case: Case, budget: Budget, name: str, graph: bool) -> tuple[float, float]:
    """Seconds of a plan and of the bare loop, medians."""
    bare = bare_loop(case, SAMPLES, budget.lewm_iterations)
    case = replace(case, problem=captured(case.problem)) if graph else case
    plan = Ours(at_budget(name, case, SAMPLES, budget.lewm_iterations), case)
    taken = rounds({"plan": plan, "bare": Bare(bare)}, budget.lewm_rounds, warmup=1, device=case.device)
    return float(np.median(taken["plan"])), float(np.median(taken["bare"]))


@contextmanager
def matrix_products(precision: str) -> Iterator[None]:
    """Torch's float32 matrix products in this precision."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
