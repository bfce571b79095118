"""Timing in turns: every competitor runs once in each round, so that what slows the machine slows all alike."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray


class Runner(Protocol):
    """Something to be timed: `reset` prepares a run outside the clock, `run` is what is timed."""

    def reset(self, seed: int) -> None:
        """Prepare a run whose random numbers follow from `seed`."""
        ...

    def run(self) -> Any:
        """Do the work."""
        ...


class Bare:
    """A plain function as a runner."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def reset(self, seed: int) -> None:
        """Nothing to prepare."""

    def run(self) -> Any:
        """Call the function."""
        return self._function()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch on `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; work on an accelerator is only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rounds(
    runners: Mapping[str, Runner], repeats: int, *, warmup: int = 2, device: torch.device | None = None, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Seconds (repeats,) of each runner; entry i of all of them comes from round i.

    The order rotates from round to round. The first `warmup` rounds are not counted. Python's garbage collector
    waits until the end of each round.
    """
    where = device or torch.device("cpu")
    names = list(runners)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    enabled = gc.isenabled()
    try:
        for index in range(-warmup, repeats):
            gc.collect()
            gc.disable()
            turn = index % len(names)
            for name in names[turn:] + names[:turn]:
                runners[name].reset(seed)
                synchronize(where)
                started = time.perf_counter()
                runners[name].run()
                synchronize(where)
                taken = time.perf_counter() - started
                if index >= 0:
                    seconds[name].append(taken)
            if enabled:
                gc.enable()
    finally:
        if enabled:
            gc.enable()
    return {name: np.asarray(taken) for name, taken in seconds.items()}
