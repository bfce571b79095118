"""A finished comparison runs again where code was changed that decides how its episodes go, and nowhere else."""

import ast
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from forearm.agent.setup import ORACLE, PlanningSetup
from forearm.evaluation import code_hash
from forearm.evaluation.contenders import Contender

FOLDERS = (*code_hash.ROOMS, "cli", "diagnosis")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, to be changed."""
    house = tmp_path_factory.mktemp("house")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "pretrained", "assets")
        shutil.copytree(str(files(f"forearm.{folder}")), house / folder, ignore=ignored)
    return house


@pytest.fixture(autouse=True)
def moved(house: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(code_hash, "files", lambda name: house / name.removeprefix("forearm."))
    yield
    code_hash.code_sha256.cache_clear()


def key() -> str:
    """Under which the outcomes of a contender are kept."""
    code_hash.code_sha256.cache_clear()
    return Contender(PlanningSetup.resolve("reach", "cem", dynamics=ORACLE), 0).key


def with_another_number(source: str) -> str:
    """The source with the first number of its code made another one."""
    numbers = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and type(node.value) is int
    ]
    first = min(numbers, key=lambda node: (node.lineno, node.col_offset))
    lines = source.splitlines(keepends=True)
    line = lines[first.lineno - 1]
    lines[first.lineno - 1] = f"{line[: first.col_offset]}{first.value + 1}{line[first.end_col_offset :]}"
    return "".join(lines)


def test_words_may_change_everywhere(house: Path) -> None:
    before = key()
    for path in house.rglob("*.py"):
        text = path.read_text()
        said = text.replace('"""', '"""In other words: ', 1) if text.startswith('"""') else text
        path.write_text(f'{said}\n# A remark.\n"""Of the last value."""\n')
    assert key() == before


@pytest.mark.parametrize("name", ["planner/algorithms/cem.py", "envs/arm/kinematics.py", "evaluation/closed_loop.py"])
def test_a_number_that_decides_may_not(name: str, house: Path) -> None:
    before, source = key(), (house / name).read_text()
    (house / name).write_text(with_another_number(source))
    assert key() != before
    (house / name).write_text(source)
    assert key() == before


def test_what_only_shows_outcomes_may_change(house: Path) -> None:
    before, diagnosed = key(), code_hash.code_sha256("diagnosis")
    for name in ("cli/compare.py", "evaluation/table.py", "diagnosis/page.py"):
        with (house / name).open("a") as file:
            file.write("\nMORE = 1\n")
    assert key() == before
    assert code_hash.code_sha256("diagnosis") != diagnosed
