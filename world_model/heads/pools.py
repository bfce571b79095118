"""Executed pools: candidates of a planner's plans, each carried out from the very state it was planned in.

What a model predicts of a candidate lies beside what it really came to, so that a head can learn what the predictions
get wrong: D-JEPA (arXiv 2609.24749), Traj-LeWM (arXiv 2608.14125).
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forearm.errors import InputError
from forearm.world_model.heads.files import FORMAT, read_pair
from forearm.world_model.runtime.checkpoint import CheckpointError, write_pair

LABELS = ("distance", "slow")
"""How far from the goal what came is: by the learned distance, in control steps, or by the prior's slow features."""


@dataclass(frozen=True)
class Pools:
    """N pools of K candidates. Candidate 0 is what the planner would carry out, candidate 1 what the prior would where
    `own` is 1; the others are half of them the cheapest, by prediction, and half from all ranks.

    Attributes:
        episodes: (N,) int64, numbers of the episodes in which they were planned.
        latents, goals: (N, D) of the moment and of the goal.
        predicted: (N, K, M, D), the latents that the model predicts.
        costs: (N, K), the planner's cost of them.
        distance, slow: (N, K), the labels of what came after the last of the M latent steps; NaN where the heads have
            none.
        executed: (N, K), the cost by positions, in m, of what came: for reports and margins, not for training.
        solved: (N, K), 1 where it brought success.
        own: (N,), 1 where candidate 1 is the prior's own plan.
    """

    episodes: Tensor
    latents: Tensor
    goals: Tensor
    predicted: Tensor
    costs: Tensor
    distance: Tensor
    slow: Tensor
    executed: Tensor
    solved: Tensor
    own: Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.episodes)

    def of(self, rows: Tensor) -> "Pools":
        """The pools (N,) that `rows` names or masks."""
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})


def joined(pools: "list[Pools]") -> Pools:
    """Several together, cut to the fewest candidates. Episodes of each stay apart.

    Raises ValueError for none, and for pools that look differently far ahead.
    """
    if not pools:
        raise InputError("pools: name at least one, as 'forearm pools' makes them")
    looked = sorted({one.predicted.shape[2] for one in pools})
    if len(looked) > 1:
        raise InputError(
            f"pools look {' and '.join(map(str, looked))} latent steps ahead: give those of one planner.horizon"
        )
    fewest, first, cut = min(one.costs.shape[1] for one in pools), 0, []
    for one in pools:
        cut.append({
            item.name: value[:, :fewest] if (value := getattr(one, item.name)).ndim > 1 and item.name not in _WHOLE
            else value
            for item in fields(one)
        })  # fmt: skip
        cut[-1]["episodes"] = one.episodes + first
        first = int(cut[-1]["episodes"].max()) + 1
    return Pools(**{name: torch.cat([part[name] for part in cut]) for name in cut[0]})


_WHOLE = ("latents", "goals")
"""Of a pool, not of its candidates."""


def save_pools(pools: Pools, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the JSON file `path` and the tensors beside it."""
    document = {**description, "format": FORMAT, "world_model_sha256": world_model_sha256, "pools": len(pools)}
    write_pair(path.with_suffix(""), {item.name: getattr(pools, item.name) for item in fields(pools)}, document)


def load_pools(path: Path, world_model_sha256: str) -> Pools:
    """The pools of a JSON file, or of the folder that it is in; raises `CheckpointError` for what is none, or of
    another world model.
    """
    path = path / "pools.json" if path.is_dir() else path
    remedy = "draw them with this one, 'forearm pools'"
    _, tensors, _ = read_pair(path, "a file of pools", world_model_sha256, remedy, lambda document: None)
    try:
        return Pools(**{item.name: tensors[item.name] for item in fields(Pools)})
    except KeyError as error:
        raise CheckpointError(f"{path}: lacks the tensor {error}: draw the pools again") from None
