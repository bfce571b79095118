"""Sub-goals are what recordings go through on their way; their files, and settings that make no sense."""

import json

import pytest
import torch

from forearm.errors import InputError
from forearm.world_model.heads.subgoal import Subgoal, SubgoalConfig, subgoal_errors, train_subgoal
from forearm.world_model.heads.subgoal_checkpoint import load_subgoal, save_subgoal
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.runtime.checkpoint import CheckpointError, load_checkpoint, pretrained_folder, shipped


def detours(episodes, seed, readings=False):
    """A point that goes to its goal by way of (0, 2): neither straight, nor staying, is the way."""
    draw = torch.Generator().manual_seed(seed)
    ends = torch.tensor([0.0, -2.0]) + 0.5 * torch.randn(episodes, 1, 2, generator=draw)
    start = torch.tensor([-3.0, -2.0]) + 0.5 * torch.randn(episodes, 1, 2, generator=draw)
    over = torch.tensor([0.0, 2.0]).expand(episodes, 1, 2)
    shares = torch.linspace(0, 1, 7)[:, None]
    latents = torch.cat([start + shares * (over - start), over + shares[1:] * (ends - over)], dim=1)
    made = Trajectories.of(latents, latents.diff(dim=1))
    return Trajectories(made.latents, made.actions, made.left, made.latents * 10 if readings else None)


CONFIG = SubgoalConfig(horizon=4, farthest=12, width=64, depth=2, steps=600)


@pytest.fixture(scope="module")
def trained():
    return train_subgoal(detours(200, 0), CONFIG, frameskip=2)[0]


def test_they_are_nearer_to_what_was_seen_than_staying_or_going_straight(trained):
    found = subgoal_errors(trained, detours(50, 1), 8192)
    assert set(found) == {"subgoal", "stay", "straight"} and all(len(values) == 2 for values in found.values())
    for mine, stay, straight in zip(found["subgoal"], found["stay"], found["straight"], strict=True):
        assert mine < 0.5 * min(stay, straight)


def test_the_way_ends_at_the_goal(trained):
    data = detours(3, 2)
    rows, ahead = torch.tensor([0, 14]), torch.tensor([3, 12])
    way = trained.seen(data, rows, ahead)
    assert torch.equal(way[0], data.latents[[2, 3]]) and torch.equal(way[1], data.latents[[16, 18]])


def test_joint_readings_are_foretold_where_the_model_uses_them():
    data = detours(100, 0, readings=True)
    head, _ = train_subgoal(data, CONFIG, frameskip=2)
    way = head(data.states(torch.tensor([0])), data.latents[[12]])
    assert way.shape == (1, 2, 4) and head.readings == 2
    assert len(subgoal_errors(head, detours(20, 1, readings=True), 8192)["readings"]) == 2


def test_a_batch_equals_singles_and_nothing_repeats_otherwise(trained):
    data = detours(5, 3)
    states, goals = data.latents[:5], data.latents[5:10]
    together = trained.way(states, goals)
    for b in range(5):
        assert torch.equal(trained.way(states[b : b + 1], goals[b : b + 1])[0], together[b])
    again, _ = train_subgoal(detours(200, 0), CONFIG, frameskip=2)
    assert torch.equal(again.way(states, goals), together)


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_seen_of_a_goal(whole):
    """Of slow features alone, what they do not hold makes no difference; of the whole goal it does."""
    head = Subgoal(3, SubgoalConfig(horizon=2, slow=1, whole=whole), frameskip=2)
    assert head.slow is not None
    head.slow.directions.copy_(torch.tensor([[1.0], [0.0], [0.0]]))
    states, goals = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]])
    other = goals + torch.tensor([[0.0, 5.0, 0.0]])
    assert torch.equal(head(states, goals), head(states, other)) is not whole


def test_what_is_kept_is_read_again(trained, tmp_path):
    path = tmp_path / "model.subgoal.json"
    save_subgoal(trained, path, "a" * 64, {"task": "reach"})
    head, document = load_subgoal(path, "a" * 64)
    assert torch.equal(head.way(torch.zeros(1, 2), torch.ones(1, 2)), trained.way(torch.zeros(1, 2), torch.ones(1, 2)))
    assert head.config == CONFIG and head.frameskip == 2 and document["task"] == "reach"
    with pytest.raises(CheckpointError, match=r"was trained on the world model aaaa.* train sub-goals for this one"):
        load_subgoal(path, "b" * 64)
    path.write_text(json.dumps(document | {"subgoal": {"horizon": "far"}}))
    with pytest.raises(CheckpointError, match="is not a file of sub-goals"):
        load_subgoal(path, "a" * 64)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"moved": 0.5}, "subgoal.moved=0.5 needs slow features"),
        ({"horizon": 0}, "horizon"),
        ({"slow": -1}, "must be numbers from 0 up"),
    ],
)
def test_settings_that_make_no_sense(settings, said):
    with pytest.raises(InputError, match=said):
        SubgoalConfig(**settings)


def test_latent_steps_must_divide_the_horizon():
    with pytest.raises(InputError, match="horizon=5 is no multiple of 2"):
        Subgoal(2, SubgoalConfig(horizon=5), frameskip=2)


def test_data_in_which_nothing_moves_say_which_setting_to_change():
    with pytest.raises(InputError, match=r"lower subgoal\.moved or raise subgoal\.farthest"):
        train_subgoal(detours(20, 0), SubgoalConfig(horizon=2, slow=1, moved=90.0, steps=1), frameskip=2)


def test_shipped_sub_goals_are_small_belong_to_their_checkpoint_and_beat_staying():
    assert not [name for name in shipped() if "subgoal" in name]
    found = list(pretrained_folder().glob("*.subgoal.json"))
    names = {path.name.removesuffix(".subgoal.json") for path in found}
    assert names == {"pick_place", "fetch-push", "metaworld-push-v3", "ogbench-cube-single"}
    for path in found:
        assert path.with_suffix(".safetensors").stat().st_size < 2e6
        name = path.name.removesuffix(".subgoal.json")
        model, document = load_checkpoint(name)
        head, told = load_subgoal(path, document["weights_sha256"])
        assert told["task"].replace("/", "-") == name and head.frameskip == model.config.frameskip
        assert all(mine < stay for mine, stay in zip(told["metrics"]["subgoal"], told["metrics"]["stay"], strict=True))
