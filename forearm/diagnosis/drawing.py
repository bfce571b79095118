"""Draw executed pools of one planner on one task, write them, and say what they show."""

import shutil
from typing import Any

import numpy as np

from forearm.common.files import remove_leftovers
from forearm.common.progress import Progress
from forearm.diagnosis.executed import PoolJob, do, kept, together
from forearm.diagnosis.margin import margin_of
from forearm.diagnosis.run import answers, manifest_of
from forearm.diagnosis.subject import check_frames, check_planner
from forearm.evaluation.comparison import Comparison, contenders_of
from forearm.evaluation.manifest import manifest_sha256
from forearm.evaluation.results import provenance


def draw_pools(comparison: Comparison, plans: int, size: int, workers: int, tell: Progress) -> dict[str, Any]:
    """The pools of the one planner of a comparison on its one task; returns what `pools.json` says.

    Writes `pools.json` and `pools.safetensors` into the comparison's folder. Episodes are kept as they come, so a call
    that was killed goes on where it stopped. Raises what
    `forearm.evaluation.comparison.compare` raises, and `ForearmError` for a planner whose plans cannot be carried out,
    or a checkpoint without heads.
    """
    from forearm.world_model.heads.pools import save_pools

    [contender] = contenders_of(comparison)
    setup, out = contender.setup, comparison.out
    check_planner(setup.planner(), contender.planner_name)
    check_frames(setup)
    setup.checkpoint.heads({**setup.task, "proposals": ["prior"]})  # what labels are made of
    remove_leftovers(out)
    episodes = manifest_of(comparison, contender, workers)
    jobs = [PoolJob(contender, each, plans, size, out) for each in episodes]
    found = answers(do, kept, jobs, workers, lambda done, of: tell("episodes", done, of))
    pools = together([found[job.path] for job in jobs])
    margin, executed = margin_of(pools), pools.executed.double().numpy()
    picked = pools.costs.argmin(dim=1, keepdim=True).numpy()
    sha256 = manifest_sha256(episodes)
    document = provenance(comparison.command, comparison.seed, comparison.protocol, sha256) | {
        "task": contender.task_name,
        "planner": dict(setup.planner_config),
        "objective": dict(setup.task["objective"]),
        "checkpoint": setup.fingerprint,
        "candidates": executed.shape[1],
        "carried_out_m": float(executed[:, 0].mean()),
        "cheapest_m": float(np.take_along_axis(executed, picked, 1).mean()),
        "best_m": float(executed.min(1).mean()),
        "prior_m": None if margin is None else float(executed[:, 1].mean()),
        "gate": None if margin is None else margin.numbers(),
    }
    save_pools(pools, out / "pools.json", str(setup.document["weights_sha256"]), document)
    shutil.rmtree(out / "partial", ignore_errors=True)
    return document | {"pools": len(pools)}
