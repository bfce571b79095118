"""`forearm pools` carries candidates out; a ranking is learned from them, and leads a search by a setting."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forearm.agent.checkpoint_files import checkpoint_files
from forearm.agent.setup import PlanningSetup, task_config
from forearm.cli.main import main
from forearm.errors import ForearmError, InputError
from forearm.world_model.heads.pools import load_pools
from forearm.world_model.runtime.checkpoint import load_checkpoint
from tests.conftest import run_here

FRAMES = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
SMALL = (
    "task=reach", "planner=guided", "guided.samples=8", "guided.horizon=4", "replan_every=2", "episodes=2", "plans=2",
    "pool=6", "protocol.max_steps=4", "workers=1", "task.guided.gate=5",
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pools of reach in `pools`, and a ranking learned from them in `ranking`."""
    folder = tmp_path_factory.mktemp("drawn")
    torch.set_num_threads(1)
    done: list[list[int]] = []

    def counted(function: Any, jobs: Any, workers: int) -> Any:
        done.append([job.episode.episode for job in jobs if hasattr(job, "episode")])
        return run_here(function, jobs, workers)

    def stop(pools: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forearm.diagnosis.run.run_jobs", counted)
        with patch.context() as killed:
            killed.setattr("forearm.diagnosis.drawing.margin_of", stop)
            assert main(["pools", *SMALL, f"out={folder / 'pools'}"]) == 130
        _, last = sorted((folder / "pools" / "partial").rglob("*.safetensors"))
        last.write_bytes(b"half")
        assert main(["pools", *SMALL, f"out={folder / 'pools'}"]) == 0
    assert [numbers for numbers in done if numbers] == [[0, 1], [1]]  # it went on where it was
    assert not (folder / "pools" / "partial").exists()
    learned = [f"pools=[{folder / 'pools'}]", "ranking.steps=3", "ranking.width=8", "validation=0.5"]
    assert main(["train-heads", "task=reach", "parts=[ranking]", f"out={folder / 'ranking'}", *learned]) == 0
    return folder


def test_what_the_planner_and_the_prior_would_do_comes_first(drawn: Path) -> None:
    document = json.loads((drawn / "pools" / "pools.json").read_text())
    pools = load_pools(drawn / "pools", load_checkpoint("reach")[1]["weights_sha256"])
    size = load_checkpoint("reach")[0].config.latent_dim
    assert pools.episodes.tolist() == [0, 0, 1, 1] and pools.own.tolist() == [1.0] * 4
    assert pools.predicted.shape == (4, 6, 2, size) and document["candidates"] == 6
    assert document["planner"]["name"] == "guided" and document["objective"]["terminal"] > 0
    assert document["carried_out_m"] == pytest.approx(float(pools.executed[:, 0].mean()))
    assert document["best_m"] <= min(document["prior_m"], document["carried_out_m"])
    assert set(document["gate"]) >= {"margin", "p", "overruled"} and torch.isfinite(pools.distance).all()


def test_the_ranking_leads_a_search(drawn: Path) -> None:
    task = task_config("reach") | {"rankings": str(drawn / "ranking" / "reach.ranking.json")}
    plain = PlanningSetup.resolve(task, "cem")
    task = task | {"objective": task["objective"] | {"ranking": 100.0}}
    ranked = PlanningSetup.resolve(task, "cem")
    assert ranked.fingerprint is not None and ranked.fingerprint.startswith(f"{plain.fingerprint}+")
    one, other = (setup.plan(*FRAMES).actions for setup in (plain, ranked))
    assert not np.array_equal(one, other) and np.array_equal(other, ranked.plan(*FRAMES).actions)
    named = [set(part.files) for part in checkpoint_files(task)]
    assert {"reach.ranking.json", "reach.ranking.safetensors"} in named
    with pytest.raises(ForearmError, match="ranks ways of 4 control steps, beyond horizon=2"):
        PlanningSetup.resolve(task, {"name": "cem", "horizon": 2, "action_repeat": 1})
    with pytest.raises(InputError, match="ranking must be at least 0"):
        PlanningSetup.resolve({**task, "objective": task["objective"] | {"ranking": -1.0}}, "cem")


def test_what_cannot_be_is_said_in_one_line(drawn: Path, tmp_path: Path, failing: Callable[..., str]) -> None:
    assert "'pools' needs one" in failing("pools", "task=own")
    assert "follows gradients" in failing("pools", "task=reach", "planner=gradient", f"out={tmp_path / 'out'}")
    assert "episodes must be a whole number of at least 2" in failing("pools", "episodes=1")
    assert "needs heads of checkpoint" in failing("pools", *SMALL[1:], "task=push", "task.heads=none.json")
    assert not (tmp_path / "out").exists()
    train = ("train-heads", "task=reach", "parts=[ranking]", f"out={tmp_path / 'out'}")
    assert "name some, pools=[FOLDER]" in failing(*train)
    assert "no such file" in failing(*train, "pools=[nowhere.json]")
    other = failing("train-heads", "task=push", "parts=[ranking]", f"pools=[{drawn / 'pools'}]", "validation=0.5")
    assert "draw them with this one" in other
    plan = ("plan", "task=reach", "reach.objective.ranking=1", f"out={tmp_path / 'p.json'}")
    told = failing(*plan)
    assert "needs a ranking of checkpoint 'reach'" in told and "forearm pools task=reach" in told
    foreign = tmp_path / "reach.ranking.json"
    document = json.loads((drawn / "ranking" / "reach.ranking.json").read_text())
    foreign.write_text(json.dumps(document | {"task": "push"}))
    foreign.with_suffix(".safetensors").write_bytes((drawn / "ranking" / "reach.ranking.safetensors").read_bytes())
    assert "the ranking was trained for task push, not reach" in failing(*plan, f"reach.rankings={foreign}")
