"""Surprise: p-values that hold, alarms as seldom as was said, and what happened, where and when."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import forearm
from forearm import envs
from forearm.agent import calibration_file
from forearm.agent.loaded_model import load
from forearm.calibrate import frames
from forearm.cli.main import main
from forearm.common.seeds import collection_reset_seed, collection_rng
from forearm.errors import ForearmError, InputError
from forearm.surprise import calibration
from forearm.surprise.alarm import FalseAlarms, most_per_hour
from forearm.surprise.conformal import Table
from forearm.surprise.fitting import Recording, fit, hours_of
from forearm.surprise.monitor import Monitor, Surprise
from forearm.surprise.recorded import Recorded
from forearm.surprise.usual import sizes_of
from tests.world_model.foreign import vectors, write

AT = 20
"""Step at which something happens."""


@given(st.integers(0, 1000), st.integers(200, 900))
def test_a_p_value_is_never_less_than_the_share_of_held_out_values_that_are_as_great(seed: int, count: int) -> None:
    held_out = np.random.default_rng(seed).exponential(size=count)
    table = Table.of(held_out)
    values = np.append(held_out[:50], [0.0, 99.0])
    exact = (1 + (held_out[None] >= values[:, None]).sum(axis=1)) / (1 + count)
    found = table.p(values)
    assert (found >= exact - 1e-12).all() and (found <= np.minimum(1.0, 1.7 * exact)).all()
    assert np.isnan(table.p(np.array([np.nan]))).all()
    assert table.strangeness(np.array([0.0, 99.0]))[0] == 0.0 < table.strangeness(np.array([99.0]))[0]


def test_p_values_of_new_values_are_as_rare_as_they_say() -> None:
    rng = np.random.default_rng(0)
    p = Table.of(rng.exponential(size=5000)).p(rng.exponential(size=20000))
    for level in (0.5, 0.1, 0.01):
        assert (p <= level).mean() <= 1.3 * level


def test_a_threshold_keeps_its_rate_and_too_few_hours_are_refused() -> None:
    rng = np.random.default_rng(0)
    alarms = FalseAlarms.of([rng.exponential(size=500) for _ in range(72)], period=0.1)
    assert alarms.hours == pytest.approx(1.0) and most_per_hour(0, 1.0) == pytest.approx(2.996, abs=1e-3)
    often, seldom = alarms.threshold(20.0), alarms.threshold(3.0)
    assert seldom == alarms.levels[0] and alarms.passed(seldom) == 0
    assert often < seldom and most_per_hour(alarms.passed(often), alarms.hours) <= 20.0
    with pytest.raises(ForearmError, match=r"1 hours of held-out motion are too few for 1 .*calibrate on 3 hours"):
        alarms.threshold(1.0)


def watched(monitor: Monitor, happens: Any = None, seed: int = 900) -> list[Surprise]:
    """What a monitor says of an explorer's episode; `happens(env)` from step AT on."""
    env: Any = envs.make("push", None, 64)
    seen, _ = env.reset(seed=collection_reset_seed(seed, 0), options={"goal": False})
    policy, rows, actions = env.explorer(collection_rng(seed, 0)), [seen], []
    monitor.begin()
    found = [monitor.see(seen)]
    for step in range(1, 32):
        action = policy.act()
        env.advance(action)
        if happens is not None and step == AT:
            happens(env)
        rows.append(env.observe())
        actions.append(np.asarray(action, np.float64))
        found.append(monitor.see(rows[-1], action))
    env.close()
    with torch.inference_mode():
        latents = monitor.loaded.model.encode(np.stack([each["pixels"] for each in rows])).numpy()
    readings = np.stack([each["proprio"] for each in rows]).astype(np.float64)
    sizes = sizes_of(monitor.loaded.model, monitor.calibration.usual, latents, readings, np.stack(actions))
    levels, _ = monitor.levels_of(sizes)
    assert np.allclose(levels, [each.level for each in found], atol=1e-3)  # the same when known whole
    return found


def teleport(env: Any) -> None:
    env.data.qpos[9:11] += np.where(env.data.qpos[9:11] > np.array([0.5, 0.0]), -0.12, 0.12)
    env.advance(np.zeros(4))


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return forearm.Monitor.load("push")


def test_normal_motion_is_no_alarm_and_a_teleport_is_one_at_once(monitor: Monitor) -> None:
    calm = watched(monitor)
    assert not any(each.alarm for each in calm)
    assert calm[1].p is None and calm[12].p is not None and np.isfinite(calm[20].p_horizons).all()
    found = watched(monitor, teleport)
    first = next(each for each in found if each.alarm)
    assert AT <= first.step <= AT + 5 and first.part == "camera" and first.since is not None
    assert AT - 1 <= first.since <= first.step and first.region is not None and 0.1 <= first.region.share <= 1.0
    assert first.p is not None and first.p < 0.001 and np.nanmin(first.p_horizons) < 0.001
    assert f"since step {first.since}" in first.reason and "column" in first.reason
    assert json.loads(json.dumps(first.to_dict()))["alarm"] is True
    assert "at most 6 false alarms an hour" in monitor.promise


def test_streams_with_gaps_begin_anew_and_nonsense_is_refused(monitor: Monitor) -> None:
    seen = {"pixels": np.zeros((64, 64, 3), np.uint8), "proprio": np.zeros(15)}
    monitor.begin()
    for step in range(10):
        found = monitor.see(seen, None if step == 0 else np.zeros(4), time=0.1 * step)
    assert found.p is not None
    found = monitor.see(seen, np.zeros(4), time=5.0)
    assert found.p is None and found.reason.startswith("a gap of 4.10 s") and not found.alarm
    assert "no command" in monitor.see(seen).reason
    for given_, command, time, said in (
        ({"pixels": np.zeros((8, 8, 3), np.uint8)}, np.zeros(4), 6.0, r"expected uint8 \(64, 64, 3\)"),
        (seen, np.zeros(3), 6.0, r"the command: shape \(3,\), expected \(4,\)"),
        (seen, np.full(4, np.nan), 6.0, "the command: a number is NaN"),
        ({**seen, "proprio": np.zeros(3)}, np.zeros(4), 6.0, r"joint readings: shape \(3,\)"),
        (seen, np.zeros(4), 1.0, "must be after that of the frame before"),
    ):
        with pytest.raises(InputError, match=said):
            monitor.see(given_, command, time=time)
    assert monitor.see(seen, np.zeros(4), time=5.2).step == 12  # what was refused has changed nothing


def test_a_calibration_is_written_beside_other_parts_and_read_again(tmp_path: Path, monkeypatch: Any) -> None:
    loaded = load("push")
    path = tmp_path / "push.calibration.json"
    for module in (calibration, calibration_file):
        monkeypatch.setattr(module, "calibration_path", lambda task: path)
    with pytest.raises(ForearmError, match=r"has no calibration.*forearm calibrate task=push data=FOLDER"):
        Monitor.load("push")
    calibration_file.write_parts(path, loaded.task, loaded.document, {"looks": {"kept": 1}})
    with pytest.raises(ForearmError, match="says nothing of surprise; make it"):
        Monitor.load("push")
    rng = np.random.default_rng(0)
    episodes = [
        Recording(rng.normal(size=(300, 64)), rng.uniform(-1, 1, (299, 4)), rng.normal(size=(300, 3)))
        for _ in range(14)
    ]
    found = fit(loaded.model, episodes, 2, 0.1)
    assert found.alarms.hours == pytest.approx(hours_of([300] * 14, loaded.model, True, 0.1))
    blind = [Recording(each.latents, each.actions) for each in episodes[:7]]
    told = fit(loaded.model, blind, 1, 0.1).alarms.hours
    assert told == pytest.approx(hours_of([300] * 7, loaded.model, False, 0.1)) and told < 2 / 3 * found.alarms.hours
    calibration.save_surprise(loaded.task, loaded.document, found)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["looks"] == {"kept": 1} and document["world_model_sha256"] == loaded.document["weights_sha256"]
    assert calibration.surprise_calibration_of(loaded.task, loaded.document).to_dict() == found.to_dict()
    with pytest.raises(ForearmError, match="are too few for 6 false alarms an hour"):
        Monitor.load("push", rate=6.0)
    with pytest.raises(ForearmError, match=r"2 held-out episodes with 600 frames are too few"):
        fit(loaded.model, episodes[:2], 2, 0.1)
    for damage in ({"world_model_sha256": "0"}, {"surprise": {}}, {"surprise": {**found.to_dict(), "tables": []}}):
        path.write_text(json.dumps({**document, **damage}), encoding="utf-8")
        with pytest.raises(ForearmError, match="forearm calibrate task=push data=FOLDER"):
            Monitor.load("push")


def test_what_cannot_be_calibrated_is_said_before_anything_is_measured(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "calibrate", lambda *_: pytest.fail("frames were measured"))
    for words, said in (
        (["parts=[surprise]"], "forearm collect task=push"),
        (["parts=[surprise]", f"data={tmp_path / 'none'}"], "no such folder"),
        (["parts=[looks]"], "parts"),
        (["horizons=0", f"data={tmp_path}"], "horizons"),
        (["parts=[frames,surprise]", f"data={tmp_path}"], "info.json"),
    ):
        assert main(["calibrate", "task=push", *words]) == 2
        assert said in capsys.readouterr().err
    write(tmp_path / "data", vectors(np.random.default_rng(0), action=4))
    words = ["calibrate", "task=push", f"data={tmp_path / 'data'}"]
    assert main(words) == 2
    assert "3 held-out episodes with 15 frames are too few to calibrate on" in capsys.readouterr().err
    monkeypatch.setattr(Recorded, "lengths", [400] * 7)
    assert main([*words, "rate=20"]) == 2
    assert "0.044 hours of held-out motion are too few for 20 false alarms an hour" in capsys.readouterr().err


def test_recorded_episodes_are_watched_and_an_alarm_is_exit_code_1(tmp_path: Path, capsys: Any) -> None:
    from forearm.recording.collect import film_episode
    from forearm.world_model.data.writer import DatasetWriter

    env: Any = envs.make("push", None, 64)
    calm = film_episode(env, 900, 0, 30)
    wrong = film_episode(env, 900, 0, 30)
    wrong.pixels[AT:] = wrong.pixels[AT:, ::-1]
    writer = DatasetWriter(
        tmp_path / "data", fps=10, resolution=64, state_names=env.state_names, action_names=env.action_names,
        task="push", total_episodes=2, fingerprint={}, camera_key="observation.images.front",
        extra=dict.fromkeys(env.positions(), ("x", "y", "z")), units=dict.fromkeys(env.positions(), "m"),
    )  # fmt: skip
    writer.write_shard(0, [calm, wrong])
    writer.finalise()
    env.close()
    out, words = tmp_path / "out", ["monitor", "task=push", f"data={tmp_path / 'data'}", f"out={tmp_path / 'out'}"]
    assert main([*words, "episodes=[0]"]) == 0
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "episode 1, step 2" in said and "episode 0, step" not in said and "1 alarms in 2 episodes" in said
    page = (out / "surprise.html").read_text(encoding="utf-8")
    assert "1 of 2 episodes with an alarm" in page and page.count("data:image/png;base64,") == 2
    assert page.index("episode 1</h2>") < page.index("episode 0</h2>") and "http" not in page
    rows = (out / "surprise.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 2 * 31 and rows[0].startswith("episode,frame,time_s,level,alarm,part,since,p,p_1")
    for more, told in (
        (["data=nowhere"], "no such folder"),
        (["rate=0.1"], "hours of held-out motion are too few for 0.1 false alarms an hour"),
        (["task.checkpoint=push-robust"], "has no calibration"),
    ):
        assert main([*words, *more]) == 2
        assert told in capsys.readouterr().err
    info = tmp_path / "data" / "meta" / "info.json"
    info.write_text(json.dumps({**json.loads(info.read_text(encoding="utf-8")), "fps": 20}), encoding="utf-8")
    assert main(words) == 2 and "20 frames a second, but checkpoint 'push' was trained on 10" in capsys.readouterr().err
    assert main(["monitor", "task=push"]) == 2 and "data=FOLDER" in capsys.readouterr().err
