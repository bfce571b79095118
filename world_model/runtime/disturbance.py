"""What predictions lately missed, by which the next ones are put right: offset-free predictive control.

A model that is a little wrong where an arm nearly stands is so again at the next plan, and the arm comes to rest beside
its goal. An output disturbance ends that: how far predictions of each lead were off is added to the next ones of that
lead. Muske and Badgwell, "Disturbance modeling for offset-free linear model predictive control", Journal of Process
Control 12, 2002, have one constant of measured outputs; here it is of latents, and by lead.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

KEPT = 0.5
"""Share of an estimate that is kept when the next is made."""


class Foretelling(Protocol):
    """Dynamics that latents come from, as planners know them."""

    def rollout(self, state: Any, actions: Tensor) -> Tensor:
        """(B, K, H', S) of candidates (B, K, H, A)."""
        ...


class OutputDisturbance:
    """What was lately missed of one episode, by lead: an average of which each time half is new."""

    def __init__(self) -> None:
        self.estimate: Tensor | None = None
        """(K, S), of leads of 1 to K latent steps; None before there is one."""

    def forget(self) -> None:
        """Nothing was missed."""
        self.estimate = None

    def after(self, steps: int) -> Tensor | None:
        """The estimate of leads beyond `steps` latent steps; where it reaches no further, its last."""
        return None if self.estimate is None else self.estimate[min(steps, len(self.estimate) - 1) :]

    def see(self, newest: Tensor, foretold: Tensor) -> None:
        """A state (S,), and what was foretold of it (K, S), 1 to K latent steps before."""
        missed = newest - foretold
        if self.estimate is not None:
            known = min(len(self.estimate), len(missed))
            missed = torch.cat([torch.lerp(missed[:known], self.estimate[:known], KEPT), missed[known:]])
        self.estimate = missed


class OffsetFree:
    """Dynamics whose predictions have `missed` added, (K, S) of each problem, or None; further ahead the last of them.

    States may be shorter than what was missed of them, as where readings are not told beside latents.
    """

    def __init__(self, dynamics: Foretelling, missed: Sequence[Tensor | None]) -> None:
        self._dynamics, self._missed = dynamics, missed

    def rollout(self, state: Any, actions: Tensor) -> Tensor:
        """See `LatentDynamics.rollout`."""
        found = self._dynamics.rollout(state, actions)
        return torch.stack([self._righted(found[b], missed) for b, missed in enumerate(self._missed)])

    def _righted(self, found: Tensor, missed: Tensor | None) -> Tensor:
        if missed is None:
            return found
        leads = torch.arange(found.shape[1]).clamp(max=len(missed) - 1)
        return found + missed[leads, : found.shape[2]].to(found)
