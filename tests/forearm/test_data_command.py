import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from forearm.cli.main import main

DATA = Path(__file__).parents[1] / "world_model/lerobot_0_4_4"


def test_it_says_what_is_in_a_data_set(capsys: Any) -> None:
    assert main(["data", "inspect", f"data={DATA}/video", "frames=true"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "LeRobotDataset v3.0, robot six_joints" in said
    assert "3 episodes of 7 to 12 frames, 28 frames in all" in said and "at 20 frames/s" in said
    assert "camera: observation.images.wrist, 64 x 48 pixels, video" in said
    assert "action gripper" in said and "no problems found" in said
    assert main(["data", "inspect", str(DATA / "images")]) == 0


def test_it_says_what_video_without_actions_is_good_for(tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(DATA / "images", tmp_path / "silent")
    path = tmp_path / "silent" / "meta" / "info.json"
    info = json.loads(path.read_text())
    del info["features"]["action"]
    path.write_text(json.dumps(info))
    assert main(["data", "inspect", str(tmp_path / "silent")]) == 0
    assert "no actions: an encoder can be learned from the frames alone" in capsys.readouterr().out


def test_mistakes_are_one_line(tmp_path: Path, failing: Any) -> None:
    assert "followed by what to do" in failing("data")
    assert "followed by what to do" in failing("data", "look")
    assert "which data set" in failing("data", "inspect")
    assert "no LeRobot dataset" in failing("data", "inspect", f"data={tmp_path}")
    assert "frames must be true or false" in failing("data", "inspect", f"data={tmp_path}", "frames=7")


def test_two_folders_become_one(tmp_path: Path, capsys: Any, here: None) -> None:
    for seed in (0, 1):
        command = ["collect", "task=reach", "episodes=2", "steps=3", "workers=1", f"seed={seed}", "contact_sheet=false"]
        assert main([*command, f"out={tmp_path}/{seed}"]) == 0
    assert main(["data", "merge", f"data=[{tmp_path}/0,{tmp_path}/1]", f"out={tmp_path}/both"]) == 0
    assert "4 episodes, 16 frames in" in capsys.readouterr().out
    assert main(["data", "inspect", str(tmp_path / "both")]) == 0


def test_mistakes_in_merging_are_one_line(tmp_path: Path, failing: Any) -> None:
    assert "merge needs folders and a new one" in failing("data", "merge", f"data={tmp_path}", f"out={tmp_path}/c")
    assert "merge needs folders and a new one" in failing("data", "merge", f"data=[{tmp_path},{tmp_path}]")
    assert "no LeRobot dataset" in failing("data", "merge", f"data=[{tmp_path},{tmp_path}]", f"out={tmp_path}/c")
    assert "one data set at a time" in failing("data", "inspect", f"data=[{tmp_path},{tmp_path}]")


def test_they_do_not_wait_for_torch(tmp_path: Path) -> None:
    """Its import takes longer than merging half a gigabyte."""
    words = ["data", "merge", f"data=[{DATA}/video,{DATA}/video]", "episodes=[0,2]", f"out={tmp_path / 'out'}"]
    program = (
        f"import sys; from forearm.cli.main import main; assert main({words}) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
