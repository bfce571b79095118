"""docs/process_plant.md: the reactor is do-mpc's, it is learned and controlled, and its faults are found."""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.cli.main import main
from forearm.envs import registry
from forearm.settings import compose as settings

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGE = (EXAMPLES.parent / "docs" / "process_plant.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example() -> Iterator[None]:
    """The example as its page says, with nothing left behind."""
    known = dict(registry._OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        patch.setenv(settings.OWN_CONFIGS, str(EXAMPLES / "process_plant" / "configs"))
        for cached in (settings._composed, settings._options):
            cached.cache_clear()
        import process_plant.plant  # noqa: F401

        yield
        registry._OWN.clear()
        registry._OWN.update(known)
        for name in [name for name in sys.modules if name.partition(".")[0] == "process_plant"]:
            del sys.modules[name]
    for cached in (settings._composed, settings._options):
        cached.cache_clear()


def test_the_reactor_keeps_the_contract_and_its_balances(example: None) -> None:
    from process_plant import reactor

    env = envs.make("plant/cstr", None, 32)
    assert isinstance(env, envs.Environment)
    seen, info = env.reset(seed=4)
    again, same = env.reset(seed=4)
    assert np.array_equal(seen["proprio"], again["proprio"]) and np.array_equal(info["goal"], same["goal"], True)
    assert np.isnan(info["goal"]).tolist() == [False, False, True] and env.distance() > 1.0
    state = env.snapshot()
    future = [env.step(np.array([30.0, -5000.0]))[0]["proprio"] for _ in range(6)]
    assert [bool(np.isnan(each[0])) for each in future] == [True] * 4 + [False, True]
    env.restore(state)
    assert np.array_equal(env.step(np.array([30.0, -5000.0]))[0]["proprio"], future[0], equal_nan=True)
    env.restore(info["goal_state"])
    assert env.success()
    rest = reactor.steady(reactor.USUAL)
    assert np.allclose(reactor.rates(rest, reactor.USUAL), 0.0, atol=0.05)
    # Nothing is made of nothing: what came in as A leaves as A, B, or what those became.
    assert rest[0] + rest[1] < reactor.C_A0
    with pytest.raises(ValueError, match="has 10 numbers"):
        env.restore(np.zeros(3))


def test_it_is_the_model_that_do_mpc_solves(example: None) -> None:
    pytest.importorskip("do_mpc", reason="do-mpc, with CasADi of 93 MB, is not installed: pip install do-mpc")
    from do_mpc.simulator import Simulator
    from process_plant import reactor
    from process_plant.control import errors, mpc
    from process_plant.mpc import symbolic

    simulator = Simulator(symbolic())
    simulator.set_param(t_step=reactor.STEP)
    template = simulator.get_tvp_template()
    simulator.set_tvp_fun(lambda now: template)
    simulator.setup()
    state, action = reactor.steady(reactor.USUAL), np.array([55.0, -2000.0])
    simulator.x0 = state
    theirs = np.asarray(simulator.make_step(action.reshape(2, 1))).reshape(4)
    assert np.allclose(reactor.after(state, action), theirs, rtol=1e-4)
    [[concentration, temperature, distance]] = errors(lambda plant, seed: mpc(plant), [1000], 12)
    assert distance < 1.0 and concentration < 0.02 and temperature < 1.0


def test_pid_beats_doing_nothing(example: None) -> None:
    from process_plant.control import controllers, errors

    makes = controllers(None, oracle=False)
    hold, pid = (errors(makes[name], range(1000, 1002), 20).mean(axis=0) for name in ("hold", "PID"))
    assert (pid < 0.8 * hold).all()


def test_pca_finds_what_its_name_is_known_for(example: None) -> None:
    from process_plant.faults import AT, FAULTS, PcaMonitor, clip, judged
    from process_plant.reactor import Faults

    steps = AT + 8
    usual, seen = clip(2, steps=steps), clip(2, Faults(bias=(0.0, 20.0, 0.0)), steps)
    assert np.array_equal(seen.readings[:AT], usual.readings[:AT], equal_nan=True)
    assert np.allclose(seen.readings[AT, 1] - usual.readings[AT, 1], 20.0)
    for lags in (0, 2):
        monitor = PcaMonitor([usual] * 7, lags, rate=10.0)  # of which few are enough, as all are alike
        found = judged([monitor.levels(seen)], [monitor.levels(usual)], monitor.threshold)
        assert found.auroc == 1.0 and found.noticed == 1.0 and found.delay <= 4
    stuck = clip(2, FAULTS["feed valve stuck"], steps)
    assert np.allclose(stuck.readings[: AT + 1], usual.readings[: AT + 1], equal_nan=True)
    assert not np.allclose(stuck.readings[AT + 4 :], usual.readings[AT + 4 :], equal_nan=True)


def test_the_page_is_gone_through_from_log_to_control(
    example: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick_probes: None,
) -> None:
    from process_plant.__main__ import main as step

    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "do_mpc" else find(name))
    assert step(["log", "--runs", "12", "--normal", "2"]) == 0
    [train] = re.findall(r"^    (forearm train .*?[^\\])\n", PAGE, re.M | re.S)
    words = [word.replace("=2500", "=10") for word in train.replace("\\\n", " ").split()[1:]]
    assert main([*words, "world_model.width=16", "world_model.predictor_width=32", "world_model.train.batch=8"]) == 0
    document: dict[str, Any] = json.loads((tmp_path / "outputs/plant/model.json").read_text())
    assert document["sensors"]["names"] == ["c_B", "T_R", "T_K"] and document["action_high"] == [100.0, 0.0]
    assert step(["control", "--episodes", "1", "--steps", "1"]) == 0
    said = capsys.readouterr().out
    assert all(f"| {name} |" in said for name in ("hold", "PID", "cem", "mppi")) and "do-mpc is not installed" in said
