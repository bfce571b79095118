import ast
import errno
import importlib
import pkgutil
from pathlib import Path

import pytest

from forearm.cli import main as cli
from forearm.errors import ForearmError, InputError, did_you_mean, disk_message, user_message
from forearm.evaluation.statistics import wilson
from forearm.planner import make_planner

ROOT = Path(__file__).resolve().parents[2]
# Calls that only our own code can get wrong; they raise the builtin error.
ASSERTIONS = {
    "forearm/control/trajectories/spline.py": 1,
    "forearm/control/trajectories/trajectory.py": 4,
    "forearm/evaluation/statistics.py": 2,
    "world_model/data/windows.py": 1,
    "world_model/data/writer.py": 2,
}
# Errors that never leave the file they are in, or never the server.
CAUGHT = {
    "forearm.control.observation_gate._Refused",
    "forearm.serve.connection.Gone",
    "forearm.serve.mcp.job.Cancelled",
}


def test_the_nearest_name_is_suggested_whatever_its_case() -> None:
    assert did_you_mean("Psuh", ["reach", "push"]) == "; did you mean 'push'?"
    assert did_you_mean("zzz", ["reach", "push"]) == "; choose from push, reach"
    assert did_you_mean("zzz", []) == ""


def test_a_full_disk_is_said_in_words() -> None:
    assert "disk is full (a.png)" in disk_message(OSError(errno.ENOSPC, "No space left", "a.png"))


def test_messages_are_one_line() -> None:
    assert user_message(ForearmError("a\n  b")) == "a b"


def test_the_type_alone_says_whose_an_error_is() -> None:
    with pytest.raises(ValueError) as users:
        make_planner("cem", elites=99, samples=10)
    assert "elites" in str(user_message(users.value))
    with pytest.raises(ValueError) as ours:
        wilson(3, 2)
    assert user_message(ours.value) is None
    assert user_message(TypeError("a defect")) is None


@pytest.mark.parametrize(
    ("slip", "said"),
    [("dict(zip('ab', 'c', strict=True))", "zip()"), ("int('abc')", "invalid literal")],
    ids=["zip", "int"],
)
def test_a_slip_in_our_own_code_is_a_defect(
    slip: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FOREARM_DEBUG", raising=False)

    class Module:
        # As if the call stood in a file of ours.
        main = eval(f"lambda words: {slip}", {"__name__": "forearm.cli.list"})

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Module)
    assert cli.main(["list"]) == cli.DEFECT == 1
    shown = capsys.readouterr().err
    assert shown.startswith("forearm: a defect: ValueError: ") and said in shown and shown.count("\n") == 1


def test_no_error_that_a_user_can_mend_is_a_builtin_one() -> None:
    found: dict[str, int] = {}
    for room in ("planner", "world_model", "envs", "forearm"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                raised = node.exc if isinstance(node, ast.Raise) else None
                raised = raised.func if isinstance(raised, ast.Call) else raised
                if isinstance(raised, ast.Name) and raised.id in ("ValueError", "Exception"):
                    name = path.relative_to(ROOT).as_posix()
                    found[name] = found.get(name, 0) + 1
    assert found == ASSERTIONS


def test_every_error_of_ours_has_the_one_root() -> None:
    import forearm

    others = set()
    for module in pkgutil.walk_packages(forearm.__path__, "forearm."):
        if module.name.endswith(("__main__", ".lerobot_policy", ".timm_import")):
            continue
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__ == module.name:
                assert not issubclass(thing, (ValueError, ImportError)) or issubclass(thing, ForearmError), thing
                if not issubclass(thing, ForearmError):
                    others.add(f"{module.name}.{thing.__name__}")
    assert others == CAUGHT
    assert issubclass(InputError, ValueError)
