"""A benchmark's task through the whole house: settings, collection, training, planning, comparison."""

import json
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import forearm
from forearm import envs
from forearm.agent.setup import task_config
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.world_model.config import ModelConfig
from forearm.world_model.data.reader import read_dataset
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import CheckpointError, save_checkpoint
from tests.forearm.one_process import in_one_process

Failing = Callable[..., str]


def test_tasks_of_a_benchmark_share_a_config_and_take_settings_by_name() -> None:
    words = ["task=[push,metaworld/door-open-v3,ogbench/cube-single]", "task.resolution=96"]
    chosen = settings.load("compare", [*words, "metaworld/door-open-v3.max_steps=77"]).all("task")
    assert list(chosen) == ["push", "metaworld/door-open-v3", "ogbench/cube-single"]
    door = chosen["metaworld/door-open-v3"]
    assert (door["name"], door["checkpoint"]) == ("metaworld/door-open-v3", "metaworld-door-open-v3")
    assert (door["max_steps"], door["resolution"], chosen["ogbench/cube-single"]["max_steps"]) == (77, 96, None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task=metaworld/reech-v3"], "did you mean metaworld/reach-v3"),
        (["task=ogbench/cube-singel"], "did you mean ogbench/cube-single"),
        (["task=fetch/zzz"], "choose from fetch/pick-and-place, fetch/push"),
        (["task=ogbench/_any"], "unknown task"),
        (["fetch/push.max_steps=3"], "task=fetch/push is not selected"),
        (["a b=3"], "not the name of a setting"),
    ],
)
def test_wrong_names_are_told(words: list[str], says: str) -> None:
    with pytest.raises(ForearmError, match=says):
        settings.load("compare", words)


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a little data of fetch/reach, and a world model trained on it for two steps."""
    pytest.importorskip("gymnasium_robotics")
    folder = tmp_path_factory.mktemp("fetch")
    small = ["task=fetch/reach", "episodes=4", "steps=40", "shard_episodes=2", "workers=1"]
    tiny = [f"world_model.{word}" for word in ("width=8", "latent_dim=16", "predictor_width=32", "loss.rollout=2")]
    tiny += [f"world_model.train.{word}" for word in ("steps=2", "batch=8", "validation=0.25")]
    with pytest.MonkeyPatch.context() as patch:
        in_one_process(patch.setattr)
        assert main(["collect", *small, f"out={folder / 'data'}"]) == 0
        assert main(["train", "task=fetch/reach", f"data={folder / 'data'}", f"out={folder / 'model'}", *tiny]) == 0
    return folder


def test_the_data_say_what_they_are(fetch: Path) -> None:
    info = json.loads((fetch / "data" / "meta" / "info.json").read_text())
    assert info["fps"] == 25 and info["features"]["action"]["names"] == ["dx", "dy", "dz", "gripper"]
    assert info["features"]["observation.state"]["names"][-1] == "z_m"
    episode = read_dataset(fetch / "data").episode(0)
    assert len(episode) == 41 and set(episode.extra) == {"ee_position"}
    assert np.abs(np.diff(episode.extra["ee_position"], axis=0)).max() > 0.005


def test_the_world_model_takes_rate_and_size_from_task_and_data(fetch: Path) -> None:
    document = json.loads((fetch / "model" / "model.json").read_text())
    assert document["task"] == "fetch/reach" and document["control_period"] == pytest.approx(0.04)
    assert (document["model"]["action_dim"], document["model"]["frameskip"]) == (4, 4)


def test_planners_floors_expert_and_oracle_stand_beside_each_other(fetch: Path, tmp_path: Path, here: None) -> None:
    words = ["task=fetch/reach", f"fetch/reach.checkpoint={fetch / 'model'}", "episodes=2", "films=1", "workers=1"]
    words += ["oracle=true", "oracle_episodes=1", "cem.samples=16", "cem.iterations=1", "task.max_steps=6"]
    assert main(["compare", *words, f"out={tmp_path}"]) == 0
    document = json.loads((tmp_path / "results.json").read_text())
    rows = [(row["planner"], row["dynamics"]) for row in document["rows"]]
    assert rows == [("cem", "learned"), ("cem", "oracle"), ("random", "none"), ("hold", "none"), ("expert", "none")]
    by_name = {row["planner"]: row for row in document["rows"]}
    assert by_name["expert"]["success"] == 1 and by_name["hold"]["success"] == 0
    assert document["solved_at_start"]["fetch/reach"]["drawn"] >= 2 and document["protocol"] == "rest"
    films = sorted(path.name for path in (tmp_path / "films").iterdir())
    assert films == ["fetch-reach-cem-000.mp4", "fetch-reach-cem-oracle-000.mp4"]


def test_a_plan_is_made_from_frames_and_from_a_seed(fetch: Path, tmp_path: Path) -> None:
    words = ["task=fetch/reach", f"task.checkpoint={fetch / 'model'}", "cem.samples=16", "cem.elites=8"]
    assert main(["plan", *words, "seed=1", f"out={tmp_path / 'a.json'}"]) == 0
    frame = read_dataset(fetch / "data").episode(0).pixels[0]
    Image.fromarray(frame).save(tmp_path / "start.png")
    frames = [f"start={tmp_path / 'start.png'}", f"goal={tmp_path / 'start.png'}"]
    assert main(["plan", *words, *frames, f"out={tmp_path / 'b.json'}"]) == 0
    assert all((tmp_path / f"{name}.png").is_file() for name in "ab")


def test_a_checkpoint_of_another_rate_or_command_is_refused(fetch: Path, tmp_path: Path, failing: Failing) -> None:
    model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32, action_dim=5))
    about = {"task": "fetch/reach", "camera": "observation.images.front", "control_period": 0.1}
    save_checkpoint(model.eval(), tmp_path / "other", about)
    words = ["task=fetch/reach", f"task.checkpoint={tmp_path / 'other.json'}", "episodes=1", "workers=1"]
    said = failing("compare", *words, "baselines=[]", f"out={tmp_path / 'out'}")
    assert "every 100 ms, not every 40 ms and commands of 5 numbers, not 4" in said and "train one" in said
    torch.manual_seed(0)


BENCHMARKS = [
    ("ogbench/cube-single", "ogbench", "ogbench"),
    ("metaworld/push-v3", "metaworld", "metaworld"),
    ("fetch/push", "gymnasium_robotics", "fetch"),
]


@pytest.mark.parametrize(("task", "package", "extra"), BENCHMARKS)
@pytest.mark.parametrize(
    "words",
    [
        ["plan", "out=it/plan.json"],
        ["plan", "task.checkpoint=it/none.json", "start=it/no.png", "goal=it/no.png", "out=it/plan.json"],
        ["run", "out=it"],
        ["run", "dynamics=oracle", "out=it"],
        ["compare", "out=it"],
        ["compare", "learned=false", "workers=1", "out=it"],
        ["collect", "workers=1", "out=it"],
    ],
    ids=" ".join,
)
def test_an_extra_that_is_not_installed_is_one_line_before_anything_else(
    words: list[str], task: str, package: str, extra: str, failing: Failing, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("forearm.envs.registry.mujoco.__version__", "3.3.0")
    monkeypatch.setitem(sys.modules, package, None)
    said = failing(words[0], f"task={task}", *words[1:])
    expected = f"tasks '{extra}/...' need the extra '{extra}', which is not installed: pip install 'forearm[{extra}]'"
    assert said == f"forearm: {expected}\n"
    assert not list(tmp_path.iterdir())


def test_an_extra_that_is_missing_where_a_worker_finds_out_is_one_line(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forearm.envs import registry

    monkeypatch.setattr(registry, "obstacle", lambda benchmark: None)
    monkeypatch.setitem(registry._ADAPTERS, "ogbench", ("envs.no_such_adapter", "OGBench"))
    said = failing("collect", "task=ogbench/puzzle-3x3", "episodes=1", "workers=1", "out=unused")
    assert "need the extra 'ogbench'" in said and "pip install 'forearm[ogbench]'" in said


@pytest.mark.parametrize(
    ("task", "near"),
    [
        ("ogbench/cube-singel", "ogbench/cube-single"),
        ("metaworld/push", "metaworld/push-v3"),
        ("fetch/pushh", "fetch/push"),
        ("fetsh/push", "fetch/push"),
    ],
)
def test_an_unknown_task_of_a_benchmark_is_told_with_the_nearest_by_every_door(
    task: str, near: str, failing: Failing, tmp_path: Path
) -> None:
    for command in ("plan", "run", "compare", "collect", "train", "serve"):
        said = failing(command, f"task={task}", *([] if command == "serve" else [f"out={tmp_path / 'it'}"]))
        assert f"unknown task '{task}'; did you mean" in said and near in said
    for load in (forearm.load, lambda name: forearm.load("reach", task=name), task_config):
        with pytest.raises(ForearmError, match=f"unknown task '{task}'; did you mean .*{near}"):
            load(task)
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_not_there_is_no_task(tmp_path: Path) -> None:
    for path in ("outputs/pusj", str(tmp_path / "push"), "ogbench/mine.json"):
        with pytest.raises(CheckpointError, match="no checkpoint"):
            forearm.load(path)


@pytest.mark.parametrize(("task", "package", "extra"), BENCHMARKS)
def test_a_picture_of_another_camera_upside_down_or_of_another_size_is_refused(
    task: str, package: str, extra: str, failing: Failing, tmp_path: Path
) -> None:
    from forearm.envs import registry

    if reason := registry.obstacle(extra):
        pytest.skip(reason)
    size = int(settings.load("plan", [f"task={task}"]).one("task")["resolution"])
    env = envs.make(task, resolution=size)
    seen = env.reset(seed=3, options={"goal": False})[0]["pixels"]
    own, other = env.cameras[:2]
    pictures = [
        (seen[::-1], f"looks upside down for camera '{own}' of {task}: turn it, first row at the top"),
        (env.render(other), f"looks like camera '{other}' of {task}, not like '{own}', which the checkpoint knows"),
        (env.render(other, resolution=96), f"looks like camera '{other}' of {task}, not like '{own}'"),
    ]
    env.close()
    Image.fromarray(seen).save(tmp_path / "good.png")
    good = [f"{key}={tmp_path / 'good.png'}" for key in ("start", "goal")]
    for which, (pixels, says) in product(("start", "goal"), pictures):
        bad = f"{which}={tmp_path / 'bad.png'}"
        Image.fromarray(pixels).save(tmp_path / "bad.png")
        said = failing("plan", f"task={task}", *good, bad, f"out={tmp_path / 'out' / 'plan.json'}")
        assert bad in said and says in said
    assert not (tmp_path / "out").exists()


def test_a_plan_with_a_checkpoint_of_another_rate_or_step_is_refused(failing: Failing, tmp_path: Path) -> None:
    from forearm.envs import registry

    if reason := registry.obstacle("fetch"):
        pytest.skip(reason)
    out = f"out={tmp_path / 'out' / 'plan.json'}"
    for period, frameskip, says in (
        (0.1, 4, "one command every 100 ms, not every 40 ms as fetch/push takes them"),
        (0.04, 5, "horizon=24 is no multiple of 5, the control steps in one step of checkpoint"),
        (0.04, 5, "(task fetch/push has fetch/push.frameskip=4); try planner.horizon=25"),
    ):
        model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32, frameskip=frameskip))
        about = {"task": "fetch/push", "camera": "observation.images.front", "control_period": period}
        save_checkpoint(model.eval(), tmp_path / f"other{frameskip}", about)
        said = failing("plan", "task=fetch/push", f"task.checkpoint={tmp_path / f'other{frameskip}.json'}", out)
        assert says in said and f"other{frameskip}.json" in said
    assert not (tmp_path / "out").exists()


def test_the_list_names_the_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "ogbench/..." in said and "cube-single" in said and "peg-insert-side-v3" in said
