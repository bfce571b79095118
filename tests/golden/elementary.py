"""Torch's elementary functions, computed by numpy and the C library.

Torch hands these to MKL's vector mathematics, which chooses its code by the processor whatever the environment says:
`MKL_CBWR` is not heard there. `torch.sqrt` alone then differs in a sixth of all float32 numbers between processors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sqrt": np.sqrt, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log10": np.log10, "log1p": np.log1p,
    "log2": np.log2, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
}  # fmt: skip

_kept: list[Any] = []  # an override lives as long as its library


def override() -> None:
    """From now on, in this process, torch computes `FUNCTIONS` of float32 and float64 tensors on the CPU so."""
    library = torch.library.Library("aten", "IMPL")
    for name, function in FUNCTIONS.items():
        _override(library, name, _of(function))
    _kept.append(library)


def _of(function: Callable[[Any], Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    def compute(x: torch.Tensor) -> torch.Tensor:
        values = x.detach().to(x.dtype if x.is_floating_point() else torch.float32).numpy()
        with np.errstate(all="ignore"):
            # In double precision, which all C libraries round alike but for very few numbers, and then once more.
            return torch.from_numpy(np.asarray(function(values.astype(np.float64)))).to(torch.from_numpy(values).dtype)

    return compute


def _override(library: Any, name: str, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
    def in_place(x: torch.Tensor) -> torch.Tensor:
        return x.copy_(compute(x))

    def into(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        return out.resize_(x.shape).copy_(compute(x))

    library.impl(name, compute, "CPU")
    library.impl(f"{name}_", in_place, "CPU")
    library.impl(f"{name}.out", into, "CPU")
