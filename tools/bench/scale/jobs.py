"""Jobs that do next to nothing, in a module that imports nothing."""

import time


def nothing(job: int) -> int:
    """No work."""
    return job


def ready(job: int) -> int:
    """What a worker loads before it films or plans."""
    import torch

    import forearm.recording.collect  # noqa: F401

    return torch.get_num_threads()


def spin(milliseconds: float) -> None:
    """So much of a processor's time."""
    end = time.process_time() + 1e-3 * milliseconds
    while time.process_time() < end:
        pass
