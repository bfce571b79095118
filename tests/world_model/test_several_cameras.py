"""One model of several cameras: their frames side by side, by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import forearm
from forearm.cli.main import main
from forearm.errors import ForearmError, InputError
from forearm.surprise.recorded import Recorded
from forearm.world_model.data import DatasetError, FrameFit, open_cache, read_dataset, resize_frame
from tests.world_model.foreign import write

FRONT, WRIST = "observation.images.front", "observation.images.wrist"
BOTH = f"{FRONT}+{WRIST}"
LENGTHS = (9, 8, 10)
SMALL = (
    *("world_model.width=8", "world_model.latent_dim=8", "world_model.predictor_width=16", "world_model.history=2"),
    *("world_model.loss.rollout=1", "world_model.train.steps=1", "world_model.train.batch=8"),
    *("world_model.train.warmup=1", "world_model.train.validation=0.34"),
)


def recorded(root: Path) -> Path:
    action = np.random.default_rng(0).uniform(-1, 1, (sum(LENGTHS), 2)).astype(np.float32)
    return write(root, {"action": action}, LENGTHS, cameras={FRONT: "image", WRIST: "image"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forearm.world_model.training.report.PROBE_STEPS", 20)
        assert main(["train", "task=own", f"data={data}", f"out={out}", f"camera_key=[{FRONT},{WRIST}]", *SMALL]) == 0
    return out


def seen(data: Path, episode: int, frame: int) -> dict[str, np.ndarray]:
    both = {"front": read_dataset(data, FRONT), "wrist": read_dataset(data, WRIST)}
    return {name: list(one.frames(episode))[frame] for name, one in both.items()}


def test_frames_are_seen_side_by_side(data: Path, tmp_path: Path) -> None:
    cache = open_cache(data, 32, tmp_path, camera_key=BOTH)
    frames = seen(data, 1, 3)
    assert cache.camera_key == BOTH
    shown = cache.frames[cache.starts[1] + 3]
    assert np.array_equal(shown[:, :16], resize_frame(frames["front"], 32, 16))
    assert np.array_equal(shown[:, 16:], resize_frame(frames["wrist"], 32, 16))
    assert not np.array_equal(shown, open_cache(data, 32, tmp_path, camera_key=FRONT).frames[cache.starts[1] + 3])
    again = open_cache(data, 32, tmp_path, camera_key=BOTH)
    assert again.path == cache.path and again.beside == (cache.source_resolution,)


def test_cameras_that_are_not_there_or_named_twice_are_refused(data: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no camera called observation\.images\.side"):
        read_dataset(data, f"{FRONT}+observation.images.side")
    with pytest.raises(DatasetError, match="expected each camera once"):
        read_dataset(data, f"{FRONT}+{FRONT}")
    with pytest.raises(InputError, match="2 cameras cannot share 33 pixels evenly"):
        open_cache(data, 33, camera_key=BOTH)


def test_a_model_of_two_cameras_plans_from_frames_by_name(model: Path, data: Path, tmp_path: Path) -> None:
    document = json.loads((model / "model.json").read_text())
    assert document["camera"] == BOTH
    loaded = forearm.load(model)
    start, goal = seen(data, 0, 0), seen(data, 0, 6)
    few: dict[str, Any] = {"planner": "cem", "horizon": 4, "samples": 8, "elites": 2}
    plan = loaded.plan(start, goal, **few)
    cache = open_cache(data, 64, tmp_path, camera_key=BOTH)
    assert np.array_equal(
        plan.actions, loaded.plan(np.array(cache.frames[0]), np.array(cache.frames[6]), **few).actions
    )
    other = dict(zip((WRIST, FRONT), (start["wrist"], start["front"]), strict=True))
    assert np.array_equal(plan.actions, loaded.plan(other, goal, **few).actions)
    swapped = {"front": start["wrist"], "wrist": start["front"]}
    assert not np.array_equal(
        loaded.model.encode(loaded.fit(swapped)[None]), loaded.model.encode(loaded.fit(start)[None])
    )
    for wrong, says in (
        (
            {"front": start["front"], "side": start["wrist"]},
            "frame is of camera 'side', but the model sees 'front' and",
        ),
        ({"front": start["front"]}, "frame lacks a frame of camera wrist"),
        (start["front"], "frame is one frame, but the model sees 'front' and 'wrist': give one of each by name"),
        ({**start, "wrist": start["wrist"][..., 0]}, r"frame wrist is uint8 .*, but a frame is uint8"),
    ):
        with pytest.raises(ForearmError, match=says):
            loaded.plan(wrong, goal, **few)


def test_the_command_line_takes_a_file_for_each_camera(model: Path, data: Path, tmp_path: Path, capsys: Any) -> None:
    for name, frames in (("start", seen(data, 0, 0)), ("goal", seen(data, 0, 6))):
        for camera, frame in frames.items():
            Image.fromarray(frame).save(tmp_path / f"{name}_{camera}.png")
    words = ["plan", "task=own", f"task.checkpoint={model}", "planner=cem", "planner.horizon=4", "planner.samples=8",
             "planner.elites=2", f"out={tmp_path}/plan.json"]  # fmt: skip
    named = [
        f"{name}=front:{tmp_path}/{name}_front.png,wrist:{tmp_path}/{name}_wrist.png" for name in ("start", "goal")
    ]
    assert main([*words, *named]) == 0

    def failing(*words: str) -> str:
        assert main(list(words)) == 2
        return str(capsys.readouterr().err)

    assert "one frame, but the model sees" in failing(*words, named[0], f"goal={tmp_path}/goal_front.png")
    assert "camera 'side'" in failing(*words, named[0], named[1].replace("wrist:", "side:"))


def test_heads_are_trained_on_the_cameras_of_their_checkpoint(model: Path, data: Path) -> None:
    from forearm.world_model.heads.training import _camera

    assert _camera(data, json.loads((model / "model.json").read_text())) == BOTH


def test_a_frame_of_the_wrong_camera_is_refused_where_names_are_given() -> None:
    fit = FrameFit.of({"camera": FRONT}, 8)
    frame = np.zeros((16, 16, 3), np.uint8)
    assert np.array_equal(fit({"front": frame}), fit(frame)) and np.array_equal(fit({FRONT: frame}), fit(frame))
    for wrong in ({"wrist": frame}, {"front": frame, FRONT: frame}):
        with pytest.raises(InputError, match=r"is of camera '.*', but the model sees 'front'"):
            fit(wrong)
    with pytest.raises(InputError, match="lacks a frame of camera front"):
        fit({})


def test_recorded_episodes_are_watched_as_the_model_sees_them(model: Path, data: Path, tmp_path: Path) -> None:
    [_, episode, _] = Recorded(forearm.load(model), data)
    cache = open_cache(data, 64, tmp_path, camera_key=BOTH)
    assert np.array_equal(episode.frames, cache.frames[cache.rows(np.array([1]))])
