import re
from pathlib import Path

import pytest

from forearm.errors import ForearmError
from forearm.report import charts
from forearm.report.page import square, write_report
from forearm.report.rows import rows_of
from tests.report.documents import HOSTILE, add_films, document, row


def written(folder: Path, embed_mb: float | None = 32.0, given: dict | None = None) -> str:
    write_report(folder / "report.html", given or document(), folder, embed_mb)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    add_films(tmp_path)
    text = written(tmp_path)
    assert not re.search(r"(src|href)=[\"'](?!#)", text) and "http" not in text.replace("http-equiv", "")
    assert "@import" not in text and "url(" not in text and "default-src 'none'" in text
    assert text.count('<script type="text/plain" id="film-') == 2
    for said in ("100", "[76, 100]".replace("76", "68"), "p, Holm", "is better", "1 of 9 pairs", "seed 3", "9f5412f8"):
        assert said in text, said


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert "<img src=x" not in text and 'onerror="' not in text
    assert "&lt;/script&gt;&lt;img" in text and r"\u003c/script\u003e" in text
    assert text.count("</script>") == 2  # the data's and the script's own


@pytest.mark.parametrize("embed_mb, expected", [(None, (2, 0)), (0.0, (0, 2)), (32.0, (2, 0))])
def test_films_go_into_the_page_as_far_as_there_is_room(
    tmp_path: Path, embed_mb: float | None, expected: tuple[int, int]
) -> None:
    add_films(tmp_path / "results")
    page = tmp_path / "pages" / "report.html"
    assert write_report(page, document(), tmp_path / "results", embed_mb) == expected
    assert ("../results/films/push-icem-000.mp4" in page.read_text(encoding="utf-8")) == (embed_mb == 0.0)


def test_films_that_results_name_lie_beside_them(tmp_path: Path) -> None:
    own, other = tmp_path / "results" / "films" / "own.mp4", tmp_path / "other" / "films" / "it.mp4"
    for path in (own, other, tmp_path / "secret.mp4", tmp_path / "results" / "films" / "results.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
    given = document()
    names = [
        "films/own.mp4",
        "../other/films/it.mp4",
        "../secret.mp4",
        str(other),
        "films/results.json",
        None,
        "",
        "films",
    ]
    for outcome, name in zip(given["rows"][0]["outcomes"], names, strict=True):
        outcome["film"] = name
    assert write_report(tmp_path / "report.html", given, tmp_path / "results", None) == (2, 0)


def test_a_size_below_nothing_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match="embed must be at least 0 megabytes, not -1"):
        written(tmp_path, -1.0)
    assert not list(tmp_path.iterdir())


def test_results_of_earlier_releases_have_a_report(tmp_path: Path) -> None:
    old = {
        "task": "reach", "planner": "cem", "dynamics": "oracle", "episodes": 2, "successes": 1, "success": 0.5,
        "ci95": [0.1, 0.9], "final_distance_m": None, "plan_ms": {"p50": 30.0, "p95": 40.0}, "checkpoint": None,
        "outcomes": [{"episode": 0, "seed": 5, "success": True, "steps": 7, "final_distance_m": 0.02}],
    }  # fmt: skip
    text = written(tmp_path, given={"rows": [old]})
    assert "cem (oracle)" in text and ">40<" in text


def test_a_square_says_how_its_episode_went_without_colour() -> None:
    [one] = rows_of({"rows": [row("push", "icem", 0.5, 4, 256, 30)]})
    squares = [square(one, place, None) for place in range(4)]
    assert [found.state for found in squares] == ["left", "solved", "touched", "missed"]
    assert squares[0].said == "episode 0: solved, but not held at the end in 9 steps"
    assert ("distance at the end", "not finite") in squares[3].facts


def test_success_is_drawn_against_what_a_plan_costs_and_against_strength() -> None:
    rows = [one for one in rows_of(document()) if one.task == "push"]
    names = charts.names_of(rows)
    nominal = [one for one in rows if one.variation is None]
    evaluations, time = charts.budget_charts(nominal, names)
    assert {series.name: len(series.points) for series in evaluations.series} == {HOSTILE: 1, "icem": 1}
    dear, cheap = (series.points[0] for series in evaluations.series)
    assert dear.x > cheap.x and dear.y == charts.TOP and cheap.y == charts.BOTTOM - 0.75 * (charts.BOTTOM - charts.TOP)
    assert [level.text for level in evaluations.levels] == ["random, hold", "prior", "expert"]
    assert [level.text for level in time.levels] == ["random, hold", "expert"]  # the prior is a point there
    [light] = charts.strength_charts(rows, names)
    [series] = light.series
    assert (series.name, series.style) == ("icem", 1) and len(series.points) == 2
    assert [tick.text for tick in light.x_ticks] == ["0.7", "1.3"]
    assert [(level.text, level.style) for level in light.levels] == [("as it is", 1)]
    assert charts.strength_charts(nominal, names) == []
    told = document()
    for one in told["rows"]:
        one["vary"] = one["vary"] | {"nominal": 1.0} if "vary" in one else None
    rows = [one for one in rows_of(told) if one.task == "push"]
    [light] = charts.strength_charts(rows, charts.names_of(rows))
    assert [tick.text for tick in light.x_ticks] == ["0.7", "1", "1.3"] and not light.levels
    assert [point.said.split(":")[0] for point in light.series[0].points] == [
        "icem light=0.7",
        "icem",
        "icem light=1.3",
    ]
    assert charts.budget_charts(nominal[1:2], names) == []  # one point is no curve


def test_rows_that_differ_in_what_a_plan_costs_alone_are_one_curve() -> None:
    def swept(samples: int, horizon: int) -> dict:
        planner = {"name": "cem", "samples": samples, "elites": samples // 4, "horizon": horizon}
        of = {"planner": planner, "task": {"name": "push"}, "seed": 0}
        name = f"cem horizon={horizon},samples={samples}"
        return row("push", name, 0.5, evals=samples, ms=samples / 8, planner="cem", settings=of)

    rows = rows_of({"rows": [swept(64, 8), swept(256, 8), swept(128, 8), swept(64, 12)]})
    [chart, _] = charts.budget_charts(rows, charts.names_of(rows))
    assert [(series.name, len(series.points)) for series in chart.series] == [
        ("cem", 3),
        ("cem horizon=12,samples=64", 1),
    ]
    places = [point.x for point in chart.series[0].points]
    assert places == sorted(places)


def test_what_is_said_over_several_tasks_and_of_the_least_difference(tmp_path: Path) -> None:
    across = {"tasks": ["a", "b"], "rows": [{"name": "cem", "iqm": 0.625, "ci95": [0.5, 0.75]}],
              "pairs": [{"a": "cem", "b": "icem", "probability": 0.71, "ci95": [0.6, 0.8]}]}  # fmt: skip
    least = {"push": {"n": 8, "alpha": 0.025, "power": 0.8, "difference": 0.66}}
    text = written(
        tmp_path, given=document() | {"across": across, "detectable": least, "seeds": [3, 4], "confidence": 0.9}
    )
    for said in (
        "62 <span",
        "[50, 75]",
        "cem over icem",
        "71 <span",
        "8 episodes show a difference of 66 points",
        "90 %",
    ):
        assert said in text, said
    assert "seed 3, 4," in text


def test_times_lie_on_one_axis_in_order() -> None:
    rows = rows_of(document())
    spreads, ticks = charts.spreads(rows)
    assert len(spreads) == 6 and len(ticks) >= 3
    for spread in spreads.values():
        places = (spread.p5, spread.p25, spread.p50, spread.p75, spread.p95, spread.p99)
        assert places[0] >= 0 and list(places) == sorted(places) and places[-1] <= charts.BAR
    assert charts.spreads([one for one in rows if not one.times]) == ({}, [])


@pytest.mark.parametrize("low, high", [(0.02, 0.03), (1, 1e6), (95, 105), (256, 512), (30, 60)])
def test_axes_have_a_few_round_numbers(low: float, high: float) -> None:
    ticks = charts.log_ticks(low, high)
    assert 1 <= len(ticks) <= 6 and all(low <= tick <= high for tick in ticks) and ticks == sorted(ticks)
