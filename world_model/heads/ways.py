"""What leads a search a few steps at a time: states on the way from where one is to a goal."""

from abc import abstractmethod

import torch
from torch import Generator, Tensor, nn

from forearm.errors import InputError
from forearm.world_model.heads.trajectories import Trajectories


class Ways(nn.Module):
    """States at the next M = horizon / frameskip latent steps on the way from a state (S) to a goal latent (D).

    Args:
        latent_dim: D.
        horizon: control steps ahead of the last of them.
        frameskip: control steps in a latent step, which must divide the horizon.
        readings: P, joint readings in a state beside its latent, S = D + P.
        named: the section of settings that errors speak of.
    """

    def __init__(self, latent_dim: int, horizon: int, frameskip: int, readings: int, named: str) -> None:
        super().__init__()
        if horizon % frameskip:
            raise InputError(
                f"{named}.horizon={horizon} is no multiple of {frameskip}, the control steps in a latent step"
            )
        self.latent_dim, self.horizon, self.frameskip, self.readings = latent_dim, horizon, frameskip, readings

    @property
    def offsets(self) -> Tensor:
        """(M,) control steps to each of them."""
        return self.frameskip * torch.arange(1, self.horizon // self.frameskip + 1)

    @torch.no_grad()
    def way(self, states: Tensor, goals: Tensor) -> Tensor:
        """(N, M, S), of states (N, S) and goals (N, D), each computed by itself, so that results do not depend on the
        batch.
        """
        return torch.cat([self(states[b : b + 1], goals[b : b + 1]) for b in range(len(states))])

    @abstractmethod
    def pairs(self, data: Trajectories, count: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """`count` moments or fewer, and how far ahead their goals are, in control steps: what it is meant for."""

    def seen(self, data: Trajectories, rows: Tensor, ahead: Tensor) -> Tensor:
        """(N, M, S), the states on the way from moments to goals `ahead` (N,) control steps later, and from there on
        that of the goal.
        """
        moments = rows[:, None] + torch.minimum(self.offsets, ahead[:, None])
        return data.states(moments.flatten()).unflatten(0, moments.shape)
