"""What plans is settled once and handed on: what was read is what plans, whatever becomes of the files."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import forearm
from forearm import ForearmError
from forearm.agent.setup import BASELINES, LEARNED, NONE, ORACLE, PlanningSetup, task_config
from forearm.evaluation import comparison as engine
from forearm.evaluation import workers
from forearm.evaluation.contenders import Contender
from forearm.planner import Plan
from forearm.world_model.config import ModelConfig
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig
from forearm.world_model.heads.checkpoint import Heads, heads_path, save_heads
from forearm.world_model.heads.distance import DistanceConfig
from forearm.world_model.heads.distances import make_distance
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import load_checkpoint, save_checkpoint

SEARCH = {"samples": 16, "elites": 4, "iterations": 2}
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
Train = Callable[[int], Path]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Trains a world model of reach, after a fashion, always under the same name; gives its file."""
    path = tmp_path / "run" / "model"

    def trained(seed: int) -> Path:
        torch.manual_seed(seed)
        model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32)).eval()
        for weights in model.predictor.parameters():
            torch.nn.init.normal_(weights, std=0.1)
        save_checkpoint(model, path, {"task": "reach", "camera": "a.front", "control_period": 0.1})
        return path.with_suffix(".json")

    return trained


def test_what_a_planners_config_leaves_out_is_as_shipped(train: Train) -> None:
    loaded = forearm.load(train(0))
    named, told = loaded.setup("cem", **SEARCH), loaded.setup({"name": "cem", **SEARCH})
    assert told.planner_config == named.planner_config


def with_heads(path: Path, seed: int) -> None:
    """Heads beside a checkpoint."""
    torch.manual_seed(seed)
    prior, distance = ActionPrior(16, 4, PriorConfig(horizon=6, width=8)), make_distance(16, DistanceConfig(width=8))
    heads = Heads(prior, distance, torch.zeros(16), 1e-4 * torch.eye(16))
    save_heads(heads, heads_path(path), load_checkpoint(path)[1]["weights_sha256"], {})


def setup_of(path: Path, **settings: Any) -> PlanningSetup:
    cem = forearm.load(path).setup("cem", **SEARCH)
    return PlanningSetup.resolve({**cem.task, **settings}, cem.planner_config)


def planned(setup: PlanningSetup) -> Plan:
    return setup.plan(*FRAMES, seed=3)


def test_everything_that_planning_needs_is_settled(train: Train) -> None:
    setup = PlanningSetup.resolve("reach", "cem", train(0), replan_every=None)
    pace = task_config("reach")["plan"]
    assert setup.planner().config.horizon == setup.planner_config["horizon"] == pace["horizon"]
    assert setup.planner_config["action_repeat"] == pace["action_repeat"] and setup.replan_every == pace["replan_every"]
    assert setup.actions is not None and setup.actions.period == 0.1
    assert setup.actions.low.tolist() == [-1.0] * 4 and setup.actions.high.tolist() == [1.0] * 4
    assert setup.fingerprint == setup.document["weights_sha256"][:16] and setup.heads is None
    assert setup.planner(deadline_ms=50).config.deadline_ms == 50 and setup.planner().config.deadline_ms is None
    with pytest.raises(FrozenInstanceError):
        setup.replan_every = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"planner": "cemm"}, "did you mean 'cem'"),
        ({"checkpoint": "nowhere/model.json"}, "nowhere"),
        ({"replan_every": 99}, r"replan_every=99 must lie between 1 and the horizon of cem \(12\)"),
        ({"planner": {"name": "cem", "horizon": 5, "action_repeat": 1}}, "horizon=5 is no multiple of 2"),
        ({"planner": {"name": "cem", "horizon": 4, "action_repeat": 2, "samples": 1}}, "samples"),
        ({"planner": "guided", "dynamics": ORACLE}, "planner=guided has no oracle"),
    ],
)
def test_what_does_not_fit_is_told_at_once(train: Train, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=says):
        PlanningSetup.resolve("reach", **{"planner": "cem", "checkpoint": train(0), **changes})


def test_what_needs_no_world_model_has_none() -> None:
    oracle = PlanningSetup.resolve("reach", "cem", "nowhere/model.json", dynamics=ORACLE)
    assert (oracle.dynamics, oracle.actions, oracle.fingerprint) == (ORACLE, None, None)
    hold = PlanningSetup.baseline(task_config("reach"), "hold")
    assert (hold.dynamics, hold.planner_name, hold.fingerprint) == (NONE, "hold", None)
    prior = PlanningSetup.baseline(task_config("reach"), "prior")
    assert prior.dynamics == LEARNED and "+" in str(prior.fingerprint) and set(BASELINES) >= {"hold", "prior"}
    with pytest.raises(ForearmError, match="unknown baseline 'hodl'; did you mean 'hold'"):
        PlanningSetup.baseline(task_config("reach"), "hodl")


def test_another_process_reads_the_model_once_more(train: Train) -> None:
    setup = setup_of(train(0))
    sent, late = deepcopy(setup), deepcopy(setup)  # what is copied is what would be sent
    assert vars(sent)["_read"] is None
    assert np.array_equal(planned(sent).actions, planned(setup).actions)
    train(1)
    with pytest.raises(ForearmError, match="was trained anew while it was being used: repeat the command"):
        planned(late)


def test_heads_too_are_what_they_were(train: Train) -> None:
    path = train(0)
    with_heads(path, 0)
    loaded = forearm.load(path)
    loaded.task = {**loaded.task, "objective": {**loaded.task["objective"], "terminal": 0.5}}
    before = loaded.setup("cem", **SEARCH)
    with_heads(path, 1)
    assert loaded.setup("cem", **SEARCH).fingerprint == before.fingerprint
    assert np.array_equal(planned(loaded.setup("cem", **SEARCH)).actions, planned(before).actions)
    assert PlanningSetup.resolve(before.task, before.planner_config).fingerprint != before.fingerprint


def test_a_controller_plans_with_the_model_that_was_loaded(train: Train) -> None:
    def sent(control: forearm.Controller) -> Any:
        with control:
            control.reset(FRAMES[1])
            for beat in range(12):
                control.act({"pixels": FRAMES[0], "proprio": readings} if beat % 10 == 0 else None, 0.01 * beat)
            assert control.plan is not None
            return control.plan.checkpoint, control.plan.actions.tolist()

    def load() -> forearm.Controller:
        chosen = forearm.load(path).setup("cem", **SEARCH).planner_config
        return forearm.Controller.load(
            "reach", checkpoint=str(path), planner=chosen, mode="inline", clock=lambda: 0.0, check_goals=False,
            check_frames=False,
        )  # fmt: skip

    env = forearm.make_env("reach")
    readings = env.reset(seed=0)[0]["proprio"]
    env.close()
    path = train(0)
    first, second = load(), load()
    before = sent(first)
    train(1)
    assert sent(second) == before
    assert sent(load())[0] != before[0]


def test_a_comparison_goes_on_with_the_model_that_it_began_with(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(function: Callable[[Any], Any], jobs: Any, workers: int) -> Any:
        for job in jobs:
            if retrain and function is engine.run_chunk:
                train(1)
            yield function(deepcopy(job) if elsewhere else job)

    def compared(out: str) -> Any:
        workers._agent.cache_clear()
        [row] = forearm.compare("reach", "cem", out=tmp_path / out, **settings)["rows"]
        return row["checkpoint"], row["outcomes"]

    monkeypatch.setattr(engine, "run_jobs", here)
    settings: dict[str, Any] = {
        "episodes": 2, "baselines": [], "films": 0, "reach.max_steps": 4, "planner.samples": 8, "cem.elites": 2,
        "planner.iterations": 1, "reach.checkpoint": str(train(0)),
    }  # fmt: skip
    retrain = elsewhere = False
    before = compared("before")
    retrain = True
    assert compared("meanwhile") == before
    retrain = False
    after = compared("after")
    assert after[0] != before[0]
    train(0)
    assert compared("again") == before
    # Another process cannot have the old model, and says so instead of mixing two.
    retrain = elsewhere = True
    with pytest.raises(ForearmError, match="was trained anew while it was being used"):
        compared("elsewhere")


def test_a_contender_is_a_key_as_long_as_nothing_changes(train: Train) -> None:
    setup = setup_of(train(0))
    one, same = Contender(setup, 0), Contender(setup_of(train(0)), 0)
    assert one == same and len({one, same, deepcopy(one)}) == 1
    others = [Contender(setup, 1), Contender(replace(setup, replan_every=2), 0), Contender(setup_of(train(1)), 0)]
    assert len({one, *others}) == 4


def test_films_are_told_from_the_results(tmp_path: Path) -> None:
    chosen = engine.Comparison([], [], {}, tmp_path, films=2)
    names = ["films/ogbench-cube-single-cem-000.mp4", "seed-1/films/reach-cem-oracle-001.mp4"]
    rows = [{"outcomes": [{"film": names[0]}, {"film": None}]}, {"outcomes": [{"film": names[1]}]}]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert engine.films_of(chosen, {"rows": rows}) == [tmp_path / name for name in names]
    shutil.rmtree(tmp_path / "films")
    assert engine.films_of(chosen, {"rows": rows}) == [tmp_path / names[1]]
