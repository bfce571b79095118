"""The learned distance tells near from far, also where the way leads round a wall."""

import math

import pytest
import torch

from forearm.world_model.heads.distance import DistanceConfig, QuasimetricDistance
from forearm.world_model.heads.distances import make_distance, train_distance
from forearm.world_model.heads.training import ordered
from forearm.world_model.heads.trajectories import Trajectories


def hairpin(episodes, seed):
    """Walks there and back on a hairpin road: its two arms are near to each other in the plane and far on foot."""
    draw = torch.Generator().manual_seed(seed)
    along = 1.9 * torch.rand(episodes, 1, generator=draw) + 0.15 * torch.arange(25)
    along = torch.where(torch.rand(episodes, 1, generator=draw) < 0.5, 5.5 - along, along)
    latents = at(along) + 0.01 * torch.randn(episodes, 25, 2, generator=draw)
    return Trajectories.of(latents, torch.zeros(episodes, 24, 1))


def at(along):
    """Points (…, 2) of the road at distances `along` it: out 2.5, across 0.5, and back."""
    along = torch.as_tensor(along)
    return torch.stack([torch.minimum(along, 5.5 - along).clamp(max=2.5), (along - 2.5).clamp(0.0, 0.5)], dim=-1)


@pytest.fixture(scope="module", params=["reachability", "quasimetric", "value"])
def trained(request):
    more = {"steps": 2000, "patience": 30.0, "stride": 2} if request.param == "value" else {"steps": 500}
    config = DistanceConfig(kind=request.param, farthest=30, width=64, batch=128, noise=0.02, **more)
    return train_distance(hairpin(300, 0), config)


def test_it_ranks_near_before_far_on_new_episodes(trained):
    distance, losses = trained
    assert ordered(distance, hairpin(60, 1), 20) > 0.85
    assert sum(losses[-20:]) < sum(losses[:20])


def test_it_goes_round_where_the_plane_would_go_straight(trained):
    distance, _ = trained
    start, goals = at([1.0, 1.0]), at([2.0, 4.5])
    assert (start - goals).norm(dim=1).diff() < 0  # in the plane the second is nearer
    with torch.no_grad():
        near, far = distance(start, goals)  # 7 and 23 steps
    assert 3.0 < near < 15.0 and far > near + 1.0


def test_a_latent_is_nearest_to_itself(trained):
    distance, _ = trained
    points, others = at([0.5, 2.0, 4.0]), at([2.0, 4.0, 0.5])
    with torch.no_grad():
        here, there = distance(points, points), distance(points, others)
    assert (here < 3.0).all() and (here < there).all()


def test_gradients_point_towards_the_goal(trained):
    distance, _ = trained
    start = at([1.0]).requires_grad_(True)
    distance(start, at([1.8])).sum().backward()
    assert start.grad[0, 0] < 0


def test_the_quasimetric_is_one_before_it_is_trained():
    torch.manual_seed(0)
    distance = QuasimetricDistance(6, DistanceConfig(kind="quasimetric", width=16))
    draw = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(500, 6, generator=draw) for _ in range(3))
    with torch.no_grad():
        assert torch.equal(distance(a, a), torch.zeros(500)) and (distance(a, b) >= 0).all()
        assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-5).all()
        assert not torch.allclose(distance(a, b), distance(b, a))


def test_interval_lengths_by_hand():
    distance = QuasimetricDistance(2, DistanceConfig(kind="quasimetric", width=4))
    # Two components: [0, 2] and [1, 3] cover 3; [0, 1] and the empty [5, 5] cover 1.
    start, end = torch.tensor([[[0.0, 1.0], [5.0, 0.0]]]), torch.tensor([[[2.0, 3.0], [4.0, 1.0]]])
    assert distance.between(start, end).item() == pytest.approx(0.5 * 3.0 + 0.5 * 2.0)


def test_value_is_that_of_the_shortest_way_also_where_nobody_went_all_of_it():
    """Walks to and fro on a line of 13 places, 6 steps each: none comes from one end to the other."""
    draw = torch.Generator().manual_seed(0)
    first = torch.randint(13, (600, 1), generator=draw)
    moves = torch.randint(2, (600, 6), generator=draw) * 2 - 1
    places = torch.cat([first, first + moves.cumsum(1)], dim=1).clamp(0, 12)
    latents = torch.nn.functional.one_hot(places, 13).float()
    data = Trajectories.of(latents, torch.zeros(600, 6, 1))
    settings = {"farthest": 20, "width": 64, "batch": 256, "noise": 0.0, "rate": 2e-3}
    config = DistanceConfig(kind="value", patience=30.0, expectile=0.9, steps=2500, **settings)
    distance, _ = train_distance(data, config)
    place = torch.eye(13)
    with torch.no_grad():
        steps = distance(place[:1].expand(13, -1), place)
    discounted = (1 - torch.exp(-torch.arange(13) / 30.0)) / (1 - math.exp(-1 / 30.0))
    assert (steps.diff() > 0).all()
    assert (steps[1:] / discounted[1:]).min() > 0.8 and (steps[1:] / discounted[1:]).max() < 1.6


def pushes(episodes, seed):
    """A hand that wanders on a line, first two numbers, and a puck that it takes along in one episode of two."""
    draw = torch.Generator().manual_seed(seed)
    hand = torch.rand(episodes, 1, generator=draw) + 0.3 * torch.randn(episodes, 31, generator=draw).cumsum(1)
    way = torch.rand(episodes, 1, generator=draw) * 2 + 0.1 * torch.arange(31) * (torch.arange(episodes)[:, None] % 2)
    latents = torch.stack([hand, hand.sin(), way], dim=-1) + 0.01 * torch.randn(episodes, 31, 3, generator=draw)
    return Trajectories.of(latents, torch.zeros(episodes, 30, 1))


def test_shown_only_what_is_slow_it_asks_where_the_puck_is_and_not_where_the_hand_is():
    data = pushes(300, 0)
    seeing = DistanceConfig(farthest=30, width=64, batch=128, noise=0.02, steps=600, slow=1, moved=0.2)
    distance, _ = train_distance(data, seeing, stride=5)
    hand, puck = data.latents[:, 0].std() * torch.eye(3)[0], torch.eye(3)[2]
    start = data.latents.mean(0)
    with torch.no_grad():
        there, hand_away, puck_near, puck_away = distance(
            start.expand(4, 3), torch.stack([start, start + hand, start + 0.5 * puck, start + 1.5 * puck])
        )
    assert abs(hand_away - there) < 0.5 and there < 1.0
    assert there + 1.0 < puck_near < puck_away - 1.0


def test_episodes_shorter_than_a_stride_are_refused():
    data = Trajectories.of(torch.zeros(2, 3, 2), torch.zeros(2, 2, 1))
    with pytest.raises(ValueError, match=r"no episode is longer than distance\.stride=5"):
        train_distance(data, DistanceConfig(kind="value", stride=5, steps=1))


def test_bad_settings():
    for settings, message in (
        ({"kind": "euclid"}, "kind is 'euclid': expected one of reachability, quasimetric, value"),
        ({"farthest": 0}, "farthest must be at least 1"),
        ({"elsewhere": 1.0}, "elsewhere must be a share"),
        ({"noise": -1.0}, "noise must not be negative"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"expectile": 1.0}, "expectile must lie between 0.5 and 1"),
        ({"slow": -1}, "slow and moved must be numbers from 0 up"),
        ({"slow": 4, "kind": "value"}, "slow=4 is for distance.kind=reachability"),
    ):
        with pytest.raises(ValueError, match=message):
            DistanceConfig(**settings)
    assert make_distance(3, DistanceConfig()).config.kind == "reachability"
