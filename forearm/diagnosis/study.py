"""The parts of a diagnosis, each for one episode or a few, in this process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common.seeds import collection_reset_seed, collection_rng, policy_rng
from forearm.diagnosis.cells import DIAGNOSED
from forearm.diagnosis.futures import Explored, TrueFutures, explore
from forearm.diagnosis.pools import PoolFigures, carry_out, pool_positions
from forearm.diagnosis.probe import Probe, fit
from forearm.diagnosis.ranking import rank_targets
from forearm.diagnosis.subject import Subject
from forearm.evaluation.closed_loop import Outcome
from forearm.settings.schema.commands.comparing import HELD_OUT

if TYPE_CHECKING:
    from forearm.evaluation.manifest import HeldOutEpisode


@dataclass(frozen=True)
class Effort:
    """How much is spent on evidence.

    Attributes:
        explore: episodes of the explorer that the probe learns from.
        explore_steps: control steps of each.
        pools: plans of an episode whose candidates are carried out.
        pool: candidates of a plan that are carried out, at most.
        nearer_m: how much nearer to the goal a candidate must end to count as good.
        starts: from which the explorer is sent out to see how far ahead the model ranks.
        ways: that it goes from each.
        farthest: control steps of each way.
    """

    explore: int
    explore_steps: int
    pools: int
    pool: int
    nearer_m: float
    starts: int
    ways: int
    farthest: int


@dataclass(frozen=True)
class Diagnosed:
    """One episode of the planner as it is: how it went, and what its candidates came to.

    `probe_m` (P,) are errors of the probe in m where the candidates led; `goal_steps` the expert's control steps.
    """

    outcome: Outcome
    pools: list[PoolFigures]
    probe_m: list[float]
    goal_steps: int | None


def explored(subject: Subject, seed: int, numbers: Iterable[int], steps: int) -> list[Explored]:
    """Episodes of the policy that collects data, from starts of their own, at least `steps` control steps long."""
    found = []
    for number in numbers:
        subject.env.reset(seed=collection_reset_seed(seed, number), options={"goal": False})
        latent_steps = -(-steps // subject.eyes.frameskip)
        start, rng = subject.env.snapshot(), collection_rng(seed, number)
        found.append(explore(subject.env, subject.eyes, start, [rng], latent_steps))
    return found


def fit_probe(parts: Sequence[Explored]) -> tuple[Probe, list[float]]:
    """A probe of positions, and its errors (P,) in m on episodes that it was not fitted to."""
    known = [part for n, part in enumerate(parts) if n % HELD_OUT]
    unseen = [part for n, part in enumerate(parts) if not n % HELD_OUT]
    inputs, targets = _flat(known)
    probe = fit(inputs, targets)
    return probe, probe.errors(*_flat(unseen))


def diagnosed(subject: Subject, episode: "HeldOutEpisode", seed: int, probe: Probe, effort: Effort) -> Diagnosed:
    """One episode of the planner as it is, with the candidates of some of its plans carried out afterwards."""
    outcome, planning_model = subject.run(DIAGNOSED, episode, seed, probe, keep=True)
    moments = planning_model.moments
    futures = TrueFutures(subject.env, subject.eyes, subject.solved)
    elites = getattr(subject.planner.config, "elites", None)
    at = sorted({round(share * (len(moments) - 1)) for share in np.linspace(0, 0.5, effort.pools)})
    figures, errors = [], []
    for index in at:
        figure, came = carry_out(moments[index], futures, planning_model.geometry, elites, effort.pool)
        figures.append(figure)
        errors.append(probe.errors(*pool_positions(came, subject.eyes.frameskip)))
    steps = subject.expert_steps(episode, policy_rng(seed, episode.episode))
    return Diagnosed(outcome, figures, [float(x) for x in np.mean(errors, axis=0)], steps)


def ranking(subject: Subject, episode: "HeldOutEpisode", seed: int, effort: Effort) -> list[float | None]:
    """How well the model ranks 1, 2, … latent steps ahead, from the start of an episode."""
    geometry = subject.geometry(episode)
    observation = subject.env.observe()
    subject.eyes.begin([observation["pixels"]])
    subject.eyes.observe(0, observation, None)
    rngs = [np.random.default_rng([seed, episode.episode, way]) for way in range(effort.ways)]
    start = subject.env.snapshot()
    steps = max(1, effort.farthest // subject.eyes.frameskip)
    return rank_targets(subject.eyes, explore(subject.env, subject.eyes, start, rngs, steps), geometry)


def _flat(parts: Sequence[Explored]) -> tuple[Any, Any]:
    """Latents (N, D) and positions (N, P, 3)."""
    import torch

    latents = torch.cat([part.latents.flatten(0, 1) for part in parts])
    return latents, np.concatenate([part.positions.reshape(-1, *part.positions.shape[2:]) for part in parts])
