"""Scripts of the repository, run in this process."""

import shutil
from pathlib import Path

import pytest
import torch

from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig
from forearm.world_model.heads.checkpoint import Heads, heads_path, load_heads, save_heads
from forearm.world_model.heads.distance import DistanceConfig
from forearm.world_model.heads.distances import make_distance
from forearm.world_model.heads.ranking import Ranking, RankingConfig
from forearm.world_model.heads.ranking_checkpoint import load_ranking, ranking_path, save_ranking
from forearm.world_model.heads.recorded import RecordedConfig, RecordedWays, save_recorded
from forearm.world_model.heads.subgoal_checkpoint import load_subgoal, recorded_path
from forearm.world_model.runtime.checkpoint import load_checkpoint
from tests.forearm.scripts import script


def test_what_ships_is_half_as_large_and_sees_nearly_the_same(checkpoints: Path, tmp_path: Path) -> None:
    trained, document = load_checkpoint(checkpoints / "reach.json")
    (tmp_path / "trained").mkdir()
    torch.manual_seed(0)
    prior = ActionPrior(16, 4, PriorConfig(horizon=6, width=64, slow=2))
    heads = Heads(prior, make_distance(16, DistanceConfig(width=8)), torch.zeros(16), torch.eye(16))
    save_heads(heads, tmp_path / "trained" / "model.heads.json", document["weights_sha256"], {"task": "reach"})
    words = [str(checkpoints / "reach.json"), "small", str(tmp_path / "trained"), "--folder", str(tmp_path)]
    script("ship").main(words)
    shipped, told = load_checkpoint(tmp_path / "small.json")
    before, after = ((folder / name).stat().st_size for folder, name in (
        (checkpoints, "reach.safetensors"), (tmp_path, "small.safetensors"),
    ))  # fmt: skip
    assert after < 0.6 * before and told["task"] == "reach"
    frames = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    latents = trained.encode(frames)
    assert not torch.equal(shipped.encode(frames), latents)  # or nothing was rounded
    torch.testing.assert_close(shipped.encode(frames), latents, rtol=0, atol=5e-3 * float(latents.abs().max()))
    again = load_heads(heads_path(tmp_path / "small.json"), told["weights_sha256"])
    assert again.document["task"] == "reach" and torch.equal(again.covariance, heads.covariance)
    torch.testing.assert_close(again.prior(latents, latents), prior(latents, latents), rtol=1e-2, atol=1e-2)


def test_what_a_checkpoint_plans_with_ships_beside_it(checkpoints: Path, tmp_path: Path) -> None:
    digest = load_checkpoint(checkpoints / "reach.json")[1]["weights_sha256"]
    for name in ("reach.json", "reach.safetensors"):
        shutil.copy(checkpoints / name, tmp_path / name)
    torch.manual_seed(0)
    ranking, ways = Ranking(16, 2, RankingConfig(width=8)), RecordedWays(16, RecordedConfig(), 4, 0, (2, 3))
    ways.library.normal_()
    given = tmp_path / "trained"
    given.mkdir()
    save_ranking(ranking.eval(), given / "mine.ranking.json", digest, {"task": "reach"})
    save_recorded(ways.eval(), given / "mine.recorded.json", digest, {"task": "reach"})
    for kind in ("ranking", "recorded"):
        script("ship").main([str(given / f"mine.{kind}.json"), "reach", "--folder", str(tmp_path)])
    ranked, told = load_ranking(ranking_path(tmp_path / "reach"), digest)
    weights, before = (list(head.parameters()) for head in (ranked, ranking))
    assert told["task"] == "reach" and all(
        torch.equal(a, b.half().float()) for a, b in zip(weights, before, strict=True)
    )
    recorded, told = load_subgoal(recorded_path(tmp_path / "reach"), digest)
    assert told["task"] == "reach" and torch.equal(recorded.library, ways.library)


def test_weights_too_large_for_half_precision_are_refused() -> None:
    layer = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(layer.weight, 1e6)
    with pytest.raises(OverflowError, match="too large for float16"):
        script("ship").halve(layer)
