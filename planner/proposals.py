"""Where candidates may come from besides the search itself: the past, or a learned prior.

A share of each iteration's candidates (`prior_share`) is drawn from proposals instead of the search's own
distribution, and competes on cost like all others: a bad proposal wastes its share and does no other harm.
A learned prior p(actions | latent, goal) in front of MPPI: PRISM, arXiv 2606.07974; of a policy's samples
mixed in: Hansen et al., TD-MPC, ICML 2022, sec. 3.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.plan import Plan
from forearm.planner.problem import Past, Problem, Proposal
from forearm.planner.sampling.action_space import ActionSpace, shift
from forearm.planner.sampling.noise import Noise


class PreviousPlan:
    """What the previous plan would have had done next, and neighbours of it; the middle where there was none.

    `std`: of the neighbours, in halves of a command's range; `noise_beta`: exponent of their noise.
    """

    def __init__(self, std: float = 0.1, noise_beta: float = 2.0) -> None:
        self.std = checks.real("std", std, least=0.0)
        self.noise_beta = checks.real("noise_beta", noise_beta, least=0.0, most=10.0)

    def sample(self, problem: Problem, space: ActionSpace, past: Past, noise: Noise, count: int) -> Tensor:
        """The shifted best commands themselves first, then `count - 1` neighbours: (B, count, V, A)."""
        numbers = noise.normal(count, space.variables, space.dims, self.noise_beta, like=past.best)
        near = past.best[:, None] + numbers * (self.std * space.half_range)
        near[:, 0] = past.best
        return near


def propose(
    proposals: Sequence[Proposal],
    problem: Problem,
    space: ActionSpace,
    past: Past,
    noise: Noise,
    count: int,
) -> Tensor:
    """`count` candidates (B, count, V, A), shared out evenly over the proposals, the first ones favoured.

    Raises `ValueError` for a proposal that returns another shape.
    """
    rows = []
    for i, proposal in enumerate(proposals):
        share = count // len(proposals) + (i < count % len(proposals))
        if not share:
            continue
        drawn = proposal.sample(problem, space, past, noise, share)
        expected = (space.batch, share, space.variables, space.dims)
        if tuple(drawn.shape) != expected:
            raise InputError(
                f"{type(proposal).__name__}.sample returned shape {tuple(drawn.shape)}; "
                f"expected (B, count, V, A) = {expected}"
            )
        rows.append(drawn.to(space.low).nan_to_num())
    return torch.cat(rows, dim=1)


def no_past(space: ActionSpace) -> Past:
    """No plan before."""
    past: Past | None = space.memo.get("no past")
    if past is None:
        mean = space.middle.expand(space.batch, space.variables, -1)
        unknown = torch.zeros(space.batch, 0, dtype=torch.bool, device=mean.device)
        past = space.memo["no past"] = Past(mean, mean, unknown.any(dim=1), mean[:, None][:, :0], unknown)
    return past


def recall(space: ActionSpace, previous: Sequence[Plan | None], elapsed_steps: int) -> Past:
    """The previous plans as they look `elapsed_steps` control steps later; None stands for no plan.

    Raises `ValueError` for a plan with another number of action dimensions.
    """
    if all(old is None for old in previous):
        return no_past(space)
    middle = space.middle.double().cpu().numpy()
    nothing = np.zeros((0, space.dims))

    def later(commands: NDArray[np.float64]) -> NDArray[np.float64]:
        return shift(commands, elapsed_steps, space.horizon, middle)

    for b, old in enumerate(previous):
        if old is not None and old.mean.shape[1] != space.dims:
            found = old.mean.shape[1]
            raise InputError(f"previous plan {b} has {found} action dimensions, the problem {space.dims}")
    counts = [0 if old is None or old.elites is None else len(old.elites) for old in previous]
    elites = np.empty((space.batch, max(counts), space.horizon, space.dims))
    elites[:] = middle
    for b, old in enumerate(previous):
        if old is not None and old.elites is not None:
            for e, elite in enumerate(old.elites):
                elites[b, e] = later(elite)
    known = torch.tensor([old is not None for old in previous])
    elites_known = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    return Past(
        mean=space.from_commands(np.stack([later(nothing if old is None else old.mean) for old in previous])),
        best=space.from_commands(np.stack([later(nothing if old is None else old.actions) for old in previous])),
        known=known.to(space.low.device),
        elites=space.from_commands(elites),
        elites_known=elites_known.to(space.low.device),
    )
