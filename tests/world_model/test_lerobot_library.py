"""Datasets as the lerobot 0.4.4 library itself wrote them (scripts/write_lerobot_fixture.py): video and images."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forearm.world_model.config import LossConfig, ModelConfig, TrainConfig
from forearm.world_model.data import DatasetError, read_dataset
from forearm.world_model.data.inspection import inspect
from forearm.world_model.training.run import Training, train

ROOT = Path(__file__).parent / "lerobot_0_4_4"
WRIST, OVERHEAD = "observation.images.wrist", "observation.images.overhead"


def square(frame: np.ndarray) -> float:
    """Column of the red square's middle."""
    red = (frame[..., 0].astype(int) - frame[..., 1]) > 90
    return float(np.flatnonzero(red.any(axis=0)).mean())


@pytest.mark.parametrize("kind", ["video", "images"])
@pytest.mark.parametrize(("camera", "size"), [(WRIST, (48, 64)), (OVERHEAD, (64, 80))])
def test_frames_and_numbers_belong_together(kind: str, camera: str, size: tuple[int, int]) -> None:
    data = read_dataset(ROOT / kind, camera)
    assert data.fps == 20 and len(data) == 3 and data.resolution == size
    assert [entry.length for entry in data.episodes] == [9, 12, 7]
    assert data.names("action") == ["base", "shoulder", "elbow", "wrist_1", "wrist_2", "wrist_3", "gripper"]
    for number in range(3):
        episode = data.episode(number)
        assert episode.action.shape == (data.episodes[number].length, 7)
        expected = ((episode.state[:, 0] + 1) / 2 * (size[1] - 12)).astype(int) + 5.5
        off = abs(np.array([square(frame) for frame in episode.pixels]) - expected)
        assert np.median(off) == 0.0
        assert off.max() <= (3.5 if kind == "video" else 0.0)  # a moving edge leaves a trace in compressed video


def test_one_of_several_cameras_must_be_chosen() -> None:
    with pytest.raises(DatasetError, match="which camera"):
        read_dataset(ROOT / "video")


@pytest.mark.parametrize("kind", ["video", "images"])
def test_inspection_says_what_is_there(kind: str) -> None:
    found = inspect(ROOT / kind, frames=True)
    assert found.problems == []
    assert (found.robot, found.fps, found.episodes, found.frames) == ("six_joints", 20.0, 3, 28)
    assert (found.shortest, found.longest) == (7, 12)
    assert found.tasks == {"push the block": 2, "lift the block": 1}
    assert [(camera.key, camera.size) for camera in found.cameras] == [(WRIST, (48, 64)), (OVERHEAD, (64, 80))]
    assert {camera.storage.partition(" ")[0] for camera in found.cameras} == {kind}
    base = next(column for column in found.columns if column.feature == "action" and column.name == "base")
    values = np.concatenate([read_dataset(ROOT / kind, WRIST).numbers(i)["action"][:, 0] for i in range(3)])
    assert base.low == pytest.approx(values.min()) and base.high == pytest.approx(values.max()) and base.std > 1


def changed(tmp_path: Path, **columns: np.ndarray) -> Path:
    """The image dataset with other columns in its only data file."""
    root = tmp_path / "changed"
    shutil.copytree(ROOT / "images", root)
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        column = pa.array(values.tolist(), table.schema.field(name).type)
        table = table.set_column(index, table.schema.field(name), column)
    pq.write_table(table, path)
    return root


def numbers(name: str) -> np.ndarray:
    column = pq.read_table(ROOT / "images/data/chunk-000/file-000.parquet").column(name).to_pylist()
    return np.array(column)


def test_gaps_in_time_are_found(tmp_path: Path) -> None:
    times = numbers("timestamp")
    times[15:21] += 0.1  # in the second episode, after its sixth frame
    times[25] -= 0.03
    found = inspect(changed(tmp_path, timestamp=times)).problems
    assert any("episode 1: 1 steps are longer than 50 ms, the worst 150 ms after frame 5" in line for line in found), (
        found
    )
    assert any(line.startswith("episode 2: 1 steps are shorter") for line in found)
    assert not any(line.startswith("episode 0") for line in found)


def test_numbers_that_are_none_and_commands_that_never_change_are_found(tmp_path: Path) -> None:
    actions, counters = numbers("action"), numbers("frame_index")
    actions[:, 3] = 0.5
    actions[4, 0] = np.nan
    counters[3] = 7
    found = inspect(changed(tmp_path, action=actions, frame_index=counters)).problems
    assert any("action" in line and "not finite" in line for line in found)
    assert any("episode 0: frame_index" in line for line in found)
    actions[4, 0] = 0.0
    shutil.rmtree(tmp_path / "changed")
    found = inspect(changed(tmp_path, action=actions)).problems
    assert found == ["action wrist_1: never changes, so nothing can be learned about it"]


def test_no_dataset_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no LeRobot dataset"):
        inspect(tmp_path)


def test_a_world_model_is_trained_on_it_and_knows_the_commands_ranges(tmp_path: Path) -> None:
    for camera in (WRIST, OVERHEAD):
        root = tmp_path / camera
        shutil.copytree(ROOT / "video", root)
        training = Training(
            data=root,
            out=tmp_path / f"out-{camera}",
            model=ModelConfig(width=8, latent_dim=8, predictor_width=16, action_dim=7, history=2),
            loss=LossConfig(rollout=1, directions=8),
            train=TrainConfig(steps=2, batch=8, warmup=1, validation=0.34),
            description={"task": "own"},
            camera_key=camera,
        )
        train(training, device="cpu")
    import json

    description = json.loads((tmp_path / f"out-{OVERHEAD}" / "model.json").read_text())
    assert description["camera"] == OVERHEAD and description["control_period"] == pytest.approx(0.05)
    values = np.concatenate([read_dataset(ROOT / "video", WRIST).numbers(i)["action"] for i in range(3)])
    assert np.allclose(description["action_low"], values.min(0))
    assert np.allclose(description["action_high"], values.max(0))

    import forearm

    loaded = forearm.load(str(tmp_path / f"out-{OVERHEAD}" / "model.json"))
    frame = np.zeros((64, 64, 3), np.uint8)
    plan = loaded.plan(frame, frame + 9, planner="random_shooting")
    assert plan.actions.shape[1] == 7 and abs(plan.actions).max() > 2
    assert np.all(plan.actions >= np.float32(values.min(0)) - 1e-4)
    assert np.all(plan.actions <= np.float32(values.max(0)) + 1e-4)
