"""What a search tried is listened to, and changes nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from forearm.agent.agent import Act
from forearm.agent.candidates import Candidates, overheard, paths
from forearm.agent.setup import PlanningSetup
from forearm.evaluation.closed_loop import SIDE, Recording, run_episodes
from forearm.evaluation.env_pool import environment
from forearm.evaluation.manifest import make_episode
from forearm.evaluation.protocol import Rules
from forearm.settings import compose as settings

SMALL = {"samples": 16, "iterations": 2, "horizon": 4}


def setup(planner: str, checkpoints: Any, **more: Any) -> PlanningSetup:
    chosen = settings.load("plan", [f"planner={planner}", "task=push", f"task.checkpoint={checkpoints}/push.json"])
    return PlanningSetup.resolve(chosen.one("task"), {**chosen.one("planner"), **SMALL, **more})


@pytest.mark.parametrize("planner, more", [("cem", {"elites": 4}), ("gauss_newton", {"directions": 4})])
def test_an_episode_that_is_filmed_goes_as_one_that_is_not(planner: str, more: dict, checkpoints: Any) -> None:
    env = environment("push", "front", 64)
    rules = Rules()
    episodes = [make_episode(env, 0, 3, rules)]

    def outcome(recording: Recording | None) -> Any:
        agent = setup(planner, checkpoints, **more).agent([env])
        with overheard(agent, recording is not None) as tried:
            if recording is not None:
                recording.candidates = lambda: tried.get(0)
            filmed = None if recording is None else {3: recording}
            [found] = run_episodes(agent, [env], episodes, 0, 4, filmed, rules)
        return found.success, found.steps, found.final_distance_m, found.model_evals, env.snapshot().tolist()

    recording = Recording(np.zeros(0, np.uint8))
    assert outcome(recording) == outcome(None)
    assert len(recording.frames) == len(recording.pictures) == len(recording.tried) == len(recording.imagined) == 5
    assert recording.goal_picture is not None and recording.goal_picture.shape == (SIDE, SIDE, 3)
    assert recording.pictures[0].shape == (SIDE, SIDE, 3) and (recording.frames[0] != recording.frames[-1]).any()
    # Pictures show the same moments: a coarse one looks as the frame does.
    coarse = recording.pictures[2].reshape(16, 30, 16, 30, 3).mean((1, 3))
    frame = recording.frames[2].reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.abs(coarse - frame).mean() < 6
    drawn, costs = recording.tried[0] or pytest.fail("nothing was tried")
    assert drawn.shape[1:] == (5, 2) and len(drawn) == len(costs) and list(costs) == sorted(costs, reverse=True)
    assert np.ptp(drawn[:, 0], axis=0).max() < 1e-9 and (drawn[:, 0] > 0).all() and (drawn[:, 0] < 1).all()
    assert recording.imagined == [None] * 5


def test_what_is_told_stays_until_it_is_told_anew(checkpoints: Any) -> None:
    env = environment("push", "front", 64)
    observation, info = env.reset(seed=0)
    recording = Recording(np.zeros(0, np.uint8))
    recording.begin(env, info)
    act = Act(np.zeros(4), None, fresh=True)
    fancied = np.zeros((8, 8, 3), np.uint8)
    recording.add(env, observation, act)
    recording.add(env, observation, act, fancied)
    recording.add(env, observation, replace(act, fresh=False))
    assert recording.imagined[0] is None and all(frame is fancied for frame in recording.imagined[1:])
    assert np.array_equal(env.render(), observation["pixels"])  # the goal was drawn, and the start is back


def test_what_is_shown_lies_evenly_over_the_ranks() -> None:
    candidates = Candidates()
    candidates.add(np.arange(6.0).reshape(6, 1, 1), np.array([5.0, 1, np.nan, 3, 0, np.inf]), torch.zeros(6, 2, 3))
    candidates.add(np.array([[[9.0]]]), np.array([-1.0]), None)
    actions, costs = candidates.shown(3)
    assert costs.tolist() == [5, 1, -1] and actions.ravel().tolist() == [0, 1, 9]
    assert candidates.lowest == -1 and candidates.future is None


def test_what_does_not_search_has_nothing_to_tell() -> None:
    env = environment("push", "front", 64)
    agent = PlanningSetup.baseline(settings.load("plan", ["task=push"]).one("task"), "hold").agent([env])
    with overheard(agent) as tried:
        assert tried == {} and paths(env, tried.get(0)) is None
