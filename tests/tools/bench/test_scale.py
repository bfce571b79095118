"""The table of what more workers and replicas bring: what is timed, what is predicted, and how it is shown."""

import time

import pytest

from forearm.common.engine.local import Local
from tests.forearm.one_process import in_one_process
from tests.serve.conftest import goal_folder, loaded, serving  # noqa: F401
from tools.bench.budget import QUICK
from tools.bench.scale import starting, table, working
from tools.bench.scale.engines import LOCAL, RAY, Timed
from tools.bench.scale.predicting import rate
from tools.bench.scale.rows import measured, predicted
from tools.bench.scale.serving import Asked
from tools.bench.scale.starting import Start
from tools.render.figures import about, save
from tools.render.pages import render


def test_workers_add_up_until_the_one_that_hands_out_jobs_has_no_time_left():
    assert rate(1, 0.5, 0.0) == pytest.approx(0.5) and rate(1, 0.5, 0.3) == pytest.approx(0.5)
    assert rate(128, 0.5, 0.0) == pytest.approx(64.0)
    rates = [rate(workers, 0.5, 0.1) for workers in (1, 2, 4, 16, 1000)]
    assert rates == sorted(rates) and 0.9 < rates[1] < 1.0 and rates[-1] == pytest.approx(10.0)
    # Two workers, by hand: of the states nobody, one and both at the driver, weights 1, 2ds, 2d^2 with s = 1 / 1.9.
    s, d = 1 / 1.9, 0.1
    weights = [1, 2 * d * s, 2 * (d * s) ** 2]
    assert rates[1] == pytest.approx((1 - weights[0] / sum(weights)) / d)


def test_jobs_are_timed_from_where_start_up_is_over():
    def do(note):
        time.sleep(0.05)
        for _ in range(4 + 10):
            note()
        time.sleep(0.02)
        note()

    timed = Timed(Local(), 2, do)
    timed.run()
    assert timed.rates[0] < 11 / 0.02 and timed.driver[0] >= 0


@pytest.mark.parametrize("command", [working.COLLECT, working.COMPARE])
def test_every_job_is_noted(command, monkeypatch):
    in_one_process(monkeypatch.setattr)
    monkeypatch.setattr(working, "EPISODES", 1)
    monkeypatch.setattr(working, "STEPS", 2)
    small = ("cem.samples=4", "cem.elites=2", "cem.iterations=1", "task.max_steps=2")
    monkeypatch.setattr(working, "COMPARED", (*working.COMPARED, *small))
    noted = []
    working.work(command, 3, 1)(lambda: noted.append(1))
    assert len(noted) == 3
    if command == working.COLLECT:
        assert working.shard_bytes(Local()) > 1000


def test_a_start_is_timed_in_a_process_of_its_own():
    start = Start(LOCAL, next(iter(starting.KINDS)))
    start.run()
    assert 0 < start.seconds[0] < 600


def test_clients_are_answered_and_counted(serving):  # noqa: F811
    asked = Asked(serving().url, 0.1)
    asked.run()
    assert asked.rates[0] > 0


def test_the_table_has_ratios_aims_and_predictions(tmp_path, monkeypatch):
    rows = [
        measured("one", "frames/s", [100.0] * 3, [180.0] * 3, 1.8),
        predicted("many", "frames/s", 100.0, 1500.0),
        measured("start", "s", [1.0] * 3, [5.0] * 3),
    ]
    monkeypatch.setattr(table, "PARTS", (lambda budget: rows[:1], lambda budget: rows[1:]))
    found = table.scale(QUICK)
    assert found["rows"] == rows
    save(tmp_path, "benchmarks", "scale", about("bench", ["--only", "scale"]) | {"peers": {}, "figures": found})
    page = render(tmp_path, "benchmarks")
    assert "| one | frames/s | 100.00 | 180.00 | 1.80 [1.80, 1.80] | ≥ 1.8 |" in page
    assert "| many | frames/s | 100.00 | 1500.00 | 15.00 | *prediction* |" in page
    assert "| start | s | 1.00 | 5.00 | 5.00 [5.00, 5.00] | - |" in page


def test_all_is_measured_on_both_engines():
    assert set(working.AIMS) == set(starting.STARTS) == {LOCAL, RAY}
