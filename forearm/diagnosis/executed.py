"""Pools of candidates that were carried out, as a ranking and a gate learn from them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from forearm.agent.prior import LatentPrior
from forearm.common.files import replacing
from forearm.common.parallel import import_modules, one_thread
from forearm.diagnosis.cells import DIAGNOSED, Moment
from forearm.diagnosis.futures import TrueFutures
from forearm.diagnosis.jobs import subject_of
from forearm.diagnosis.pools import evenly, plain
from forearm.evaluation.code_hash import code_sha256
from forearm.evaluation.contenders import Contender
from forearm.evaluation.manifest import HeldOutEpisode
from forearm.planner import make_baseline
from forearm.planner.search.config import MEAN

if TYPE_CHECKING:
    from forearm.diagnosis.costs import PositionCost
    from forearm.world_model.heads.checkpoint import Heads

Array = NDArray[np.float64]
Rows = dict[str, NDArray[Any]]
"""Pools of an episode: fields of `Pools`, each with the pools first."""


@dataclass(frozen=True)
class PoolJob:
    """One episode, of which the candidates of `plans` plans are carried out, `size` of each at most; for `out`."""

    contender: Contender
    episode: HeldOutEpisode
    plans: int
    size: int
    out: Path

    @property
    def path(self) -> Path:
        """Where its pools are kept until all are there: those of other settings or other code lie elsewhere."""
        parts = [code_sha256("diagnosis"), self.contender.key, self.plans, self.size]
        folder = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        return self.out / "partial" / folder / f"{self.episode.episode:05d}.safetensors"

    @property
    def place(self) -> Path:
        """The same below `out`."""
        return self.path.relative_to(self.out)


def do(job: PoolJob) -> tuple[PoolJob, Rows]:
    """Do it in a worker process, and keep what it came to."""
    import_modules(job.contender.use)
    with one_thread():
        subject, setup = subject_of(job.contender), job.contender.setup
        heads = setup.checkpoint.heads({**setup.task, "proposals": ["prior"]})
        assert heads is not None
        _, model = subject.run(DIAGNOSED, job.episode, job.contender.seed, None, keep=True)
        futures = TrueFutures(subject.env, subject.eyes, subject.solved)
        at = sorted({round(x) for x in np.linspace(0, len(model.moments) - 1, job.plans)})
        goal = subject.eyes.goals_of([0])[0]  # type: ignore[attr-defined]
        config, number = subject.planner.config, job.episode.episode
        pools = []
        for index in at:
            commands, own = candidates(model.moments[index], config, job.size)
            row = carried_out(model.moments[index], commands, futures, model.geometry, heads, goal)
            pools.append({**row, "own": np.float32(own), "episodes": np.int64(number)})
    rows = {key: np.stack([pool[key] for pool in pools]) for key in pools[0]}
    with replacing(job.path) as temporary:
        save_file(rows, temporary)
    return job, rows


def kept(job: PoolJob) -> Rows | None:
    """What an earlier call left of this episode; None where it has to be done."""
    try:
        return dict(load_file(job.path))
    except (OSError, SafetensorError):
        return None


def candidates(moment: Moment, config: Any, size: int) -> tuple[torch.Tensor, bool]:
    """Candidates (K, H, A) of a plan as `Pools` has them, and whether the second is the prior's own plan."""
    record = moment.recorded
    actions, costs = np.concatenate(record.actions), np.concatenate(record.costs)
    chosen = len(costs) - 1 if config.execute == MEAN else int(np.where(np.isfinite(costs), costs, np.inf).argmin())
    first = [actions[chosen]]
    own = any(isinstance(proposal, LatentPrior) for proposal in moment.asked.proposals)
    if own:
        [plan] = make_baseline("prior", horizon=config.horizon).plan(moment.asked, [torch.Generator().manual_seed(0)])
        first.append(plan.actions)
    others = np.delete(np.arange(len(costs)), chosen)
    count = min(size - len(first), config.samples - 1)
    cheapest = others[np.argsort(costs[others], kind="stable")][: count // 2]
    rest = np.setdiff1d(others, cheapest)
    kept = [*cheapest, *rest[evenly(costs[rest], count - len(cheapest))]]
    return torch.as_tensor(np.stack([*first, *actions[kept]]), dtype=torch.float32), own


def carried_out(
    moment: Moment,
    commands: torch.Tensor,
    futures: TrueFutures,
    geometry: "PositionCost",
    heads: "Heads",
    goal: torch.Tensor,
) -> dict[str, Any]:
    """What is predicted of commands (K, H, A), and what they really come to: a row of `Pools`."""
    size, state = len(heads.mean), moment.state
    with torch.inference_mode():
        predicted = moment.dynamics.rollout(state, commands[None])
        came = futures.rollout(state, commands[None])
        costs = moment.recorded.inner.cost(predicted, commands[None])
        ends = came["latents"][0, :, -1, :size]
        slow, goals = heads.prior.slow, goal.expand_as(ends)
        labels = {
            "distance": heads.distance(ends, goals),
            "slow": torch.full((len(ends),), torch.nan) if slow is None else slow.moved(ends, goals),
        }
        latent = state.states[0, -1, :size]
    found: dict[str, Any] = {
        "latents": latent,
        "goals": goal,
        "predicted": predicted[0, ..., :size],
        "costs": plain(costs)[0],
        "executed": geometry.total(came["positions"][0]),
        "solved": came["solved"][0].any(-1),
        **labels,
    }
    return {key: np.asarray(plain(value), np.float32) for key, value in found.items()}


def together(rows: Sequence[Rows]) -> Any:
    """The pools of all episodes, as `forearm.world_model.heads.pools.Pools`."""
    from forearm.world_model.heads.pools import Pools

    return Pools(**{key: torch.from_numpy(np.concatenate([row[key] for row in rows])) for key in rows[0]})
