"""Where tensors live, checked by name before anything is put there."""

import torch

from forearm.errors import InputError


class DeviceError(InputError):
    """A device that this machine or this build of torch does not have; the message names those that there are."""


def available() -> list[str]:
    """Names of the devices here, the processor first; `cuda` is the first GPU, `cuda:1` the second."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def choose(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`; None: a CUDA GPU where there is one, else the processor.

    Raises:
        DeviceError: it is none, or not here.
    """
    here = available()
    if name is None:
        return torch.device("cuda" if "cuda" in here else "cpu")
    if str(name) not in here:
        raise DeviceError(
            f"device={name}: this machine has no such device for torch, it has {', '.join(here)}: give one of these, "
            "or null for the usual one"
        )
    return torch.device(name)
