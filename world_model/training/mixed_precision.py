"""In which precision a network is trained: mixed with bfloat16 where that is faster, float32 elsewhere."""

import time

import torch
from torch import Tensor

from forearm.world_model.model.jepa import JEPA


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision where `precision` is `bfloat16`: weights and their updates stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def faster_precision(model: JEPA, batch: dict[str, Tensor], where: torch.device) -> str:
    """`bfloat16` on a GPU that has it; on a CPU whichever of it and `float32` learns from a batch faster here.

    Processors without matrix instructions for bfloat16 are often slower with it.
    """
    if where.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if where.type != "cpu":
        return "bfloat16"
    if model.encoder_is_fixed:  # the predictor alone is too small to gain
        return "float32"
    windows = max(1, 256 // batch["state"].shape[1])
    few = {key: value[:windows] for key, value in batch.items()}
    seconds: dict[str, float] = {}
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for precision in ("float32", "bfloat16") * 2:
        began = time.perf_counter()
        with autocast(where, precision):
            model.train().latents(few).pow(2).mean().backward()
        seconds[precision] = min(seconds.get(precision, float("inf")), time.perf_counter() - began)
    model.zero_grad(set_to_none=True)
    for name, buffer in model.named_buffers():  # the trial must leave no trace, or it would change the run
        buffer.copy_(kept[name])
    return min(seconds, key=lambda name: seconds[name])
