"""A finished comparison runs again where code was changed that decides how its episodes go, and nowhere else."""

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


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_words_may_change_everywhere(house: Path) -> None:
    before = key()
    for path in house.rglob("*.py"):
        text = path.read_text()
        said = text.replace('"""', '"""In other words: ', 1) if text.startswith('"""') else text
        path.write_text(f'{said}\n# A remark.\n"""Of the last value."""\n')
    assert key() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("planner/algorithms/cem.py", "elites: int = ", "elites: int = 1"),
        ("envs/arm/kinematics.py", "import numpy as np\n", "import numpy as np\n\nMORE = 1\n"),
        ("evaluation/closed_loop.py", "import numpy as np\n", "import numpy as np\n\nMORE = 1\n"),
    ],
)
def test_a_number_that_decides_may_not(name: str, old: str, new: str, house: Path) -> None:
    before = key()
    change(house / name, old, new)
    assert key() != before
    change(house / name, new, old)
    assert key() == before


def test_what_only_shows_outcomes_may_change(house: Path) -> None:
    before, diagnosed = key(), code_hash.code_sha256("diagnosis")
    for name in ("cli/compare.py", "evaluation/table.py", "diagnosis/page.py"):
        with (house / name).open("a") as file:
            file.write("\nMORE = 1\n")
    assert key() == before
    assert code_hash.code_sha256("diagnosis") != diagnosed
