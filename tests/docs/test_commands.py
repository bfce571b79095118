"""Every `forearm` line of a page is one that the command line takes."""

import re
import sys
from pathlib import Path

import pytest

from forearm.cli.commands import COMMANDS
from forearm.settings import compose, sweep
from tests.docs.markdown import PAGES, blocks, commands
from tools.site.links import ROOT

LINES = {name: commands(text) for name, text in PAGES.items() if commands(text)}


@pytest.fixture(autouse=True)
def own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task, the robot and the planner that three pages describe, where their reader would put them."""
    [text] = blocks(PAGES["docs/own_environment.md"], "yaml")
    (tmp_path / "task" / "mine").mkdir(parents=True)
    (tmp_path / "task" / "mine" / "ball.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "task" / "plant").mkdir()
    plant = ROOT / "examples/process_plant/configs/task/plant/cstr.yaml"
    (tmp_path / "task" / "plant" / "cstr.yaml").write_text(plant.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "task" / "forces").mkdir()
    forces = "defaults: [/task/pick_place@_here_, _self_]\nname: forces/pick_place\ncheckpoint: outputs/forces\n"
    (tmp_path / "task" / "forces" / "pick_place.yaml").write_text(forces, encoding="utf-8")
    [arm] = re.findall(r'"""\n(name: planar\n.*?)"""', PAGES["docs/tutorials/own_arm.md"], re.S)
    (tmp_path / "robot").mkdir()
    for robot in ("planar", "mine"):
        (tmp_path / "robot" / f"{robot}.yaml").write_text(arm.replace("planar\n", f"{robot}\n", 1), encoding="utf-8")
    monkeypatch.setenv("FOREARM_CONFIGS", str(tmp_path))
    planner = "\n".join(blocks(PAGES["docs/tutorials/own_planner.md"], "python")[:2])
    (tmp_path / "mine.py").write_text(planner, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)


@pytest.mark.parametrize("page", LINES)
def test_every_command_of_a_page_is_taken(page: str) -> None:
    for words in LINES[page]:
        line = " ".join(["forearm", *words])
        if not words or words[0].startswith("-"):
            assert words in ([], ["--help"], ["--version"]), line
            continue
        name, settings = words[0], [word for word in words[1:] if word != "--help"]
        if name == "COMMAND":  # stands for any
            continue
        assert name in COMMANDS, line
        if name == "data" and settings:
            assert settings.pop(0) in ("inspect", "merge", "convert"), line
        if name == "robot" and settings:
            assert settings.pop(0) == "check", line
            settings = [word if "=" in word else f"file={word}" for word in settings]
        if name == "report":  # whose file may stand alone
            settings = [word if "=" in word else f"results={word}" for word in settings]
        if COMMANDS[name].config is None:
            assert not settings, line
            continue
        try:
            load = sweep.load if name == "compare" else compose.load
            files = [word for word in settings if name == "compare" and word.endswith(".json") and "=" not in word]
            load(COMMANDS[name].config, [word for word in settings if word not in files])
        except Exception as error:
            pytest.fail(f"{line}: {error}")


def test_commands_are_found() -> None:
    assert len(LINES["README.md"]) >= 5 and len(LINES["docs/command_line.md"]) >= 15
    text = "    forearm run a=1 \\\n        b='c d'  # said\n\n    torchrun -n 2 -m forearm train\n"
    text += '\n    R="c=2 d=3"\n    forearm run $R …\n\nSay `forearm list`.\n'
    assert commands(text) == [["run", "a=1", "b=c d"], ["train"], ["run", "c=2", "d=3"], ["list"]]
