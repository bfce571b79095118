"""Slow features are where an object is, and a prior that sees those alone of a goal goes to the object first."""

import pytest
import torch

from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig, train_prior
from forearm.world_model.heads.slow_features import SlowFeatures
from forearm.world_model.heads.trajectories import Trajectories

MIX = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(5)))[0]


def hands_and_objects(episodes, seed, steps=30):
    """A hand on a plane that goes to an object, takes it somewhere and wanders on; latents (6) are a rotation of both.

    Two more numbers are noise that hardly varies: slow in nothing but its size.
    """
    draw = torch.Generator().manual_seed(seed)
    hand, thing, aim = (torch.rand(episodes, 2, generator=draw) * 2 - 1 for _ in range(3))
    latents, actions = [], []
    for step in range(steps + 1):
        idle = 0.03 * torch.randn(episodes, 2, generator=draw)
        latents.append(torch.cat([hand, thing, idle], dim=1) @ MIX)
        held = (hand - thing).norm(dim=1, keepdim=True) < 0.15
        arrived = (thing - aim).norm(dim=1, keepdim=True) < 0.1
        towards = torch.where(held, aim - hand, thing - hand)
        action = torch.where(arrived, torch.randn(episodes, 2, generator=draw), 2 * towards).clamp(-1, 1)
        action = (action + 0.2 * torch.randn(episodes, 2, generator=draw)).clamp(-1, 1)
        if step < steps:
            actions.append(action)
        moved = hand + 0.15 * action
        thing = torch.where(held & ~arrived, thing + moved - hand, thing)
        hand = moved
    return Trajectories.of(torch.stack(latents, dim=1), torch.stack(actions, dim=1))


@pytest.fixture(scope="module")
def data():
    return hands_and_objects(200, 0)


def test_the_slowest_features_are_where_the_object_is(data):
    slow = SlowFeatures(6, 2)
    slow.fit(data, 1)
    features, thing = slow(data.latents), (data.latents @ MIX.T)[:, 2:4]
    known = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    left = thing - known @ torch.linalg.lstsq(known, thing).solution
    assert (left.var(dim=0) < 0.1 * thing.var(dim=0)).all()
    assert features.mean(dim=0).abs().max() < 1e-3 and (features.std(dim=0) - 1).abs().max() < 0.2
    again = SlowFeatures(6, 2)
    again.fit(data, 1)
    assert torch.equal(again.directions, slow.directions)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="7 of latents of 6 numbers: expected 1 to 6"):
        SlowFeatures(6, 7)
    with pytest.raises(ValueError, match="no episode is longer than 40"):
        SlowFeatures(6, 2).fit(hands_and_objects(2, 0), 40)
    with pytest.raises(ValueError, match=r"moved=0.5 needs slow features"):
        PriorConfig(moved=0.5)
    with pytest.raises(ValueError, match=r"numbers from 0 up, got -1"):
        PriorConfig(slow=-1)
    prior = ActionPrior(6, 2, PriorConfig(slow=2, moved=99.0, horizon=4, farthest=4))
    with pytest.raises(ValueError, match=r"moved=99.0: of 40 pairs of moments none is that far apart"):
        prior.pairs(hands_and_objects(4, 0), 8, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def config():
    return PriorConfig(horizon=2, farthest=25, slow=2, moved=0.5, width=64, steps=800, batch=128)


def test_it_is_trained_where_the_object_moves(data, config):
    prior = ActionPrior(6, 2, config)
    prior.slow.fit(data, 1)
    rows, ahead = prior.pairs(data, 200, torch.Generator().manual_seed(0))
    assert 0 < len(rows) <= 200 and (ahead <= data.left[rows]).all()
    features = prior.slow(data.latents)
    assert ((features[rows + ahead] - features[rows]).norm(dim=1) >= 0.5).all()


def test_it_goes_to_the_object_although_the_hand_is_elsewhere_in_the_goal(data, config):
    """What a prior that sees whole goals gets wrong: it brings the hand to where the goal shows it."""
    prior, _ = train_prior(data, config)
    draw = torch.Generator().manual_seed(3)
    hand, thing, aim = (torch.rand(300, 2, generator=draw) * 1.6 - 0.8 for _ in range(3))
    far = ((hand - thing).norm(dim=1) > 0.4) & ((aim - thing).norm(dim=1) > 0.4)
    hand, thing, aim = hand[far], thing[far], aim[far]
    idle = torch.zeros(len(hand), 2)
    here = torch.cat([hand, thing, idle], dim=1) @ MIX
    goal = torch.cat([-thing, aim, idle], dim=1) @ MIX  # the hand across from the object
    first = prior(here, goal)[0][:, 0]
    assert (torch.nn.functional.cosine_similarity(first, thing - hand) > 0.7).float().mean() > 0.9
