"""Episodes that are otherwise in one thing: frames, the scene, and all as it was afterwards."""

from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.envs.backend import mujoco
from forearm.envs.rendering import View
from forearm.envs.twin import Twin
from forearm.envs.variation.factors import FACTORS, Variation
from forearm.envs.variation.frames import Arrival, altered
from forearm.envs.variation.scene import Parts, SceneEdit
from forearm.envs.varied import VariedEnvironment, factors_of

CHANGED = {
    **{"light": 0.7, "colour": 0.1, "camera": 0.02, "table": 1.0, "object": 1.0, "distractor": 1},
    **{"delay": 1, "noise": 10.0, "dropped": 1.0, "friction": 0.5, "mass": 2.0},
}
LATE = ("delay", "dropped")


@pytest.fixture(scope="module")
def push() -> Any:
    env = envs.make("push", resolution=32)
    yield env
    env.close()


def model_of(env: Any) -> dict[str, np.ndarray]:
    """Every array of numbers in the environment's model."""
    names = [name for name in dir(env.model) if not name.startswith("_")]
    values = {name: getattr(env.model, name) for name in names}
    arrays = {name: value.copy() for name, value in values.items() if isinstance(value, np.ndarray)}
    return {**arrays, "inertia": np.array([env.model.stat.meaninertia, env.model.stat.meanmass])}


def differing(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    return [name for name in before if before[name].tobytes() != after[name].tobytes()]


@pytest.mark.parametrize("factor", FACTORS)
def test_what_is_otherwise_is_taken_back_to_the_bit(push: Any, factor: str) -> None:
    seen, info = push.reset(seed=3)
    model, state = model_of(push), push.snapshot()
    varied = VariedEnvironment(push, Variation(factor, CHANGED[factor]))
    assert np.array_equal(varied.observe()["pixels"], seen["pixels"])  # not yet
    frame = varied.vary(np.random.default_rng(0))["pixels"]
    changed = bool(differing(model, model_of(push))) or not np.array_equal(frame, seen["pixels"])
    assert changed or factor in LATE
    assert np.array_equal(push.snapshot(), state)
    assert varied.goal(info["goal_state"]).shape == seen["pixels"].shape
    assert np.array_equal(push.snapshot(), state)
    varied.restore_nominal()
    assert not differing(model, model_of(push))
    assert np.array_equal(push.render(), seen["pixels"])


def test_a_seed_draws_the_same_and_strengths_go_the_same_way(push: Any) -> None:
    def table(strength: float, seed: int) -> np.ndarray:
        varied = VariedEnvironment(push, Variation("table", strength))
        varied.vary(np.random.default_rng(seed))
        colour = push.model.geom("table").rgba[:3].astype(np.float64)
        varied.restore_nominal()
        return colour

    own = push.model.geom("table").rgba[:3].astype(np.float64)
    assert np.array_equal(table(1.0, 4), table(1.0, 4))
    assert not np.allclose(table(1.0, 4), table(1.0, 5), atol=0.01)
    assert np.allclose(table(0.5, 4), (own + table(1.0, 4)) / 2, atol=1e-6)


def test_what_lies_about_is_in_sight_and_out_of_reach(push: Any) -> None:
    plain, _ = push.reset(seed=1)
    low, high = np.array(push.task.low[:2]), np.array(push.task.high[:2])
    varied = VariedEnvironment(push, Variation("distractor", 3))
    for seed in range(10):
        frame = varied.vary(np.random.default_rng(seed))["pixels"]
        places = np.array([shape.place for shape in push._twin.shapes])
        assert len(places) == 3
        assert np.all(np.any((places[:, :2] <= low) | (places[:, :2] >= high), axis=1))
        pixels = push.project(places)
        assert np.all((pixels >= 0) & (pixels < push.resolution))
        assert not np.array_equal(frame, plain["pixels"])
        varied.restore_nominal()


def test_light_and_colour_are_what_their_strengths_say() -> None:
    frame = np.array([[[100, 100, 100], [250, 10, 250]]], np.uint8)
    rng = np.random.default_rng(0)
    assert altered(frame, Variation("light", 0.7), rng).tolist() == [[[70, 70, 70], [175, 7, 175]]]
    assert altered(frame, Variation("light", 1.3), rng).tolist() == [[[130, 130, 130], [255, 13, 255]]]
    assert altered(frame, Variation("colour", 0.1), rng).tolist() == [[[110, 100, 90], [255, 10, 225]]]
    noisy = altered(np.full((64, 64, 3), 128, np.uint8), Variation("noise", 10.0), rng).astype(float)
    assert 9.5 < noisy.std() < 10.5 and abs(noisy.mean() - 128) < 1


def test_frames_arrive_late_or_never() -> None:
    frames = [np.full((1, 1, 3), i, np.uint8) for i in range(50)]
    rng = np.random.default_rng(0)
    late = Arrival(Variation("delay", 2))
    assert [int(late.arrived(frame, rng)[0, 0, 0]) for frame in frames[:6]] == [0, 0, 0, 1, 2, 3]
    never = Arrival(Variation("dropped", 1.0))
    assert {int(never.arrived(frame, rng)[0, 0, 0]) for frame in frames} == {0}
    some = Arrival(Variation("dropped", 0.5))
    seen = [int(some.arrived(frame, rng)[0, 0, 0]) for frame in frames]
    fresh = [seen[i] == i for i in range(50)]
    assert 10 < sum(fresh) < 40 and all(seen[i] == (i if fresh[i] else seen[i - 1]) for i in range(1, 50))


def test_steps_are_seen_otherwise_and_go_as_they_went(push: Any) -> None:
    push.reset(seed=2)
    start = push.snapshot()
    seen, *verdict = push.step(np.ones(4))
    push.restore(start)
    varied = VariedEnvironment(push, Variation("light", 0.5))
    varied.vary(np.random.default_rng(0))
    darker, *same = varied.step(np.ones(4))
    assert same == verdict
    assert np.array_equal(darker["pixels"], altered(seen["pixels"], Variation("light", 0.5), np.random.default_rng(0)))


def test_friction_and_mass_change_how_far_a_puck_slides(push: Any) -> None:
    def slid(factor: str, strength: float) -> float:
        push.reset(seed=0)
        varied = VariedEnvironment(push, Variation(factor, strength))
        varied.vary(np.random.default_rng(0))
        before = push.object_position()
        push.data.joint("object").qvel[1] = 0.5
        for _ in range(5):
            push.advance(np.zeros(4))
        after = push.object_position()
        varied.restore_nominal()
        return float(np.linalg.norm(after - before))

    assert slid("friction", 0.3) > 1.5 * slid("friction", 1.0)
    push.reset(seed=0)
    varied = VariedEnvironment(push, Variation("mass", 2.0))
    light = float(push.model.body("object").mass[0])
    varied.vary(np.random.default_rng(0))
    assert float(push.model.body("object").mass[0]) == pytest.approx(2 * light)
    varied.restore_nominal()


@pytest.mark.parametrize("view", ["of the model", View((0.0, 0.0, 0.1), 1.0, 30.0, -50.0)])
def test_a_moved_camera_sees_the_same_from_aside(view: Any) -> None:
    """A ball in the middle of the picture goes by the way that the camera is moved, whatever kind of camera it is."""
    xml = """<mujoco><visual><headlight ambient="1 1 1"/><map znear="0.01"/></visual><worldbody>
      <camera name="of the model" pos="0 -1 0.1" xyaxes="1 0 0 0 0 1" fovy="45"/>
      <geom type="sphere" size="0.05" pos="0 0 0.1" rgba="1 0 0 1"/></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    twin = Twin(model, mujoco.MjData(model), {"eye": view}, markers=False)
    edit = SceneEdit(model, Parts(), twin, "eye")

    def middle() -> np.ndarray:
        return np.argwhere(twin.render("eye", 64)[..., 0] > 128).mean(0)

    before = middle()
    edit.apply(Variation("camera", 0.1), np.random.default_rng(0))
    moved = middle() - before
    edit.undo()
    assert 0.1 * 32 / np.tan(np.deg2rad(22.5)) == pytest.approx(np.linalg.norm(moved), abs=1.5)
    assert np.array_equal(middle(), before)
    twin.close()


def test_tasks_say_what_they_can_be_varied_by(push: Any) -> None:
    assert factors_of(push) == list(FACTORS)
    reach = envs.make("reach", resolution=32)
    assert set(FACTORS) - set(factors_of(reach)) == {"object", "mass"}
    with pytest.raises(ValueError, match=r"task 'reach' cannot be varied by mass.*: vary light, colour, camera"):
        VariedEnvironment(reach, Variation("mass", 2.0))
    reach.close()


@pytest.mark.parametrize(
    ("factor", "strength", "words"),
    [
        ("lihgt", 0.7, "unknown factor 'lihgt'; did you mean 'light'"),
        ("light", -1.0, "light.strength is -1.0 .*expected a number from 0 to 10"),
        ("light", float("nan"), "light.strength is nan"),
        ("light", True, "light.strength is True"),
        ("distractor", 1.5, "expected a whole number from 0 to 20"),
    ],
)
def test_variations_that_make_no_sense_are_refused(factor: str, strength: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Variation(factor, strength)
