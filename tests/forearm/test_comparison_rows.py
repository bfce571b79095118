"""A table's rows are told apart by all that they are made of."""

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from forearm.cli.compare import comparison_of
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.labels import file_stem
from forearm.evaluation.table import print_whole, results_tables
from forearm.settings import compose as settings


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


def described(out: Path, tasks: Sequence[Any] = ({},), planners: Sequence[Any] = ({},), **more: Any) -> Any:
    """The comparison, over three short episodes, of these changes of `reach` and CEM."""
    usual = ["task=reach", "planner=cem", "planner.samples=8", "planner.iterations=2", "cem.elites=2",
             "planner.horizon=4", "task.max_steps=6", "episodes=3", "films=1", f"out={out}"]  # fmt: skip
    chosen = comparison_of(settings.load("compare", usual))
    [task], [planner] = chosen.tasks, chosen.planners
    several = [change if "name" in change else {**planner, **change} for change in planners]
    return replace(chosen, tasks=[{**task, **change} for change in tasks], planners=several, **more)


def compared(*args: Any, **more: Any) -> dict[str, Any]:
    """The results of what `described` describes."""
    return engine.compare(described(*args, **more), 1, 1)


def printed(table: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_whole(console, table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def two_checkpoints(checkpoints: Path, tmp_path: Path) -> list[dict[str, str]]:
    """Changes of `reach`: a checkpoint, and the same under another name."""
    for path in checkpoints.glob("reach.*"):
        shutil.copy(path, tmp_path / path.name.replace("reach", "again"))
    return [{"checkpoint": str(checkpoints / "reach.json")}, {"checkpoint": str(tmp_path / "again.json")}]


def test_a_smaller_or_another_table_loses_nothing_of_the_one_before(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []

    def counted(function: Any, jobs: Any, workers: int) -> Any:
        ran.extend((job.contender.name, job.episodes[0].episode) for job in jobs if hasattr(job, "contender"))
        return map(function, jobs)

    monkeypatch.setattr(engine, "run_jobs", counted)
    one, other = ([{**change, "max_steps": 2}] for change in two_checkpoints(checkpoints, tmp_path))
    about: dict[str, Any] = {"baselines": ["hold"]}
    whole = compared(tmp_path, one, **about)
    filmed = (tmp_path / "films/reach-cem-000.mp4").read_bytes()
    ran.clear()
    compared(tmp_path, one, episodes=1, **about)
    assert not ran and compared(tmp_path, one, **about)["rows"] == whole["rows"] and not ran
    assert not (tmp_path / "partial").exists()
    compared(tmp_path, other, episodes=2, **about)
    assert ran == [("cem", 0), ("cem", 1)]
    again = compared(tmp_path, one, **about)
    assert ran[2:] == [("cem", 0)]  # whose film another row had taken
    assert [row["outcomes"] for row in again["rows"]] == [row["outcomes"] for row in whole["rows"]]
    assert (tmp_path / "films/reach-cem-000.mp4").read_bytes() == filmed


def test_one_checkpoint_by_two_names_is_one_too_many(checkpoints: Path, tmp_path: Path) -> None:
    named = [{"checkpoint": str(checkpoints / name)} for name in ("reach", "reach.json")]
    with pytest.raises(ForearmError, match="is there twice, with the same settings and checkpoint: leave one out"):
        engine.contenders_of(described(tmp_path, named))


def test_two_checkpoints_of_one_task_have_its_episodes_once(checkpoints: Path, tmp_path: Path) -> None:
    document = compared(tmp_path / "out", two_checkpoints(checkpoints, tmp_path), baselines=["hold"])
    assert [row["episodes"] for row in document["rows"]] == [3] * len(document["rows"])
    alone = compared(tmp_path / "alone", [{"checkpoint": str(checkpoints / "reach.json")}], baselines=["hold"])
    assert document["manifest_sha256"] == alone["manifest_sha256"]
    assert document["solved_at_start"] == alone["solved_at_start"]


def test_configs_of_one_task_that_have_other_episodes_are_told(tmp_path: Path) -> None:
    protocol = settings.load("compare", ["protocol=lewm"]).one("protocol")
    other = {"collect": {"episodes": 1, "steps": 80}}
    with pytest.raises(ForearmError, match=r"two configs of task reach .* protocol.trajectory_steps="):
        compared(tmp_path, [{}, other], learned=False, protocol=protocol)


def test_two_settings_of_one_planner_are_two_rows_with_a_test_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = engine.run_chunk

    def run_chunk(job: Any) -> Any:
        contender, done = run(job)
        if contender.setup.planner_config.get("samples") == 9:  # these solve everything, the others nothing
            return contender, [replace(outcome, success=True) for outcome in done]
        return contender, [replace(outcome, success=False) for outcome in done]

    monkeypatch.setattr(engine, "run_chunk", run_chunk)
    mppi = settings.load("compare", ["planner=mppi", "planner.samples=8", "planner.horizon=4"]).one("planner")
    document = compared(tmp_path, [{}], [{"samples": 9}, {}, mppi], baselines=[])
    assert [(row["name"], row["successes"]) for row in document["rows"]] == [
        ("cem samples=9", 3), ("cem samples=8", 0), ("mppi", 0),
    ]  # fmt: skip
    pairs = [(pair["a"], pair["b"], pair["only_a"], pair["only_b"]) for pair in document["pairs"]]
    assert pairs == [
        ("cem samples=9", "cem samples=8", 3, 0), ("cem samples=9", "mppi", 3, 0), ("cem samples=8", "mppi", 0, 0),
    ]  # fmt: skip
    names = ["reach-cem-samples=8-000.mp4", "reach-cem-samples=9-000.mp4", "reach-mppi-000.mp4"]
    assert sorted(path.name for path in (tmp_path / "films").iterdir()) == names
    assert sorted(path.name for path in engine.films_of(described(tmp_path), document)) == names
    shown = "\n".join(map(printed, results_tables(document)))
    assert shown.count("cem samples=9") == 3 and shown.count("cem samples=8") == 3


def test_checkpoints_are_told_apart_and_share_their_floors_and_ceilings(checkpoints: Path, tmp_path: Path) -> None:
    document = compared(
        tmp_path / "out", two_checkpoints(checkpoints, tmp_path), oracle=True, oracle_episodes=1, baselines=["hold"]
    )
    names = [row["name"] for row in document["rows"]]
    assert names == ["cem checkpoint=reach", "cem (oracle)", "hold", "cem checkpoint=again"]
    assert len({row["key"] for row in document["rows"]}) == 4
    films = {path.name for path in (tmp_path / "out" / "films").iterdir()}
    assert films == {f"reach-cem-{name}-000.mp4" for name in ("checkpoint=reach", "checkpoint=again", "oracle")}


def test_what_is_the_same_in_everything_is_not_compared_with_itself(tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match="reach-cem is there twice, with the same settings and checkpoint"):
        compared(tmp_path, [{}], [{}, {}])
    assert not list(tmp_path.iterdir())


def test_labels_that_differ_are_files_that_differ() -> None:
    long = "b" * 200
    labels = ["push-cem", "push-cem a=1,b=x y", "push-cem a=1", "push-cem a=x-1", "push-cem a=x/1", "push-cem a=x%2F1",
              f"push-cem {long}", f"push-cem {long}c"]  # fmt: skip
    stems = [file_stem(label) for label in labels]
    assert len(set(stems)) == len(labels) and file_stem("fetch/push-cem") == "fetch-push-cem"
    assert all("/" not in stem and " " not in stem and len(stem) < 140 for stem in stems)


def test_configs_of_ones_own_under_one_name_are_rows_of_one_table(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group, name, base, setting in (
        ("task", "reach-1", "reach", f"checkpoint: {checkpoints}/reach.json"),
        ("planner", "wide", "cem", "samples: 99"),
    ):  # fmt: skip
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.yaml").write_text(f"defaults: [/{group}/{base}@_here_, _self_]\n{setting}\n")
    monkeypatch.setenv("FOREARM_CONFIGS", str(tmp_path))
    words = ["task=[reach,reach-1]", "planner=[cem,wide]", f"out={tmp_path / 'out'}"]
    names = [one.name for one in engine.contenders_of(comparison_of(settings.load("compare", words))) if one.searches]
    assert len(set(names)) == 4 and all(name.startswith("cem checkpoint=") for name in names)
    assert [name.rpartition(",")[2] for name in names] == ["samples=128", "samples=99"] * 2
