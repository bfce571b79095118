"""Tasks that nothing here can simulate, in every command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import forearm
from forearm import envs
from forearm.cli import main as cli
from forearm.cli import serve as serve_command
from forearm.cli import train as train_command
from forearm.errors import ForearmError
from forearm.evaluation import comparison
from forearm.recording import collect
from forearm.settings import compose as settings
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import CheckpointError, save_checkpoint

SMALL = ("planner.samples=8", "planner.elites=4", "planner.iterations=1")


def model(proprio_dim: int = 0) -> JEPA:
    torch.manual_seed(0)
    return JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32, action_dim=6, proprio_dim=proprio_dim)).eval()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, as `forearm train task=own` leaves it; with two frames."""
    monkeypatch.chdir(tmp_path)
    description = {"task": "own", "camera": "observation.images.wrist", "control_period": 0.05}
    save_checkpoint(model(), tmp_path / "outputs" / "own" / "model", description)
    save_checkpoint(model(3), tmp_path / "outputs" / "reads" / "model", description)
    for seed, name in enumerate(("a", "b")):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


SPELLINGS = (
    "outputs/own",
    "outputs/own/",
    "./outputs/own/model",
    "outputs/own/model",
    "outputs/own/model.json",
    "outputs/own/model.safetensors",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_checkpoint_is_its_folder_or_either_of_its_files(spelling: str, own: Path, capsys: Any) -> None:
    for name in (spelling, Path(spelling), str(own / spelling)):
        assert forearm.load(name).task["name"] == "own"
    frames = ["start=a.png", "goal=b.png"]
    assert cli.main(["plan", "task=own", f"task.checkpoint={spelling}", *frames, *SMALL, "out=plan.json"]) == 0
    assert np.shape(json.loads(Path("plan.json").read_text())["actions"]) == (24, 6)  # 1.2 s


def test_a_checkpoint_in_the_current_folder(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own / "outputs" / "own")
    for name in ("model", "model.json", ".", "../own"):
        assert forearm.load(name).task["name"] == "own"
    monkeypatch.chdir(own / "outputs")
    assert forearm.load("own/model").task["name"] == "own" and forearm.load(Path("own")).task["name"] == "own"
    Path("reach").mkdir()  # a folder that holds no checkpoint hides none that ships
    assert forearm.load("reach").task["name"] == "reach"
    with pytest.raises(CheckpointError, match="no checkpoint 'own/other'"):
        forearm.load("own/other")


def test_the_default_checkpoint_is_where_training_puts_it(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forearm.load("own").task["checkpoint"] == "outputs/own"
    chosen = settings.load("train", ["task=own", "data=data"])
    monkeypatch.setattr(train_command, "_action_size", lambda data, chosen: 6)
    training = train_command.training_of(chosen, chosen.all("task"), chosen.one("world_model"))
    assert str(training.out) == forearm.load("own").task["checkpoint"]
    frames = [np.array(Image.open(f"{name}.png")) for name in ("a", "b")]
    assert forearm.plan(*frames, task="own").actions.shape == (24, 6)  # 1.2 s


def test_it_is_planned_and_served(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("websockets")
    assert cli.main(["plan", "task=own", "start=a.png", "goal=b.png", *SMALL]) == 0
    assert Path("plan.json").is_file() and Path("plan.png").is_file()
    served = []

    async def told(server: Any, console: Any) -> None:
        await server.start()
        served.append(server.metadata["task"])
        await server.stop()

    monkeypatch.setattr(serve_command, "_until_told", told)
    assert cli.main(["serve", "task=own", "port=0"]) == 0
    assert served == ["own"]


def test_what_needs_a_simulator_says_so(own: Path, failing: Callable[..., str]) -> None:
    for command in ("run", "compare", "collect"):
        said = failing(command, "task=own")
        assert "task 'own' has no simulator" in said and "forearm plan task=own" in said
    assert "give start= and goal=" in failing("plan", "task=own")
    frames = ["start=a.png", "goal=b.png"]
    assert "reads the arm's joints" in failing("plan", "task=own", "task.checkpoint=outputs/reads", *frames)
    assert "not of the built-in arm" in failing("plan", "task=own", "format=joint_trajectory", "out=t.json", *frames)
    assert "no such folder; name that of a LeRobotDataset" in failing("train", "task=own", "data=nowhere")
    assert "no such folder; name that of a LeRobotDataset" in failing("train-heads", "task=own", "data=nowhere")
    for ask in (forearm.make_env, forearm.compare, forearm.Controller.load):
        with pytest.raises(ForearmError, match="own"):
            ask("own")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that have checked everything stop there, before the work."""

    def stop(*_: Any) -> Any:
        raise ForearmError("checked")

    monkeypatch.setattr(comparison, "run_jobs", stop)
    monkeypatch.setattr(collect, "run_jobs", stop)
    monkeypatch.setattr(serve_command, "_until_told", stop)


@pytest.mark.parametrize("task", ["reach", "own", "mine/arm", "fetch/reach", "[reach,own]", "built-in"])
@pytest.mark.parametrize("command", ["plan", "run", "compare", "serve", "collect", "train", "train-heads"])
def test_no_command_takes_a_task_for_a_defect(
    command: str, task: str, own: Path, stopped: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = own / "configs" / "task" / "mine" / "arm.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# Mine.\ndefaults:\n  - /task/own@_here_\n  - _self_\nname: mine/arm\n")
    monkeypatch.setenv(settings.OWN_CONFIGS, str(own / "configs"))
    protocols = settings.options("protocol") if command in ("run", "compare") else [None]
    if task == "fetch/reach":
        try:
            envs.check_installed(task)
        except envs.MissingExtra:
            pytest.skip("needs the extra 'fetch'")
        protocols = protocols[:1]
    for protocol in protocols:
        words = [command, f"task={task}", *([] if protocol is None else [f"protocol={protocol}"])]
        if command in ("compare", "run"):
            words += ["workers=1", "episodes=1"]
        if command == "plan":
            words += SMALL
        code = cli.main(words)
        said = capsys.readouterr().err
        assert code in (0, cli.USER_ERROR), f"{words}: {said}"
        assert said.count("\n") == (code != 0), said
