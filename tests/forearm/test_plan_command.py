import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forearm import envs
from forearm.agent.hand_localization import commanded_path, find_hand
from forearm.agent.image_file import read_frame
from forearm.cli.main import main
from forearm.planner import Plan
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def frames() -> Any:
    env = envs.make("push")
    observation, info = env.reset(seed=3)
    hand = env.ee_position()
    env.close()
    return observation["pixels"], info["goal"], hand


@pytest.fixture
def files(frames: Any, tmp_path: Path) -> list[str]:
    for name, frame in zip("ab", frames, strict=False):
        Image.fromarray(frame).save(tmp_path / f"{name}.png")
    return [f"start={tmp_path}/a.png", f"goal={tmp_path}/b.png"]


def options(checkpoints: Path, out: Path) -> list[str]:
    return ["task=push", "planner.horizon=10", f"push.checkpoint={checkpoints}/push.json", f"out={out}"]


def test_a_plan_from_two_files(files: list[str], checkpoints: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "new" / "plan.json"
    assert main(["plan", *options(checkpoints, out), *files]) == 0
    plan = Plan.load(out)
    assert plan.actions.shape == (10, 4) and plan.planner == "cem"
    assert plan.checkpoint and json.loads((checkpoints / "push.json").read_text())["weights_sha256"].startswith(
        plan.checkpoint
    )
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.size[0] > 500
    shown = capsys.readouterr().out
    assert "model evaluations" in shown and str(out) in shown
    assert sorted(path.name for path in out.parent.iterdir()) == ["plan.json", "plan.png"]


def test_frames_of_any_size_are_resized_as_in_training(
    files: list[str], frames: Any, checkpoints: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["plan", *options(checkpoints, tmp_path / "one.json"), *files]) == 0
    assert not caplog.messages
    for name, frame in zip("ab", frames, strict=False):
        Image.fromarray(frame.repeat(4, axis=0).repeat(6, axis=1)).save(tmp_path / f"{name}.png")
    assert main(["plan", *options(checkpoints, tmp_path / "two.json"), *files]) == 0
    assert np.array_equal(Plan.load(tmp_path / "one.json").actions, Plan.load(tmp_path / "two.json").actions)
    [said] = [message for message in caplog.messages if "aspect" in message]
    assert "a.png has 384 x 256 pixels, the model's training had 64 x 64, of another aspect" in said


def test_a_sampled_start_is_the_same_for_the_same_seed(checkpoints: Path, tmp_path: Path) -> None:
    plans = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.json"
        assert main(["plan", *options(checkpoints, out), f"seed={seed}", "planner=mppi"]) == 0
        plans.append(Plan.load(out).actions)
    assert np.array_equal(plans[0], plans[1])
    assert not np.array_equal(plans[0], plans[2])


def test_the_hand_is_found_in_a_frame(frames: Any) -> None:
    env = envs.make("push")
    assert np.linalg.norm(find_hand(env, frames[0]) - frames[2]) < 0.005
    env.close()


def test_the_commanded_path_is_what_the_actions_say_within_the_workspace(frames: Any) -> None:
    task = envs.TASKS["push"]
    path = commanded_path(task, frames[2], np.tile([0.0, 1.0, 1.0, 0.0], (30, 1)))
    assert path.shape == (31, 3)
    assert np.allclose(path[1] - path[0], [0, 0.03, 0], atol=1e-4)  # the task keeps the hand at one height
    assert path[-1][1] == pytest.approx(task.high[1])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_ordinary_pictures_are_read(mode: str, tmp_path: Path) -> None:
    pixels = np.full((64, 64, 3), 90, np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_frame(tmp_path / "a.png"), pixels)


def test_palette_pictures_are_read(tmp_path: Path) -> None:
    Image.new("P", (64, 64), 0).save(tmp_path / "a.png")
    assert read_frame(tmp_path / "a.png").shape == (64, 64, 3)


def bad_image(kind: str, path: Path) -> None:
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "cut":
        Image.effect_noise((64, 64), 90).convert("RGB").save(path)
        path.write_bytes(path.read_bytes()[:400])
    elif kind == "transparent":
        Image.new("RGBA", (64, 64), (1, 2, 3, 4)).save(path)
    elif kind == "mode":
        Image.new("I;16", (64, 64)).save(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such file"),
        ("text", "is not an image"),
        ("empty", "is not an image"),
        ("folder", "is a folder"),
        ("cut", "cannot be read"),
        ("transparent", "transparent"),
        ("mode", "8-bit RGB"),
    ],
)
@pytest.mark.parametrize("which", ["start", "goal"])
def test_a_bad_image_is_one_line_and_writes_nothing(
    kind: str, said: str, which: str, files: list[str], checkpoints: Path, tmp_path: Path, failing: Any
) -> None:
    bad = tmp_path / "bad.png"
    bad_image(kind, bad)
    out = tmp_path / "out" / "plan.json"
    line = failing("plan", *options(checkpoints, out), *files, f"{which}={bad}")
    assert said in line and str(bad) in line and which in line
    assert not out.parent.exists()


@pytest.mark.parametrize("which", ["start", "goal"])
def test_a_frame_of_another_camera_or_upside_down_is_one_line_and_writes_nothing(
    which: str, frames: Any, files: list[str], checkpoints: Path, tmp_path: Path, failing: Any
) -> None:
    side = envs.make("push", "side")
    side.reset(seed=3)
    out, bad = tmp_path / "out" / "plan.json", tmp_path / "bad.png"
    for pixels, said in (
        (side.render(), "looks like camera 'side' of push, not like 'front'"),
        (frames[0][::-1], "looks upside down for camera 'front' of push: turn it"),
    ):
        Image.fromarray(pixels).save(bad)
        line = failing("plan", *options(checkpoints, out), *files, f"{which}={bad}")
        assert f"{which}={bad} {said}" in line
    side.close()
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("about", "config", "said"),
    [
        ({"control_period": 0.05}, {}, "one command every 50 ms, not every 100 ms as push takes them"),
        ({}, {"action_dim": 5}, "commands of 5 numbers, not 4 as push takes them"),
        ({}, {"frameskip": 4}, "horizon=10 is no multiple of 4, the control steps in one step of checkpoint"),
        ({}, {"frameskip": 4}, "(task push has push.frameskip=2); try planner.horizon=12"),
        ({"camera": "observation.images.side"}, {}, "was made for camera side, not front"),
        ({}, {"resolution": 96}, "was made for resolution 96, not 64"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run", "compare"])
def test_a_checkpoint_that_does_not_fit_is_one_line_and_plans_nothing(
    command: str, about: dict, config: dict, said: str, tmp_path: Path, failing: Any
) -> None:
    model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32, **config))
    usual = {"task": "push", "camera": "observation.images.front", "control_period": 0.1}
    save_checkpoint(model.eval(), tmp_path / "other", usual | about)
    words = [f"push.checkpoint={tmp_path}/other.json", "task=push", "planner.horizon=10"]
    if command != "plan":
        words += ["episodes=1", "replan_every=2"]
    if command == "compare":
        words += ["workers=1", "baselines=[]"]
    out = tmp_path / "out"
    line = failing(command, *words, f"out={out / 'plan.json' if command == 'plan' else out}")
    assert said in line and "other.json" in line
    assert not list(out.rglob("*.json"))


def test_a_start_without_a_goal_and_an_out_that_cannot_be(
    files: list[str], checkpoints: Path, tmp_path: Path, failing: Any
) -> None:
    assert "both" in failing("plan", *options(checkpoints, tmp_path / "x.json"), files[0])
    assert "folder" in failing("plan", *options(checkpoints, tmp_path))
    assert "one file" in failing("plan", *options(checkpoints, tmp_path / "x.png"))
    assert "one task" in failing("plan", "task=[reach,push]")
