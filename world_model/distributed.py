"""Several processes that train one model: who is who, and what they know together.

`torchrun` starts them and tells each through its environment who it is; each takes its share of every batch. In a
process on its own every function here is the identity. What goes over the wire is tensors and JSON, never a pickle.
"""

import importlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.device import choose


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this is the process that writes, logs and validates."""
    return rank() == 0


def rank_told() -> int:
    """Which process `torchrun` says that this is, before any have met; 0 on its own."""
    return int(os.environ["RANK"]) if _several_told() else 0


def share(batch: int) -> int:
    """How many of the windows of a `batch` each process takes.

    Raises:
        ValueError: the batch cannot be shared evenly.
    """
    processes = count()
    if batch % processes:
        near = [size for size in (batch // processes * processes, -(-batch // processes) * processes) if size >= 8]
        raise InputError(
            f"batch is {batch}: {processes} processes cannot share it evenly; set world_model.train.batch to a "
            f"multiple of {processes}, such as {' or '.join(map(str, near))}"
        )
    return batch // processes


def average(values: Tensor) -> Tensor:
    """Mean over all processes of a tensor that has the same shape in each, with gradients to every process's own."""
    return values if count() == 1 else _Average.apply(values)


def of_all(rows: Tensor) -> Tensor:
    """The rows (N, …) of every process, one after the other, with gradients to every process's own."""
    if count() == 1:
        return rows
    spread = rows.new_zeros(count(), *rows.shape)
    spread[rank()] = rows
    return count() * average(spread).flatten(0, 1)


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the first dimension and over all processes, with gradients to every process's share."""
    return average(values.mean(dim=0))


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in one exchange.

    `DistributedDataParallel` overlaps the exchange with the backward pass, which pays where networks are large; these
    have a few million weights.
    """
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    whole = _averaged(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, whole.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def from_first(value: Any, device: torch.device) -> Any:
    """The first process's `value`, which JSON can hold, in every process; all wait for it.

    Args:
        device: where this process's tensors are; NCCL takes no others.
    """
    if count() == 1:
        return value
    text = json.dumps(value).encode() if is_first() else b""
    size = torch.tensor(len(text), device=device)
    dist.broadcast(size, 0)
    content = torch.zeros(int(size), dtype=torch.uint8, device=device)
    if is_first():
        content.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
    dist.broadcast(content, 0)
    return json.loads(content.cpu().numpy().tobytes())


@contextmanager
def joined(device: str | torch.device | None = None) -> Iterator[torch.device]:
    """Inside, the processes that `torchrun` started are one group; gives the device of this one.

    GPUs talk through NCCL, processors through gloo. A group that is there already is used as it is.

    Args:
        device: torch device; None picks CUDA where there is one, and each process takes a GPU of its own.

    Raises:
        DeviceError: there is no such device here.
        ValueError: there are not as many GPUs as processes on this machine, or all shall use the same one.
    """
    several = count() > 1 or _several_told()
    if several and torch.cuda.device_count() and str(device or "cuda").startswith("cuda"):
        where = _own_gpu(str(device or "cuda"))
        torch.cuda.set_device(where)
    else:
        where = choose(device)
    if not several or count() > 1:
        yield where
        return
    # An optimiser imports this, and it keeps the group that it finds as a default argument: the group's threads would
    # outlive it, and one that lets go of a tensor while the interpreter ends aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    yield where
    # After an error the others may be waiting for this one, and leaving in good order would wait for them.
    dist.destroy_process_group()


def _several_told() -> bool:
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _own_gpu(where: str) -> torch.device:
    if where != "cuda":
        raise InputError(
            f"device={where}: names one GPU for several processes; give device=cuda, and each takes its own"
        )
    local = int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0")))
    there = torch.cuda.device_count()
    if local >= there:
        raise InputError(
            f"process {local} of this machine has no GPU of its own, there are {there}: start torchrun with "
            f"--nproc_per_node={there}, or give device=cpu"
        )
    return torch.device("cuda", local)


class _Average(torch.autograd.Function):
    """y = mean of x over processes. Each process's loss depends on every x, so gradients are averaged as well; those
    of the parameters, averaged once more, are then those of the mean of all losses.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _averaged(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _averaged(gradients[0])


def _averaged(values: Tensor) -> Tensor:
    total = values.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / count()
