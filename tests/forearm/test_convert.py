"""Recordings as laboratories have them, written by the libraries that write them there, become data sets."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.agent.loaded_model import load
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.integrations.convert.conversion import convert
from forearm.integrations.convert.recorded import Asked, numbers, pictures, rate
from forearm.world_model.data import read_dataset

from .test_train_command import of_own

Failing = Callable[..., str]
LENGTHS = (5, 7, 6)
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (length, 12, 16, 3), np.uint8) for length in LENGTHS]
STATES = [RNG.normal(size=(length, 3)).astype(np.float32) for length in LENGTHS]
ACTIONS = [RNG.normal(size=(length, 2)).astype(np.float32) for length in LENGTHS]


def same(out: Path, camera: str, fps: int) -> None:
    data = read_dataset(out)
    assert (data.fps, data.camera_key, data.resolution) == (fps, f"observation.images.{camera}", (12, 16))
    assert [entry.length for entry in data.episodes] == list(LENGTHS)
    for number in range(len(LENGTHS)):
        assert np.array_equal(np.stack(list(data.frames(number))), FRAMES[number])


def robomimic(path: Path, **frequency: float) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": 20, **frequency}})
        for number, (pixels, state, action) in enumerate(zip(FRAMES, STATES, ACTIONS, strict=True)):
            demo = data.create_group(f"demo_{number}")
            demo["actions"], demo["obs/agentview_image"] = action, pixels
            demo["obs/robot0_eef_pos"], demo["obs/robot0_gripper_qpos"] = state[:, :2], state[:, 2]
            demo["obs/robot0_eef_quat"] = np.zeros((len(state), 4), np.float32)
    return path


def replay_buffer(path: Path, scale: float | None = None) -> Path:
    zarr = pytest.importorskip("zarr")
    old = zarr.__version__.startswith("2.")
    root = zarr.open_group(str(path), mode="w", **({} if old else {"zarr_format": 2}))
    pixels = np.concatenate(FRAMES)
    columns = {"img": pixels if scale is None else (pixels * scale).astype(np.float32)}
    columns |= {"state": np.concatenate(STATES), "action": np.concatenate(ACTIONS)}
    for group, arrays in (("data", columns), ("meta", {"episode_ends": np.cumsum(LENGTHS)})):
        for key, array in arrays.items():
            inside = root.require_group(group)
            make = inside.create_dataset if old else inside.create_array
            made = make(key, shape=array.shape, dtype=array.dtype, chunks=(4, *array.shape[1:]))
            made[:] = array
    return path


def bag(path: Path, plugin: str, gap: float = 5.0, **other: Any) -> Path:
    """10 frames a second, 20 readings, and a command before each second reading; a pause between the episodes."""
    pytest.importorskip("rosbags")
    from rosbags.rosbag2 import StoragePlugin, Writer

    from forearm.integrations.ros2 import messages
    from forearm.integrations.ros2.definitions import definitions, to_cdr

    kinds = {
        "/wrist/image_raw": "sensor_msgs/msg/Image", "/joint_states": "sensor_msgs/msg/JointState",
        "/leader/joint_states": "sensor_msgs/msg/JointState",
    }  # fmt: skip
    names = {"/joint_states": ["a", "b", "c"], "/leader/joint_states": ["x", "y"]}
    with Writer(path, version=9, storage_plugin=StoragePlugin[plugin]) as writer:
        topics = {name: writer.add_connection(name, kind, typestore=definitions()) for name, kind in kinds.items()}

        def say(topic: str, time: float, values: dict[str, Any]) -> None:
            writer.write(topics[topic], round(1e9 * (time + 0.01)), to_cdr(kinds[topic], values))

        def joints(topic: str, time: float, values: np.ndarray) -> None:
            said = names[topic]
            say(topic, time, messages.joint_state(said, values.astype(float), np.zeros(len(said)), time))

        begun = 100.0
        for pixels, states, actions in zip(FRAMES, STATES, ACTIONS, strict=True):
            for number, (frame, state, action) in enumerate(zip(pixels, states, actions, strict=True)):
                time = begun + 0.1 * number
                joints("/leader/joint_states", time, action)
                joints("/joint_states", time, state)
                if number + 1 < len(states):
                    joints("/joint_states", time + 0.05, (state + states[number + 1]) / 2)
                say("/wrist/image_raw", time, messages.image(frame, time))
            begun += gap
    return path


def recorded(root: Path) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in sorted(root.glob("data/*/*.parquet"))]
    return tuple(  # type: ignore[return-value]
        np.concatenate([np.stack(table[key].to_numpy()) for table in tables]) for key in ("observation.state", "action")
    )


def test_robomimic(tmp_path: Path, capsys: Any) -> None:
    path = robomimic(tmp_path / "lift.hdf5")
    assert main(["data", "convert", f"data={path}", f"out={tmp_path / 'out'}"]) == 0
    assert f"3 episodes, {sum(LENGTHS)} frames in" in capsys.readouterr().out
    same(tmp_path / "out", "agentview_image", 20)
    state, action = recorded(tmp_path / "out")
    whole = np.concatenate(STATES)
    assert np.array_equal(state, np.concatenate([whole[:, :2], np.zeros((len(whole), 4)), whole[:, 2:]], axis=1))
    assert np.array_equal(action, np.concatenate(ACTIONS))
    names = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]["observation.state"]["names"]
    assert names[:2] == ["robot0_eef_pos_0", "robot0_eef_pos_1"] and names[-1] == "robot0_gripper_qpos"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lift.hdf5", "out"]


@pytest.mark.parametrize("scale", [None, 1.0, 1 / 255])
@pytest.mark.parametrize("packed", [False, True])
def test_a_replay_buffer(scale: float | None, packed: bool, tmp_path: Path) -> None:
    path = replay_buffer(tmp_path / "pusht.zarr", scale)
    if packed:
        path = Path(shutil.make_archive(str(path), "zip", path))
    assert main(["data", "convert", f"data={path}", f"out={tmp_path / 'out'}", "fps=10"]) == 0
    same(tmp_path / "out", "img", 10)
    state, action = recorded(tmp_path / "out")
    assert np.array_equal(state, np.concatenate(STATES)) and np.array_equal(action, np.concatenate(ACTIONS))


@pytest.mark.parametrize("plugin", ["MCAP", "SQLITE3"])
def test_a_bag(plugin: str, tmp_path: Path) -> None:
    path = bag(tmp_path / "run", plugin)
    topics = ["state_key=/joint_states", "action_key=/leader/joint_states"]
    assert main(["data", "convert", f"data={path}", f"out={tmp_path / 'out'}", *topics]) == 0
    same(tmp_path / "out", "wrist_image_raw", 10)
    state, action = recorded(tmp_path / "out")
    assert state == pytest.approx(np.concatenate(STATES), abs=1e-5)
    assert action == pytest.approx(np.concatenate(ACTIONS), abs=1e-6)
    features = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]
    assert features["observation.state"]["names"] == ["a", "b", "c"] and features["action"]["names"] == ["x", "y"]


def test_several_recordings_become_one_data_set_if_they_are_alike(tmp_path: Path) -> None:
    one, two = robomimic(tmp_path / "one.hdf5"), robomimic(tmp_path / "two.h5")
    info = convert([one, two], tmp_path / "out", Asked())
    assert info["total_episodes"] == 2 * len(LENGTHS)
    other = robomimic(tmp_path / "other.hdf5", control_freq=30)
    with pytest.raises(ForearmError, match=r"other.hdf5: its fps, 30, are not those of .*one.hdf5, 20"):
        convert([one, other], tmp_path / "both", Asked())
    assert not (tmp_path / "both").exists()


def test_what_was_converted_can_be_trained_on_and_planned_with(tmp_path: Path, quick_probes: None, capsys: Any) -> None:
    convert([robomimic(tmp_path / "lift.hdf5")], tmp_path / "data", Asked())
    assert main(["data", "inspect", str(tmp_path / "data")]) == 0
    assert main(of_own(tmp_path / "data", tmp_path / "model")) == 0
    loaded = load(tmp_path / "model")
    assert loaded.document["frames"]["recorded"] == [[12, 16]]
    assert loaded.plan(FRAMES[0][0], FRAMES[0][4], horizon=4, samples=8, elites=2).actions.shape == (4, 2)


CUT = {"robomimic": lambda p: robomimic(p / "a.hdf5"), "bag": lambda p: bag(p / "a", "MCAP")}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_what_is_cut_off_is_refused_in_one_line_and_writes_nothing(
    kind: str, share: float, tmp_path: Path, failing: Failing
) -> None:
    path = CUT[kind](tmp_path)
    file = path if path.is_file() else next(path.glob("*.mcap"))
    whole = file.read_bytes()
    file.write_bytes(whole[: round(share * len(whole))])
    topics = ["state_key=/joint_states", "action_key=/leader/joint_states"] if kind == "bag" else []
    said = failing("data", "convert", f"data={path}", f"out={tmp_path / 'out'}", *topics)
    assert str(path) in said and "cannot be read whole" in said
    assert not [each for each in tmp_path.iterdir() if "out" in each.name]


def test_a_bag_that_lacks_messages_is_refused(tmp_path: Path, failing: Failing) -> None:
    import sqlite3

    path = bag(tmp_path / "a", "SQLITE3")
    with sqlite3.connect(next(path.glob("*.db3"))) as database:
        database.execute("DELETE FROM messages WHERE id % 7 = 0")
    topics = ["state_key=/joint_states", "action_key=/leader/joint_states"]
    said = failing("data", "convert", f"data={path}", f"out={tmp_path / 'out'}", *topics)
    assert "it is not whole, copy it again" in said and not (tmp_path / "out").exists()


def test_a_buffer_with_a_chunk_missing_is_refused(tmp_path: Path, failing: Failing) -> None:
    path = replay_buffer(tmp_path / "a.zarr")
    (path / "data/img/2.0.0.0").unlink()
    said = failing("data", "convert", f"data={path}", f"out={tmp_path / 'out'}", "fps=10")
    assert (
        "1 of 5 chunks of img are missing, which would read as zeros: copy it again" in said
        and not (tmp_path / "out").exists()
    )
    damaged = replay_buffer(tmp_path / "b.zarr")
    (damaged / "data/img/2.0.0.0").write_bytes(b"damaged")
    said = failing("data", "convert", f"data={damaged}", f"out={tmp_path / 'out'}", "fps=10")
    assert "cannot be read whole" in said
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_demonstrations_whose_columns_differ_in_length_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = robomimic(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_1/actions"]
        file["data/demo_1/actions"] = ACTIONS[1][:-1]
    with pytest.raises(ForearmError, match="demo_1 has 6 commands and 7 moments of agentview_image: it is not whole"):
        convert([path], tmp_path / "out", Asked())


def test_what_is_asked_for_and_not_there_is_said_with_what_is(tmp_path: Path, failing: Failing) -> None:
    def said(path: Path, *words: str) -> str:
        line = failing("data", "convert", f"data={path}", f"out={tmp_path / 'out'}", *words)
        assert not (tmp_path / "out").exists()
        return line

    mimic, buffer, run = robomimic(tmp_path / "a.hdf5"), replay_buffer(tmp_path / "a.zarr"), bag(tmp_path / "a", "MCAP")
    assert "camera_key=wrist is no camera of it; it has agentview_image" in said(mimic, "camera_key=wrist")
    assert "has no joint readings arm; name it, state_key=NAME" in said(mimic, "state_key=arm")
    assert "does not say how many frames a second it has: give fps=NUMBER" in said(buffer)
    assert "has no commands moves; name it, action_key=NAME or [NAME,NAME]: action, state" in said(
        buffer, "action_key=moves", "fps=10"
    )
    assert "which topic of commands? name it, action_key=NAME; it has /joint_states, /leader/joint_states" in said(run)
    assert "fps must be" in said(buffer, "fps=0")
    assert "leave out episodes=" in said(buffer, "fps=10", "episodes=[0]")
    assert "no such file or folder" in said(tmp_path / "nowhere.hdf5")
    (tmp_path / "notes.txt").write_text("of the day")
    assert "is of no known format: expected .hdf5" in said(tmp_path / "notes.txt")
    assert "convert needs data=RECORDING out=FOLDER" in failing("data", "convert", f"data={mimic}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").touch()
    assert "is there already" in failing("data", "convert", f"data={mimic}", f"out={tmp_path / 'full'}")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v2.1", "v2.1: make it v3.0 where it lies .*convert_dataset_v21_to_v30 .*--root=.*/data --push-to-hub=false$"),
        ("v2.0", "v2.0: make it v2.1 by lerobot 0.3.3, convert_dataset_v20_to_v21.py, then make it v3.0"),
        ("v3.0", "is a LeRobotDataset v3.0 already: train on it as it is"),
    ],
)
def test_a_lerobot_folder_is_told_what_to_do(version: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "data/meta").mkdir(parents=True)
    (tmp_path / "data/meta/info.json").write_text(json.dumps({"codebase_version": version}))
    with pytest.raises(ForearmError, match=said):
        convert([tmp_path / "data"], tmp_path / "out", Asked())


@pytest.mark.parametrize("library", ["h5py", "zarr", "rosbags"])
def test_a_missing_library_is_named_by_its_extra(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / {"h5py": "a.hdf5", "zarr": "a.zarr", "rosbags": "a.bag"}[library]
    path.touch()
    with pytest.raises(ForearmError, match=r"pip install 'forearm\[convert\]'"):
        convert([path], tmp_path / "out", Asked())


def test_pictures_and_numbers_that_are_none_are_refused() -> None:
    shape = (2, 4, 4, 3)
    for wrong in (np.zeros((2, 4, 4)), np.zeros(shape, np.int32), np.full(shape, -1.0), np.full(shape, np.nan),
                  np.full(shape, 1.5), np.zeros((0, 4, 4, 3), np.uint8)):  # fmt: skip
        with pytest.raises(ForearmError, match="pictures of"):
            pictures(wrong, "img")
    assert pictures(np.zeros((2, 3, 4, 5), np.uint8), "img").shape == (2, 4, 5, 3)
    for bad in (np.full((2, 1), np.inf), np.zeros((3, 1)), np.array(["a", "b"])):
        with pytest.raises(ForearmError, match="state"):
            numbers(bad, 2, "state")
    with pytest.raises(ForearmError, match=r"29\.5 frames a second: expected a whole number"):
        rate("a", None, 29.5)
