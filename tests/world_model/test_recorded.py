"""Ways out of recordings: of the segment that begins like now and ends like the goal."""

from dataclasses import replace

import pytest
import torch

from forearm.errors import InputError
from forearm.world_model.config import ModelConfig
from forearm.world_model.heads.recorded import RecordedConfig, recorded_ways, save_recorded
from forearm.world_model.heads.subgoal import subgoal_errors
from forearm.world_model.heads.subgoal_checkpoint import load_subgoal
from forearm.world_model.model.jepa import JEPA
from tests.world_model.test_subgoal import detours

CONFIG = RecordedConfig(horizon=4, farthest=12, nearest=1, slowness=0.0)


def model(readings=0):
    return JEPA(ModelConfig(width=8, latent_dim=2, predictor_width=8, proprio_dim=readings))


@pytest.fixture(scope="module")
def kept():
    return recorded_ways(detours(60, 0), model(), CONFIG)


def test_they_are_nearer_to_what_was_seen_than_staying_or_going_straight(kept):
    found = subgoal_errors(kept, detours(50, 1), 200)
    for mine, stay, straight in zip(found["subgoal"], found["stay"], found["straight"], strict=True):
        assert mine < 0.5 * min(stay, straight)


def test_a_recorded_beginning_and_end_give_what_lies_between(kept):
    data = detours(60, 0)
    rows, ahead = torch.tensor([0, 13 * 7 + 2, 13 * 7 + 10]), torch.tensor([8, 6, 2])
    way = kept.way(data.latents[rows], data.latents[rows + ahead])
    assert torch.allclose(way, kept.seen(data, rows, ahead), atol=2e-3)
    assert torch.equal(way[2, 0], way[2, 1])  # which ends there
    alone = kept.way(data.latents[rows[1:2]], data.latents[rows[1:2] + 6])
    assert torch.equal(alone[0], way[1])


def test_the_mean_of_several_begins_where_one_is_and_ends_at_the_goal():
    data = detours(60, 0)
    several = recorded_ways(data, model(), replace(CONFIG, nearest=5, horizon=12))
    here, goal = data.latents[[13 * 7 + 2]] + 0.3, data.latents[[13 * 7 + 6]] - 0.3
    way = several.way(here, goal)[0]
    assert torch.allclose(way[-1], goal[0], atol=5e-3)  # all of them end before 12 steps
    one = recorded_ways(data, model(), replace(CONFIG, horizon=12))
    assert not torch.equal(way, one.way(here, goal)[0])


def test_joint_readings_come_with_them_and_files_come_back(tmp_path):
    data = detours(5, 0, readings=True)
    found = recorded_ways(data, model(2), CONFIG)
    save_recorded(found, tmp_path / "m.recorded.json", "a" * 64, {"task": "push"})
    again, document = load_subgoal(tmp_path / "m.recorded.json", "a" * 64)
    states, goals = data.states(torch.tensor([1])), data.latents[[9]]
    assert again.way(states, goals).shape == (1, 2, 4) and document["task"] == "push"
    assert torch.equal(again.way(states, goals), found.way(states, goals))


def test_what_makes_no_sense():
    with pytest.raises(InputError, match=r"recorded.horizon=5 is no multiple of 2"):
        recorded_ways(detours(2, 0), model(), replace(CONFIG, horizon=5))
    with pytest.raises(InputError, match=r"recorded.farthest=1 is less than the 2"):
        recorded_ways(detours(2, 0), model(), replace(CONFIG, farthest=1))
    with pytest.raises(InputError, match="nearest must be at least 1"):
        RecordedConfig(nearest=0)
    with pytest.raises(InputError, match="slowness must be at most 1"):
        RecordedConfig(slowness=2.0)
