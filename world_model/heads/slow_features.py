"""What of a latent changes slowly: an object's place, which is what a goal is about, and not the arm's.

The linear features that change least in a stride for how much they vary in all: slow feature analysis (Wiskott and
Sejnowski, Neural Computation 14, 2002), here on the latents of a world model. Nobody says what is an object: what
moves at every step is the arm, and what moves seldom is what it can be used on.
"""

import torch
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.heads.trajectories import Trajectories

FLOOR = 0.1
"""Variance added to every direction of changes and of latents: those that hardly vary are noise, not slow."""


class SlowFeatures(nn.Module):
    """The K slowest linear features of latents (D), each of variance near 1, the slowest first.

    Raises ValueError for more features than latents have numbers.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        if not 1 <= count <= latent_dim:
            raise InputError(f"slow features: {count} of latents of {latent_dim} numbers: expected 1 to {latent_dim}")
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("directions", torch.eye(latent_dim, count))

    def forward(self, latents: Tensor) -> Tensor:
        """(..., D) to (..., K)."""
        return (latents - self.mean) @ self.directions

    def towards(self, latents: Tensor, goals: Tensor) -> Tensor:
        """What is to be seen of goals (N, D) from latents (N, D): their features, and the way there, (N, 2 K)."""
        wanted = self(goals)
        return torch.cat([wanted, wanted - self(latents)], dim=-1)

    def moved(self, latents: Tensor, goals: Tensor) -> Tensor:
        """How far the features of goals (N, D) are from those of latents (N, D): (N,)."""
        return (self(goals) - self(latents)).norm(dim=-1)

    @torch.no_grad()
    def fit(self, data: Trajectories, stride: int) -> None:
        """Find them: changes are those over `stride` control steps. Raises ValueError where no episode is that long."""
        rows = torch.nonzero(data.left >= stride)[:, 0]
        if not len(rows):
            raise InputError(f"slow features: no episode is longer than {stride} control steps")
        latents = data.latents.double()
        change = latents[rows + stride] - latents[rows]
        mean = latents.mean(0)
        floor = FLOOR * torch.eye(len(mean), dtype=mean.dtype)
        changing = change.T @ change / len(change) + floor
        varying = (latents - mean).T @ (latents - mean) / len(latents) + floor
        # The generalised eigenproblem changing · v = slowness · varying · v, by way of varying = L Lᵀ.
        inverse = torch.linalg.inv(torch.linalg.cholesky(varying))
        vectors = torch.linalg.eigh(inverse @ changing @ inverse.T).eigenvectors
        # Signs are arbitrary: the largest number of each is positive, so that a training can be repeated.
        directions = (inverse.T @ vectors)[:, : self.directions.shape[1]]
        largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
        self.mean.copy_(mean)
        self.directions.copy_(directions * largest.sign())
