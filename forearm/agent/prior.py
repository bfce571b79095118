"""A learned prior over commands as one of a planner's proposals: where latents and planning meet."""

from typing import TYPE_CHECKING

import torch

from forearm.errors import InputError

if TYPE_CHECKING:
    from forearm.planner import Past, Problem
    from forearm.planner.sampling.action_space import ActionSpace
    from forearm.planner.sampling.noise import Noise
    from forearm.world_model.heads.action_prior import ActionPrior

NOISE_BETA = 2.0
"""Exponent of the noise's spectrum along time: commands are off for several steps on end, not for each by itself."""


class LatentPrior:
    """Proposes what the prior thinks leads from the newest state of each problem to its goal latent.

    Args:
        prior: of commands, given a state and a goal.
        goals: (B, D), in the order of the problems.
        spread: share of the prior's standard deviation that candidates have: it holds the noise of the recordings too.
        gain: what commands are multiplied by, from the middle of their bounds on: recordings may go slower than the
            arm can, and their mean does, as it holds their pauses.

    Where the planner looks further ahead than the prior, the middle of the bounds fills the end.
    """

    def __init__(self, prior: "ActionPrior", goals: torch.Tensor, spread: float = 1.0, gain: float = 1.0) -> None:
        self.prior, self.goals, self.spread, self.gain = prior, goals, spread, gain

    def sample(
        self,
        problem: "Problem",
        space: "ActionSpace",
        past: "Past",
        noise: "Noise",
        count: int,
    ) -> torch.Tensor:
        """What the prior thinks likeliest first, then samples: (B, count, V, A).

        Raises ValueError unless there is a goal for each problem.
        """
        if len(self.goals) != space.batch:
            raise InputError(f"{len(self.goals)} goals for {space.batch} problems; give one to each")
        states = problem.state.states[:, -1]
        numbers = noise.normal(count, self.prior.config.horizon, space.dims, NOISE_BETA, like=space.low) * self.spread
        numbers[:, 0] = 0.0
        commands = self.prior.sample(states, self.goals, numbers).to(space.low)[:, :, : space.horizon]
        commands = space.middle + self.gain * (commands - space.middle)
        missing = space.horizon - commands.shape[2]
        if missing > 0:
            rest = space.middle.expand(*commands.shape[:2], missing, -1)
            commands = torch.cat([commands, rest], dim=2)
        return space.from_commands(space.clip(commands).double().cpu().numpy())
