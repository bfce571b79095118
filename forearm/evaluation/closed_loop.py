"""Run an agent in the simulator until every episode is over: at its first success, or when its steps are used up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.agent import Act, Acting, Observation
from forearm.agent.candidates import Candidates, paths
from forearm.agent.imagination import Imagination, imagined_of
from forearm.common.seeds import planning_seed, variation_rng
from forearm.errors import ForearmError
from forearm.evaluation.live import LiveEpisodes
from forearm.evaluation.manifest import HeldOutEpisode
from forearm.evaluation.protocol import ANY_STEP, Judge, Rules, begin

if TYPE_CHECKING:
    from forearm.envs import Environment

SIDE = 480
"""Side of the pictures that films show, in pixels."""


@dataclass
class Outcome:
    """How one episode went.

    Attributes:
        episode: its number.
        seed: of its reset.
        success: as the rules count it.
        steps: control steps up to the first success, where that is what counts; else all of them.
        final_distance_m: at the last step that was carried out.
        plan_ms: of each plan that was made.
        model_evals: of each plan that was made.
        touched: whether the criterion was met, for as long as the rules say, at any step.
        held: whether it was met at the end (`Judge.held`); None where the episode was cut short by its success.
        seconds: that the episode took, its film included; 0 where nobody looked at the clock.
    """

    episode: int
    seed: int
    success: bool
    steps: int
    final_distance_m: float
    plan_ms: list[float] = field(default_factory=list)
    model_evals: list[int] = field(default_factory=list)
    touched: bool = False
    held: bool | None = None
    seconds: float = 0.0


@dataclass
class Recording:
    """What a film of one episode needs; lists have an entry for each control step and one for the end.

    Attributes:
        goal: the goal frame, as the model sees it.
        frames: seen by the model.
        curves: predicted costs of the plan in force; None where there are none.
        goal_picture: the goal, drawn for people; None: not drawn.
        pictures: the same moments as `frames`, drawn for people.
        tried: paths (N, H + 1, 2) of candidates for the plan in force, in shares of the picture's side, and their
            costs (N,); None where there are none.
        imagined: frames of where the plan in force is expected to lead; None where there are none.
        candidates: says what was tried for the last plan.
    """

    goal: np.ndarray
    frames: list[np.ndarray] = field(default_factory=list)
    curves: list[np.ndarray | None] = field(default_factory=list)
    goal_picture: np.ndarray | None = None
    pictures: list[np.ndarray] = field(default_factory=list)
    tried: list[tuple[np.ndarray, np.ndarray] | None] = field(default_factory=list)
    imagined: list[np.ndarray | None] = field(default_factory=list)
    candidates: Callable[[], Candidates | None] = lambda: None

    def begin(self, env: "Environment", info: Mapping[str, Any]) -> None:
        """Note the goal of the episode that `env` has just begun."""
        self.goal = info["goal"]
        here = env.snapshot()
        env.restore(info["goal_state"])
        self.goal_picture = env.render(resolution=SIDE)
        env.restore(here)

    def add(self, env: "Environment", seen: Observation, act: Act, imagined: np.ndarray | None = None) -> None:
        """Note the present: what is `seen`, the plan in force, what was tried for it, and a frame (R, R, 3) uint8 of
        where it is expected to lead. What is not told anew stays.
        """
        self.frames.append(seen["pixels"])
        self.pictures.append(env.render(resolution=SIDE))
        self.curves.append(None if act.plan is None else act.plan.predicted_cost_curve)
        candidates = self.candidates() if act.fresh else None
        last = self.tried[-1] if self.tried else None
        self.tried.append(last if candidates is None else paths(env, candidates))
        last_imagined = self.imagined[-1] if self.imagined else None
        self.imagined.append(last_imagined if imagined is None else imagined)


def run_episodes(
    agent: Acting,
    envs: "Sequence[Environment]",
    episodes: Sequence[HeldOutEpisode],
    seed: int,
    max_steps: int | None = None,
    recordings: dict[int, Recording] | None = None,
    rules: Rules | None = None,
    blind: bool = False,
    to_end: bool = False,
    goal_varies: bool = False,
    imagination: Imagination | None = None,
    live: LiveEpisodes | None = None,
) -> list[Outcome]:
    """Run `episodes` together, each in its own environment, up to its first success or `max_steps` control
    steps; with `to_end`, and where the rules count the last step alone, up to that.

    `max_steps` defaults to that of the rules, then to the task's own limit; rules to the task's own starts and
    criterion. `recordings` is filled for the episode numbers that are
    its keys. The time of a plan is that of one episode: where several are planned in one go, the time is
    shared among them.

    `imagination` draws what plans are expected to lead to. `live` shows it all of the first episode while it happens.

    `blind` agents (baselines, the oracle) look at no frame: none is drawn for them unless filmed or shown.

    In an `envs.variation` environment that varies, it does from the start on, and the goal picture with `goal_varies`.

    Raises `ForearmError` if an environment does not start where the manifest says.
    """
    from forearm.envs.varied import VariedEnvironment

    rules = rules or Rules()
    observations: list[Observation | None] = []
    goals = []
    for env, episode in zip(envs, episodes, strict=False):
        observation, info = begin(env, rules, episode.seed, episode.episode)
        check_start(env, episode)
        recording = (recordings or {}).get(episode.episode)
        if recording is not None:
            recording.begin(env, info)
        if isinstance(env, VariedEnvironment):
            observation = env.vary(variation_rng(episode.seed))
            info["goal"] = env.goal(info["goal_state"]) if goal_varies else info["goal"]
        check_goal(float(info["distance_m"]), episode)
        observations.append(observation)
        goals.append(info["goal"])
        if recording is not None:
            recording.goal = info["goal"]
    agent.reset(goals, [planning_seed(seed, episode.episode) for episode in episodes])
    outcomes = [Outcome(e.episode, e.seed, False, 0, e.start_distance_m) for e in episodes]
    judges = [Judge(rules) for _ in episodes]
    taken = [0] * len(outcomes)
    limits = [max_steps or rules.max_steps or env.max_episode_steps for env in envs]
    while any(observation is not None for observation in observations):
        for b, act in enumerate(agent.act(observations)):
            if act is None:
                continue
            outcome, seen = outcomes[b], observations[b]
            assert seen is not None
            recording, page = (recordings or {}).get(outcome.episode), live if b == 0 else None
            shown = recording is not None or page is not None
            ahead = imagined_of(agent, b, act, imagination) if shown and act.fresh else None
            if recording is not None:
                recording.add(envs[b], seen, act, None if ahead is None else ahead.frames[-1])
            if act.fresh and act.plan is not None:
                outcome.plan_ms.append(act.plan.timings_ms["total"] / act.plan.batch)
                outcome.model_evals.append(act.plan.model_evals)
            if page is not None:
                page.step(envs[b], (outcome.episode, taken[b]), seen, goals[b], act, ahead)
            if blind and not shown:
                envs[b].advance(act.action)
                observation = seen
            else:
                observation = envs[b].step(act.action)[0]
            judge = judges[b]
            solved = judge.solved(envs[b])
            taken[b] += 1
            if not (outcome.success and rules.counts == ANY_STEP):
                outcome.success, outcome.steps = solved, taken[b]
            outcome.touched = outcome.touched or solved
            outcome.final_distance_m = envs[b].distance()
            at_limit = taken[b] >= limits[b]
            over = at_limit or (judge.over(solved) and not to_end)
            if over:
                outcome.held = judge.held if at_limit else None
            if over and recording is not None:
                recording.add(envs[b], observation, replace(act, fresh=False))
            if over and page is not None:
                page.over(outcome.success, outcome.final_distance_m)
            observations[b] = None if over else observation
    return outcomes


def check_goal(distance_m: float, episode: HeldOutEpisode) -> None:
    """Raise `ForearmError` unless an environment, just reset, is as far from its goal as `episode` is."""
    if not abs(distance_m - episode.start_distance_m) <= 1e-4:
        raise ForearmError(
            f"{episode.task}: episode {episode.episode} does not have the goal that its manifest says; was the task "
            "changed since the manifest was made? Write another with 'forearm manifest', or use another out="
        )


def check_start(env: "Environment", episode: HeldOutEpisode) -> None:
    """Raise `ForearmError` if `env`, just reset, is not where `episode` starts."""
    here, wanted = np.asarray(env.snapshot()), np.asarray(episode.start_state)
    if here.shape != wanted.shape or not np.allclose(here, wanted, rtol=0, atol=1e-5):
        raise ForearmError(
            f"{episode.task}: episode {episode.episode} does not start where its manifest says; "
            "was the task changed since the manifest was made? Use another out="
        )
