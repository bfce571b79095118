"""A MuJoCo that cannot be imported: its own reason and a remedy in one line, whatever it raises and wherever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
try:
    from forearm import envs
except ImportError as error:
    print(type(error).__name__, "|", error.reason, "|", error.remedy)
"""


def run(folder: Path, *words: str, gl: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command with what lies in `folder` first on the path."""
    environment = {key: value for key, value in os.environ.items() if key != "MUJOCO_GL"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    if gl is not None:
        environment["MUJOCO_GL"] = gl
    command = [sys.executable, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def broken(folder: Path, code: str) -> Path:
    package = folder / "mujoco"
    package.mkdir()
    (package / "__init__.py").write_text(code)
    return folder


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("raise ImportError('the core bindings are missing')", "the core bindings are missing", "force-reinstall"),
        ("raise RuntimeError('no core')", "RuntimeError: no core", "force-reinstall"),
        ("raise OSError('libmujoco.so: cannot open')", "OSError: libmujoco.so: cannot open", "force-reinstall"),
        ("import absent_package", "No module named 'absent_package'", "install 'absent_package' or"),
        ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API not found", "numpy"),
        ("raise ValueError('numpy.dtype size changed')", "ValueError: numpy.dtype size changed", "numpy"),
        ("raise ImportError", "ImportError", "force-reinstall"),
        ("version = 3", "is another module of that name", "rename it"),
    ],
)
def test_the_reason_is_kept_and_a_remedy_named(tmp_path, code, reason, remedy):
    said = run(broken(tmp_path, code), "-c", SCRIPT, gl="egl" if "Runtime" in code else None)
    name, *parts = said.stdout.strip().split(" | ")
    assert name == "MuJoCoUnavailable", said.stderr
    assert reason in parts[0] and remedy in parts[1] and "\n" not in said.stdout.strip()


def test_remains_of_a_package_are_named(tmp_path):
    (tmp_path / "mujoco" / "plugin").mkdir(parents=True)
    (tmp_path / "mujoco" / "__init__.py").write_text("__file__ = None")
    assert "only remains of it" in run(tmp_path, "-c", SCRIPT).stdout


def test_a_first_reason_is_not_lost_to_the_second_try(tmp_path):
    twice = "import sys\nif hasattr(sys, 'tried'): raise ImportError('cannot load twice')\nsys.tried = 1\n"
    said = run(broken(tmp_path, twice + "raise ImportError('another numpy')"), "-c", SCRIPT).stdout
    assert "another numpy" in said and "twice" not in said


def test_what_gl_says_is_not_the_reason_where_more_is_wrong(tmp_path):
    broken(tmp_path, "from mujoco import gl_context\nraise ImportError('no core')")
    gl = "import os\nif os.environ.get('MUJOCO_GL') != 'disable': raise RuntimeError('no GL')"
    (tmp_path / "mujoco" / "gl_context.py").write_text(gl)
    said = run(tmp_path, "-c", SCRIPT).stdout
    assert "no core" in said and "no GL" not in said


@pytest.mark.parametrize("gl", ["crayon", "osmesa", "off"])
def test_a_back_end_that_is_not_there_does_not_keep_mujoco_from_being_imported(tmp_path, gl):
    said = run(tmp_path, "-c", "import os, envs; print(os.environ['MUJOCO_GL'])", gl=gl)
    assert said.returncode == 0 and said.stdout.strip() == gl, said.stderr


def test_the_command_line_says_it_in_one_line(tmp_path):
    broken(tmp_path, "raise ImportError('the core bindings are missing')")
    said = run(tmp_path, "-m", "forearm", "list")
    assert said.returncode == 2 and not said.stdout
    (line,) = said.stderr.strip().splitlines()
    assert line.startswith("forearm: mujoco cannot be imported: the core bindings are missing; install it again: pip")


def test_doctor_tells_reason_and_remedy(tmp_path):
    broken(tmp_path, "raise ImportError('no core')")
    said = run(tmp_path, "-m", "forearm", "doctor")
    words = " ".join(said.stdout.split())
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert "cannot be imported: no core" in words and "--force-reinstall" in words and "KeyError" not in words
