"""The pages of the repository are what its figures say, and what cannot be rendered is told in one line."""

import json
import shutil
from pathlib import Path

import pytest

from tools.render.__main__ import main
from tools.render.figures import about, save, stored
from tools.render.pages import PAGES, fixed, outdated, render, span

ROOT = Path(__file__).parents[3]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the figures and of their pages."""
    shutil.copytree(ROOT / "docs" / "data", tmp_path / "data")
    for page in PAGES:
        shutil.copy(ROOT / "docs" / f"{page}.md", tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_its_figures_render_to(page: str) -> None:
    assert not outdated(ROOT / "docs", page), "run 'python -m tools.render'"


def test_a_figure_or_a_page_that_is_changed_is_noticed(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--check", "--docs", str(docs)]
    assert main(words) == 0
    path = docs / "data" / "reliability" / "requests.json"
    path.write_text(path.read_text().replace("432000", "432001"))
    assert main(words) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "reliability.md" in line and "python -m tools.render" in line
    assert main(["--docs", str(docs)]) == 0 and main(words) == 0
    assert "| 432001 requests" in (docs / "reliability.md").read_text()
    (docs / "benchmarks.md").write_text((docs / "benchmarks.md").read_text() + " ")
    assert main([*words, "results"]) == 0 and main([*words, "benchmarks"]) == 1


@pytest.mark.parametrize(
    "text, said", [("{", "is no JSON"), ("{}", "a figure is missing"), ('{"figures": {}}', "missing")]
)
@pytest.mark.parametrize("file", ["benchmarks/overhead", "reliability/faults", "results/push-rest-seed3165"])
def test_figures_that_are_not_whole_are_told_in_a_line(
    docs: Path, capsys: pytest.CaptureFixture[str], text: str, said: str, file: str
) -> None:
    page, _, _ = file.partition("/")
    before = (docs / f"{page}.md").read_text()
    (docs / "data" / f"{file}.json").write_text(text)
    assert main([page, "--docs", str(docs)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("render: ") and said in line and f"data/{page}" in line
    assert (docs / f"{page}.md").read_text() == before


def test_nothing_measured_renders(tmp_path: Path) -> None:
    for page in PAGES:
        assert render(tmp_path, page).startswith("# ")


def test_a_measurement_is_kept_with_where_it_comes_from(tmp_path: Path) -> None:
    words = ["--docs", "elsewhere", "--only", "share"]
    save(tmp_path, "benchmarks", "share", about("bench", words) | {"figures": {"x": [1 / 3, float("nan"), 7]}})
    measured = stored(tmp_path, "benchmarks")["share"]
    assert measured["command"] == "make bench BENCH_ARGS='--only share'" and measured["date"].endswith(" UTC")
    assert {"processor", "cores", "system", "python", "torch", "numpy", "mujoco", "gpu"} == set(measured["machine"])
    assert measured["figures"] == {"x": [0.333333, None, 7]}
    assert [path.name for path in (tmp_path / "data" / "benchmarks").iterdir()] == ["share.json"]


def test_no_figure_names_a_place_on_a_machine() -> None:
    for path in (ROOT / "docs" / "data").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        json.loads(text)
        assert not any(place in text for place in ("/tmp/", "/home/", "/root/", "/work/", "\\\\")), path


def test_numbers_in_text() -> None:
    assert span({"value": 1.234, "low": 1.1, "high": 1.4}) == "1.23 [1.10, 1.40]"
    assert span({"value": -0.25}, 1) == "-0.2" and fixed(2.5, 0) == "2" and fixed(None) == "not known"
