"""What updates the weights: AdamW for all of them, or Muon for those that are matrices and AdamW for the rest."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.config import TrainConfig

LEAST_SIDE = 16
"""Rows and columns that a weight must have to be updated as a matrix; smaller ones gain nothing by it."""
SINCE = "2.9"
"""The torch that has Muon."""


def check(config: TrainConfig) -> None:
    """Raise `InputError` where Muon is asked for, and this torch is older than it."""
    if config.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise InputError(
            f"optimizer is 'muon', and torch {torch.__version__} has none: install torch {SINCE} or newer, or set "
            "world_model.train.optimizer=adamw"
        )


class Updates:
    """Updates weights by their gradients.

    Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) makes the update of a matrix orthogonal, so that all of
    its directions are learned equally fast. It is scaled to the size that AdamW's would have (arXiv 2502.16982), and so
    takes the same learning rate. A convolution counts as a matrix with a row for each channel that it puts out.

    Args:
        parameters: all weights that are trained.
        config: says which, and the decay of weights.
        device: where they are.

    Raises:
        InputError: see `check`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], config: TrainConfig, device: torch.device) -> None:
        every = list(parameters)
        self._matrices: list[tuple[nn.Parameter, nn.Parameter]] = []
        check(config)
        if config.optimizer == "muon":
            # The same memory with another shape: torch's Muon takes matrices alone.
            self._matrices = [
                (each, nn.Parameter(each.detach().view(len(each), -1))) for each in every if _is_matrix(each)
            ]
        rest = [each for each in every if not (self._matrices and _is_matrix(each))]
        fused = True if device.type == "cuda" else None
        self._parts: dict[str, torch.optim.Optimizer] = {
            "": torch.optim.AdamW(rest, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)
        }
        if self._matrices:
            flat = [matrix for _, matrix in self._matrices]
            self._parts["muon."] = torch.optim.Muon(
                flat, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
            )

    def step(self, learning_rate: float) -> None:
        """Update all weights by their gradients, at this learning rate."""
        for weight, matrix in self._matrices:
            matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape)
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers of each weight, by names that `load` knows."""
        return {
            f"{prefix}{index}.{key}": value
            for prefix, part in self._parts.items()
            for index, state in part.state_dict()["state"].items()
            for key, value in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        for prefix, part in self._parts.items():
            state: dict[int, dict[str, Any]] = {}
            for name, tensor in tensors.items():
                if name.startswith("muon.") == (prefix == "muon."):
                    index, key = name.removeprefix(prefix).split(".", 1)
                    state.setdefault(int(index), {})[key] = tensor
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})


def _is_matrix(weight: nn.Parameter) -> bool:
    return weight.ndim > 1 and min(weight.shape[0], weight[0].numel()) >= LEAST_SIDE
