"""What every worker process does before it works, and how many there are."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from forearm.common.dotted import import_own


def import_modules(names: Sequence[str]) -> None:
    """Import modules of the user's own, which register tasks or planners. Raises `ForearmError` if one is missing.

    The current folder is looked through last: what lies there takes the place of no module that is installed.
    """
    for name in names:
        import_own(name, f"use={name}")


def default_workers() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: results then do not depend on the number of cores, and processes do not
    fight.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
