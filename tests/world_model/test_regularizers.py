import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from forearm.world_model import JEPA, LossConfig, ModelConfig
from forearm.world_model.model.batch_norm import WholeBatchNorm
from forearm.world_model.training import regularizers
from forearm.world_model.training.losses import JepaLoss
from forearm.world_model.training.regularizers import random_directions, sigreg, vicreg


def directions(dim, count=64):
    return random_directions(count, dim, torch.Generator().manual_seed(0), torch.device("cpu"))


def reference(latents, dirs, knots=17, span=3.0):
    """The formula as it is written: every knot's cosine and sine on its own."""
    t = torch.linspace(0, span, knots, dtype=torch.float64)
    values = (latents.double() @ dirs.double().T)[..., None] * t
    error = (values.cos().mean(0) - torch.exp(-(t**2) / 2)) ** 2 + values.sin().mean(0) ** 2
    return 2 * len(latents) * torch.trapezoid(error * torch.exp(-(t**2) / 2), t, dim=-1).mean()


def test_the_recurrence_equals_the_formula():
    latents = torch.randn(50, 3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = (one(latents, directions(8).double()).item() for one in (sigreg, reference))
    assert ours == pytest.approx(theirs, rel=1e-12)


def everything_at_once(angle, knots):
    """As on a GPU."""
    angles = angle * torch.arange(1, knots + 1)[:, None, None, None]
    yield angles.cos(), angles.sin()


@pytest.mark.parametrize("multiples", [regularizers._multiples, everything_at_once])
def test_its_gradient_is_that_of_the_formula(monkeypatch, multiples):
    monkeypatch.setattr(regularizers, "_multiples", multiples)
    latents = torch.randn(20, 3, 8, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    ours, theirs = latents.clone().requires_grad_(), latents.clone().requires_grad_()
    sigreg(ours, directions(8).double()).backward()
    reference(theirs, directions(8)).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("count", [64, 512])
def test_gaussian_latents_cost_about_one_and_others_more(count):
    generator = torch.Generator().manual_seed(2)
    gaussian = torch.randn(count, 4, 16, generator=generator)
    base = sigreg(gaussian, directions(16)).item()
    assert 0.5 < base < 2.0
    assert sigreg(torch.zeros(count, 4, 16), directions(16)).item() > 5 * base
    assert sigreg(3 * gaussian, directions(16)).item() > 3 * base
    line = gaussian[..., :1].expand(-1, -1, 16)
    assert sigreg(line, directions(16)).item() > 3 * base


def test_its_gradient_undoes_a_collapse():
    latents = (0.05 * torch.randn(128, 1, 4, generator=torch.Generator().manual_seed(3))).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        sigreg(latents, directions(4)).backward()
        optimizer.step()
    assert 0.7 < latents.detach().std().item() < 1.3


def test_vicreg_punishes_collapse_and_correlation():
    gaussian = torch.randn(256, 2, 8, generator=torch.Generator().manual_seed(4))
    assert vicreg(gaussian) < vicreg(0.1 * gaussian)
    assert vicreg(gaussian) < vicreg(gaussian[..., :1].expand(-1, -1, 8))


def objective(latents):
    norm = WholeBatchNorm(6).to(latents)
    normal = norm(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
    return sigreg(normal, directions(6).to(latents)) + vicreg(latents) + (normal**3).mean(), norm


def _share(rank, world, path, latents, results):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=world)
    mine = latents.chunk(world)[rank].clone().requires_grad_()
    loss, norm = objective(mine)
    loss.backward()
    results[rank] = (loss.item(), mine.grad.tolist(), norm.running_mean.tolist(), norm.running_var.tolist())
    dist.destroy_process_group()


def test_two_processes_give_the_statistics_of_one(tmp_path):
    latents = torch.randn(64, 2, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    whole = latents.clone().requires_grad_()
    loss, norm = objective(whole)
    loss.backward()
    with mp.Manager() as manager:
        results = manager.dict()
        mp.spawn(_share, (2, tmp_path / "rendezvous", latents, results), nprocs=2)
        found = dict(results)
    assert math.isclose(sum(found[rank][0] for rank in range(2)) / 2, loss.item(), rel_tol=1e-12)
    for rank in range(2):
        gradient = torch.tensor(found[rank][1], dtype=torch.float64)
        # Each share has an effect on both processes' losses; averaging, as of the parameters' gradients, gives one's.
        torch.testing.assert_close(gradient / 2, whole.grad.chunk(2)[rank], rtol=1e-10, atol=1e-12)
        for buffer, of_rank in ((norm.running_mean, found[rank][2]), (norm.running_var, found[rank][3])):
            torch.testing.assert_close(torch.tensor(of_rank, dtype=torch.float64), buffer, rtol=1e-12, atol=1e-14)


def test_the_regularizer_is_taken_in_full_precision():
    model = JEPA(ModelConfig(resolution=32, latent_dim=8, width=8, predictor_width=16, history=1, frameskip=1))
    latents = torch.randn(64 * 2, 8, generator=torch.Generator().manual_seed(6))
    model.encode = lambda frames: latents
    batch = {"pixels": torch.zeros(64, 2, 32, 32, 3, dtype=torch.uint8), "actions": torch.zeros(64, 1, 4)}
    for regularizer in ("sigreg", "vicreg"):
        loss = JepaLoss(model, LossConfig(rollout=1, regularizer=regularizer), seed=0)
        plain = loss(model, batch, 0)["regularizer"]
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(loss(model, batch, 0)["regularizer"], plain)
