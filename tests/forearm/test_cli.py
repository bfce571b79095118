import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from forearm.cli import collect as collect_command
from forearm.cli import main as cli
from forearm.cli import plan as plan_command
from forearm.cli.commands import COMMANDS
from forearm.cli.main import main


def test_help_shows_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_of_a_command_shows_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(example in shown for example in COMMANDS[name].examples)
    if COMMANDS[name].config:
        assert "defaults:" in shown and (
            "seed: 0" in shown or name in ("calibrate", "data", "monitor", "report", "robot")
        )


def test_nothing_and_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: forearm" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("forearm ")


def test_help_and_the_public_package_are_quick_to_import() -> None:
    code = (
        "import sys, forearm; from forearm.cli.main import main; main(['compare', '--help']);"
        "heavy = {'torch', 'mujoco', 'scipy', 'rich', 'hydra'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    started = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert time.monotonic() - started < 5


def test_a_plan_needs_no_library_of_data_pictures_or_compilers() -> None:
    code = (
        "import sys; from forearm.cli import main, plan; import forearm.world_model.heads.checkpoint;"
        "heavy = {'av', 'pyarrow', 'matplotlib', 'scipy', 'sympy', 'torch._dynamo', 'cma'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("reach", "push", "pick_place", "cem", "mppi", "random_shooting", "hold", "rest", "conv"):
        assert name in shown


def test_an_unknown_command_or_option(failing: Any) -> None:
    assert "did you mean 'compare'" in failing("compair")
    assert "--help" in failing("plan", "--fast")
    assert "takes no settings" in failing("list", "task=push")


def test_a_full_disk_an_interrupt_and_a_defect(
    failing: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raising(error: BaseException) -> None:
        def run(overrides: Any) -> int:
            raise error

        monkeypatch.setattr(collect_command, "main", run)

    raising(OSError(28, "No space left on device", "data/x.parquet"))
    assert "disk is full (data/x.parquet)" in failing("collect")
    raising(KeyboardInterrupt())
    assert main(["collect"]) == cli.INTERRUPTED
    capsys.readouterr()
    raising(TypeError("of ours"))
    assert main(["collect"]) == cli.DEFECT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "FOREARM_DEBUG" in said
    monkeypatch.setenv("FOREARM_DEBUG", "1")
    with pytest.raises(TypeError):
        main(["collect"])


def test_without_gl(failing: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from forearm import envs

    def none() -> str:
        raise envs.RenderingUnavailable("no GL back end can draw: install libosmesa6")

    monkeypatch.setattr(envs, "working_backend", none)
    assert "libosmesa6" in failing("collect", f"out={tmp_path}/data")
    assert not (tmp_path / "data").exists()
    assert plan_command is not None


@pytest.mark.parametrize("command", ["plan", "run", "compare"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task=pusch"], "did you mean 'push'"),
        (["planner=cemm"], "did you mean 'cem'"),
        (["cem.elites=200", "planner.samples=100"], "elites (200) is larger than samples (100)"),
        (["planner.horizon=0"], "horizon must be at least 1"),
        (["planner.deadline_ms=-5"], "deadline_ms must be greater than 0"),
        (["planner.deadline_ms=soon"], "deadline_ms must be a finite number"),
        (["planner.samples=1"], "samples must be at least 2"),
        (["seed=-1"], "seed must be a whole number of at least 0"),
        (["task.checkpoint=/nowhere/model.json"], "no checkpoint '/nowhere/model.json'"),
        (["task.checkpoint=nosuch"], "no checkpoint 'nosuch'"),
        (["out=/dev/null/x"], "/dev/null is a file"),
        (["use=[no_such_module]"], "no_such_module"),
    ],
)
def test_bad_settings(
    command: str, words: list[str], said: str, failing: Any, tmp_path: Path, checkpoints: Path
) -> None:
    out = tmp_path / "out"
    given = [f"out={out}", f"task.checkpoint={checkpoints}/reach.json", *words]
    assert said in failing(command, *given)
    assert not list(tmp_path.iterdir())  # nothing half-written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["planner.horizon=10", "replan_every=11"], "replan_every=11 must lie between 1 and the horizon of cem (10)"),
        (["planner.horizon=5"], "horizon=5 is no multiple of 2"),
        (["baselines=[hodl]"], "did you mean 'hold'"),
        (["task=push", "push.checkpoint={reach}"], "was made for task reach, not push"),
        (["task.camera=side"], "was made for camera front, not side"),
        (["episodes=0"], "episodes must be a whole number of at least 1"),
        (["workers=0"], "workers must be"),
        (["batch=0"], "batch must be"),
        (["objective.action=1"], "did you mean 'task.objective.action'"),
    ],
)
def test_bad_comparisons(words: list[str], said: str, failing: Any, tmp_path: Path, checkpoints: Path) -> None:
    reach = f"{checkpoints}/reach.json"
    given = [f"out={tmp_path / 'out'}", "task=reach", f"task.checkpoint={reach}"]
    words = [word.format(reach=reach) for word in words]
    if any(word.startswith("task=") for word in words):
        given = given[:1]
    assert said in failing("compare", *given, *words)
    assert not list(tmp_path.iterdir())


def test_foreign_and_damaged_checkpoints(failing: Any, tmp_path: Path, checkpoints: Path) -> None:
    out = f"out={tmp_path / 'out' / 'plan.json'}"
    foreign = tmp_path / "foreign.json"
    foreign.write_text('{"hello": 1}')
    assert "not a forearm checkpoint" in failing("plan", out, f"task.checkpoint={foreign}")
    foreign.write_text("not JSON")
    assert "not a forearm checkpoint" in failing("plan", out, f"task.checkpoint={foreign}")
    (tmp_path / "cut.json").write_text((checkpoints / "reach.json").read_text())
    assert "belongs beside" in failing("plan", out, f"task.checkpoint={tmp_path}/cut.json")
    weights = (checkpoints / "reach.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(weights[:1000])
    assert "hash differs" in failing("plan", out, f"task.checkpoint={tmp_path}/cut.json")
    assert not (tmp_path / "out").exists()
