"""The prior over commands learns what leads where."""

import math

import pytest
import torch

from world_model.heads import ActionPrior, PriorConfig, train_prior


@pytest.fixture(scope="module")
def walk():
    """A point that steps by its commands, two a latent step, and what a straight way to each goal looks like."""
    draw = torch.Generator().manual_seed(0)
    heading = torch.randn(300, 1, 2, generator=draw)
    actions = (0.5 * heading + 0.05 * torch.randn(300, 24, 2, generator=draw)).clamp(-1, 1)
    steps = actions.view(300, 12, 2, 2).sum(2)
    latents = torch.cat([torch.zeros(300, 1, 2), steps.cumsum(1)], dim=1) + torch.randn(300, 1, 2, generator=draw)
    return latents, actions


@pytest.fixture(scope="module")
def trained(walk):
    return train_prior(*walk, PriorConfig(horizon=4, frameskip=2, width=64, steps=600, batch=128))


def test_training_lowers_the_likelihood_loss(trained):
    _, losses = trained
    # Knowing nothing but the spread of commands (0.5) costs 0.5 ln(2 pi e 0.25) = 0.73 nats.
    assert losses[0] > 0.73 and sum(losses[-20:]) / 20 < 0.73 - 1.0
    assert all(math.isfinite(loss) for loss in losses)


def test_its_commands_lead_to_the_goal(trained):
    prior, _ = trained
    start = torch.tensor([[0.2, -0.3], [0.0, 0.5]])
    offset = torch.tensor([[1.2, 0.8], [-1.0, 0.4]])
    samples = prior.sample(start, start + offset, [torch.Generator().manual_seed(b) for b in range(2)], 64)
    assert samples.shape == (2, 64, 4, 2)
    ends = samples.sum(2).mean(1)
    apart = (ends - offset).norm(dim=1)
    assert (apart < 0.6 * offset.norm(dim=1)).all()  # the goal may be one step away or two
    assert torch.nn.functional.cosine_similarity(ends, offset).min() > 0.95


def test_a_batch_equals_singles(trained):
    prior, _ = trained
    latents, goals = torch.randn(3, 2), torch.randn(3, 2)
    together = prior.sample(latents, goals, [torch.Generator().manual_seed(b) for b in range(3)], 5)
    for b in range(3):
        alone = prior.sample(latents[b : b + 1], goals[b : b + 1], [torch.Generator().manual_seed(b)], 5)
        assert torch.equal(alone[0], together[b])


def test_same_seed_same_prior(walk):
    config = PriorConfig(horizon=4, frameskip=2, width=8, steps=3, batch=8)
    torch.manual_seed(5)
    first, losses = train_prior(*walk, config, seed=3)
    torch.manual_seed(6)
    second, again = train_prior(*walk, config, seed=3)
    assert losses == again
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert isinstance(first, ActionPrior) and not any(p.requires_grad for p in first.parameters())


def test_what_does_not_fit_is_named(walk):
    latents, actions = walk
    with pytest.raises(ValueError, match=r"ask for actions \(300, 24, A\), got \(300, 20, 2\)"):
        train_prior(latents, actions[:, :20], PriorConfig(horizon=4, frameskip=2))
    with pytest.raises(ValueError, match="13 latent steps are too short for a horizon of 13"):
        train_prior(latents, actions, PriorConfig(horizon=26, frameskip=2))
    with pytest.raises(ValueError, match="width must be at least 1"):
        PriorConfig(width=0)
