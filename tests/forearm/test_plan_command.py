import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import envs
from forearm.cli import main
from forearm.frames import read_frame
from forearm.hand import commanded_path, find_hand
from planner import Plan


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
    assert np.array_equal(read_frame(tmp_path / "a.png", 64), pixels)


def test_palette_pictures_are_read(tmp_path: Path) -> None:
    Image.new("P", (64, 64), 0).save(tmp_path / "a.png")
    assert read_frame(tmp_path / "a.png", 64).shape == (64, 64, 3)


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
    elif kind == "size":
        Image.new("RGB", (128, 96)).save(path)
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
        ("size", "is 128 x 96 pixels, but the model expects 64 x 64"),
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


def test_a_start_without_a_goal_and_an_out_that_cannot_be(
    files: list[str], checkpoints: Path, tmp_path: Path, failing: Any
) -> None:
    assert "both" in failing("plan", *options(checkpoints, tmp_path / "x.json"), files[0])
    assert "folder" in failing("plan", *options(checkpoints, tmp_path))
    assert "one file" in failing("plan", *options(checkpoints, tmp_path / "x.png"))
    assert "one task" in failing("plan", "task=[reach,push]")
