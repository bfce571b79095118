"""`forearm report`, and the report at the end of `forearm compare`."""

import json
from pathlib import Path
from typing import Any

import pytest

import forearm
from forearm.cli.main import main
from tests.report.documents import add_films, document


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    return path


def test_a_page_or_a_table_is_written_beside_the_results(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_films(results.parent)
    assert main(["report", str(results)]) == 0
    assert "report.html (2 films inside)" in capsys.readouterr().out
    assert main(["report", f"results={results.parent}", "embed=0", f"out={results.parent}/b.html"]) == 0
    assert "b.html (0 films inside, 2 linked beside it)" in capsys.readouterr().out
    for form, name in (("csv", "report.csv"), ("latex", "report.tex"), ("markdown", "report.md")):
        assert main(["report", str(results), f"format={form}"]) == 0
        assert f"table: {results.with_name(name)}" in capsys.readouterr().out
        assert main(["report", str(results), f"format={form}", "out=-"]) == 0
        assert capsys.readouterr().out == results.with_name(name).read_text(encoding="utf-8")
    names = {path.name for path in results.parent.iterdir()}
    assert names == {"results.json", "films", "report.html", "b.html", "report.csv", "report.tex", "report.md"}


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "which results?"),
        (["RESULTS", "format=htm"], "did you mean 'html'"),
        (["FOLDER/result.json"], "did you mean 'results.json'"),
        (["FOLDER/no/results.json"], "forearm compare writes them"),
        (["RESULTS", "embed=-1"], "embed must be at least 0"),
        (["RESULTS", "embed=much"], "embed"),
        (["RESULTS", "out=RESULTS", "format=csv"], "would overwrite the results"),
        (["RESULTS", "out=FOLDER"], "is a folder; name a file"),
        (["RESULTS", "out=RESULTS/x.html"], "is a file, not a folder"),
        (["RESULTS", "formt=csv"], "did you mean 'format'"),
        (["RESULTS", "task=push"], "no task to choose"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, results: Path, failing: Any) -> None:
    before = results.read_text()
    given = [word.replace("RESULTS", str(results)).replace("FOLDER", str(results.parent)) for word in words]
    assert said in failing("report", *given)
    assert results.read_text() == before and [path.name for path in results.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("not JSON", "Expecting value"),
        ("[]", "no results of 'forearm compare'"),
        ("{}", "lacks 'rows'"),
        ('{"rows": []}', "it has no rows"),
        ('{"rows": [{"planner": "cem"}]}', "lacks 'dynamics'"),
        ('{"rows": 7}', "no results of 'forearm compare'"),
        ("\ufffe", "no results of 'forearm compare'"),
    ],
)
def test_what_is_no_results_file_is_told(text: str, said: str, tmp_path: Path, failing: Any) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-16" if text == "\ufffe" else "utf-8")
    assert said in failing("report", tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_what_is_half_there_is_told(results: Path, failing: Any) -> None:
    given = document()
    for part, key in (
        ("rows", "ci95"),
        ("rows", "outcomes"),
        ("rows", "plan_ms"),
        ("pairs", "p_holm"),
        ("pairs", "task"),
    ):
        cut = {**given, part: [{name: value for name, value in given[part][0].items() if name != key}]}
        results.write_text(json.dumps(cut), encoding="utf-8")
        assert f"lacks '{key}'" in failing("report", results)
    cut = {**given, "rows": [{**given["rows"][0], "outcomes": [{"success": True}]}]}
    results.write_text(json.dumps(cut), encoding="utf-8")
    assert "lacks 'episode'" in failing("report", results)
    results.write_text(json.dumps({**given, "rows": [{**given["rows"][0], "episodes": 0}]}), encoding="utf-8")
    assert "division by zero" in failing("report", results)


def test_compare_writes_one_unless_it_is_told_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], here: None
) -> None:
    words = ["compare", "task=push", "learned=false", "baselines=[hold]", "episodes=2", "workers=1", "task.max_steps=2"]
    assert main([*words, f"out={tmp_path}/a"]) == 0
    assert f"report:  {tmp_path}/a/report.html" in capsys.readouterr().out
    assert "hold" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert main([*words, f"out={tmp_path}/b", "report=false"]) == 0
    assert "report" not in capsys.readouterr().out and not (tmp_path / "b" / "report.html").exists()
    settings: dict[str, Any] = {"learned": False, "baselines": ["hold"], "episodes": 1, "task.max_steps": 2}
    forearm.compare("push", out=tmp_path / "c", **settings)
    assert (tmp_path / "c" / "report.html").is_file()
