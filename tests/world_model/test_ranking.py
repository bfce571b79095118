"""A ranking learns what the predictions get wrong; its files, its pools, and settings that make no sense."""

import json
from dataclasses import replace

import pytest
import torch

from forearm.errors import InputError
from forearm.world_model.heads.pools import Pools, joined, load_pools, save_pools
from forearm.world_model.heads.ranking import RankingConfig, ranking_report, train_ranking
from forearm.world_model.heads.ranking_checkpoint import load_ranking, save_ranking
from forearm.world_model.runtime.checkpoint import CheckpointError

CONFIG = RankingConfig(width=32, depth=1, steps=250, rate=5e-3, noise=0.0)


def optimistic(count, seed, size=10):
    """Ways that end at x; the goal is at 1, but what is predicted with a second number above 0 stays where it was."""
    draw = torch.Generator().manual_seed(seed)
    ways = torch.randn(count, size, 2, 2, generator=draw)
    ends, grasps_air = ways[:, :, -1, 0], ways[:, :, -1, 1] > 0
    truly = torch.where(grasps_air, 2.0, (ends - 1.0).abs().clamp(max=1.9))
    return Pools(
        episodes=torch.arange(count) // 2,
        latents=torch.zeros(count, 2),
        goals=torch.tensor([1.0, 0.0]).expand(count, 2).clone(),
        predicted=ways,
        costs=(ends - 1.0).abs(),
        distance=truly,
        slow=torch.full((count, size), torch.nan),
        executed=0.1 * truly,
        solved=torch.zeros(count, size),
        own=torch.ones(count),
    )


@pytest.fixture(scope="module")
def trained():
    return train_ranking(optimistic(200, 0), CONFIG)[0]


def test_it_is_right_where_the_planners_own_cost_is_not(trained):
    found = ranking_report(trained, optimistic(100, 1))
    assert found["cost_ordered"] < 0.75 < 0.9 < found["ranking_ordered"]
    assert found["best_m"] <= found["ranking_m"] < 0.5 * min(found["cost_m"], found["prior_m"])


def test_its_scores_have_one_spread_and_repeat(trained):
    pools = optimistic(200, 0)
    assert float(trained.of_pools(pools).std(dim=1).mean()) == pytest.approx(1.0, abs=1e-3)
    short = replace(CONFIG, steps=3)
    assert train_ranking(pools, short, 4)[1] == train_ranking(pools, short, 4)[1]


def test_files_come_back_and_belong_to_one_model(trained, tmp_path):
    path = tmp_path / "model.ranking.json"
    save_ranking(trained, path, "a" * 64, {"task": "push"})
    head, document = load_ranking(path, "a" * 64)
    pools = optimistic(3, 2)
    assert torch.equal(head.of_pools(pools), trained.of_pools(pools)) and document["task"] == "push"
    with pytest.raises(CheckpointError, match="train a ranking for this one"):
        load_ranking(path, "b" * 64)
    save_pools(pools, tmp_path / "pools.json", "a" * 64, {})
    again = load_pools(tmp_path, "a" * 64)
    assert torch.equal(again.predicted, pools.predicted) and len(again) == 3
    with pytest.raises(CheckpointError, match="draw them with this one"):
        load_pools(tmp_path, "b" * 64)
    with pytest.raises(CheckpointError, match="no such file"):
        load_pools(tmp_path / "nowhere.json", "a" * 64)
    told = json.loads((tmp_path / "pools.json").read_text())
    (tmp_path / "pools.json").write_text(json.dumps(told | {"weights_sha256": "c" * 64}))
    with pytest.raises(CheckpointError, match="its hash differs"):
        load_pools(tmp_path, "a" * 64)


def test_pools_of_several_draws_go_together():
    both = joined([optimistic(4, 0), optimistic(6, 1, size=7)])
    assert both.costs.shape == (10, 7) and both.predicted.shape == (10, 7, 2, 2) and both.goals.shape == (10, 2)
    assert both.episodes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    far = optimistic(2, 0)
    with pytest.raises(InputError, match="pools look 1 and 2 latent steps ahead"):
        joined([far, replace(far, predicted=far.predicted[:, :, :1])])
    with pytest.raises(InputError, match="name at least one"):
        joined([])


def test_what_makes_no_sense():
    with pytest.raises(InputError, match=r"ranking.label=slow: the heads"):
        train_ranking(optimistic(4, 0), replace(CONFIG, label="slow"))
    flat = optimistic(4, 0)
    with pytest.raises(InputError, match="is the same for all candidates"):
        train_ranking(replace(flat, distance=torch.ones_like(flat.distance)), CONFIG)
    with pytest.raises(InputError, match="label"):
        RankingConfig(label="metres")
    with pytest.raises(InputError, match="failures must be a number from 0 up"):
        RankingConfig(failures=-1.0)
