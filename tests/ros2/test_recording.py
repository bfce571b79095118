"""A run that was recorded can be opened by ROS 2's tools, and trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.cli.main import main
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.command import Command, Status
from forearm.control.robots.robot import load_robot
from forearm.envs.arm import kinematics
from forearm.errors import ForearmError
from forearm.integrations.ros2 import recording as recordings
from forearm.integrations.ros2.episodes import convert, episodes, read
from forearm.integrations.ros2.recording import CAMERA, COMMAND, GOAL, JOINTS, STATUS, Recording
from forearm.world_model.data import DatasetWriter, read_dataset

START = np.append(kinematics.inverse(np.array([0.5, 0.0, 0.1]), kinematics.HOME, iterations=40), 0.0)
ACTIONS = np.tile([[0.5, 0.2, -0.1, 0.3], [-0.4, -0.1, 0.2, -0.2]], (6, 1))
GOALS = 2


def record(path: Path, status: Status = Status.MOVING, goals: int = GOALS) -> np.ndarray:
    """Beats at 50 Hz along what `ACTIONS` ask for, a frame each 0.1 s, to each of the goals; the axes' positions."""
    targets = np.concatenate([START[None], ToolActionAdapter("push").targets(START, ACTIONS)])
    with Recording(path, load_robot()) as recording:
        for goal in range(goals):
            begun = 100.0 * (goal + 1)
            recording.goal(np.full((64, 64, 3), goal, np.uint8), begun)
            for beat in range(5 * len(ACTIONS) + 1):
                time = begun + 0.02 * beat
                place = np.array([np.interp(0.2 * beat, range(len(targets)), column) for column in targets.T])
                seen: dict[str, Any] = {"proprio": np.concatenate([place[:7], np.zeros(7), place[7:]]), "time": time}
                if beat % 5 == 0:
                    seen["pixels"] = np.full((64, 64, 3), beat, np.uint8)
                still = np.zeros(7)
                recording.note(seen, Command(time, place[:7], still, still, status, place[7], 0.0, 1, "because"))
    return targets


def test_a_recorded_run_becomes_episodes_with_the_commands_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    targets = record(path)
    found = episodes(path, ToolActionAdapter("push"))
    assert [len(episode) for episode in found] == [len(ACTIONS) + 1] * GOALS
    assert found[0].pixels[:, 0, 0, 0].tolist() == list(range(0, 61, 5))
    assert found[0].action == pytest.approx(ToolActionAdapter("push").actions(targets), abs=1e-5)
    assert found[0].state[:, [*range(7), 14]] == pytest.approx(targets, abs=1e-6)


def test_a_recorded_run_becomes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap")
    words = ["data", "convert", f"data={tmp_path / 'run.mcap'}", "commands=push", f"out={tmp_path / 'data'}"]
    assert main(words) == 0
    assert "2 episodes, 26 frames" in capsys.readouterr().out
    data = read_dataset(tmp_path / "data")
    assert data.fps == 10 and len(data.episodes) == GOALS and data.columns["action"] == 4


def test_a_data_set_that_cannot_be_written_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "run.mcap", goals=1)

    def full(writer: Any, *_: Any) -> None:
        assert any(writer.root.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DatasetWriter, "finalise", full)
    with pytest.raises(ForearmError, match=r"data: cannot be written \(No space left on device\)"):
        convert(tmp_path / "run.mcap", "push", tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["run.mcap"]


def test_the_file_says_what_its_messages_are(tmp_path: Path) -> None:
    from mcap.reader import make_reader

    record(tmp_path / "run.mcap", goals=1)
    with (tmp_path / "run.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None
    schemas = {summary.schemas[channel.schema_id].name: channel for channel in summary.channels.values()}
    assert set(schemas) >= {"sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"}
    assert {channel.message_encoding for channel in schemas.values()} == {"cdr"}
    told = {summary.channels[key].topic: count for key, count in summary.statistics.channel_message_counts.items()}
    assert told == {GOAL: 1, JOINTS: 61, "/camera/image": 13, COMMAND: 61, STATUS: 1}
    status = next(message for topic, message in read(tmp_path / "run.mcap") if topic == STATUS).status[0]
    assert status.message == "because" and status.values[0].value == "moving"


def test_what_a_kill_leaves_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap")
    whole = (tmp_path / "run.mcap").read_bytes()
    everything = list(read(tmp_path / "run.mcap"))
    part = tmp_path / "run.mcap.part"
    counts = []
    for share in (0.1, 0.5, 0.9):
        part.write_bytes(whole[: round(share * len(whole))])
        counts.append(len(list(read(part))))
    assert counts == sorted(counts) and counts[-1] > 0
    assert max(counts) <= len(everything)


def test_time_in_a_fault_is_not_trained_on(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap", Status.FAULT)
    assert episodes(tmp_path / "run.mcap", ToolActionAdapter("push")) == []


def test_files_that_cannot_be_recorded_to_are_refused(tmp_path: Path) -> None:
    robot = load_robot()
    with pytest.raises(ForearmError, match=r"name it so, FILE\.mcap"):
        Recording(tmp_path / "run.bag", robot)
    (tmp_path / "run.mcap").write_bytes(b"kept")
    with pytest.raises(ForearmError, match="is there already"):
        Recording(tmp_path / "run.mcap", robot)
    assert (tmp_path / "run.mcap").read_bytes() == b"kept"
    with pytest.raises(ForearmError, match="cannot be written"):
        Recording(tmp_path / "run.mcap" / "below.mcap", robot)


def test_a_full_disk_is_told_and_leaves_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = recordings.to_cdr
    left = [20]

    def to_cdr(name: str, values: Any) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return written(name, values)

    monkeypatch.setattr(recordings, "to_cdr", to_cdr)
    with pytest.raises(ForearmError, match=r"not all was written .*No space left on device"):
        record(tmp_path / "run.mcap")
    assert not (tmp_path / "run.mcap").exists()
    assert len(list(read(tmp_path / "run.mcap.part"))) == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data=run.mcap", "commands=fetch/push", "out=data"], "is not of the built-in arm"),
        (["data=missing.mcap", "commands=push", "out=data"], "missing.mcap: cannot be read"),
        (["data=text.mcap", "commands=push", "out=data"], "text.mcap: is no MCAP file"),
        (["data=fault.mcap", "commands=push", "out=data"], "fault.mcap: holds no 4 frames in a row"),
        (["data=fault.mcap", "commands=push", "out=full"], "out=full: is there already; choose a new folder"),
    ],
)
def test_what_cannot_be_converted_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mcap").write_text("this is a text", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").touch()
    record(tmp_path / "fault.mcap", Status.FAULT, goals=1)
    assert main(["data", "convert", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_what_cannot_be_recorded_stops_no_loop_and_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    readings = np.concatenate([START[:7], np.zeros(7), START[7:]])
    command = Command(1.0, START[:7], np.zeros(7), np.zeros(7), Status.MOVING, START[7], 0.0, 1)
    picture = np.zeros((8, 8, 3), np.uint8)
    wrong: list[Any] = [
        *({"time": time} for time in (None, float("nan"), 1e18)),  # the last one does not fit into ROS 2's time
        *({"pixels": pixels} for pixels in (picture[..., 0], picture.astype(float), {"a": picture, "b": picture[:4]})),
        {"proprio": "no numbers"},
    ]
    with Recording(tmp_path / "run.mcap", load_robot()) as recording:
        for each in [{"time": 1.0}, *wrong, {"pixels": {"front": picture, "wrist": picture}}]:
            recording.note({"pixels": picture, "time": 1.0, "proprio": readings, **each}, command)
        recording.note("no observation", command)  # type: ignore[arg-type]
    recording.close()  # once more
    recording.note(None, command)
    found = list(read(tmp_path / "run.mcap"))
    assert sum(topic == COMMAND for topic, _ in found) == len(wrong) + 3
    assert [message.width for topic, message in found if topic == CAMERA] == [
        8,
        8,
        16,
    ]  # of the readings' own frame too
    assert recording.refused >= len(wrong) + 1 and not recording.dropped
    assert sum("lacks what cannot be recorded" in record.message for record in caplog.records) == 1


def test_readings_of_an_own_arm_want_its_adapter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    command = Command(1.0, START[:7], np.zeros(7), np.zeros(7), Status.MOVING, START[7], 0.0, 1)
    with Recording(str(tmp_path / "run.mcap"), load_robot()) as recording:  # positions alone: no velocities beside them
        recording.note({"time": 1.0, "proprio": START}, command)
    assert recording.refused == 1 and "Recording(path, robot, controller.adapter)" in caplog.text
    assert {topic for topic, _ in read(tmp_path / "run.mcap")} == {COMMAND, STATUS}


def test_a_goal_may_be_of_several_cameras_and_a_wrong_one_stops_no_loop(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    wrong: Any = [picture[..., 0], {"front": picture, "wrist": picture[:4]}, None]
    with Recording(tmp_path / "run.mcap", load_robot()) as recording:
        for goal in (picture, {"front": picture, "wrist": picture}, *wrong):
            recording.goal(goal, 1.0)
    assert [message.width for topic, message in read(tmp_path / "run.mcap") if topic == GOAL] == [8, 16]
    assert recording.refused == len(wrong)


def test_a_disk_that_is_too_slow_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recordings, "WAITING", 1)
    monkeypatch.setattr(Recording, "_run", lambda self: None)
    recording = Recording(tmp_path / "run.mcap", load_robot())
    recording._put(GOAL, {}, 0.0)
    recording._put(GOAL, {}, 0.0)
    recording._queue.get()
    recording.close()
    assert recording.dropped == 1 and "lacks 1 messages, for which the disk was too slow" in caplog.text


def test_a_camera_that_changes_its_size_is_one_data_set(tmp_path: Path) -> None:
    path, still = tmp_path / "run.mcap", np.zeros(7)
    readings = np.concatenate([START[:7], still, START[7:]])
    with Recording(path, load_robot()) as recording:
        for beat in range(10):
            time, size = 1.0 + 0.1 * beat, 16 if beat < 5 else 32
            seen = {"pixels": np.full((size, size, 3), beat, np.uint8), "proprio": readings, "time": time}
            recording.note(seen, Command(time, START[:7], still, still, Status.MOVING, START[7], 0.0, 1))
    [episode] = episodes(path, ToolActionAdapter("push"))
    assert episode.pixels.shape[1:] == (16, 16, 3) and episode.pixels[:, 8, 8, 0].tolist() == list(range(10))
