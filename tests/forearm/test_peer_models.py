"""Other projects' world models and solvers, as ones to plan with.

What LeWorldModel predicts was measured with stable-worldmodel 0.1.1's own LeWM beside transformers 4.57.6 and 5.23.0,
torch 2.13.0, with the weights of `peer_weights`.
"""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import forearm
from forearm.errors import ForearmError, InputError
from forearm.integrations.lewm import load_lewm
from forearm.integrations.torch_world import TorchWorldModel
from forearm.planner import LatentDistance, Problem
from forearm.world_model.runtime.latent_dynamics import LatentState
from tests.forearm.peer_weights import state_dict

LATENTS = [[-0.27766, -0.458095, -0.405789, -0.266651], [-0.250343, -0.424298, -0.369641, -0.23257]]
FROM_ONE = [[0.116313, 0.840456, 0.439435, -0.48991], [0.167045, 0.781109, 0.3503, -0.488243]]
FROM_THREE = [[0.115879, 0.838942, 0.43889, -0.488749], [0.11356, 0.814875, 0.425634, -0.473259]]
"""Of the first two candidates, the first four numbers of their last latents."""
FRAMES = np.random.RandomState(0).randint(0, 256, (4, 28, 28, 3)).astype(np.uint8)
ACTIONS = torch.from_numpy(np.random.RandomState(1).uniform(-1, 1, (1, 5, 8, 4)).astype(np.float32))


@pytest.fixture(params=[4, 5])
def weights(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "lewm.safetensors"
    save_file(state_dict(request.param), path)
    return path


def test_leworldmodel_sees_and_predicts_what_its_own_code_does(weights: Path) -> None:
    model = load_lewm(weights, action_dim=4)
    assert (model.frameskip, model.history, model.resolution) == (2, 1, 28)
    latents = model.encode(FRAMES)
    close = {"abs": 2e-5}
    assert latents[:2, :4].tolist() == [pytest.approx(row, **close) for row in LATENTS]
    found = model.rollout(LatentState(latents[None, :1], torch.zeros(1, 0, 4)), ACTIONS)
    assert found.shape == (1, 5, 4, 24)
    assert found[0, :2, -1, :4].tolist() == [pytest.approx(row, **close) for row in FROM_ONE]
    model = load_lewm(weights, action_dim=4, history=3)
    found = model.rollout(LatentState(latents[None, :3], ACTIONS[:, 0, :4]), ACTIONS[:, :, 4:])
    assert found[0, :2, -1, :4].tolist() == [pytest.approx(row, **close) for row in FROM_THREE]


def test_leworldmodel_keeps_the_contract(weights: Path) -> None:
    for history in (1, 3):
        model = load_lewm(weights, 4, history=history, resolution=20)
        assert forearm.check_model(model, gradients=True) == []


def test_commands_are_normalised_as_in_its_data(weights: Path) -> None:
    mean, std = [0.1, -0.2, 0.3, 0.0], [0.5, 1.0, 2.0, 0.1]
    plain, scaled = load_lewm(weights, 4), load_lewm(weights, 4, mean, std)
    state = LatentState(plain.encode(FRAMES[:1])[None], torch.zeros(1, 0, 4))
    given = ACTIONS * torch.tensor(std) + torch.tensor(mean)
    torch.testing.assert_close(scaled.rollout(state, given), plain.rollout(state, ACTIONS))
    assert scaled.fingerprint != plain.fingerprint == load_lewm(weights, 4).fingerprint


def test_a_file_of_lightning_has_another_prefix(tmp_path: Path, weights: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({f"model.{key}": tensor for key, tensor in state_dict().items()}, other)
    assert torch.equal(load_lewm(other, 4).encode(FRAMES), load_lewm(weights, 4).encode(FRAMES))


def test_what_is_no_leworldmodel_is_said(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ForearmError, match=r"nowhere\.safetensors: cannot be read"):
        load_lewm(tmp_path / "nowhere.safetensors", 4)
    (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(ForearmError, match=r"is no safetensors file .* convert the state dict first"):
        load_lewm(tmp_path / "weights.pt", 4)
    save_file({"net.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ForearmError, match=r"has no 'encoder\.embeddings\.cls_token', so it is no state dict"):
        load_lewm(tmp_path / "other.safetensors", 4)
    with pytest.raises(ForearmError, match="takes actions of 8 numbers, no multiple of action_dim=3"):
        load_lewm(weights, 3)
    with pytest.raises(InputError, match="history=4: expected 1 to 3"):
        load_lewm(weights, 4, history=4)
    with pytest.raises(InputError, match="expected one number, or 4"):
        load_lewm(weights, 4, action_mean=[0.0, 1.0])
    with pytest.raises(InputError, match=r"action_std is 0\.0: expected numbers above 0"):
        load_lewm(weights, 4, action_std=0.0)


class Foreign(torch.nn.Module):
    """The interface of torch-world's models, with patches for latents."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(pixels.flatten(0, 1), 8).flatten(2).unflatten(0, pixels.shape[:2])

    def rollout(self, z: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        for t in range(z.shape[1], actions.shape[1] + 1):
            seen = slice(t - 2, t)
            moved = actions[:, seen].sum((1, 2))[:, None, None]
            z = torch.cat([z, (z[:, seen].mean(1) + 0.1 * moved)[:, None]], dim=1)
        return z


def test_a_model_of_torch_worlds_kind_is_given_frames_and_blocks() -> None:
    model = TorchWorldModel(Foreign(), 16, 4, frameskip=2, history=2, action_mean=0.5, action_std=2.0, pixel_mean=0.5)
    assert forearm.check_model(model) == []
    frames = np.full((1, 16, 16, 3), 255, np.uint8)
    frames[..., 0] = 0
    assert model.encode(frames)[0].tolist() == [[-0.5] * 4, [0.5] * 4, [0.5] * 4]
    state = LatentState(torch.stack([torch.zeros(3, 4), torch.ones(3, 4)])[None], torch.full((1, 2, 4), 2.5))
    found = model.rollout(state, torch.full((1, 2, 2, 4), 0.5))
    assert found.shape == (1, 2, 1, 3, 4)
    assert found.flatten().tolist() == pytest.approx([0.5 + 0.1 * 8] * 24)
    with pytest.raises(ForearmError, match="Linear has no encode: expected a world model of torch-world"):
        TorchWorldModel(torch.nn.Linear(1, 1), 16, 4)


def test_torch_worlds_own_model_predicts_the_same() -> None:
    models = pytest.importorskip("torch_world.models")
    encoders = pytest.importorskip("torch_world.nn")
    torch.manual_seed(0)
    encoder = encoders.CLSEncoder(img_size=32, patch_size=8, embed_dim=64, depth=1)
    theirs = models.LeWM(encoder, action_dim=8, embed_dim=64, depth=1, num_heads=2, proj_dim=64, mlp_dim=64).eval()
    for parameter in theirs.parameters():  # what modulates begins at zero: actions would not matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours = TorchWorldModel(theirs, 32, 4, frameskip=2, history=2)
    assert forearm.check_model(ours) == []
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    latents = theirs.encode(torch.from_numpy(frames).permute(0, 3, 1, 2)[None] / 255)
    torch.testing.assert_close(ours.encode(frames), latents[0])
    past, actions = torch.rand(1, 2, 4), torch.rand(1, 5, 6, 4)
    found = ours.rollout(LatentState(latents, past), actions)
    for k in range(5):
        blocks = torch.cat([past, actions[:, k]], dim=1).unflatten(1, (4, 2)).flatten(2)
        torch.testing.assert_close(found[0, k], theirs.rollout(latents, blocks)[0, 2:])


class CEMSolver:
    """As stable-worldmodel's is called; candidates far outside the bounds are among its own."""

    def __init__(self, model: Any, **settings: Any) -> None:
        self.model, self.settings, self.starts = model, settings, []
        self.torch_gen = torch.Generator()

    def configure(self, *, action_space: Any, n_envs: int, config: Any) -> None:
        self.shape = (config.horizon * config.action_block, action_space.shape[1])

    def solve(self, info: Any, init_action: Any = None) -> dict[str, Any]:
        self.starts.append(init_action)
        candidates = 3 * torch.randn(1, self.settings["num_samples"], *self.shape, generator=self.torch_gen)
        best = self.model.get_cost(info, candidates).argmin(dim=1)
        sys.stdout.write("CEM solve time")
        return {"actions": candidates[0, best]}


class Drift:
    def rollout(self, state: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return state[:, None, None] + 0.1 * actions.cumsum(dim=2)


def drift(batch: int = 1) -> Problem:
    low, high = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 1.0])
    goal = LatentDistance(torch.tensor([[0.8, 0.3]]).expand(batch, -1))
    return Problem(Drift(), goal, torch.zeros(batch, 2), low, high, batch, 0.1)


def test_a_solver_of_stable_worldmodel_is_a_planner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forearm.integrations.stable_worldmodel import CEM, MPPIConfig, SolverConfig

    made = types.SimpleNamespace(CEMSolver=CEMSolver)
    monkeypatch.setitem(sys.modules, "stable_worldmodel", types.ModuleType("stable_worldmodel"))
    monkeypatch.setitem(sys.modules, "stable_worldmodel.solver", made)
    planner = CEM(SolverConfig(horizon=6, action_repeat=2, samples=200, iterations=3, elites=9, std=0.7))
    assert planner._solver.settings == {"num_samples": 200, "n_steps": 3, "topk": 9, "var_scale": 0.7}
    stream = torch.Generator().manual_seed(0)
    [plan] = planner.plan(drift(), [stream])
    assert plan.actions.shape == (6, 2) and (plan.actions[::2] == plan.actions[1::2]).all()
    assert (plan.actions >= [-2, 0]).all() and (plan.actions <= [2, 1]).all() and plan.model_evals == 600
    end = 0.1 * plan.actions.sum(axis=0)
    assert plan.cost == pytest.approx(float(np.square(end - [0.8, 0.3]).mean()), rel=1e-4) and plan.cost < 0.02
    [later] = planner.plan(drift(), [stream], [plan], elapsed_steps=2)
    [start] = planner._solver.starts[1]
    assert start.numpy() == pytest.approx((plan.actions[2::2] - [0, 0.5]) / [2, 0.5], abs=1e-6)
    assert later != plan and capsys.readouterr().out == ""
    again, stream = CEM(planner.config), torch.Generator().manual_seed(0)
    assert np.array_equal(again.plan(drift(), [stream])[0].actions, plan.actions)
    with pytest.raises(InputError, match="plans one episode at a time, not 2: give batch=1"):
        planner.plan(drift(2), [stream, stream])
    for settings, said in (
        ({"horizon": 5, "action_repeat": 2}, "action_repeat=2 must divide horizon=5"),
        ({"elites": 40, "samples": 8}, "elites .40. is larger than samples .8."),
        ({"temperature": 0.0}, "temperature"),
    ):
        with pytest.raises(InputError, match=said):
            MPPIConfig(**settings)


def test_the_solvers_of_the_package_itself_reach_a_goal() -> None:
    pytest.importorskip("stable_worldmodel.solver")
    from forearm.integrations.stable_worldmodel import CEM, ICEM, MPPI, MPPIConfig, SolverConfig

    for kind, config in ((CEM, SolverConfig), (ICEM, SolverConfig), (MPPI, MPPIConfig)):
        planner = kind(config(horizon=6, samples=64, iterations=6, elites=8))
        [plan] = planner.plan(drift(), [torch.Generator().manual_seed(0)])
        assert plan.cost < 0.02, plan.planner


def test_without_the_package_its_solvers_say_so(monkeypatch: pytest.MonkeyPatch, failing: Any, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "stable_worldmodel", None)
    monkeypatch.setitem(sys.modules, "stable_worldmodel.solver", None)
    said = failing("plan", "task=reach", "planner=forearm.integrations.stable_worldmodel:CEM", f"out={tmp_path}/p.json")
    assert "planner stable-worldmodel CEM needs stable-worldmodel" in said
