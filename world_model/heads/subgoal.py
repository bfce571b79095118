"""Sub-goals: the states that recordings go through on their way from a state to a goal.

A model ranks commands for what is some steps away, and goals are further. Trained by hindsight, like the action prior
(`action_prior.py`), this head foretells the state K control steps on, so that a search has a target within
its reach; what commands lead there is for the world model to find. Nearer targets are what planners gain most by:
Hierarchical Planning with Latent World Models (arXiv 2604.03208), LeWorldModel++
(github.com/pickxiguapi/LeWorldModel-pp), anchored planning (arXiv 2609.30036).
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.heads.action_prior import FROM_0, network
from forearm.world_model.heads.fitting import Fitting, OnStep, fit
from forearm.world_model.heads.hindsight import goal_pairs
from forearm.world_model.heads.slow_features import SlowFeatures
from forearm.world_model.heads.trajectories import Trajectories, noisy
from forearm.world_model.heads.ways import Ways


@dataclass(frozen=True)
class SubgoalConfig(Fitting):
    """Sizes of the sub-goals, states on the way to a goal latent, and of their training.

    Attributes:
        horizon: control steps ahead of the last of them; there is one a latent step.
        farthest: control steps to the goals that they are trained for.
        slow: slow features that are seen of a goal, as in the prior; 0: the whole latent.
        whole: true: the whole latent beside slow features, where the arm's place belongs to a goal.
        moved: they are trained for goals whose slow features are at least this far from the present ones, in standard
            deviations.
        noise: added to latents in training, as a standard deviation.
        width: units of a layer of the network.
        depth: layers of the network.
    """

    steps: int = checks.setting(6000, checks.integer, least=1)
    horizon: int = checks.setting(16, checks.integer, least=1)
    farthest: int = checks.setting(40, checks.integer, least=1)
    slow: int = checks.setting(0, checks.worded(checks.integer, FROM_0), least=0)
    whole: bool = False
    moved: float = checks.setting(0.0, checks.worded(checks.real, FROM_0), least=0.0)
    noise: float = checks.setting(0.0, checks.worded(checks.real, FROM_0), least=0.0)
    width: int = checks.setting(512, checks.integer, least=1)
    depth: int = checks.setting(3, checks.integer, least=1)

    def __post_init__(self) -> None:
        """Raise ValueError for a size that cannot be."""
        super().__post_init__()
        if self.moved and not self.slow:
            raise InputError(f"subgoal.moved={self.moved} needs slow features to measure by: set subgoal.slow above 0")


class Subgoal(Ways):
    """Learned ways, see `Ways`; `config` has the sizes."""

    def __init__(self, latent_dim: int, config: SubgoalConfig, frameskip: int, readings: int = 0) -> None:
        super().__init__(latent_dim, config.horizon, frameskip, readings, "subgoal")
        self.config = config
        self.slow = SlowFeatures(latent_dim, config.slow) if config.slow else None
        goal = 2 * config.slow + (latent_dim if config.whole or not config.slow else 0)
        self.body = network(
            latent_dim + readings + goal, self.offsets.numel() * (latent_dim + readings), config.width, config.depth
        )

    def forward(self, states: Tensor, goals: Tensor) -> Tensor:
        """(N, M, S), of states (N, S) and goals (N, D)."""
        latents = states[:, : self.latent_dim]
        seen = [states]
        if self.slow is not None:
            seen.append(self.slow.towards(latents, goals))
        if self.slow is None or self.config.whole:
            seen.append(goals)
        change = self.body(torch.cat(seen, dim=-1))
        return states[:, None] + change.view(len(states), -1, states.shape[1])

    def pairs(self, data: Trajectories, count: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """`count` moments or fewer, and how far ahead their goals are; raises as `goal_pairs`."""
        return goal_pairs(data, count, draw, self.config.farthest, self.slow, self.config.moved, "subgoal")


def train_subgoal(
    data: Trajectories,
    config: SubgoalConfig,
    frameskip: int,
    seed: int = 0,
    on_step: OnStep = lambda step: None,
) -> tuple[Subgoal, list[float]]:
    """Sub-goals fitted by least squares, in evaluation mode, and the loss of each step.

    Raises ValueError for a horizon that latent steps do not divide, and for data in which nothing moves.
    """

    def make() -> Subgoal:
        readings = 0 if data.readings is None else data.readings.shape[1]
        head = Subgoal(data.latents.shape[1], config, frameskip, readings)
        if head.slow is not None:
            head.slow.fit(data, frameskip)
        return head

    def loss(head: Subgoal, draw: Generator) -> Tensor:
        rows, ahead = head.pairs(data, config.batch, draw)
        found = head(noisy(data.states(rows), config.noise, draw), data.latents[rows + ahead])
        return nn.functional.mse_loss(found, head.seen(data, rows, ahead))

    return fit(make, loss, config, seed, on_step)


@torch.no_grad()
def subgoal_errors(head: Ways, held_out: Trajectories, count: int) -> dict[str, list[float]]:
    """How far sub-goals are from what was seen on held-out episodes, of `count` pairs, at each latent step.

    Mean squared error of a latent's number, beside that of the present latent (`stay`) and of a straight way to the
    goal (`straight`); and that of a joint reading, where there are some (`readings`).
    """
    rows, ahead = head.pairs(held_out, count, Generator().manual_seed(0))
    here, goals = held_out.latents[rows], held_out.latents[rows + ahead]
    wanted, readings = head.seen(held_out, rows, ahead).split([head.latent_dim, head.readings], dim=-1)
    share = (head.offsets / ahead[:, None]).clamp(max=1.0)[..., None].to(here)
    found, told = head(held_out.states(rows), goals).split([head.latent_dim, head.readings], dim=-1)
    guesses = {
        "subgoal": found,
        "stay": here[:, None].expand_as(wanted),
        "straight": here[:, None] + share * (goals - here)[:, None],
    }
    errors = {name: (guess - wanted).square().mean((0, 2)) for name, guess in guesses.items()}
    if head.readings:
        errors["readings"] = (told - readings).square().mean((0, 2))
    return {name: [round(float(x), 4) for x in error] for name, error in errors.items()}
