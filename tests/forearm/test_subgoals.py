"""Searches led by sub-goals: trained by command, chosen by a setting, refused in one line where they cannot be."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forearm import envs
from forearm.agent.checkpoint import HeadsMissing
from forearm.agent.checkpoint_files import checkpoint_files
from forearm.agent.setup import PlanningSetup, task_config
from forearm.cli.main import main
from forearm.diagnosis.futures import SeenState, TrueFutures
from forearm.errors import ForearmError
from forearm.world_model.heads.recorded import RecordedWays
from forearm.world_model.heads.subgoal import Subgoal, SubgoalConfig
from forearm.world_model.heads.subgoal_checkpoint import save_subgoal, subgoal_path
from forearm.world_model.runtime.checkpoint import load_checkpoint

FRAME = np.full((64, 64, 3), 90, np.uint8)
GOAL = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


@pytest.fixture
def led(checkpoints: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint of push, and sub-goals beside it."""
    folder = tmp_path / "led"
    shutil.copytree(checkpoints, folder)
    torch.manual_seed(2)
    head = Subgoal(16, SubgoalConfig(horizon=8, width=16, depth=1), frameskip=2)
    digest = load_checkpoint(folder / "push")[1]["weights_sha256"]
    save_subgoal(head.eval(), subgoal_path(folder / "push"), digest, {"task": "push"})
    return folder


def words(folder: Path, out: Path) -> list[str]:
    return [
        "plan",
        "task=push",
        f"push.checkpoint={folder}/push.json",
        f"out={out}",
        "seed=3",
        "planner.samples=8",
        "cem.elites=4",
    ]


def resolved(folder: Path, **objective: Any) -> PlanningSetup:
    task = task_config("push")
    task["objective"] |= objective
    return PlanningSetup.resolve(task, "cem", folder / "push.json")


def test_the_cost_is_the_distance_to_what_the_way_looks_like_at_each_step(led: Path) -> None:
    model = resolved(led, subgoal=4, subgoal_weights="sum").latent_model()
    model.begin([GOAL])
    model.observe(0, {"pixels": FRAME}, None)
    problem = model.problem([0])
    head = model._subgoal
    assert head is not None
    way = head.way(problem.state.states[:, -1], model.goals_of([0]))
    commands = torch.zeros(1, 3, 12, 4)
    on_the_way = torch.cat([way[:, :2], 7 + way[:, :4]], dim=1)[:, None].expand(-1, 3, -1, -1)
    assert problem.objective.cost(on_the_way, commands).tolist() == [[0.0] * 3]
    assert (torch.as_tensor(problem.objective.cost(on_the_way + 1.0, commands)) > 0.9).all()


def test_plans_differ_and_are_told_apart(led: Path) -> None:
    plain, near = resolved(led), resolved(led, subgoal=4)
    assert near.fingerprint is not None and near.fingerprint.startswith(f"{plain.fingerprint}+")
    first, other = (each.plan(FRAME, GOAL) for each in (plain, near))
    assert not np.array_equal(first.actions, other.actions)
    assert np.array_equal(other.actions, near.plan(FRAME, GOAL).actions)


def test_they_stay_what_they_were_when_the_file_is_another(led: Path) -> None:
    setup = resolved(led, subgoal=4)
    before = setup.plan(FRAME, GOAL)
    torch.manual_seed(3)
    head = Subgoal(16, SubgoalConfig(horizon=8, width=16, depth=1), frameskip=2)
    digest = load_checkpoint(led / "push")[1]["weights_sha256"]
    save_subgoal(head.eval(), subgoal_path(led / "push"), digest, {"task": "push"})
    assert np.array_equal(setup.plan(FRAME, GOAL).actions, before.actions)
    assert resolved(led, subgoal=4).fingerprint != setup.fingerprint


def test_another_machine_gets_them_with_the_checkpoint_or_by_name(led: Path, tmp_path: Path) -> None:
    task = {"checkpoint": str(led / "push.json"), "subgoals": None}
    [beside] = checkpoint_files(task)
    assert {"push.json", "push.subgoal.json", "push.subgoal.safetensors"} <= set(beside.files)
    _, named = checkpoint_files(task | {"subgoals": str(led / "push.subgoal.json")})
    assert list(named.files) == ["push.subgoal.json", "push.subgoal.safetensors"]


def test_a_guided_search_has_a_setting_of_its_own(led: Path) -> None:
    task = task_config("push") | {"checkpoint": str(led / "push.json")}
    task["guided"] |= {"subgoal": 4}
    from forearm.agent.guided import guided_task

    led_by = guided_task(task, {"name": "guided"})["objective"]
    assert (led_by["subgoal"], led_by["subgoal_weights"], led_by["subgoal_slowness"]) == (4, "sum", 0.5)
    assert led_by["terminal"] == 0
    task["objective"]["subgoal"] = 8
    task["guided"]["subgoal"] = None
    assert guided_task(task, {"name": "guided"})["objective"]["subgoal"] is None
    assert guided_task(task, {"name": "prior"})["objective"]["subgoal"] == 8


def test_hierarchical_is_what_its_words_say(led: Path) -> None:
    task = task_config("push") | {"checkpoint": str(led / "push.json")}
    named = {**task, "hierarchical": {"horizon": 6}}
    short = PlanningSetup.resolve(named, "hierarchical", replan_every=None)
    task["objective"] |= {"subgoal": 6, "subgoal_weights": "sum", "subgoal_slowness": 0.5}
    task["plan"] |= {"horizon": 6, "replan_every": 4}
    long = PlanningSetup.resolve(task, "cem", replan_every=None)
    assert short.replan_every == 4 and short.planner().config.horizon == 6
    plans = [setup.plan(FRAME, GOAL) for setup in (short, long)]
    assert np.array_equal(plans[0].actions, plans[1].actions) and short.fingerprint == long.fingerprint
    with pytest.raises(ForearmError, match="has no setting 'horison'; did you mean 'horizon'"):
        PlanningSetup.resolve({**task, "hierarchical": {"horison": 6}}, "hierarchical")
    with pytest.raises(ForearmError, match="planner=hierarchical has no oracle: its sub-goals are"):
        PlanningSetup.resolve(task, "hierarchical", dynamics="oracle")


def test_joint_readings_count_beside_latents_and_other_costs_see_latents_alone() -> None:
    task = task_config("pick_place")
    task["objective"] |= {"terminal": 0.1, "unlikely": 0.1}
    setup = PlanningSetup.resolve(task, "hierarchical", replan_every=None)
    model = setup.latent_model()
    rng = np.random.default_rng(0)
    frame, goal = rng.integers(0, 255, (2, 128, 128, 3), np.uint8)
    model.begin([goal])
    model.observe(0, {"pixels": frame, "proprio": np.zeros(15)}, None)
    problem = model.problem([0])
    commands = torch.rand(1, 3, 8, 4)
    states = problem.dynamics.rollout(problem.state, commands)
    assert states.shape[-1] == setup.model.config.latent_dim + 15
    moved = states.clone()
    moved[..., -1] += 3.0
    before, after = (problem.objective.cost(each, commands) for each in (states, moved))
    assert torch.isfinite(torch.as_tensor(before)).all() and not torch.equal(before, after)


def test_true_futures_tell_joint_readings_where_they_are_compared() -> None:
    setup = PlanningSetup.resolve(task_config("pick_place"), "hierarchical", replan_every=None)
    with closing(envs.make("pick_place", resolution=128)) as env:
        env.reset(seed=3)
        model, start = setup.latent_model(), env.observe()
        model.begin([start["pixels"]])
        model.observe(0, start, None)
        problem = model.problem([0])
        state = SeenState(problem.state.states, problem.state.actions, snapshots=env.snapshot()[None])
        commands = torch.rand(1, 2, 8, 4, generator=torch.Generator().manual_seed(0)) - 0.5
        came = TrueFutures(env, model, lambda env: False).rollout(state, commands)["latents"]
        assert problem.objective.cost(came, commands).shape == (1, 2)
        for command in commands[0, 1].numpy():
            env.advance(command)
        read = (torch.from_numpy(env.observe()["proprio"]) - setup.model.proprio_mean) / setup.model.proprio_std
    assert came.shape == (1, 2, 4, 64 + 15)
    assert torch.allclose(came[0, 1, -1, 64:], read, atol=1e-4)


def test_what_cannot_be_is_said_in_one_line(
    led: Path, checkpoints: Path, tmp_path: Path, failing: Callable[..., str]
) -> None:
    out, at = tmp_path / "p.json", "push.objective.subgoal"
    told = failing(*words(checkpoints, out), f"{at}=4")
    assert "needs sub-goals of checkpoint" in told and "train-heads task=push parts=[subgoal]" in told
    assert "knows every 2 control steps up to 8" in failing(*words(led, out), f"{at}=10")
    assert "knows every 2 control steps up to 8" in failing(*words(led, out), f"{at}=3")
    assert "lies beyond horizon=6" in failing(*words(led, out), f"{at}=8", "planner.horizon=6")
    assert "unknown weights 'first'" in failing(*words(led, out), f"{at}=4", "push.objective.subgoal_weights=first")
    document = json.loads((led / "push.subgoal.json").read_text())
    (led / "push.subgoal.json").write_text(json.dumps(document | {"task": "reach"}))
    assert "sub-goals were trained for task reach, not push" in failing(*words(led, out), f"{at}=4")
    (led / "push.subgoal.json").write_text(json.dumps(document | {"world_model_sha256": "f" * 64}))
    assert "was trained on the world model" in failing(*words(led, out), f"{at}=4")
    assert not out.exists()


def test_they_are_trained_by_command_and_named_in_a_setting(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "made"
    filmed = ["task=push", "episodes=4", "steps=24", "workers=1", "contact_sheet=false"]
    assert main(["collect", *filmed, f"out={data}"]) == 0
    train = ["train-heads", "task=push", f"task.checkpoint={checkpoints}/push.json", f"data={data}", f"out={out}"]
    assert main([*train, "parts=[subgoal,recorded]", "subgoal.steps=3", "subgoal.width=8", "validation=0.3"]) == 0
    told = capsys.readouterr().out
    assert "subgoals: subgoal" in told and f"subgoal: {out / 'push.subgoal.json'}" in told
    made = {f"push.{part}.{suffix}" for part in ("subgoal", "recorded") for suffix in ("json", "safetensors")}
    assert {path.name for path in out.iterdir()} == made
    named = [f"push.subgoals={out / 'push.subgoal.json'}", "push.objective.subgoal=0.8s"]
    assert main([*words(checkpoints, tmp_path / "p.json"), *named]) == 0
    task = task_config("push") | {"checkpoint": str(checkpoints / "push.json"), "subgoals": "nowhere.json"}
    task["hierarchical"] = {"source": "recorded", "data": str(out / "push.recorded.json")}
    setup = PlanningSetup.resolve(task, "hierarchical")
    assert isinstance(setup.latent_model()._subgoal, RecordedWays)
    assert np.array_equal(setup.plan(FRAME, GOAL).actions, setup.plan(FRAME, GOAL).actions)
    assert list(list(checkpoint_files(setup.task))[1].files) == ["push.recorded.json", "push.recorded.safetensors"]
    task["hierarchical"] = {"source": "recorded"}
    with pytest.raises(HeadsMissing, match=r"there is no .*push.recorded.json: train them with .*parts=\[recorded\]"):
        PlanningSetup.resolve(task, "hierarchical")
    with pytest.raises(ForearmError, match=r"unknown push.hierarchical.source 'record'; did you mean 'recorded'"):
        PlanningSetup.resolve({**task, "hierarchical": {"source": "record"}}, "hierarchical")
