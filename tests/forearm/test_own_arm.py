"""An arm of one's own in every command that takes `robot=`: absolute joint positions at 50 Hz, told in degrees."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import forearm
from forearm.agent.action_spec import ActionSpec
from forearm.agent.scripted import HoldAgent
from forearm.agent.setup import PlanningSetup
from forearm.cli import diagnose as diagnose_command
from forearm.cli import main as cli
from forearm.cli import ros2 as ros2_command
from forearm.cli import serve as serve_command
from forearm.cli.practice import practice_of
from forearm.control import Controller
from forearm.control.adapters.hold import AdapterHold, hold_of
from forearm.control.adapters.joints import JointAdapter
from forearm.control.plan_source import LocalPlanSource, PlanRequest
from forearm.envs import exploration
from forearm.envs.holding import Same
from forearm.errors import ForearmError
from forearm.evaluation.comparison import contenders_of
from forearm.practice import steps
from forearm.settings import compose as settings
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint
from tests.control.arms import SIX_HOME, SIX_JOINTS, config_of

SMALL = ("planner.samples=8", "planner.elites=4", "planner.iterations=1", "planner.horizon=0.4s")
HOME = [*np.rad2deg(SIX_HOME[:6]), 0.02]
NAMES = [*SIX_JOINTS, "gripper"]
ADAPTER = {"kind": "joint_position", "unit": "deg"}


def saved(folder: Path, **said: Any) -> None:
    torch.manual_seed(0)
    model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32, action_dim=7, proprio_dim=7)).eval()
    document = {
        "task": "own", "camera": "front", "control_period": 0.02, "action_names": NAMES,
        "action_low": [-200.0] * 6 + [0.0], "action_high": [200.0] * 6 + [0.04],
    }  # fmt: skip
    save_checkpoint(model, folder / "model", document | said)


@pytest.fixture
def six(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkpoint, two frames, and configs of the arm with an adapter and without one."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "outputs" / "own")
    (tmp_path / "configs" / "robot").mkdir(parents=True)
    config = config_of(tmp_path, "six")
    for name, more in (("six", {"adapter": ADAPTER}), ("bare", {})):
        text = yaml.safe_dump(config | {"name": name} | more)
        (tmp_path / "configs" / "robot" / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("FOREARM_CONFIGS", str(tmp_path / "configs"))
    for seed, name in enumerate(("a", "b")):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def plan_words(*more: str) -> list[str]:
    here = f"proprio=[{','.join(f'{value:.6f}' for value in HOME)}]"
    return ["plan", "task=own", "robot=six", "start=a.png", "goal=b.png", here, *SMALL, *more]


def test_a_plan_becomes_what_the_joints_do(six: Path, capsys: Any) -> None:
    assert cli.main(plan_words("format=joint_trajectory", "out=t.json")) == 0
    message = json.loads(Path("t.json").read_text(encoding="utf-8"))
    assert message["joint_names"] == SIX_JOINTS
    assert message["points"][0]["positions"] == pytest.approx(SIX_HOME[:6], abs=1e-6)
    assert "6 joints of six" in capsys.readouterr().out
    assert cli.main(plan_words("out=plan.json")) == 0
    assert np.shape(json.loads(Path("plan.json").read_text(encoding="utf-8"))["actions"]) == (20, 7)


def test_what_is_missing_or_does_not_fit_is_told_in_a_line(six: Path, failing: Callable[..., str]) -> None:
    words = plan_words("format=joint_trajectory", "out=t.json")
    assert "nothing says what its commands mean for robot 'bare'" in failing(*words, "robot=bare")
    assert "give proprio=[...]" in failing(*(word for word in words if not word.startswith("proprio")))
    assert "proprio=[1,2]: expected 7 numbers" in failing(*words, "proprio=[1,2]")
    assert "proprio=[1,a]: expected 7 numbers" in failing(*words, "proprio=[1,a]")
    assert "give start= and goal= too" in failing("plan", "task=reach", "proprio=[1,2]")
    wrong = ("robot.adapter.kind=joint_positions", "unknown adapter 'joint_positions'; did you mean")
    few = ("robot.adapter.axes=[pan,lift]", "but adapter 'joint_position' takes 2 (pan, lift)")
    for override, said in (wrong, few):
        assert said in failing(*words, override)
        assert said in failing("serve", "task=own", "robot=six", "port=0", override)
    assert not Path("t.json").exists() and not Path("plan.json").exists()


def test_it_is_served_and_controlled_by_the_name_of_its_config(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("websockets")
    served = []

    async def told(server: Any, console: Any) -> None:
        served.append(server)

    monkeypatch.setattr(serve_command, "_until_told", told)
    assert cli.main(["serve", "task=own", "robot=six", "port=0", "execute=0.1s", *SMALL]) == 0
    assert served[0].metadata["execute"] == 5 and isinstance(served[0].setup.hold, AdapterHold)
    with Controller.load("outputs/own", robot="six", mode="manual") as controller:
        assert isinstance(controller.adapter, JointAdapter) and controller.adapter.period == 0.02
        assert controller._ahead == controller._replan_every == 10  # 0.2 s
        assert controller.adapter.read({"proprio": np.array(HOME)}) == pytest.approx(SIX_HOME)
        ros2_command.check_readings(controller)
    told_here = {"kind": "joint_displacement", "scale": 0.01}
    with Controller.load("outputs/own", robot="bare", adapter=told_here, mode="manual") as controller:
        assert not controller.adapter.actions(np.tile(SIX_HOME, (2, 1))).any()
        with Controller.load("outputs/own", robot="bare", adapter=controller.adapter, mode="manual") as again:
            assert again.adapter is controller.adapter
    few = {**ADAPTER, "readings": [0, 1, 2, 3, 4, 5, 9]}
    with (
        Controller.load("outputs/own", robot="six", adapter=few, mode="manual") as controller,
        pytest.raises(ForearmError, match="reads 7 numbers, of which joint states give 10"),
    ):
        ros2_command.check_readings(controller)
    with pytest.raises(ForearmError, match="nothing says what its commands mean for robot 'bare'"):
        Controller.load("outputs/own", robot="bare")


def setup_of(six: Path) -> PlanningSetup:
    from dataclasses import replace

    found = forearm.load("outputs/own").setup(samples=8, elites=4, iterations=1, horizon=20)
    return replace(found, hold=hold_of(settings.option("robot", "six"), found.task))


def test_before_the_first_command_the_present_pose_was_asked_for(six: Path) -> None:
    setup, frame = setup_of(six), np.zeros((64, 64, 3), np.uint8)
    model = setup.latent_model()
    model.begin([frame])
    model.observe(0, {"pixels": frame, "proprio": np.array(HOME, np.float32)}, None)
    assert model._last_actions[0] == pytest.approx(HOME, abs=1e-4)
    assert model._trackers[0].state().actions.numpy() == pytest.approx(np.tile(HOME, (1, 4, 1)), abs=1e-4)
    source = LocalPlanSource(setup)
    source.begin(frame)
    source.see(0.0, {"pixels": frame, "proprio": np.array(HOME, np.float32)})
    state = source._tracker.state_at(0.0, np.zeros((0, 7)), np.zeros((0, 7)), source._rest)
    assert state.actions.numpy() == pytest.approx(np.tile(HOME, (1, 4, 1)), abs=1e-4)
    assert len(source.plan(PlanRequest(0.0, np.zeros((0, 7)), np.zeros((0, 7)))).actions) == 20
    assert setup.hold is not None and setup.hold(setup.actions, {}) is None  # type: ignore[arg-type]


class Room:
    """An environment whose commands are positions of the arm, in degrees."""

    name, action_names, control_period = "mine/room", tuple(NAMES), 0.02
    action_space = type("Box", (), {"low": np.array([-200.0] * 6 + [0.0]), "high": np.array([200.0] * 6 + [0.04])})

    def observe(self) -> dict[str, Any]:
        return {"proprio": np.array(HOME)}

    def rest(self) -> np.ndarray:
        return np.full(7, 0.5)

    def skill(self, rng: Any) -> Any:
        raise ValueError("none")


def test_the_row_of_holding_still_asks_the_adapter(six: Path) -> None:
    room: Any = Room()
    agent = HoldAgent([room], hold_of(settings.option("robot", "six"), {"name": "mine/room"}))
    agent.reset([np.zeros(1)], [0])
    [act] = agent.act([{}])
    assert act is not None and act.action == pytest.approx(HOME)
    assert hold_of(settings.option("robot", "bare"), {"name": "mine/room"}) is None
    hold = hold_of(settings.option("robot", "bare"), {"adapter": {"kind": "joint_velocity"}})
    assert hold is not None and not np.any(hold(ActionSpec.of_env(room), room.observe()))
    assert hold.document["adapter"] == {"kind": "joint_velocity"}


def test_exploration_is_around_what_holds_the_arm() -> None:
    room: Any = Room()
    rests = [exploration.segment(room, np.random.default_rng(seed)) for seed in range(300)]
    still = [one for one in rests if isinstance(one.policy, Same) and one.noise == 0.0]
    assert still and all(one.policy.act() == pytest.approx(0.5) for one in still)
    slow = exploration.Segment(5, Same(np.full(7, 0.9)), speed=0.5)
    explorer = exploration.Explorer(7, lambda rng: slow, np.random.default_rng(0), room.rest)
    assert explorer.act() == pytest.approx(0.7)


FOUR = {"kind": "joint_position", "axes": ["pan", "lift", "elbow", "wrist1"], "readings": list(range(7))}


def test_diagnosing_and_practising_go_by_the_adapter(
    six: Path, failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On commands of four numbers, which are taken to be positions of four joints."""
    text = yaml.safe_dump(settings.option("robot", "six") | {"name": "four", "adapter": FOUR})
    (six / "configs" / "robot" / "four.yaml").write_text(text, encoding="utf-8")
    write_data(six / "data")
    few = (f"data={six / 'data'}", "validation=1", "episodes=1", "out=out")
    for words in (("diagnose", "task=reach"), ("practice", "task=reach", *few)):
        assert "commands have 4 numbers" in failing(*words, "robot=six"), words
        assert not (six / "out").exists()

    holds: list[Any] = []

    def diagnose(comparison: Any, *_: Any) -> Any:
        holds.extend(contender.setup.hold for contender in contenders_of(comparison))
        raise ForearmError("enough")

    monkeypatch.setattr(diagnose_command, "diagnose", diagnose)
    assert "enough" in failing("diagnose", "task=reach", "robot=four", "out=out")
    practice = practice_of(settings.load("practice", ["task=reach", "robot=four", *few]))
    [film] = steps._films(practice, 1, practice.task)
    holds += [practice.hold, film.agent.hold]  # type: ignore[union-attr]
    here = {"proprio": np.array(SIX_HOME)}
    for hold in holds:
        assert hold(setup_of_reach(practice).actions, here) == pytest.approx(np.clip(SIX_HOME[:4], -1, 1))
    practice.begin()
    assert practice_of(settings.load("practice", ["task=reach", *few])).hold is None
    assert "hold" in failing("practice", "task=reach", *few)


def setup_of_reach(practice: Any) -> PlanningSetup:
    return PlanningSetup.resolve(practice.task, practice.planners[0])


def write_data(folder: Path) -> None:
    """What practice needs to begin: a data set of two episodes, filmed by the camera of the shipped model."""
    from tests.world_model.foreign import vectors, write

    write(folder, vectors(np.random.default_rng(0), 10, action=4, state=15), (5, 5))
