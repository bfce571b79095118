"""Commands that are absolute joint positions: plans begin at the present pose and keep the steps of the data."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import forearm
from forearm.agent.agent import Agent
from forearm.agent.loaded_model import LoadedModel
from forearm.cli.main import main
from forearm.control import Controller
from forearm.control.plan_source import LocalPlanSource, PlanRequest
from forearm.errors import InputError
from forearm.evaluation.budget import Budget
from forearm.integrations.lerobot_policy import LeRobotPolicy
from forearm.planner.plan import Plan
from forearm.planner.plan_json import PlanError
from forearm.serve.config import ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.running import running
from forearm.serve.server import Server
from forearm.world_model.absolute import AbsolutePositions, looks_absolute
from forearm.world_model.runtime.checkpoint import CheckpointError, load_checkpoint
from forearm.world_model.runtime.tracker import LatentTracker
from tests.control.robots import robot
from tests.forearm.joint_positions import JOINTS, LENGTHS, PERIOD, SETTINGS, dataset, recorded, trained

ROUNDING = 1e-6
SEARCH = {"samples": 32, "elites": 4, "iterations": 2, "horizon": 12}
PLANNERS = ("cem", "mppi", "icem", "cma_es", "predictive_sampling", "random_shooting", "gradient", "dial")


def frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def readings(pose: np.ndarray) -> np.ndarray:
    """As the recording has them: one number before the joints."""
    return np.append(0.0, pose)


def words_to_train(run: Path, out: str) -> list[str]:
    return ["train", "task=own", f"data={run}/data", f"out={run}/{out}", *SETTINGS, "task.resolution=64"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    assert trained(dataset(folder / "data"), folder / "out") == 0
    return folder


@pytest.fixture(scope="module")
def loaded(run: Path) -> LoadedModel:
    return forearm.load(run / "out")


@pytest.fixture(scope="module")
def limits(loaded: LoadedModel) -> AbsolutePositions:
    assert loaded.model.absolute is not None
    return loaded.model.absolute


def check(path: np.ndarray, limits: AbsolutePositions, reading: np.ndarray) -> None:
    """Every step of the commands (N, 8) within the limits, from the reading on, and within the bounds of commands."""
    assert (abs(np.diff(path, axis=0)) <= limits.step + ROUNDING).all()
    first = path[0] - reading
    assert (first >= limits.first_low - ROUNDING).all() and (first <= limits.first_high + ROUNDING).all()
    assert (path >= np.minimum(limits.low, reading) - ROUNDING).all()
    assert (path <= np.maximum(limits.high, reading) + ROUNDING).all()


def test_limits_are_the_recordings(loaded: LoadedModel, limits: AbsolutePositions) -> None:
    data, ends = recorded(), np.cumsum(LENGTHS)
    action, state = data["action"].astype(float), data["observation.state"].astype(float)[:, 1:]
    steps = np.concatenate([abs(np.diff(action[end - n : end], axis=0)) for n, end in zip(LENGTHS, ends, strict=True)])
    assert np.allclose(limits.step, steps.max(0), atol=ROUNDING) and limits.columns == tuple(range(1, 9))
    assert np.allclose(limits.first_low, (action - state).min(0), atol=ROUNDING)
    assert np.allclose(limits.first_high, (action - state).max(0), atol=ROUNDING)
    assert np.allclose(loaded.document["action_low"], action.min(0))
    assert np.allclose(loaded.document["action_high"], action.max(0))
    assert loaded.model.action_std.max() < 0.1 and not loaded.model.action_rest.any()


@pytest.mark.parametrize("name", PLANNERS)
def test_plans_keep_the_steps_from_the_present_pose_on(
    name: str, loaded: LoadedModel, limits: AbsolutePositions
) -> None:
    fits = {key: value for key, value in SEARCH.items() if key in loaded.setup(name).planner_config}
    rng = np.random.default_rng(1)
    for pose in (rng.uniform(limits.low, limits.high), limits.high + 0.2, limits.low):
        plan = loaded.plan(frame(), frame(1), planner=name, proprio=readings(pose), **fits)
        check(plan.actions, limits, pose)
        check(plan.mean, limits, pose)
        assert not np.allclose(plan.actions[1:], plan.actions[:-1])


def test_replans_go_on_from_the_last_command(loaded: LoadedModel, limits: AbsolutePositions) -> None:
    source = LocalPlanSource(loaded.setup("cem", **SEARCH))
    source.begin(frame(1))
    assert source.past_steps == 3
    pose = 0.5 * (limits.low + limits.high)
    path = np.zeros((0, 8))
    for chunk in range(5):
        source.see(chunk * 4 * PERIOD, {"pixels": frame(chunk), "proprio": readings(pose)})
        plan = source.plan(PlanRequest(chunk * 4 * PERIOD, path[:0], path[-3:], elapsed_steps=4 * bool(chunk)))
        path = np.concatenate([path, plan.actions[:4]])
        pose = pose + 0.3 * (path[-1] - pose)  # an arm that stays behind
    check(path, limits, 0.5 * (limits.low + limits.high))
    committed = path[-1] + np.linspace(0.2, 1.0, 4)[:, None] * limits.step
    source.see(9.0, {"pixels": frame(), "proprio": readings(pose)})
    plan = source.plan(PlanRequest(9.0, committed, path[-3:]))
    assert (abs(plan.actions[0] - committed[-1]) <= limits.step + ROUNDING).all()


def test_the_closed_loop_keeps_them(loaded: LoadedModel, limits: AbsolutePositions) -> None:
    setup = loaded.setup("icem", **SEARCH)
    agent = Agent(setup.planner(), setup.planning_model(), replan_every=3)
    agent.reset([frame(1), frame(2)], [0, 1])
    poses = [limits.low.copy(), 0.5 * (limits.low + limits.high)]
    begun, path = [pose.copy() for pose in poses], []
    for step in range(9):
        acts = agent.act([{"pixels": frame(step), "proprio": readings(pose)} for pose in poses])
        poses = [act.action for act in acts if act is not None]
        path.append(poses)
    for b, pose in enumerate(begun):
        check(np.array(path)[:, b], limits, pose)


def test_a_budget_counts_the_evaluations_of_a_search_for_positions(
    loaded: LoadedModel, limits: AbsolutePositions
) -> None:
    setup = Budget.read("evaluations:100").given_to(loaded.setup("cem", **SEARCH))
    assert setup.planner_config["samples"] * setup.planner_config["iterations"] == 100
    pose = 0.5 * (limits.low + limits.high)
    assert setup.plan(frame(1), frame(2), proprio=readings(pose)).model_evals == 100


def test_the_model_is_rolled_out_on_what_is_sent(loaded: LoadedModel, limits: AbsolutePositions) -> None:
    begin = limits.handover(None, limits.high - 0.5 * limits.step)
    wild = torch.rand(1, 5, 12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 0.5
    wild = wild * torch.as_tensor(limits.step)
    positions = limits.positions(wild, begin)
    assert float((positions - torch.as_tensor(limits.high)).max()) <= 0.0  # a bound is met on the way
    kept = limits.kept(wild, begin)
    assert not torch.allclose(kept, wild)
    assert torch.allclose(begin.before[:, None, None] + kept.cumsum(2), positions)
    dynamics = loaded.setup("cem").latent_model()._dynamics
    state = LocalPlanSource(loaded.setup("cem"))
    state.begin(frame(1))
    state.see(0.0, {"pixels": frame(), "proprio": readings(limits.high - 0.5 * limits.step)})
    at = state._tracker.state_at(0.0, np.zeros((0, 8)), np.zeros((0, 8)))
    found = dynamics.rollout(at, wild.float())
    assert torch.allclose(found, dynamics.rollout(at, kept.float()), atol=1e-6)
    assert not torch.allclose(found, dynamics.rollout(replace(at, begin=None), wild.float()), atol=1e-6)


def test_what_is_told_and_refused(run: Path, loaded: LoadedModel, capsys: Any, failing: Callable[..., str]) -> None:
    assert main(["data", "inspect", f"data={run}/data"]) == 0
    shown = capsys.readouterr().out
    assert "absolute joint positions" in shown and "from the reading" in shown and JOINTS[7] in shown
    assert trained(run / "data", run / "again") == 0
    assert "absolute joint positions" in capsys.readouterr().out
    assert trained(run / "data", run / "plain", "absolute=false") == 0
    assert "absolute joint positions" not in capsys.readouterr().out
    assert "absolute_positions" not in json.loads((run / "plain/model.json").read_text())
    with pytest.raises(InputError, match="give `proprio`, 9 numbers"):
        loaded.plan(frame(), frame(1))
    with pytest.raises(InputError, match="expected 9 finite numbers"):
        loaded.plan(frame(), frame(1), proprio=np.zeros(8))
    for number in (0, 1):
        Image.fromarray(frame(number)).save(run / f"{number}.png")
    words = ["plan", "task=own", f"task.checkpoint={run}/out", f"start={run}/0.png", f"goal={run}/1.png"]
    words += ["planner.horizon=12", f"out={run}/plan.json"]
    assert "give proprio=[...], 9 numbers" in failing(*words)
    assert "expected 9 numbers" in failing(*words, "proprio=[1,2]")
    assert "expected 9 numbers" in failing(*words, "proprio=[a,1,1,1,1,1,1,1,1]")
    assert "reads no joints" in failing(*words, f"task.checkpoint={run}/plain", "proprio=[1,2]")
    assert main([*words, "proprio=[0,0,0,0,0,0,0,0,0]"]) == 0
    assert "absolute was None, is True" in failing(*words_to_train(run, "plain"), "absolute=null", "resume=true")


def test_openpis_client_gets_chunks_that_go_on(loaded: LoadedModel, limits: AbsolutePositions) -> None:
    policies = pytest.importorskip("openpi_client.websocket_client_policy")
    brokers = pytest.importorskip("openpi_client.action_chunk_broker")
    setup = loaded.setup("cem", **SEARCH)
    with running(Server(setup, ServeConfig(port=0, execute=4), Goals(None, setup))) as server:
        policy = policies.WebsocketClientPolicy("127.0.0.1", server.port)
        metadata = policy.get_server_metadata()
        assert metadata["proprio_dim"] == 9 and np.allclose(metadata["action_step"], limits.step)
        broker = brokers.ActionChunkBroker(policy, action_horizon=metadata["execute"])
        begun = pose = 0.5 * (limits.low + limits.high)
        path = []
        for step in range(16):
            observation = {"observation/image": frame(step), "observation/state": readings(pose), "goal": frame(99)}
            path.append(broker.infer(observation)["actions"])
            pose = pose + 0.3 * (path[-1] - pose)
        check(np.array(path, np.float64), limits, begun)
        with pytest.raises(RuntimeError, match="expects 9 numbers"):
            policy.infer({"observation/image": frame(), "goal": frame(99)})


@pytest.mark.parametrize("carried_out", [3, 4, 8])
def test_a_client_may_carry_out_more_or_less_than_it_is_told(
    carried_out: int, loaded: LoadedModel, limits: AbsolutePositions
) -> None:
    policies = pytest.importorskip("openpi_client.websocket_client_policy")
    setup = loaded.setup("cem", **SEARCH)
    with running(Server(setup, ServeConfig(port=0, execute=4), Goals(None, setup))) as server:
        policy = policies.WebsocketClientPolicy("127.0.0.1", server.port)
        begun = pose = 0.5 * (limits.low + limits.high)
        path = np.zeros((0, 8))
        for number in range(5):
            seen = {"observation/image": frame(number), "observation/state": readings(pose), "goal": frame(99)}
            path = np.concatenate([path, policy.infer(seen)["actions"][:carried_out]])
            pose = path[-1]
    first = path[::carried_out] - np.concatenate([[begun], path[carried_out - 1 : -1 : carried_out]])
    assert (first >= limits.first_low - ROUNDING).all() and (first <= limits.first_high + ROUNDING).all()
    within = np.delete(abs(np.diff(path, axis=0)), np.arange(carried_out - 1, len(path) - 1, carried_out), 0)
    assert (within <= limits.step + ROUNDING).all()
    assert (abs(first) <= 1.5 * limits.step + ROUNDING).all()


@pytest.mark.parametrize(("at", "found"), [(4.0, 4), (3.9, 4), (8.0, 8), (2.9, 3), (5.2, 5), (6.45, 4)])
def test_what_was_carried_out_is_what_was_told_unless_only_another_number_fits(at: float, found: int) -> None:
    one = np.ones(1)
    limits = AbsolutePositions(-9 * one, 9 * one, 0.2 * one, -0.1 * one, 0.3 * one, (0,), 1)
    assert limits.carried_out(np.arange(1.0, 9.0)[:, None], np.array([at]), 4) == found


ARM = "<mujoco><compiler angle='radian'/><worldbody>{}</worldbody></mujoco>"
LINK = (
    "<body name='l{0}' pos='.1 0 0'><joint name='joint{0}' axis='{1}' range='-3 3'/>"
    "<geom type='capsule' fromto='0 0 0 .08 0 0' size='.01' contype='0' conaffinity='0'/>"
)


class Positions:
    """Commands are positions of all joints."""

    def __init__(self, limits: AbsolutePositions) -> None:
        self.low, self.high, self.period, self.names = limits.low, limits.high, PERIOD, None

    def read(self, observation: Any) -> np.ndarray:
        return np.asarray(observation["proprio"], np.float64)[1:]

    def targets(self, start: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return actions

    def actions(self, path: np.ndarray) -> np.ndarray:
        return path[1:]


class Watched(LocalPlanSource):
    """Keeps what it was asked, and what it answered."""

    def plan(self, request: PlanRequest) -> Any:
        found = super().plan(request)
        self.__dict__.setdefault("seen", []).append((request, found.actions))
        return found


def test_lerobots_loop_is_led_from_the_present_pose(
    loaded: LoadedModel, limits: AbsolutePositions, tmp_path: Path
) -> None:
    axes = ("0 0 1", "0 1 0") * 4
    links = "".join(LINK.format(number + 1, axis) for number, axis in enumerate(axes))
    text = ARM.format(links + "<site name='tool' pos='.1 0 0'/>" + "</body>" * 8)
    fastest = (limits.step / PERIOD).tolist()
    arm = robot(
        tmp_path, text, joints=[f"joint{number}" for number in range(1, 9)], velocity=fastest,
        acceleration=[20.0] * 8, jerk=[2000.0] * 8, following_error={"rad": 0.5},
    )  # fmt: skip
    source = Watched(loaded.setup("cem", **SEARCH))
    policy = LeRobotPolicy(Controller(source, arm, Positions(limits), mode="inline"), 20.0, frame(1))
    begun = pose = 0.5 * (limits.low + limits.high)
    sent = []
    for step in range(40):
        pixels = torch.as_tensor(frame(step)).permute(2, 0, 1)[None]
        state = torch.as_tensor(readings(pose), dtype=torch.float32)[None]
        action = policy.select_action({"observation.images.front": pixels, "observation.state": state})
        pose = action[0].double().numpy()
        sent.append(pose)
    steps = abs(np.diff([begun, *sent], axis=0))
    assert (steps <= 0.5 * limits.step + 1e-4).all() and abs(sent[-1] - begun).max() > 0.01
    assert len(source.seen) > 5
    for request, actions in source.seen:
        path = np.concatenate([request.committed[-1:], actions])
        assert (abs(np.diff(path, axis=0)) <= limits.step + ROUNDING).all()


def test_units_of_the_data_reach_plans_and_clients(run: Path, tmp_path: Path, capsys: Any) -> None:
    data = dataset(tmp_path / "data")
    info = json.loads((data / "meta/info.json").read_text())
    info["features"]["action"]["unit"] = ["rad"] * 7 + ["100 % open"]
    (data / "meta/info.json").write_text(json.dumps(info))
    assert trained(data, tmp_path / "out") == 0
    setup = forearm.load(tmp_path / "out").setup("cem", **SEARCH)
    plan = setup.plan(frame(), frame(1), proprio=np.zeros(9))
    assert plan.action_units == ["1 rad"] * 7 + ["100 % open"] and Plan.from_json(plan.to_json()) == plan
    table = str(plan).splitlines()
    assert table[2] == f"1.0 is 1 rad ({', '.join(JOINTS[:7])}), 100 % open ({JOINTS[7]})"
    columns = table[3].split()
    assert columns[3:] == JOINTS and all(len(line) == len(table[3]) for line in table[4:])
    assert Server(setup, ServeConfig(), Goals(None, setup)).metadata["action_units"] == plan.action_units
    told = forearm.load(run / "out").plan(frame(), frame(1), planner="cem", proprio=np.zeros(9), **SEARCH)
    assert told.action_units is None and "action_units" not in told.to_dict() and "1.0 is" not in str(told)
    info["features"]["action"]["unit"] = ["rad"]  # too few: as good as nothing
    (data / "meta/info.json").write_text(json.dumps(info))
    assert trained(data, tmp_path / "few") == 0
    assert "action_units" not in json.loads((tmp_path / "few/model.json").read_text())
    with pytest.raises(PlanError, match="action_units: expected 8 units"):
        replace(plan, action_units=["1 rad"])


def test_units_of_the_built_in_arm() -> None:
    plan = forearm.load("push").plan(
        frame(), frame(1), planner="cem", samples=8, elites=2, iterations=1, proprio=np.zeros(15)
    )
    assert plan.action_units == ["3 cm", "3 cm", "3 cm", "1 cm"]
    assert "1.0 is 3 cm (dx, dy, dz), 1 cm (gripper)" in str(plan)


def test_heads_learn_differences(run: Path) -> None:
    heads = [f"{head}.{setting}" for head in ("prior", "distance") for setting in ("steps=1", "batch=4", "farthest=3")]
    checkpoint = f"task.checkpoint={run}/out"
    words = ["train-heads", "task=own", f"data={run}/data", checkpoint, f"out={run}/heads", "validation=0.25"]
    assert main([*words, "prior.horizon=4", *heads]) == 0
    task = {"proposals": ["prior"], "heads": f"{run}/heads/model.heads.json"}
    prior = LoadedModel({**forearm.load(run / "out").task, **task})
    limits = prior.model.absolute
    assert limits is not None
    plan = prior.plan(frame(), frame(1), planner="mppi", proprio=readings(limits.high), samples=16, horizon=4)
    check(plan.actions, limits, limits.high)


def test_old_checkpoints_and_damaged_ones(run: Path, tmp_path: Path) -> None:
    document = json.loads((run / "out/model.json").read_text())
    weights = (run / "out/model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    for said, wrong in (
        (None, False),
        ({"step": [1.0]}, True),
        ({**document["absolute_positions"], "columns": [9] * 8}, True),
    ):
        changed = {key: value for key, value in document.items() if key != "absolute_positions"}
        (tmp_path / "model.json").write_text(
            json.dumps(changed | ({} if said is None else {"absolute_positions": said}))
        )
        if wrong:
            with pytest.raises(CheckpointError, match="absolute_positions"):
                load_checkpoint(tmp_path)
        else:
            assert load_checkpoint(tmp_path)[0].absolute is None


def test_what_looks_like_positions() -> None:
    data, starts = recorded(), np.cumsum(LENGTHS) - LENGTHS
    action, state = data["action"], data["observation.state"]
    assert looks_absolute(action, state, range(1, 9), starts)
    assert not looks_absolute(np.diff(action, axis=0, prepend=action[:1]), state, range(1, 9), starts)
    assert not looks_absolute(np.random.default_rng(0).normal(size=action.shape), state, range(1, 9), starts)
    assert not looks_absolute(np.zeros_like(action), state, range(1, 9), starts)
    shut = np.where(np.sin(np.arange(len(action)) / 9) > 0, 1.0, 0.0)[:, None]
    for opening in (0.08 * shut, np.zeros_like(shut), np.full_like(shut, 0.04)):  # in other units, or not measured
        gripped = np.concatenate([state, opening], axis=1)
        assert looks_absolute(np.concatenate([action, shut], axis=1), gripped, range(1, 10), starts)
    halves = np.concatenate([action, np.diff(action, axis=0, prepend=action[:1])], axis=1)
    assert not looks_absolute(halves, np.concatenate([state, state[:, 1:]], axis=1), range(1, 17), starts)


def test_positions_surprise_by_how_far_they_move(loaded: LoadedModel) -> None:
    from forearm.surprise.prediction import Predictions, errors_of

    commands, latents = recorded()["action"][:8].astype(float), torch.randn(9, 8)
    poses = recorded()["observation.state"][:9]
    tracker, watched = LatentTracker(loaded.model), Predictions(loaded.model, 1)
    tracker.begin(frame(), poses[0])
    errors = [watched.see(latents[0], poses[0])]
    for action, latent, pose in zip(commands, latents[1:], poses[1:], strict=True):
        tracker.advance(action, frame(), pose)
        errors.append(watched.see(latent, pose, action))
        assert np.array_equal(watched._actions[-1].numpy(), tracker.taken.astype(np.float32))
    at_once = errors_of(loaded.model, latents.numpy(), poses, commands, 1)
    np.testing.assert_allclose(at_once, np.stack(errors), rtol=1e-4, atol=1e-5)
    watched.begin()
    watched.see(latents[0])
    with pytest.raises(InputError, match="no joint readings: this model's commands are joint positions"):
        watched.see(latents[1], None, commands[0])
