"""Results of several files, or several seeds, in one table."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forearm.cli.compare import chosen_of, comparison_of
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.merging import read_results
from forearm.evaluation.pooling import together as put_together
from forearm.evaluation.statistics import exact_paired_p, exact_unpaired_p
from forearm.evaluation.vary_picture import curves
from tests.forearm.conftest import Failing

WORDS = ("task=reach", "planner.samples=8", "planner.iterations=2", "planner.horizon=4",
         "task.max_steps=4", "episodes=6", "films=0")  # fmt: skip
Results = Callable[..., Path]


@pytest.fixture(scope="module")
def results(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The results file of a comparison, with these successes of its first row; made once."""
    made: dict[Any, Path] = {}

    def run(planner: str, *more: str, solved: str = "") -> Path:
        key = (planner, *more, solved)
        if key not in made:
            folder = tmp_path_factory.mktemp("results")
            elites = ["cem.elites=2"] if "cem" in planner else []
            words = [*WORDS, *elites, f"planner={planner}", f"reach.checkpoint={checkpoints}/reach.json",
                     "baselines=[]", f"out={folder}", *more]  # fmt: skip
            made[key] = folder / "results.json"
            document = engine.compare(comparison_of(chosen_of(words), words), 1, 1)
            if solved:
                for outcome, success in zip(document["rows"][0]["outcomes"], solved, strict=True):
                    outcome["success"] = success == "1"
                made[key].write_text(json.dumps(document))
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
        yield run


def together(*paths: Path, unpaired: bool = False) -> dict[str, Any]:
    return put_together([(path, read_results(path)) for path in paths], Path(), None, unpaired)


def test_pairs_across_files_are_tested_on_the_same_episodes(results: Results) -> None:
    document = together(results("cem", solved="111110"), results("mppi", solved="000001"))
    assert [row["name"] for row in document["rows"]] == ["cem", "mppi"]
    [pair] = document["pairs"]
    assert (pair["test"], pair["only_a"], pair["only_b"], pair["n"]) == ("mcnemar", 5, 1, [6, 6])
    assert pair["p"] == exact_paired_p(5, 1) and pair["difference"] == pytest.approx(4 / 6)
    assert pair["plan_ms"] is None and pair["final_distance_m"]["n"] == 6  # other machines, the same episodes
    assert [Path(source["file"]).name for source in document["sources"]] == ["results.json"] * 2
    assert document["detectable"]["reach"]["n"] == 6


def test_the_family_is_all_pairs_of_the_table(results: Results) -> None:
    files = [results("cem", solved="111111"), results("mppi", solved="000000"), results("random_shooting")]
    document = together(*files)
    assert len(document["pairs"]) == 3
    lowest = min(document["pairs"], key=lambda pair: pair["p"])
    assert lowest["p_holm"] == pytest.approx(min(1.0, 3 * lowest["p"]))


def test_two_settings_from_two_files_are_told_apart(results: Results) -> None:
    document = together(results("cem"), results("cem", "planner.samples=9"))
    assert [row["name"] for row in document["rows"]] == ["cem samples=8", "cem samples=9"]
    assert [row["label"] for row in document["rows"]] == ["reach-cem samples=8", "reach-cem samples=9"]


def test_a_row_of_two_files_is_there_once_unless_they_contradict(results: Results, tmp_path: Path) -> None:
    path = results("cem", solved="111110")
    assert [row["episodes"] for row in together(path, path)["rows"]] == [6]
    document = json.loads(path.read_text())
    document["rows"][0]["outcomes"][2]["success"] = False
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document))
    with pytest.raises(ForearmError, match=r"reach-cem is in .* with another outcome of episode 2"):
        together(path, other)
    document["rows"][0]["key"] = "of other code"
    other.write_text(json.dumps(document))
    with pytest.raises(ForearmError, match="was run by different code"):
        together(path, other)


def test_a_row_has_the_episodes_of_both_files(results: Results, tmp_path: Path) -> None:
    path = results("cem")
    whole = json.loads(path.read_text())
    halves = []
    for name, places in (("first", range(4)), ("last", range(2, 6))):
        half = json.loads(path.read_text())
        row = half["rows"][0]
        row["outcomes"] = [row["outcomes"][place] for place in places]
        row["model_evals"] = [row["model_evals"][place] for place in places]
        row["plan_ms"]["episodes"] = [row["plan_ms"]["episodes"][place] for place in places]
        halves.append(tmp_path / f"{name}.json")
        halves[-1].write_text(json.dumps(half))
    [row] = together(*halves)["rows"]
    for key in ("episodes", "successes", "ci95", "model_evals", "plan_ms", "final_distance_m"):
        assert row[key] == whole["rows"][0][key]


@pytest.mark.parametrize(
    "words, field",
    [
        ("protocol.hold_steps=2", "reach: hold_steps"),
        ("task.max_steps=3", "reach: max_steps"),
        ("protocol.alpha=0.01", "protocol.alpha"),
        ("episodes=5", "reach: the number of episodes drawn"),
    ],
)
def test_results_that_belong_in_no_table_together_are_refused_by_field(
    words: str, field: str, results: Results
) -> None:
    one, other = results("cem"), results("mppi", words)
    with pytest.raises(ForearmError, match=f"differ in {field} "):
        together(one, other)


def test_another_manifest_is_refused_by_its_hash(results: Results, tmp_path: Path) -> None:
    document = json.loads(results("mppi").read_text())
    document["manifests"]["reach"] = "0" * 64
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document))
    with pytest.raises(ForearmError, match="differ in reach: the manifest's hash"):
        together(results("cem"), other)


def test_different_episodes_are_tested_as_such_where_that_is_asked_for(results: Results) -> None:
    document = together(results("cem", solved="111110"), results("mppi", "seed=1", solved="000001"), unpaired=True)
    [pair] = document["pairs"]
    assert pair["test"] == "boschloo" and pair["only_a"] is None and pair["final_distance_m"] is None
    assert pair["p"] == exact_unpaired_p(5, 6, 1, 6) and document["seeds"] == [0, 1] and document["detectable"] == {}


def test_seeds_are_one_table_and_rows_hold_the_episodes_of_all(results: Results) -> None:
    path = results("cem,mppi", "seed=0,1", "films=1")
    document = json.loads(path.read_text())
    assert document["seeds"] == [0, 1] and [row["episodes"] for row in document["rows"]] == [12, 12]
    first = document["rows"][0]
    assert [outcome["episode"] for outcome in first["outcomes"]] == list(range(12))
    assert [outcome["run"] for outcome in first["outcomes"]] == [0] * 6 + [1] * 6
    assert len(first["plan_ms"]["episodes"]) == 12 and first["settings"]["seed"] == [0, 1]
    [pair] = document["pairs"]
    assert pair["n"] == [12, 12]
    alone = json.loads((path.parent / "seed-1" / "results.json").read_text())
    kept = [{**o, "episode": o["episode"] - 6, "film": None} for o in first["outcomes"][6:]]
    assert kept == [{**o, "film": None} for o in alone["rows"][0]["outcomes"]]
    films = [outcome["film"] for outcome in first["outcomes"] if outcome["film"]]
    assert films == ["seed-0/films/reach-cem-000.mp4", "seed-1/films/reach-cem-000.mp4"]
    assert all((path.parent / film).is_file() for film in films)


def test_files_of_several_seeds_are_what_one_comparison_of_them_is(results: Results) -> None:
    """Each planner of each seed from a machine of its own."""
    files = [results(planner, f"seed={seed}") for seed in (0, 1) for planner in ("cem", "mppi")]
    document, whole = together(*files), json.loads(results("cem,mppi", "seed=0,1", "films=1").read_text())
    same = ("name", "label", "code", "settings", "episodes", "successes", "ci95", "final_distance_m", "model_evals")
    for row, other in zip(document["rows"], whole["rows"], strict=True):
        assert {key: row[key] for key in same} == {key: other[key] for key in same}
        assert [{**o, "film": None} for o in row["outcomes"]] == [{**o, "film": None} for o in other["outcomes"]]
    timeless = [{**pair, "plan_ms": None} for pair in whole["pairs"]]
    assert document["pairs"] == timeless and document["pairs"][0]["n"] == [12, 12]
    assert document["seeds"] == [0, 1] and len(document["sources"]) == 4
    for key in ("manifests", "solved_at_start", "detectable", "across"):
        assert document[key] == whole[key]


def test_times_are_compared_where_both_rows_stand_in_the_same_files(results: Results) -> None:
    document = together(results("cem,mppi"), results("cem,mppi", "seed=1"))
    [pair] = document["pairs"]
    assert pair["plan_ms"]["n"] == 12 and "+" in document["rows"][0]["file"]


def test_seeds_are_added_to_a_table_of_several(results: Results) -> None:
    document = together(results("cem,mppi", "seed=0,1", "films=1"), results("cem,mppi", "seed=2"))
    assert document["seeds"] == [0, 1, 2] and [row["episodes"] for row in document["rows"]] == [18, 18]
    assert document["rows"][0]["settings"]["seed"] == [0, 1, 2]


def test_seeds_that_do_not_have_the_same_rows_are_refused(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match="differ in reach: max_steps "):
        together(results("cem"), results("cem", "task.max_steps=3", "seed=1"))
    with pytest.raises(
        ForearmError, match=r"reach-mppi is in .* of seed \[0\], and was not run .* for the other seeds"
    ):
        together(results("cem,mppi"), results("cem", "seed=1"))
    with pytest.raises(ForearmError, match=r"reach-cem is in .* of seed \[0\], and was not run .* for the other seeds"):
        together(results("cem"), results("cem", "planner.samples=9", "seed=1"))
    with pytest.raises(ForearmError, match="both hold seed 1: leave one out"):
        together(results("cem,mppi", "seed=0,1", "films=1"), results("cem,mppi", "seed=1"))
    document = json.loads(results("cem", "seed=1").read_text())
    document["rows"][0]["code"] = "another"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document))
    with pytest.raises(ForearmError, match="was run by different code"):
        together(results("cem"), other)
    del document["rows"][0]["code"]  # as before it was told; on the same episodes nobody asks for it
    other.write_text(json.dumps(document))
    assert len(together(results("mppi", "seed=1"), other)["rows"]) == 2
    with pytest.raises(ForearmError, match="does not say by which code it was run"):
        together(results("cem"), other)


VARIED = ("vary=[light]", "vary.light.strength=0.5")


def test_rows_of_several_seeds_say_what_was_varied(results: Results) -> None:
    document = json.loads(results("cem", "seed=0,1", *VARIED).read_text())
    light = {"factor": "light", "strength": 0.5}
    assert [(row["name"], row.get("vary")) for row in document["rows"]] == [("cem", None), ("cem light=0.5", light)]
    assert [point for point, _ in curves(document)["light"]["reach-cem"]] == [0.5, 1.0]


def test_rows_of_several_files_are_named_after_what_was_varied(results: Results) -> None:
    document = together(results("cem", *VARIED), results("mppi", *VARIED))
    assert [row["name"] for row in document["rows"]] == ["cem", "cem light=0.5", "mppi", "mppi light=0.5"]
    assert list(curves(document)["light"]) == ["reach-cem", "reach-mppi"]
    told = together(results("cem", *VARIED), results("cem", "planner.samples=9", *VARIED))
    names = ["cem samples=8", "cem samples=9", "cem light=0.5 samples=8", "cem light=0.5 samples=9"]
    assert [row["name"] for row in told["rows"]] == names
    assert [row["label"] for row in told["rows"]] == [f"reach-{name}" for name in names]
    assert len(curves(told)["light"]) == 2


def test_the_command_shows_and_keeps_a_merged_table(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: Failing
) -> None:
    one, other = results("cem", "films=1"), results("mppi")
    assert main(["compare", str(one), str(other), f"out={tmp_path}"]) == 0
    assert "exact paired tests, Holm-corrected over 1" in capsys.readouterr().out
    document = json.loads((tmp_path / "results.json").read_text())
    assert (tmp_path / document["rows"][0]["outcomes"][0]["film"]).resolve().is_file()
    assert document["command"].startswith("forearm compare /") and "sources" in document
    again = read_results(tmp_path / "results.json")  # a merged table can be merged again
    assert put_together([(tmp_path / "results.json", again)], tmp_path)["rows"][0]["name"] == "cem"
    old = tmp_path / "old.json"
    old.write_text(json.dumps({"rows": [{"task": "reach"}], "pairs": []}))
    assert "lacks what a table of several files needs" in failing("compare", one, old)
    old.write_text("[")
    assert "cannot be read as results" in failing("compare", one, old)
    assert "cannot be read as results" in failing("compare", one, "nothing.json")
    assert "episodes= does not go with files of results" in failing("compare", one, other, "episodes=3")
