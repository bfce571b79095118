"""A narrow predictor that is taught by the wide one of a frozen world model, to search with in a part of the time.

What a search asks of a predictor is where the commands lead that it tries. So half of the ways that the student learns
are of such commands, from states of recordings, and lead where the wide predictor says; the other half are as recorded.
Distillation: Hinton et al., arXiv 1503.02531. Latents stay those of the world model, and with them all heads, costs
and goals.
"""

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.heads.fitting import Fitting, OnStep, fit
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.model.predictors import ResidualPredictor
from forearm.world_model.runtime.slowness import slow_map

CALM, BOLD = 0.2, 1.0
"""Between what standard deviations commands are tried, in halves of the range of the recorded ones."""


@dataclass(frozen=True)
class StudentConfig(Fitting):
    """Sizes of the student, a narrow predictor taught by the checkpoint's own, and of its training.

    Attributes:
        width: units of a layer of the network.
        depth: hidden layers of the network.
        rollout: latent steps of the ways that it is taught.
        tried: share of those whose commands are tried, as a search does, and not recorded.
        metric: weight of the error in slow directions, in which plans are judged, beside that of the latents.
    """

    steps: int = checks.setting(4000, checks.integer, least=1)
    batch: int = checks.setting(64, checks.integer, least=1)
    rate: float = checks.setting(3e-3, checks.real, above=0.0)
    width: int = checks.setting(128, checks.integer, least=1)
    depth: int = checks.setting(2, checks.integer, least=1)
    rollout: int = checks.setting(6, checks.integer, least=1)
    tried: float = checks.setting(0.5, checks.real, least=0.0, most=1.0)
    metric: float = checks.setting(0.5, checks.real, least=0.0)


def train_student(
    model: JEPA, data: Trajectories, config: StudentConfig, seed: int = 0, on_step: OnStep = lambda step: None
) -> tuple[ResidualPredictor, list[float]]:
    """A student of the predictor of `model`, rounded to half precision, in evaluation mode, and the loss of each step.

    Raises ValueError for a model that knows no commands, and for episodes that are too short.
    """
    if not model.config.action_dim:
        raise InputError("parts=[student]: this model knows no commands, so there is nothing to search with a student")
    paths = _Paths(model, data, config)
    metric = slow_map(model.step_covariance, 1.0)

    def loss(head: ResidualPredictor, draw: Generator) -> Tensor:
        states, past, blocks, after = paths.draw(config.batch, draw)
        error = head.rollout(states, past, blocks) - after
        slow = error[..., : len(metric)] @ metric
        return error.square().mean() + config.metric * slow.square().mean()

    sizes = (model.state_dim, model.config.block_dim, model.config.history, config.width, config.depth)
    found, losses = fit(lambda: ResidualPredictor(*sizes), loss, config, seed, on_step)
    return found.half().float(), losses


def with_student(model: JEPA, student: ResidualPredictor) -> JEPA:
    """The same model, with the student in the place of its predictor; all else is shared."""
    found = copy.copy(model)
    found._modules = {**model._modules, "predictor": student}
    width = student.enter.out_features
    found.config = replace(
        model.config, predictor="residual", predictor_width=width, predictor_depth=len(student.blocks)
    )
    return found


@torch.no_grad()
def student_errors(
    model: JEPA, student: ResidualPredictor, held_out: Trajectories, config: StudentConfig, count: int
) -> dict[str, list[float]]:
    """Mean squared error of a state's number at each latent step of held-out ways, of `count`.

    Of the `student`, of the model's `own` predictor and of taking the newest state to `stay`.
    """
    recorded = replace(config, tried=0.0)
    states, past, blocks, after = _Paths(model, held_out, recorded).draw(count, Generator().manual_seed(0))
    found = {
        "student": student.rollout(states, past, blocks),
        "own": model.predictor.rollout(states, past, blocks),
        "stay": states[:, -1:].expand_as(after),
    }
    return {name: [round(float(x), 4) for x in (guess - after).square().mean((0, 2))] for name, guess in found.items()}


class _Paths:
    """Ways of N times T states, the blocks between them, those from then on, (N, M, block), and the states after."""

    def __init__(self, model: JEPA, data: Trajectories, config: StudentConfig) -> None:
        self._model, self._data, self._config = model, data, config
        self._skip, self._history = model.config.frameskip, model.config.history
        if int(data.left.max()) < (length := self._skip * config.rollout):
            raise InputError(
                f"student.rollout={config.rollout} latent steps are {length} control steps, and no episode is that long"
            )
        ends = (data.left == 0).long()
        starts = torch.nonzero(torch.cat([ends.new_ones(1), ends[:-1]]))[:, 0]
        self._first = starts[torch.cat([ends.new_zeros(1), ends[:-1]]).cumsum(0)]
        inside = data.actions[data.left > 0]
        self._low, self._high = inside.amin(0), inside.amax(0)
        self._rest = model.action_rest

    def draw(self, count: int, draw: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        skip, steps, history = self._skip, self._config.rollout, self._history
        rows = self._data.moments(count, steps * skip, draw)[:, None]
        first = self._first[rows]
        moments = rows + skip * torch.arange(1 - history, steps + 1)
        states = self._data.states(torch.maximum(moments, first).flatten()).unflatten(0, moments.shape)
        when = rows + torch.arange(skip * (1 - history), skip * steps)
        actions = torch.where((when >= first)[..., None], self._data.actions[when.clamp(min=0)], self._rest)
        begun, after, past = states[:, :history], states[:, history:], skip * (history - 1)
        if tried := round(self._config.tried * count):
            actions[:tried, past:] = self._tried(actions[:tried, past:], draw)
        blocks = self._model.blocks(actions)
        past_blocks, blocks = blocks[:, : history - 1], blocks[:, history - 1 :]
        if tried:
            with torch.no_grad():
                foretold = self._model.predictor.rollout(begun[:tried], past_blocks[:tried], blocks[:tried])
            after = torch.cat([foretold, after[tried:]])
        return begun, past_blocks, blocks, after

    def _tried(self, recorded: Tensor, draw: Generator) -> Tensor:
        """Commands like a search's: noise that is smooth along time, around what was recorded or none, held."""
        count, dims, steps = len(recorded), recorded.shape[2], self._config.rollout
        waves = torch.cos(torch.arange(steps)[:, None] * (torch.arange(steps) + 0.5) * (math.pi / steps))
        waves = waves / (1.0 + torch.arange(steps))[:, None]
        waves = waves / waves.square().sum(0).sqrt().mean()
        std = CALM + (BOLD - CALM) * torch.rand(count, 1, 1, generator=draw)
        noise = std * torch.einsum("nka,kv->nva", torch.randn(count, steps, dims, generator=draw), waves)
        around = recorded.unflatten(1, (steps, -1)).mean(2)
        kept = torch.rand(count, 1, 1, generator=draw) < 0.5
        tried = torch.where(kept, around, self._rest) + noise * (self._high - self._low) / 2
        return tried.clamp(self._low, self._high).repeat_interleave(self._skip, dim=1)
