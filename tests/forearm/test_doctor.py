"""`forearm doctor`: what it finds, what it says of what is missing, and its exit status."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from forearm.cli import doctor
from forearm.cli.doctor import Finding
from forearm.envs import rendering
from forearm.errors import ForearmError
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import pretrained_folder, save_checkpoint


@pytest.fixture
def quick_gl(monkeypatch):
    """Only osmesa "draws", without a process per back end."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "probe", lambda backend: backend == "osmesa")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = JEPA(ModelConfig(latent_dim=8, width=8, predictor_width=8, predictor_depth=1))
    save_checkpoint(model, tmp_path / "reach", {"task": "reach"})
    return tmp_path


def named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def text(findings: list[Finding], width: int = 200) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(doctor.render_table(findings))
    return console.export_text()


def test_this_machine_is_usable(checkpoint):
    findings = doctor.diagnose(checkpoint)
    assert [finding.name for finding in findings] == [
        "Python", "MuJoCo", "GL back end", "torch", "GPU", "checkpoints", "ffmpeg",
    ]  # fmt: skip
    assert doctor.usable(findings), findings
    assert "drew a frame" in named(findings, "GL back end").detail
    assert "reach" in named(findings, "checkpoints").detail
    assert "thread" in named(findings, "torch").detail


def test_every_line_that_is_not_ok_has_a_remedy(quick_gl, tmp_path):
    findings = doctor.diagnose(tmp_path)
    assert not named(findings, "checkpoints").ok
    assert "forearm train" in named(findings, "checkpoints").remedy
    for finding in findings:
        assert finding.ok or finding.remedy, finding
        assert "\n" not in finding.detail + finding.remedy


def test_no_gl_names_the_packages(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "probe", lambda backend: False)
    finding = doctor._gl()
    assert not finding.ok and finding.essential
    assert "libosmesa6" in finding.remedy


def test_gl_that_was_asked_for_but_draws_nothing(quick_gl, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    finding = doctor._gl()
    assert not finding.ok
    assert "MUJOCO_GL=egl" in finding.detail and finding.remedy == "unset MUJOCO_GL"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert doctor._gl().ok


def test_a_back_end_that_is_not_there_is_one_finding_and_no_traceback():
    environment = {**os.environ, "MUJOCO_GL": "glx"}
    command = [sys.executable, "-m", "forearm.cli.doctor"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 1, run.stderr
    assert "unset MUJOCO_GL" in run.stdout
    assert "Traceback" not in run.stderr and run.stdout.count("MISSING   MuJoCo") == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "reach.json").unlink(), "reach.json not found"),
        (lambda folder: (folder / "reach.json").write_text("{"), "not a forearm checkpoint"),
        (lambda folder: (folder / "reach.json").write_text('{"a": 1}'), "not a forearm checkpoint"),
        (lambda folder: (folder / "reach.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "reach.safetensors").write_bytes(b"PK"), "hash differs"),
    ],
)
def test_damaged_checkpoint(checkpoint, spoil, said):
    spoil(checkpoint)
    finding = doctor._checkpoints(checkpoint)
    assert not finding.ok
    assert said in finding.detail


def test_a_check_that_breaks_becomes_a_finding():
    def missing() -> Finding:
        raise ModuleNotFoundError("No module named 'mujoco'\nand more")

    def broken() -> Finding:
        raise RuntimeError

    for check in (missing, broken):
        finding = doctor._guarded("MuJoCo", check)
        assert not finding.ok and finding.remedy and finding.essential
        assert "\n" not in finding.detail


def test_old_library_is_refused(monkeypatch):
    monkeypatch.setattr("mujoco.__version__", "3.2.7")
    assert not doctor._mujoco().ok
    monkeypatch.setattr("mujoco.__version__", "3.10.0")
    assert doctor._mujoco().ok
    monkeypatch.setattr("mujoco.__version__", "4.0.0")
    finding = doctor._mujoco()
    assert not finding.ok and not finding.essential and "mujoco!=4.0.0" in finding.remedy


def test_exit_status_and_table(monkeypatch, capsys):
    fine, odd = Finding("a", True, "1.0"), Finding("b", False, "[none]", "do without", essential=False)
    monkeypatch.setattr(doctor, "diagnose", lambda: [fine, odd])
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    assert "[none]" in shown and "do without" in shown and "ready to plan" in shown
    monkeypatch.setattr(doctor, "diagnose", lambda: [fine, Finding("c", False, "gone", "fetch it")])
    assert doctor.main([]) == 1
    assert "not ready, see c" in capsys.readouterr().out


def test_takes_no_settings():
    with pytest.raises(ForearmError, match="task=push"):
        doctor.main(["task=push"])


def test_table_fits_a_narrow_terminal():
    shown = text([Finding("GL back end", False, "word " * 40, "remedy " * 20)], width=60)
    assert max(len(line) for line in shown.splitlines()) <= 60


def test_damaged_heads_are_told(tmp_path: Path) -> None:
    for path in pretrained_folder().glob("reach.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    finding = doctor._checkpoints(tmp_path)
    assert finding.ok and "reach.heads (1.1 MB)" in finding.detail and "reach.decoder (1.0 MB)" in finding.detail
    whole = (tmp_path / "reach.decoder.safetensors").read_bytes()
    (tmp_path / "reach.decoder.safetensors").write_bytes(b"0")
    finding = doctor._checkpoints(tmp_path)
    assert not finding.ok and "reach.decoder.json describes" in finding.detail
    (tmp_path / "reach.decoder.safetensors").write_bytes(whole)
    (tmp_path / "reach.heads.safetensors").write_bytes(b"0")
    finding = doctor._checkpoints(tmp_path)
    assert not finding.ok and "reach.heads.json describes" in finding.detail
