"""Ways out of recordings: a segment that begins like now and ends like the goal says where to be in between.

Anchored planning (arXiv 2609.30036): nothing is trained. A search is given the states of the segment that fits best, a
few steps ahead, in place of a goal that is far away. Here it is the mean of several, each shifted so that it begins
where one is and ends at the goal.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.files import write_head
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.heads.ways import Ways
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.slowness import slow_map


@dataclass(frozen=True)
class RecordedConfig:
    """What of recordings is kept, and how segments are compared with now and with the goal.

    Attributes:
        horizon: control steps ahead of the last state of a way; there is one a latent step.
        farthest: control steps of a segment at most.
        nearest: segments of which the mean is taken.
        slowness: of the distance in which its first state is near now and its last near the goal, as in objective.
    """

    horizon: int = checks.setting(16, checks.integer, least=1)
    farthest: int = checks.setting(60, checks.integer, least=1)
    nearest: int = checks.setting(5, checks.integer, least=1)
    slowness: float = checks.setting(0.5, checks.real, least=0.0, most=1.0)

    def __post_init__(self) -> None:
        """Raise ValueError for a setting that cannot be."""
        checks.settings(self)


class RecordedWays(Ways):
    """States of E episodes at every latent step, T of the longest, in which the nearest segments are looked up.

    Args:
        latent_dim, config, frameskip, readings: as of `Ways`.
        shape: (E, T).
    """

    library: Tensor
    lengths: Tensor
    metric: Tensor

    def __init__(
        self, latent_dim: int, config: RecordedConfig, frameskip: int, readings: int, shape: tuple[int, int]
    ) -> None:
        super().__init__(latent_dim, config.horizon, frameskip, readings, "recorded")
        self.config = config
        if config.farthest < frameskip:
            raise InputError(f"recorded.farthest={config.farthest} is less than the {frameskip} of a latent step")
        self.register_buffer("library", torch.zeros(*shape, latent_dim + readings, dtype=torch.float16))
        self.register_buffer("lengths", torch.zeros(shape[0], dtype=torch.int64))
        self.register_buffer("metric", torch.eye(latent_dim))
        self._seen: Tensor | None = None

    def forward(self, states: Tensor, goals: Tensor) -> Tensor:
        """(N, M, S), of states (N, S) and goals (N, D)."""
        return torch.stack([self._way(state, goal) for state, goal in zip(states, goals, strict=True)])

    def _way(self, state: Tensor, goal: Tensor) -> Tensor:
        """(M, S): the mean of the segments whose ends are nearest together; from the end of each on that."""
        begins, ends = (self._distances(latent) for latent in (state[: self.latent_dim], goal))
        longest = self.config.farthest // self.frameskip
        later = nn.functional.pad(ends, (0, longest), value=torch.inf).unfold(1, longest, 1)[:, 1:]
        nearest, after = later.min(dim=-1)  # of the moments 1 to `longest` latent steps later
        far = (begins + nearest).flatten()
        rows = far.topk(min(self.config.nearest, int(torch.isfinite(far).sum())), largest=False).indices
        steps = torch.arange(1, len(self.offsets) + 1, device=self.library.device)
        ways = []
        for row, taken in zip(rows.tolist(), (after.flatten()[rows] + 1).tolist(), strict=True):
            episode, first = divmod(row, begins.shape[1])
            step = steps.clamp(max=taken)
            recorded, share = self.library[episode].to(state), (step / taken)[:, None]
            end = nn.functional.pad(goal - recorded[first + taken, : self.latent_dim], (0, self.readings))
            ways.append(recorded[first + step] + (1.0 - share) * (state - recorded[first]) + share * end)
        return torch.stack(ways).mean(dim=0)

    def _distances(self, latent: Tensor) -> Tensor:
        """(E, T) of a latent (D) to all that are recorded; infinite beyond an episode's end."""
        if self._seen is None or self._seen.device != latent.device:
            self._seen = self.library[..., : self.latent_dim].to(latent) @ self.metric
        far = (self._seen - latent @ self.metric).square().mean(-1)
        beyond = torch.arange(far.shape[1], device=far.device) >= self.lengths[:, None]
        return far.masked_fill(beyond, torch.inf)

    def pairs(self, data: Trajectories, count: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """`count` moments, and how far ahead their goals are."""
        return data.pairs(count, self.config.farthest, draw)


def recorded_ways(data: Trajectories, model: JEPA, config: RecordedConfig) -> RecordedWays:
    """The ways of encoded episodes; raises ValueError for settings that do not fit the model."""
    skip, readings = model.config.frameskip, model.config.proprio_dim
    ends = torch.nonzero(data.left == 0)[:, 0] + 1
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    episodes = [data.states(torch.arange(int(a), int(b), skip)) for a, b in zip(starts, ends, strict=True)]
    longest = max(map(len, episodes))
    found = RecordedWays(data.latents.shape[1], config, skip, readings, (len(episodes), longest))
    for number, states in enumerate(episodes):
        found.library[number, : len(states)] = states.half()
        found.lengths[number] = len(states)
    if model.step_covariance is not None:
        found.metric.copy_(slow_map(model.step_covariance.cpu(), config.slowness))
    return found.eval()


def save_recorded(found: RecordedWays, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_subgoal` reads; arguments as of `save_heads`."""
    sizes = {"latent_dim": found.latent_dim, "frameskip": found.frameskip, "readings": found.readings}
    recorded = to_mapping(found.config) | {"shape": list(found.library.shape[:2])}
    write_head(found, path, world_model_sha256, description, **sizes, recorded=recorded)


def made_recorded(document: dict[str, Any]) -> RecordedWays:
    """Those that a description tells, not yet filled; raises what a description that is none raises."""
    told = dict(document["recorded"])
    episodes, longest = (int(n) for n in told.pop("shape"))
    config, size = from_mapping(RecordedConfig, told), int(document["latent_dim"])
    return RecordedWays(size, config, int(document["frameskip"]), int(document["readings"]), (episodes, longest))
