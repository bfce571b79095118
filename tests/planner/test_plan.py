"""The plan as a document: round trip, checks that name the field, safe writing, a table."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forearm.planner import Plan, PlanError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COST = st.floats(allow_nan=False).filter(lambda c: c != -math.inf)
TIME = st.floats(0, 1e9)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def plans(draw):
    horizon, dims, iterations = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
    commands = arrays(np.float64, (horizon, dims), elements=FINITE)
    return Plan(
        actions=draw(commands),
        times=draw(arrays(np.float64, horizon, elements=FINITE)),
        mean=draw(commands),
        cost=draw(COST),
        cost_per_iteration=draw(st.lists(COST, min_size=iterations, max_size=iterations)),
        model_evals=draw(st.integers(0, 10**9)),
        iterations=iterations,
        timings_ms=draw(st.dictionaries(st.sampled_from(["encode", "rollout", "select", "total"]), TIME)),
        planner=draw(st.text(max_size=8)),
        config=draw(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3)),
        stopped=draw(st.sampled_from(["iterations", "deadline", "converged"])),
        deadline_ms=draw(st.none() | TIME),
        seed=draw(st.none() | st.integers(-(2**63), 2**64)),
        checkpoint=draw(st.none() | st.text(max_size=8)),
        predicted_cost_curve=draw(st.none() | arrays(np.float64, st.integers(0, 5), elements=FINITE)),
        batch=draw(st.integers(1, 9)),
        action_names=draw(st.none() | st.lists(st.text(max_size=5), min_size=dims, max_size=dims)),
    )


@settings(max_examples=50, deadline=None)
@given(plan=plans())
def test_a_plan_survives_the_round_trip(plan):
    text = plan.to_json()
    again = Plan.from_json(text)
    assert again == plan and again.to_json() == text
    assert np.array_equal(again.actions, plan.actions) and again.actions.dtype == np.float64
    assert again.cost == plan.cost and "NaN" not in json.dumps(plan.to_dict()["actions"])
    assert str(plan) and plan.planner in str(plan)


@pytest.fixture
def plan():
    return Plan(
        actions=np.linspace(-1, 1, 6).reshape(3, 2),
        times=np.arange(3) * 0.1,
        mean=np.zeros((3, 2)),
        cost=0.25,
        cost_per_iteration=[0.5, 0.25],
        model_evals=64,
        iterations=2,
        timings_ms={"encode": 1.0, "rollout": 2.0, "select": 0.5, "total": 3.5},
        planner="cem",
        config={"horizon": 3, "initial_std": (0.5, 0.1)},
        seed=7,
        predicted_cost_curve=np.array([0.75, 0.5, 0.25]),
    )


def test_save_and_load(plan, tmp_path):
    path = tmp_path / "plan.json"
    plan.save(path)
    assert Plan.load(path) == plan == Plan.load(str(path))
    replace(plan, checkpoint="abc").save(path)
    assert Plan.load(path).checkpoint == "abc"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]
    document = json.loads(path.read_text())
    assert document["version"] == 1 and document["units"]["times"].startswith("s ")
    assert document["config"]["initial_std"] == [0.5, 0.1]


def test_a_failed_save_leaves_the_old_plan_and_nothing_else(plan, tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    plan.save(path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace(plan, seed=8).save(path)
    assert Plan.load(path) == plan
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]
    with pytest.raises(OSError):
        plan.save(tmp_path / "missing" / "plan.json")


def change(**fields):
    return lambda document: document | fields


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change(version=2), "version: this program reads plan version 1, got 2"),
        (change(version="1"), "version"),
        (lambda d: {k: v for k, v in d.items() if k != "version"}, "version: .* got None"),
        (lambda d: {k: v for k, v in d.items() if k != "mean"}, "mean: missing"),
        (change(colour="red"), "colour: not a field"),
        (change(units={}), "units"),
        (change(actions=[]), "actions: expected 2 dimension"),
        (change(actions=[[]]), r"actions: expected shape \(H, A\)"),
        (change(actions=[[1, 2], [3]]), "actions: expected a 2-dimensional list of numbers"),
        (change(actions=[["1", "2"]] * 3), "actions: expected a 2-dimensional list of numbers"),
        (change(actions=[[1, float("nan")]] * 3), "actions: holds a number that is NaN"),
        (change(actions=None), "actions"),
        (change(mean=[[0, 0]]), r"mean: expected shape \(3, 2\)"),
        (change(times=[0, 1]), r"times: expected shape \(3,\)"),
        (change(cost="low"), "cost: expected a number"),
        (change(cost=float("nan")), "cost: expected a finite cost"),
        (change(cost_per_iteration=[1]), "cost_per_iteration: expected 2 numbers"),
        (change(cost_per_iteration=3), "cost_per_iteration: expected a list"),
        (change(cost_per_iteration=[1, "x"]), r"cost_per_iteration\[1\]"),
        (change(model_evals=-1), "model_evals: expected at least 0"),
        (change(iterations=1.5), "iterations: expected an integer"),
        (change(timings_ms={"total": -1}), "timings_ms.total"),
        (change(timings_ms=[1]), "timings_ms: expected an object"),
        (change(planner=3), "planner: expected text"),
        (change(config=[]), "config"),
        (change(stopped="bored"), "stopped: expected one of iterations, deadline, converged"),
        (change(deadline_ms=-1), "deadline_ms"),
        (change(seed="7"), "seed"),
        (change(checkpoint=7), "checkpoint"),
        (change(predicted_cost_curve="x"), "predicted_cost_curve"),
        (change(predicted_cost_curve=[[1]]), "predicted_cost_curve"),
        (change(batch=0), "batch"),
    ],
)
def test_a_bad_document_is_an_error_that_names_the_field(plan, tmp_path, edit, message):
    text = json.dumps(edit(plan.to_dict()))
    with pytest.raises(PlanError, match=message) as caught:
        Plan.from_json(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=r"bad\.json"):
        Plan.load(path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_plan_at_all(tmp_path, data):
    path = tmp_path / "noise.json"
    path.write_bytes(data)
    with pytest.raises(PlanError, match=r"noise\.json"):
        Plan.load(path)
    with pytest.raises(FileNotFoundError):
        Plan.load(tmp_path / "none.json")


def test_no_finite_cost_is_null_in_the_document(plan):
    hopeless = replace(plan, cost=math.inf, cost_per_iteration=[math.inf, math.inf])
    assert hopeless.to_dict()["cost"] is None
    assert Plan.from_json(hopeless.to_json()).cost == math.inf
    assert "no finite cost" in str(hopeless)
    curve = Plan.from_json(replace(plan, predicted_cost_curve=np.array([np.nan, 1.0])).to_json())
    assert np.isnan(curve.predicted_cost_curve[0]) and curve.predicted_cost_curve[1] == 1.0


def test_a_config_that_json_cannot_hold(plan):
    with pytest.raises(PlanError, match=r"config\.model"):
        replace(plan, config={"model": object()})


def test_the_table_is_readable(plan):
    lines = str(plan).splitlines()
    assert lines[0] == "cem: 3 steps, cost 0.25, 2 iterations (iterations), 64 model evaluations"
    assert "rollout 2.0 ms" in lines[1] and lines[3].split() == ["0", "0.00", "-1.000", "-0.600"]
    long = replace(plan, actions=np.zeros((50, 2)), mean=np.zeros((50, 2)), times=np.arange(50))
    assert len(str(long).splitlines()) == 27
    assert plan != long and plan != 3
