"""The prior over commands learns what leads where."""

import math
from dataclasses import replace

import pytest
import torch

from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig, advantage_weights, prior_loss, train_prior
from forearm.world_model.heads.trajectories import Trajectories


def walk(episodes, seed):
    """A point that steps by its commands, along a heading of each episode's own."""
    draw = torch.Generator().manual_seed(seed)
    heading = torch.randn(episodes, 1, 2, generator=draw)
    actions = (0.5 * heading + 0.05 * torch.randn(episodes, 12, 2, generator=draw)).clamp(-1, 1)
    latents = torch.cat([torch.zeros(episodes, 1, 2), actions.cumsum(1)], dim=1)
    return Trajectories.of(latents + torch.randn(episodes, 1, 2, generator=draw), actions)


CONFIG = PriorConfig(horizon=4, farthest=4, width=64, steps=600, batch=128)


@pytest.fixture(scope="module")
def trained():
    return train_prior(walk(300, 0), CONFIG)


def test_it_beats_a_gaussian_that_knows_no_latents_on_new_episodes(trained):
    prior, losses = trained
    data, new = walk(300, 0), walk(60, 1)
    own, others = (part.actions[part.left > 0] for part in (data, new))
    marginal = -torch.distributions.Normal(own.mean(0), own.std(0)).log_prob(others).mean()
    draw = torch.Generator().manual_seed(2)
    assert prior_loss(prior, new, *new.pairs(2000, 4, draw)) < marginal - 0.7
    assert sum(losses[-20:]) < sum(losses[:20]) and all(math.isfinite(loss) for loss in losses)


def test_its_commands_lead_to_the_goal(trained):
    prior, _ = trained
    start = torch.tensor([[0.2, -0.3], [0.0, 0.5]])
    offset = torch.tensor([[1.2, 0.8], [-1.0, 0.4]])
    noise = torch.randn(2, 64, 4, 2, generator=torch.Generator().manual_seed(0))
    samples = prior.sample(start, start + offset, noise)
    assert samples.shape == (2, 64, 4, 2)
    ends = samples.sum(2).mean(1)
    assert ((ends - offset).norm(dim=1) < 0.6 * offset.norm(dim=1)).all()  # the goal may be nearer than the horizon
    assert torch.nn.functional.cosine_similarity(ends, offset).min() > 0.95


def test_a_batch_equals_singles(trained):
    prior, _ = trained
    draw = torch.Generator().manual_seed(3)
    latents, goals, noise = (torch.randn(3, *shape, generator=draw) for shape in ((2,), (2,), (5, 4, 2)))
    together = prior.sample(latents, goals, noise)
    for b in range(3):
        alone = prior.sample(latents[b : b + 1], goals[b : b + 1], noise[b : b + 1])
        assert torch.equal(alone[0], together[b])


def test_what_comes_after_the_goal_does_not_count(trained):
    prior, _ = trained
    data = walk(5, 4)
    rows, ahead = torch.tensor([0, 13]), torch.tensor([2, 1])
    changed = data.actions.clone()
    changed[[2, 3, 14, 15]] = 100.0
    other = Trajectories(data.latents, changed, data.left)
    assert prior_loss(prior, data, rows, ahead) == prior_loss(prior, other, rows, ahead)
    changed[1] = 100.0
    assert prior_loss(prior, data, rows, ahead) < prior_loss(prior, other, rows, ahead)


def test_commands_that_bring_the_goal_nearer_weigh_more():
    """From 0, a quarter of the episodes step right at once, the others left first: all come to 2 in the end."""
    straight, detour = torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.tensor([-1.0, 0.5, 1.2, 1.3])
    actions = torch.stack([straight, detour, detour, detour]).repeat(25, 1)[..., None]
    latents = torch.cat([torch.zeros(100, 1, 1), actions.cumsum(1)], dim=1)
    data = Trajectories.of(latents, actions)
    rows, ahead = torch.tensor([0, 5]), torch.tensor([4, 4])
    weights = advantage_weights(lambda z, g: (g - z).abs().squeeze(-1), data, rows, ahead, 4, 1.0)
    assert weights.mean() == pytest.approx(1.0)
    # Two steps later the goal is 2 nearer for the one, half a step further away for the other.
    assert (weights[0] / weights[1]).log() == pytest.approx(2.5)

    def first(advantage):
        config = PriorConfig(horizon=4, farthest=4, width=32, steps=300, batch=128, advantage=advantage)
        prior, _ = train_prior(data, config, distance=lambda z, g: (g - z).abs().squeeze(-1))
        return prior(torch.zeros(1, 1), torch.full((1, 1), 2.0))[0][0, 0, 0].item()

    usual, better = first(0.0), first(2.0)
    assert usual < 0.6 and better > 0.85
    with pytest.raises(ValueError, match="needs a distance"):
        train_prior(data, PriorConfig(advantage=1.0, steps=1))


def test_same_seed_same_prior():
    config = PriorConfig(horizon=4, width=8, steps=3, batch=8)
    torch.manual_seed(5)
    first, losses = train_prior(walk(300, 0), config, seed=3)
    torch.manual_seed(6)
    second, again = train_prior(walk(300, 0), config, seed=3)
    assert losses == again
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert isinstance(first, ActionPrior) and not any(p.requires_grad for p in first.parameters())


def test_it_sees_joint_readings_where_there_are_any():
    data, new = walk(300, 0), walk(60, 1)
    # A number that no latent shows, and that the commands after it depend on.
    told, unseen = (
        0.3 * torch.randn(len(part.left), 1, generator=torch.Generator().manual_seed(9)) for part in (data, new)
    )
    shown, blind = [], []
    for part, readings in ((data, told), (new, unseen)):
        changed = part.actions + readings
        shown.append(Trajectories(part.latents, changed, part.left, readings))
        blind.append(Trajectories(part.latents, changed, part.left))
    config = replace(CONFIG, horizon=1, steps=300)
    rows, ahead = shown[1].pairs(2000, 4, torch.Generator().manual_seed(2))
    with_readings, without = (train_prior(parts[0], config)[0] for parts in (shown, blind))
    assert prior_loss(with_readings, shown[1], rows, ahead) < prior_loss(without, blind[1], rows, ahead) - 0.3
    assert with_readings.readings == 1 and without.readings == 0


def test_pairs_stay_in_their_episode():
    lengths = [1, 2, 7, 3]
    episode = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))
    left = torch.cat([torch.arange(n - 1, -1, -1) for n in lengths])
    data = Trajectories(torch.zeros(13, 2), torch.zeros(13, 1), left)
    rows, ahead = data.pairs(2000, 5, torch.Generator().manual_seed(0))
    assert torch.equal(episode[rows], episode[rows + ahead])
    assert set(ahead.tolist()) == {1, 2, 3, 4, 5} and set(rows.tolist()) == set(torch.nonzero(left)[:, 0].tolist())


def test_what_does_not_fit_is_named(trained):
    with pytest.raises(ValueError, match=r"ask for actions \(3, 4, A\), got \(3, 5, 1\)"):
        Trajectories.of(torch.zeros(3, 5, 2), torch.zeros(3, 5, 1))
    with pytest.raises(ValueError, match="episodes need two latents or more"):
        Trajectories(torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected \(F, D\)|shapes \(F, D\) and \(F, A\)"):
        Trajectories(torch.zeros(3, 2), torch.zeros(2, 1), torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"readings must have shape \(F, P\), got \(2, 5\) beside 3 latents"):
        Trajectories(torch.zeros(3, 2), torch.zeros(3, 1), torch.ones(3, dtype=torch.int64), torch.zeros(2, 5))
    with pytest.raises(ValueError, match="width must be at least 1"):
        PriorConfig(width=0)
    with pytest.raises(ValueError, match="rate must be positive"):
        PriorConfig(rate=0.0)
    with pytest.raises(ValueError, match=r"noise has shape \(2, 5, 3, 2\); expected \(2, count, 4, 2\)"):
        trained[0].sample(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, 5, 3, 2))
