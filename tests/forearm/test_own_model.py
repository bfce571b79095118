"""A world model and a planner of one's own, named by a dotted path."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import forearm
from forearm.agent.own_model import weights_sha256
from forearm.agent.setup import PlanningSetup, task_config
from forearm.common.engine.run import run_jobs
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.comparison import Comparison, contenders_of
from forearm.settings import compose
from tests.forearm.conftest import Failing
from tests.forearm.own_parts import MODEL, PLANNER, WRONG

FILES = {"own_model": MODEL, "own_wrong": WRONG, "own_planner": PLANNER}
PROTOCOL = compose.load("compare").one("protocol")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name, None)


def of_push(out: Path, *models: str, **more: Any) -> Comparison:
    task = {**task_config("push"), "max_steps": 4}
    given: dict[str, Any] = {
        "tasks": [{**task, "checkpoint": model} for model in models],
        "planners": [{**compose.option("planner", "icem"), "samples": 8, "iterations": 1, "elites": 2}],
        "protocol": compose.load("compare").one("protocol"),
        "out": out,
        "episodes": 2,
        "films": 0,
    }
    return Comparison(**(given | more))


def checkpoint_of(name: str, task: str = "push") -> str | None:
    return PlanningSetup.resolve({**task_config(task), "checkpoint": name}, "cem").fingerprint


def test_a_comparison_has_all_rows_for_a_model_of_ones_own_but_those_that_need_heads(own: Path) -> None:
    planners = [*of_push(own).planners, compose.option("planner", "guided")]
    models = ("own_model:load", "own_model:other")
    document = engine.compare(of_push(own / "out", *models, planners=planners, oracle=True, oracle_episodes=1), 2, 1)
    names = [row["name"] for row in document["rows"]]
    first, second = (f"icem checkpoint={model}" for model in models)
    assert names == [first, "icem (oracle)", "random", "hold", "expert", second]
    assert [(pair["a"], pair["b"]) for pair in document["pairs"]] == [(first, second)]
    assert len(document["left_out"]) == 2
    for line, model in zip(document["left_out"], models, strict=True):
        assert line.startswith("guided on push") and f"needs heads, which model {model} has not" in line
    rows = {row["name"]: row for row in document["rows"]}
    assert rows[first]["checkpoint"] != rows[second]["checkpoint"] and len(rows[first]["checkpoint"]) == 16
    assert rows[first]["model_evals_per_plan"] == 8
    alone = engine.compare(of_push(own / "alone", models[0]), 1, 1)
    assert alone["rows"][0]["outcomes"] == rows[first]["outcomes"]  # whatever the batch


def test_workers_of_their_own_make_the_same_model_from_the_current_folder(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "run_jobs", run_jobs)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(own)])
    settings: dict[str, Any] = {"task.max_steps": 2, "episodes": 1, "films": 0, "baselines": [], "planner.samples": 8}
    settings |= {"planner.elites": 2, "planner.iterations": 1}
    document = forearm.compare("reach", "own_planner:Hill", out=own / "out", model="own_model:load", **settings)
    [row] = document["rows"]
    assert row["planner"] == "own_planner:Hill" and row["checkpoint"] == checkpoint_of("own_model:load", "reach")


def test_plans_follow_the_model(own: Path) -> None:
    model = forearm.load("own_model:load", task="push")
    frame, goal = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    plan = model.plan(frame, goal, planner="cem", seed=1)
    assert plan.checkpoint == model.document["weights_sha256"][:16] == checkpoint_of("own_model:load")
    assert plan.actions.shape == (16, 4) and plan.action_names == ["dx", "dy", "dz", "gripper"]
    mine = importlib.import_module("own_model").load()
    [start, end] = mine.encode(np.stack([frame, goal])).flatten(1)
    moved = mine.hand(torch.as_tensor(plan.actions).float()).unflatten(0, (8, 2)).sum(1).cumsum(0)
    steps = (start + moved - end).square().mean(1)
    weights = 0.8 ** torch.arange(7, -1, -1)
    assert plan.cost == pytest.approx(float((weights / weights.sum() * steps).sum()), rel=1e-4)
    other = forearm.load("own_model:other", task="push")
    assert other.resolution == 32 and other.task["resolution"] == 32
    assert other.plan(frame[::2, ::2], goal[::2, ::2], planner="cem", seed=1) != plan
    with pytest.raises(ForearmError, match="horizon=7 is no multiple of 2"):
        model.plan(frame, goal, planner="cem", horizon=7)
    with pytest.raises(ForearmError, match="does not say for which task it is: load"):
        forearm.load("own_model:load")


def test_a_row_is_another_with_other_weights_and_with_other_code_of_ones_own(own: Path) -> None:
    def key(model: str = "own_model:load") -> str:
        return contenders_of(of_push(own, model, baselines=()))[0].key

    before = key()
    assert key() == before != key("own_model:other")
    (own / "own_model.py").write_text(MODEL.replace("import torch", "# A remark.\nimport torch", 1))
    assert key() == before
    (own / "own_model.py").write_text(MODEL.replace("moved)", "2 * moved)"))
    assert key() != before


def test_the_fingerprint_is_the_models_own_or_of_its_weights(own: Path) -> None:
    model = importlib.import_module("own_model").load()
    weights = weights_sha256(model, "a")
    assert weights == weights_sha256(model, "b")
    model.hand.weight.data[0, 0] += 1e-3
    assert weights != (changed := weights_sha256(model, "a"))
    module = torch.nn.BatchNorm1d(3, dtype=torch.bfloat16)
    assert weights_sha256(module, "a") == weights_sha256(module, "b") != changed
    model.fingerprint = "v2"
    assert changed != weights_sha256(model, "a") == weights_sha256(type("M", (), {"fingerprint": "v2"})(), "b")
    assert weights_sha256(object(), "a") != weights_sha256(object(), "b")


def test_a_model_that_differs_from_process_to_process_is_told(own: Path) -> None:
    setup = PlanningSetup.resolve({**task_config("push"), "checkpoint": "own_wrong:Unseeded"}, "cem")
    object.__setattr__(setup, "_read", None)
    assert setup.checkpoint.fingerprint == setup.fingerprint  # one in one process
    sys.modules.pop("own_wrong")
    object.__setattr__(setup, "_read", None)
    with pytest.raises(ForearmError, match="own_wrong:Unseeded is another one in every process: read its weights"):
        _ = setup.checkpoint


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_model:lod", "model own_model:lod: own_model has no 'lod'; write module:name"),
        ("own_nothing:load", "model own_nothing:load: No module named 'own_nothing'; it must be on PYTHONPATH"),
        ("own_wrong:nothing", "model own_wrong:nothing is int: name a function that returns a model"),
        ("own_wrong:failing", "model own_wrong:failing fails, FileNotFoundError: weights.safetensors"),
        ("own_wrong:Blind", "returned Blind, which has no encode: expected encode(frames) and rollout(state, actions)"),
        ("own_wrong:Short", "Short: rollout returned float32 (1, 2, 1, 2, 3), expected real numbers (1, 2, 2, 2, 3)"),
        ("own_wrong:Flat", "Flat: encode returned float32 (6,), expected real numbers (1, ...)"),
        ("own_wrong:Whole", "Whole: encode returned int64 (1, 2, 3), expected real numbers (1, ...)"),
        ("own_wrong:Failing", "Failing fails in encode for frames uint8 (1, 64, 64, 3): RuntimeError: no such device"),
        ("own_wrong:Jumping", "Jumping has frameskip=0: expected a whole number from 1 up"),
        ("own_wrong:Wide", "Wide has action_dim=7: expected 4"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_in_one_line(name: str, said: str, own: Path, failing: Failing) -> None:
    assert said in failing("plan", "task=push", f"model={name}")


def test_a_model_of_another_pace_is_refused(own: Path) -> None:
    model = importlib.import_module("own_wrong")
    model.Mine.action_dim = 4
    with pytest.raises(ForearmError, match="one command every 1000 ms, not every 100 ms"):
        contenders_of(of_push(own, "own_wrong:Slow"))


def test_other_mistakes_are_said_in_one_line(own: Path, failing: Failing) -> None:
    assert "'plan' takes one model, not 2" in failing("plan", "model=[own_model:load,own_model:other]")
    assert "name one, or several in brackets, each once" in failing("compare", "model=[a:b,a:b]")
    said = failing("plan", "task=own", "model=own_model:load", "start=a.png", "goal=b.png")
    assert "has no action_dim or no control_period, and task 'own' has no simulator that tells them" in said
    assert "needs heads, which model own_model:load has not" in failing(
        "plan", "model=own_model:load", "planner=guided"
    )
    said = failing("compare", "model=own_model:load", "planner=guided", "baselines=[]")
    assert said.startswith("forearm: nothing to compare") and "left out: guided on reach" in said
    said = failing("train-heads", "task.checkpoint=own_model:load")
    assert "heads are trained on checkpoints of 'forearm train'" in said


def test_without_a_planner_a_model_of_ones_own_is_not_given_one_that_needs_heads() -> None:
    words = ["task=pick_place"]
    assert compose.load("plan", words).one("planner")["name"] == "guided"
    assert compose.load("plan", [*words, "model=own_model:load"]).one("planner")["name"] == "cem"


def test_a_planner_of_ones_own_needs_no_file(own: Path, failing: Failing) -> None:
    words = ["planner=[cem,own_planner:Hill]", "planner.shrink=0.5", "planner.samples=8", "planner.elites=2"]
    [usual, mine] = compose.load("compare", words).all("planner").values()
    assert mine["name"] == "own_planner:Hill" and (mine["shrink"], mine["samples"]) == (0.5, 8)
    assert mine["horizon"] is None and set(mine) == {*usual, "shrink"}
    setup = PlanningSetup.resolve("push", mine, "own_model:load")
    planner = setup.planner(deadline_ms=5.0)
    assert type(planner).__name__ == "Hill" and planner.config.shrink == 0.5 and planner.config.horizon == 16
    with pytest.raises(ForearmError, match="planner own_planner:Hill has no setting 'shrin'; did you mean 'shrink'"):
        setup.planner(shrin=1)
    wanted = of_push(own, "own_model:load", planners=[mine], baselines=())
    document = engine.compare(wanted, 1, 1)
    assert [row["planner"] for row in document["rows"]] == ["own_planner:Hill"]
    before = contenders_of(wanted)[0].key
    (own / "own_planner.py").write_text(PLANNER + "MORE = 1\n")
    assert contenders_of(wanted)[0].key != before
    assert "unknown key 'planner.shrin'; did you mean 'planner.shrink'" in failing(
        "plan", "planner=own_planner:Hill", "planner.shrin=1"
    )
    assert "planner.shrink must be a number" in failing("plan", "planner=own_planner:Hill", "planner.shrink=much")
    for name, said in (
        ("Hil", "own_planner has no 'Hil'; write module:name"),
        ("function", "has no method plan(problem, generators, ...): derive it from forearm.planner.Planner"),
        ("Loose", "has no config_type, a dataclass: derive it"),
    ):
        assert said in failing("plan", f"planner=own_planner:{name}")


def test_what_a_model_of_ones_own_imagines_is_not_drawn(own: Path) -> None:
    loaded = forearm.load("own_model:load", task="push")
    with pytest.raises(ForearmError, match="model own_model:load has no decoder, so what it imagines cannot be drawn"):
        loaded.imagine(np.zeros((64, 64, 3), np.uint8), np.zeros((4, 4)))
    filmed = engine.compare(of_push(own / "out", "own_model:load", episodes=1, films=1, baselines=()), 1, 1)
    assert (own / "out" / filmed["rows"][0]["outcomes"][0]["film"]).is_file()


def test_a_task_without_an_expert_loses_that_row_alone(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm.envs import ArmEnv
    from forearm.errors import InputError

    def none(env: Any, rng: Any) -> Any:
        raise InputError("task 'push' has no scripted expert")

    monkeypatch.setattr(ArmEnv, "expert", none)
    document = engine.compare(
        of_push(own, learned=False, oracle=False, tasks=[task_config("push") | {"max_steps": 2}]), 1, 1
    )
    assert [row["name"] for row in document["rows"]] == ["random", "hold"]
    assert document["left_out"] == ["expert on push: the task has no scripted expert"]
    seeds = engine.compare(
        of_push(own / "seeds", learned=False, tasks=[task_config("push") | {"max_steps": 2}], seeds=(0, 1)), 1, 1
    )
    assert seeds["left_out"] == document["left_out"]
    with pytest.raises(ForearmError, match=r"nothing to compare.*left out: expert on push"):
        contenders_of(of_push(own, "push", learned=False, baselines=["expert"]))


def test_a_model_that_keeps_the_contract_is_told_nothing(own: Path) -> None:
    assert forearm.check_model(importlib.import_module("own_model").load(), action_dim=4, gradients=True) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Blind", "Blind has no method encode."),
        ("Short", "Short.rollout returns"),
        ("Flat", "Flat.encode returns (30,) for 5 frames; it must be (N, ...), N first."),
        ("Whole", "Whole.encode returns int64; latents are real numbers, of a floating-point type."),
        ("Failing", "Failing.encode raises RuntimeError for frames uint8 (5, 64, 64, 3): no such device"),
        ("Jumping", "Jumping.frameskip is 0; it must be a whole number from 1 up."),
        ("Changing", "Changing.encode returns something else the second time"),
        ("Batched", "Batched.encode gives a frame another latent beside others"),
        ("Wide", "Wide.rollout raises RuntimeError for actions of shape (B, K, H, A)"),
    ],
)
def test_a_model_that_does_not_is_told_in_sentences(name: str, said: str, own: Path) -> None:
    found = forearm.check_model(getattr(importlib.import_module("own_wrong"), name)(), None if name == "Wide" else 4)
    assert any(sentence.startswith(said) for sentence in found), found


def test_a_model_that_does_not_say_how_many_numbers_a_command_has_is_asked(own: Path) -> None:
    with pytest.raises(ValueError, match="say how many numbers a command has"):
        forearm.check_model(importlib.import_module("own_model").load())
