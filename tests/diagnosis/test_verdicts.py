"""Toys with one known fault each: the diagnosis finds it."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from forearm.diagnosis import probe
from forearm.diagnosis.cells import CEILING, CELLS, DIAGNOSED
from forearm.diagnosis.document import findings
from forearm.diagnosis.probe import Probe
from forearm.diagnosis.study import Effort, diagnosed, explored, fit_probe, ranking
from forearm.diagnosis.subject import Subject
from forearm.diagnosis.verdict import CANDIDATES, COST, DISTANCE, DYNAMICS, LATENTS, NOTHING
from forearm.evaluation.manifest import make_episode
from forearm.evaluation.protocol import Rules
from forearm.planner import make_planner
from tests.diagnosis.toy import PlaneEnv, PlaneEyes, blind, folded

EPISODES = 7
"""Six of them lost is p = 0.031."""
EFFORT = Effort(explore=20, explore_steps=24, pools=1, pool=20, nearer_m=0.02, starts=2, ways=6, farthest=6)
SEARCH: dict[str, Any] = {"horizon": 8, "samples": 20, "iterations": 2, "elites": 4}


@cache
def probe_of(wall: bool, features: Any) -> tuple[Probe, list[float]]:
    """What is read off latents, and its errors: neither knows what the world model believes, or how it is searched."""
    subject = Subject(PlaneEnv(wall), PlaneEyes(features), None, Rules(rest_tolerance_m=None), replan_every=4)  # type: ignore[arg-type]
    return fit_probe(explored(subject, 0, range(EFFORT.explore), EFFORT.explore_steps))


def study(env: PlaneEnv, eyes: PlaneEyes, **search: Any) -> dict[str, Any]:
    """The whole diagnosis of CEM in a toy."""
    rules = Rules(rest_tolerance_m=None)
    subject = Subject(env, eyes, make_planner("cem", **(SEARCH | search)), rules, replan_every=4)  # type: ignore[arg-type]
    episodes = [make_episode(env, 0, number, rules) for number in range(EPISODES)]  # type: ignore[arg-type]
    reads, probe_m = probe_of(env.wall, eyes.features)
    as_it_is = [diagnosed(subject, episode, 0, reads, EFFORT) for episode in episodes]
    outcomes = {cell: [subject.run(cell, e, 0, reads)[0] for e in episodes] for cell in CELLS if cell != DIAGNOSED}
    outcomes[DIAGNOSED] = [episode.outcome for episode in as_it_is]
    ranks = [ranking(subject, episode, 0, EFFORT) for episode in episodes[: EFFORT.starts]]
    horizon = int(search.get("horizon", SEARCH["horizon"]))
    return findings(outcomes, as_it_is, ranks, probe_m, list(env.positions()), horizon, 1, EFFORT, 0.05, 0.95)


def solved(document: dict[str, Any]) -> dict[str, int]:
    return {f"{cell['dynamics']}-{cell['cost']}": cell["solved"] for cell in document["cells"]}


def shows(document: dict[str, Any], limit: str) -> None:
    """The verdict names this limit, and an exact test bears it out."""
    verdict = document["verdict"]
    assert (verdict["limit"], verdict["shown"]) == (limit, True), (verdict, solved(document))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and as many steps as a probe of a plane needs."""
    torch.set_num_threads(1)
    monkeypatch.setattr(probe, "STEPS", 300)


def test_without_a_fault_nothing_limits() -> None:
    found = study(PlaneEnv(), PlaneEyes())
    assert found["verdict"]["limit"] == NOTHING, found["verdict"]
    assert set(solved(found).values()) == {EPISODES}
    assert found["coverage"]["nearer"] == 1.0
    assert found["selection"]["spearman"] > 0.95
    assert found["range"]["range_steps"] == 6
    assert found["prediction"]["predicted"] == pytest.approx(found["prediction"]["realised"], abs=1e-3)
    assert max(found["probe_m"]["explorer"].values()) < 0.05


def test_an_encoder_that_does_not_show_where_the_point_is() -> None:
    found = study(PlaneEnv(), PlaneEyes(blind))
    shows(found, LATENTS)
    assert found["probe_m"]["explorer"]["ee_position"] > 0.1


def test_a_cost_in_which_the_goal_is_not_downhill() -> None:
    found = study(PlaneEnv(), PlaneEyes(folded))
    shows(found, COST)
    assert found["probe_m"]["explorer"]["ee_position"] < 0.05


def test_a_model_that_believes_commands_change_nothing() -> None:
    found = study(PlaneEnv(), PlaneEyes(inert=True))
    shows(found, DYNAMICS)
    assert found["range"]["range_steps"] == 0
    assert found["selection"]["spearman"] is None  # every candidate is predicted to cost the same


def test_candidates_that_hardly_differ() -> None:
    found = study(PlaneEnv(), PlaneEyes(), initial_std=0.002, min_std=0.001, horizon=25)
    assert (found["verdict"]["limit"], found["verdict"]["shown"]) == (CANDIDATES, True), (
        found["verdict"],
        solved(found),
    )
    assert found["coverage"]["nearer"] == 0.0


def test_a_goal_behind_a_wall_beyond_the_horizon() -> None:
    found = study(PlaneEnv(wall=True), PlaneEyes(), horizon=4)
    shows(found, DISTANCE)
    assert found["goal_steps"] > found["horizon"]
    assert solved(found)[CEILING.name] == 0


def test_an_episode_of_a_cell_is_a_function_of_its_seed() -> None:
    env, rules = PlaneEnv(), Rules(rest_tolerance_m=None)
    subject = Subject(env, PlaneEyes(folded), make_planner("cem", **SEARCH), rules, replan_every=4)  # type: ignore[arg-type]
    one, two = (make_episode(env, 0, number, rules) for number in range(2))  # type: ignore[arg-type]
    cell = CELLS[2]
    first, _, again = (subject.run(cell, episode, 0, None)[0] for episode in (one, two, one))
    assert (first.steps, first.final_distance_m) == (again.steps, again.final_distance_m)


def test_the_simulator_is_left_where_it_was() -> None:
    env, eyes = PlaneEnv(), PlaneEyes()
    rules = Rules(rest_tolerance_m=None)
    subject = Subject(env, eyes, make_planner("cem", **SEARCH), rules, replan_every=4)  # type: ignore[arg-type]
    episode = make_episode(env, 0, 0, rules)  # type: ignore[arg-type]
    before = env.snapshot()
    from forearm.diagnosis.futures import SeenState, TrueFutures

    state = SeenState(torch.zeros(1, 1, 2), torch.zeros(1, 0, 2), snapshots=np.asarray(episode.start_state)[None])
    came = TrueFutures(env, eyes, subject.solved).rollout(state, torch.ones(1, 3, 4, 2))  # type: ignore[arg-type]
    assert np.array_equal(env.snapshot(), before)
    assert came["positions"].shape == (1, 3, 4, 1, 3)
    assert came["latents"].shape == (1, 3, 4, 2)
