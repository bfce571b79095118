"""world_model=sensors from a table to a plan, an alarm and a comparison: the same commands, and no picture anywhere."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from forearm import envs
from forearm.agent.loaded_model import load
from forearm.cli.main import main
from forearm.control import Controller, Status
from forearm.control.robots.actuators import Actuators
from forearm.envs import registry
from forearm.errors import ForearmError, InputError
from forearm.serve.config import ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.request import RequestError, read
from forearm.serve.server import Server
from forearm.serve.session import Session
from forearm.settings import compose as settings
from forearm.surprise.calibration import surprise_calibration_of
from forearm.surprise.monitor import Monitor

SAID = """table: log.csv
time: t
period: 0.5
episode: run
sensors:
  x: {unit: m}
  y: {unit: m}
actions:
  u: {unit: V, low: -2.0, high: 2.0}
"""


def follow(state: np.ndarray, action: float) -> np.ndarray:
    """Two tanks in a row."""
    return np.asarray(state + 0.3 * (np.array([action, state[0]]) - state))


def log(path: Path, runs: int, seed: int, shift: float = 0.0) -> Path:
    """A log of them; y is measured every third time. From step 20 on `shift` is added to x."""
    rng, rows = np.random.default_rng(seed), ["run,t,x,y,u"]
    for run in range(runs):
        state, u = rng.uniform(-1, 1, 2), 0.0
        for step in range(40):
            u = rng.uniform(-2, 2) if rng.random() < 0.25 else u
            x, y = state + 0.01 * rng.standard_normal(2)
            rows.append(f"{run},{0.5 * step},{x + shift * (step >= 20)},{y if step % 3 == 0 else ''},{u}")
            state = follow(state, u)
    path.parent.mkdir(exist_ok=True)
    path.with_name("log.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path.write_text(SAID, encoding="utf-8")
    return path


class Tanks(envs.SimulatedEnvironment):
    """Both tanks, without a camera worth the name."""

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        self.state, self.goal = np.zeros(2), np.zeros(2)
        super().__init__(
            f"tanks/{name}", camera=camera, resolution=resolution, cameras=("none",), actions=("u",),
            states=("x", "y"), control_period=0.5, max_episode_steps=16, description="Fill both tanks.",
        )  # fmt: skip
        self.action_space = spaces.Box(-2.0, 2.0, (1,))  # type: ignore[assignment]

    def begin(self, options: Mapping[str, Any]) -> np.ndarray:
        self.state = self.goal = np.repeat(self.np_random.uniform(-1, 1), 2)
        reached = self.snapshot()
        self.state = np.zeros(2)
        return reached

    def reset(self, **given: Any) -> Any:
        observation, info = super().reset(**given)
        return observation, {**info, **({"goal": np.array([np.nan, self.goal[1]])} if "goal" in info else {})}

    def advance(self, action: Any) -> None:
        self.actuate(np.clip(action, -2, 2))
        self.steps += 1

    def actuate(self, action: Any) -> None:
        self.state = follow(self.state, float(action[0]))

    def proprio(self) -> np.ndarray:
        return np.array([self.state[0], self.state[1] if self.steps % 3 == 0 else np.nan])

    def achieved(self) -> np.ndarray:
        return self.state.copy()

    def aim(self, goal: Any) -> None:
        self.goal = np.array(goal)

    def distance(self) -> float:
        return float(abs(self.state[1] - self.goal[1]))

    def cost(self) -> float:
        return self.distance()

    def success(self) -> bool:
        return self.distance() < 0.1

    def positions(self) -> dict[str, Any]:
        return {"ee_position": np.append(self.state, 0.0)}

    def render(self, camera: str | None = None, resolution: int | None = None) -> np.ndarray:
        return np.zeros((resolution or self.resolution,) * 2 + (3,), np.uint8)

    def snapshot(self) -> np.ndarray:
        return np.concatenate([self.state, self.goal, [self.steps]])

    def restore(self, snapshot: Any) -> None:
        self.state, self.goal, self.steps = snapshot[:2].copy(), snapshot[2:4].copy(), int(snapshot[4])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log, a model that was trained on it, and its calibration."""
    root = tmp_path_factory.mktemp("tanks")
    data, out = log(root / "data" / "log.yaml", 60, 0), root / "model"
    small = ["latent_dim=8", "width=32", "predictor_width=64", "loss.rollout=4", "loss.directions=32"]
    small += ["train.steps=120", "train.learning_rate=0.003", "train.batch=32", "train.precision=float32"]
    words = ["task=own", f"data={data}", f"out={out}", "world_model=sensors", "own.frameskip=2", "seed=1"]
    assert main(["train", *words, *(f"world_model.{each}" for each in small)]) == 0
    held_out = log(root / "held-out" / "log.yaml", 42, 1)
    words = ["task=own", f"own.checkpoint={out}", f"data={held_out}", "parts=[surprise]", "horizons=2", "rate=200"]
    assert main(["calibrate", *words]) == 0
    return root


def test_a_checkpoint_tells_its_sensors_and_no_camera(folder: Path) -> None:
    document = json.loads((folder / "model" / "model.json").read_text())
    assert document["sensors"] == {"names": ["x", "y"], "units": ["m", "m"]}
    assert "camera" not in document and "frames" not in document and document["action_units"] == ["1 V"]
    assert document["action_low"] == [-2.0] and document["control_period"] == 0.5
    errors, copies = (document["metrics"][key] for key in ("error", "copy_last"))
    assert errors[-1] < 0.3 * copies[-1]


def test_a_plan_leads_the_readings_that_are_asked_for_there(folder: Path) -> None:
    out = folder / "plan.json"
    words = ["task=own", f"own.checkpoint={folder / 'model'}", "proprio=[0.0,0.0]", "goal={y: 0.8}", f"out={out}"]
    assert main(["plan", *words, "planner.horizon=12", "planner.samples=64", "planner.iterations=4"]) == 0
    plan = json.loads(out.read_text())
    state = np.zeros(2)
    for [u] in plan["actions"]:
        assert -2.0 <= u <= 2.0
        state = follow(state, u)
    assert abs(state[1] - 0.8) < 0.25 and out.with_suffix(".png").is_file()
    again = load(str(folder / "model"), task="own").plan({"x": 0.0, "y": 0.0}, [None, 0.8], planner="mppi", horizon=12)
    assert again.actions.shape == (12, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["proprio=[0,0]", "goal={z: 1}"], "goal: no sensor 'z'"),
        (["proprio=[0,0,0]", "goal={y: 1}"], r"proprio: shape \(3,\), expected \(2,\): x, y"),
        (["proprio=[0,0]", "goal={y: null}"], "goal: no sensor is given"),
        (["proprio=[0,0]"], "this model sees sensors and no pictures: give readings now"),
        (["start=a.png", "goal=b.png"], "this model sees sensors and no pictures"),
    ],
)
def test_readings_that_are_none_are_refused(
    folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["task=own", f"own.checkpoint={folder / 'model'}", f"out={folder / 'no.json'}", "planner.horizon=12"]
    assert main(["plan", *given, *words]) == 2
    assert re.search(said, " ".join(capsys.readouterr().err.split()))
    assert not (folder / "no.json").exists()


PLANNER = {"name": "cem", "horizon": 12, "samples": 64, "iterations": 4}


def test_a_controller_brings_a_machine_to_readings_within_its_limits(folder: Path) -> None:
    slow = Actuators(["u"], [-2.0], [2.0], 0.5, velocity=[1.5], units=["V"])
    words: dict[str, Any] = {"checkpoint": str(folder / "model"), "planner": PLANNER, "mode": "inline"}
    with Controller.load("own", **words, robot=slow, on_surprise="stop", surprise_rate=200.0) as control:
        control.reset({"y": 0.8})
        state, u = np.zeros(2), np.zeros(1)
        sent, heights = [u], [0.0]
        for step in range(24):
            seen = {"proprio": [state[0], state[1] if step % 3 == 0 else None], "actuators": u}
            command = control.act(seen, 0.5 * step)
            assert command.positions is not None and command.status is Status.MOVING, command.reason
            u = command.positions
            state = follow(state, float(u[0]))
            sent.append(u)
            heights.append(state[1])
        assert np.abs(np.array(heights[-8:]) - 0.8).max() < 0.25
        assert np.abs(np.diff(np.array(sent), axis=0)).max() <= 0.75 + 1e-6 and np.abs(sent).max() <= 2.0
        for time in (12.0, 12.5):  # nobody had asked for that
            command = control.act({"proprio": list(state + 3.0), "actuators": u}, time)
        assert control.counts["fault_surprise"] == 1 and "sensors show what was not expected" in command.reason
        control.act({"proprio": list(state)}, 13.0)
        assert control.counts["bad_readings"] == 1
        for beat in range(8):
            command = control.act({"proprio": list(state), "actuators": u}, 13.5 + 0.5 * beat)
        assert command.status is Status.FAULT and command.velocities is not None and not command.velocities.any()
    with Controller.load("own", **words) as control:  # what its commands are for, when nobody says
        control.reset({"z": 0.8})
        assert control.robot.limits.velocity.tolist() == [8.0] and list(control.robot.joints) == ["u"]
        assert "`actuators`, u" in control.act({"proprio": [0.0, 0.0]}, 0.0).reason
        assert "no sensor 'z'" in control.act({"proprio": [0.0, 0.0], "actuators": [0.0]}, 0.5).reason
    with pytest.raises(ForearmError, match="live: this model sees sensors and no frames"):
        Controller.load("own", **words, live=True)
    with pytest.raises(InputError, match="period must be above 0 s"):
        Actuators(["u"], [-2.0], [2.0], 0.0)


def test_a_server_plans_from_readings(folder: Path) -> None:
    setup = load(str(folder / "model"), task="own").setup("cem", horizon=12, samples=64, iterations=4)
    server = Server(setup, ServeConfig(port=0), Goals(None, setup))
    assert server.metadata["sensors"] == ["x", "y"] and server.metadata["resolution"] == 0
    session = Session(setup, server.goals, 4)
    first = {"proprio": {"x": 0.0}, "goal": {"y": 0.8}, "time": 0.0}
    later = {"proprio": [0.1, None], "time": 1.0, "earlier_proprio": [[0.05, 0.0]], "earlier_times": [0.5]}
    for message in (first, later):
        assert session.answer(read(message, server._shape), 0.0)["actions"].shape == (12, 1)
    for message, said in (
        ({"pixels": np.zeros((8, 8, 3), np.uint8)}, "sees sensors and no frames: give `proprio`, x, y"),
        ({"goal": {"y": 0.8}}, "no readings: expected one of proprio"),
        ({"proprio": [0.0, 0.0], "earlier_proprio": [[0.0]], "earlier_times": [0.5]}, r"earlier_proprio: shape \(1,\)"),
        ({"proprio": [0.0]}, r"readings: shape \(1,\), expected \(2,\): x, y"),
        ({"proprio": [0.0, 0.0], "time": 2.0, "goal": {"z": 1.0}}, "goal: no sensor 'z'"),
    ):
        with pytest.raises(RequestError, match=said):
            session.answer(read(message, server._shape), 0.0)


def test_heads_are_trained_and_planned_with_on_readings(folder: Path) -> None:
    words = ["task=own", f"own.checkpoint={folder / 'model'}"]
    short = [f"data={folder / 'data' / 'log.yaml'}", f"out={folder / 'model'}", "prior.steps=30", "distance.steps=30"]
    assert main(["train-heads", *words, *short]) == 0
    plan = ["proprio=[0.0,0.0]", "goal={y: 0.8}", f"out={folder / 'guided.json'}", "planner.horizon=12"]
    assert main(["plan", *words, *plan, "planner=guided", "planner.samples=16"]) == 0
    assert (folder / "guided.json").is_file()


def test_other_sensors_than_the_model_has_are_refused(folder: Path) -> None:
    loaded = load(str(folder / "model"), task="own")
    env = Tanks("two")
    env.state_names = ("a", "b")
    with pytest.raises(ForearmError, match="was trained on sensors x, y, not a, b"):
        loaded.check_commands(env)


def test_an_alarm_names_the_sensor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["task=own", f"own.checkpoint={folder / 'model'}", "rate=200", "episodes=[0,1,2]"]
    broken, out = log(folder / "broken" / "log.yaml", 3, 5, shift=1.5), folder / "watched"
    assert main(["monitor", *words, f"data={broken}", f"out={out}"]) == 1
    with (out / "surprise.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["frame"] == "20"]
    assert [(row["alarm"], row["part"]) for row in rows] == [("1", "x")] * 3
    assert "sensors show what was not expected since step" in capsys.readouterr().out
    assert (out / "surprise.html").stat().st_size > 1000
    other = broken.with_name("other.yaml")
    other.write_text(SAID.replace("x: {unit: m}", "x: {unit: cm}"))
    assert main(["monitor", *words, f"data={other}", f"out={out}"]) == 2
    assert "sensor x is in cm, but checkpoint" in " ".join(capsys.readouterr().err.split())


def test_a_stream_may_lack_a_reading_but_not_the_sensors(folder: Path) -> None:
    loaded = load(str(folder / "model"), task="own")
    monitor = Monitor(loaded, surprise_calibration_of(loaded.task, loaded.document), 200.0)
    for step in range(10):
        said = monitor.see({"proprio": [0.0, 0.0 if step % 3 == 0 else None]}, None if step == 0 else [0.0])
    assert said.p is not None and said.part in ("x", "y") and said.region is None
    with pytest.raises(InputError, match=r"readings: shape \(0,\), expected \(2,\): x, y"):
        monitor.see({"pixels": np.zeros((64, 64, 3), np.uint8)}, [0.0])


def test_a_comparison_runs_on_readings_alone(folder: Path, monkeypatch: pytest.MonkeyPatch, here: None) -> None:
    monkeypatch.setattr(registry, "_OWN", dict(registry._OWN))
    envs.register_environments("tanks", Tanks, ["two"])
    config = folder / "configs" / "task" / "tanks" / "two.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"name: tanks/two\ncheckpoint: {folder / 'tanks'}\ncamera: null\n", encoding="utf-8")
    monkeypatch.setenv(settings.OWN_CONFIGS, str(folder / "configs"))
    for cached in (settings._composed, settings._options):
        cached.cache_clear()
    for suffix in (".json", ".safetensors"):
        made = (folder / "model" / f"model{suffix}").read_bytes()
        (folder / f"tanks{suffix}").write_bytes(made.replace(b'"task": "own"', b'"task": "tanks/two"'))
    words = ["task=tanks/two", "planner=[cem]", "workers=1", "episodes=4", "films=0", "cem.samples=64"]
    try:
        assert main(["compare", *words, "cem.horizon=8", "cem.action_repeat=2", f"out={folder / 'compared'}"]) == 0
    finally:
        for cached in (settings._composed, settings._options):
            cached.cache_clear()
    found = json.loads((folder / "compared" / "results.json").read_text())
    rates = {row["planner"]: row["successes"] for row in found["rows"]}
    assert rates["cem"] >= 3
