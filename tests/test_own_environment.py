"""docs/own_environment.md, run as a reader would type it, and the contract on what comes out."""

import re
from pathlib import Path

import numpy as np
import pytest

from forearm import envs
from forearm.cli import main as cli
from forearm.envs import registry
from forearm.settings import compose as settings

PAGE = (Path(__file__).parents[1] / "docs" / "own_environment.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)


@pytest.fixture(scope="module")
def page():
    known = dict(registry._OWN)
    names: dict = {"__name__": "page"}
    for block in BLOCKS:
        exec(compile(block, "own_environment.md", "exec"), names)
    yield names
    registry._OWN.clear()
    registry._OWN.update(known)


@pytest.mark.parametrize("name", ["mine/ball", "gym/reacher"])
def test_what_the_page_makes_keeps_the_contract(page, name):
    env = envs.make(name)
    assert isinstance(env, envs.Environment) and name in envs.names()
    observation, info = env.reset(seed=3)
    again, same = env.reset(seed=3)
    assert np.array_equal(observation["pixels"], again["pixels"]) and np.array_equal(info["goal"], same["goal"])
    assert not np.array_equal(observation["pixels"], info["goal"])
    rng = np.random.default_rng(0)
    state, actions = env.snapshot(), rng.uniform(-1, 1, (6, 2))
    future = [env.step(action) for action in actions]
    env.restore(state)
    for action, (seen, *_, after) in zip(actions, future, strict=True):
        repeated, *_, verdict = env.step(action)
        assert np.array_equal(repeated["pixels"], seen["pixels"]) and verdict == after
    env.restore(info["goal_state"])
    assert env.success() and np.array_equal(env.render(), info["goal"])
    env.close()


def test_the_oracle_and_the_explorer_work_on_it(page):
    env = envs.make("mine/ball")
    env.reset(seed=1)
    start = env.snapshot()
    towards = [env.expert(np.random.default_rng(0)).act(), np.zeros(2), -np.ones(2)]
    candidates = np.stack([np.tile(action, (5, 1)) for action in towards])[None]
    costs = envs.CostToGo().cost(envs.StepwiseDynamics(env).rollout(start[None], candidates), candidates)
    assert costs.shape == (1, 3) and costs[0].argmin() == 0 and np.array_equal(env.snapshot(), start)
    policy = env.explorer(np.random.default_rng(1))
    acted = np.stack([policy.act() for _ in range(50)])
    assert np.abs(acted).max() <= 1 and acted.std() > 0.1
    env.close()


def test_the_command_line_takes_it(page, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(BLOCKS[0], encoding="utf-8")
    config = tmp_path / "configs" / "task" / "mine" / "ball.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.S | re.M)[0], encoding="utf-8")
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path / "configs"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for cached in (settings._composed, settings._options):
        cached.cache_clear()
    try:
        out = tmp_path / "out"
        words = ["task=mine/ball", "use=[mine]", "learned=false", "oracle=true", "oracle_episodes=1", "episodes=2"]
        words += ["cem.samples=8", "cem.elites=4", "cem.iterations=1", "films=0", "workers=1", f"out={out}"]
        assert cli.main(["compare", *words]) == 0
        assert (out / "results.json").is_file()
    finally:
        for cached in (settings._composed, settings._options):
            cached.cache_clear()


def test_a_name_that_cannot_be_one_is_refused(page):
    with pytest.raises(ValueError, match="cannot be part of a task's name"):
        envs.register_environments("my tasks", page["Ball"], ["ball"])
