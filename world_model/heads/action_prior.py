"""A prior over commands: what was usually done between a state and a goal latent, p(actions | state, goal latent).

Of the present it sees what the world model does: the latent, and the arm's joint readings where the model uses them. Of
a goal there is only the picture.

Trained on the data that the world model was trained on, by hindsight: whatever an episode came to was a goal that its
commands led to (Andrychowicz et al., "Hindsight Experience Replay", NeurIPS 2017; goal-conditioned imitation: Lynch et
al., "Learning Latent Plans from Play", CoRL 2019). Of a goal it may see only what is slow, the object's place: shown
the arm's as well, it learns to bring the arm there, which is what most moments of a recording are about. A planner that
draws a share of its candidates from it searches where behaviour is plausible: PRISM, arXiv 2606.07974. Behaviour that
wanders teaches wandering, so commands may be weighed by how much nearer they brought the goal: advantage-weighted
regression (Peng et al., arXiv 1910.00177), with a learned distance for the value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.heads.fitting import POSITIVE, Fitting, OnStep, fit
from forearm.world_model.heads.hindsight import goal_pairs
from forearm.world_model.heads.slow_features import SlowFeatures
from forearm.world_model.heads.trajectories import Trajectories, noisy

StepsTo = Callable[[Tensor, Tensor], Tensor]
"""Control steps (N,) from latents (N, D) to goals (N, D)."""
LARGEST = 4.0
"""Of the exponent of a moment's weight, either way."""
FROM_0 = "slow, moved and noise must be numbers from 0 up, got {value}"


@dataclass(frozen=True)
class PriorConfig(Fitting):
    """Sizes of the prior, p(actions | latent, goal latent), and of its training.

    Attributes:
        horizon: H, control steps of commands that it proposes.
        farthest: control steps to the goals that it is trained for.
        slow: slow features that it sees of a goal: 4 is where an object is; 0: the whole latent, the arm's place too.
        moved: it is trained for goals whose slow features are at least this far from the present ones, in standard
            deviations.
        noise: added to latents in training, as a standard deviation.
        width: units of a layer of the network.
        depth: layers of the network.
        least_std: no command is ever predicted more surely than this, in command units.
        advantage: commands after which the goal is one control step nearer than usual, by the learned distance, weigh e
            to the power of this more; 0: all alike.
    """

    horizon: int = checks.setting(20, checks.integer, least=1)
    farthest: int = checks.setting(40, checks.integer, least=1)
    slow: int = checks.setting(0, checks.worded(checks.integer, FROM_0), least=0)
    moved: float = checks.setting(0.0, checks.worded(checks.real, FROM_0), least=0.0)
    noise: float = checks.setting(0.0, checks.worded(checks.real, FROM_0), least=0.0)
    width: int = checks.setting(256, checks.integer, least=1)
    depth: int = checks.setting(2, checks.integer, least=1)
    least_std: float = checks.setting(0.02, POSITIVE, above=0.0)
    advantage: float = checks.setting(0.0, checks.real, least=0.0)

    def __post_init__(self) -> None:
        """Raise ValueError for a size that cannot be."""
        super().__post_init__()
        if self.moved and not self.slow:
            raise InputError(f"prior.moved={self.moved} needs slow features to measure by: set prior.slow above 0")


def network(inputs: int, outputs: int, width: int, depth: int) -> nn.Sequential:
    """A perceptron of `depth` normalised hidden layers."""
    sizes = [inputs] + [width] * depth
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class ActionPrior(nn.Module):
    """A diagonal Gaussian over the next H commands, given a state (S) and a goal latent (D).

    Args:
        latent_dim: D.
        action_dim: A, numbers in one command.
        config: sizes.
        readings: P, joint readings in a state beside its latent, S = D + P.
    """

    def __init__(self, latent_dim: int, action_dim: int, config: PriorConfig, readings: int = 0) -> None:
        super().__init__()
        self.config, self.action_dim, self.latent_dim, self.readings = config, action_dim, latent_dim, readings
        self.slow = SlowFeatures(latent_dim, config.slow) if config.slow else None
        inputs = latent_dim + readings + (2 * config.slow if config.slow else latent_dim)
        self.body = network(inputs, 2 * config.horizon * action_dim, config.width, config.depth)

    def forward(self, states: Tensor, goals: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, both (N, H, A), of states (N, S) and goals (N, D)."""
        seen = goals if self.slow is None else self.slow.towards(states[:, : self.latent_dim], goals)
        out = self.body(torch.cat([states, seen], dim=-1)).view(len(states), 2, self.config.horizon, self.action_dim)
        return out[:, 0], self.config.least_std + nn.functional.softplus(out[:, 1])

    def pairs(self, data: Trajectories, count: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """`count` moments or fewer, and how far ahead their goals are: pairs as it is to be trained for.

        Raises ValueError where nothing moves as far as `moved` says.
        """
        return goal_pairs(data, count, draw, self.config.farthest, self.slow, self.config.moved)

    @torch.no_grad()
    def sample(self, states: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Command sequences (B, count, H, A) for B problems, from standard normal `noise` of that shape.

        The noise may be coloured along H. Each problem is computed by itself, so that results do not depend on the
        batch. Nothing is clipped to any bounds. Raises ValueError for noise of another shape.
        """
        expected = (len(states), self.config.horizon, self.action_dim)
        if noise.ndim != 4 or (noise.shape[0], *noise.shape[2:]) != expected:
            raise InputError(
                f"noise has shape {tuple(noise.shape)}; expected "
                f"({expected[0]}, count, {expected[1]}, {expected[2]}): (B, count, H, A)"
            )
        rows = []
        for b in range(len(states)):
            mean, std = self(states[b : b + 1], goals[b : b + 1])
            rows.append(noise[b].to(mean) * std + mean)
        return torch.stack(rows)


def prior_loss(
    prior: ActionPrior,
    data: Trajectories,
    rows: Tensor,
    ahead: Tensor,
    weights: Tensor | None = None,
    noise: Callable[[Tensor], Tensor] = lambda states: states,
) -> Tensor:
    """Mean negative log-likelihood, in nats, of one dimension of a command.

    Of the commands given from the moments `rows` (N,) on, up to the goals `ahead` (N,) control steps later: what comes
    after a goal is not its way there. `weights` (N,) say how much each moment counts; None: all alike. `noise`
    blurs the states there.
    """
    offsets = torch.arange(prior.config.horizon)
    counts = (offsets < ahead[:, None]).to(data.latents)[..., None]
    if weights is not None:
        counts = counts * weights[:, None, None]
    actions = data.actions[torch.where(offsets < ahead[:, None], rows[:, None] + offsets, rows[:, None])]
    mean, std = prior(noise(data.states(rows)), data.latents[rows + ahead])
    nats = 0.5 * ((actions - mean) / std).square() + std.log() + 0.5 * math.log(2 * math.pi)
    return (nats * counts).sum() / (counts.sum() * actions.shape[-1])


@torch.no_grad()
def advantage_weights(
    distance: StepsTo, data: Trajectories, rows: Tensor, ahead: Tensor, horizon: int, advantage: float
) -> Tensor:
    """How much each of the moments `rows` (N,) with goals `ahead` steps later counts, 1 on average.

    What a moment's commands gained is how much nearer the goal is half a `horizon` later, or at the goal, less the
    steps that this took.
    """
    taken = ahead.clamp(max=max(1, horizon // 2))
    goals = data.latents[rows + ahead]
    gained = distance(data.latents[rows], goals) - distance(data.latents[rows + taken], goals) - taken
    # Bounded, so that no moment outweighs a batch.
    return torch.softmax((advantage * gained).clamp(-LARGEST, LARGEST), dim=0) * len(rows)


def train_prior(
    data: Trajectories,
    config: PriorConfig,
    seed: int = 0,
    on_step: OnStep = lambda step: None,
    distance: StepsTo | None = None,
    stride: int = 1,
) -> tuple[ActionPrior, list[float]]:
    """A prior fitted by maximum likelihood, weighed by advantage if the config says so.

    Args:
        data: encoded episodes.
        config: sizes.
        seed: of the initial weights and of what is seen when.
        on_step: called after each step.
        distance: learned on the same latents, needed for an `advantage` above 0.
        stride: control steps in which slow features change little.

    Returns:
        The prior, in evaluation mode, and the loss of each step, see `prior_loss`.

    Raises ValueError for an advantage without a distance, and for data in which nothing moves.
    """
    if config.advantage and distance is None:
        raise InputError(f"prior.advantage={config.advantage} needs a distance; none was given")

    def make() -> ActionPrior:
        readings = 0 if data.readings is None else data.readings.shape[1]
        prior = ActionPrior(data.latents.shape[1], data.actions.shape[1], config, readings)
        if prior.slow is not None:
            prior.slow.fit(data, stride)
        return prior

    def loss(prior: ActionPrior, draw: Generator) -> Tensor:
        rows, ahead = prior.pairs(data, config.batch, draw)
        weights = None
        if config.advantage and distance is not None:
            weights = advantage_weights(distance, data, rows, ahead, config.horizon, config.advantage)
        return prior_loss(prior, data, rows, ahead, weights, lambda states: noisy(states, config.noise, draw))

    return fit(make, loss, config, seed, on_step)
