"""What was run with other code of the user's own is run again."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import forearm
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.own_code import own_code_sha256

FILES = {
    "own_task.py": "import own_parts.speed\nimport torch\n\n\ndef later():\n    import own_late\n",
    "own_late.py": "LATE = 1\n",
    "own_other.py": "OTHER = 1\n",
    "own_parts/__init__.py": "from . import names\n",
    "own_parts/names.py": "NAME = 'a'\n",
    "own_parts/speed.py": "from .units import METRE\n",
    "own_parts/units.py": "METRE = 1.0\n",
    "own_parts/aside.py": "ASIDE = 1\n",
    "own_space/deep.py": "from own_space import beside\n",
    "own_space/beside.py": "BESIDE = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_a_module_imports_of_its_own_folder_counts(name: str, folder: Path) -> None:
    deep = name.startswith("own_space")
    module = "own_space.deep" if deep else "own_task"
    before = own_code_sha256([module])
    (folder / name).write_text(f"# A remark.\n{FILES[name]}\n")
    assert own_code_sha256([module]) == before
    (folder / name).write_text(f"{FILES[name]}MORE = 2\n")
    unused = name in ("own_other.py", "own_parts/aside.py")
    assert (own_code_sha256([module]) == before) == unused


def test_installed_packages_are_not_walked_through_and_none_is_none(folder: Path) -> None:
    assert own_code_sha256([]) != own_code_sha256(["own_other"]) != own_code_sha256(["own_late"])
    assert own_code_sha256(["rich.box"]) == own_code_sha256(["rich.box"])
    with pytest.raises(ForearmError, match="use=own_nothing: there is no such module"):
        own_code_sha256(["own_nothing"])


def test_a_comparison_that_goes_on_after_ones_own_code_changed_begins_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def run_until(limit: int) -> Any:
        def run(function: Any, jobs: Any, workers: int) -> Iterator[Any]:
            for job in jobs:
                if function is engine.run_chunk:
                    if len(ran) == limit:
                        raise KeyboardInterrupt
                    ran.append(job.episodes[0].episode)
                yield function(job)

        return run

    def compare() -> None:
        settings: dict[str, Any] = {"task.max_steps": 2, "episodes": 3, "films": 0, "use": ["own_task"]}
        forearm.compare(learned=False, baselines=["hold"], out=tmp_path / "out", **settings)

    monkeypatch.setattr(engine, "run_jobs", run_until(2))
    with pytest.raises(KeyboardInterrupt):
        compare()
    monkeypatch.setattr(engine, "run_jobs", run_until(4))
    with pytest.raises(KeyboardInterrupt):
        (folder / "own_parts" / "units.py").write_text("METRE = 1000.0\n")
        compare()
    assert ran == [0, 1, 0, 1]
    monkeypatch.setattr(engine, "run_jobs", run_until(10))
    compare()
    assert ran == [0, 1, 0, 1, 2]
