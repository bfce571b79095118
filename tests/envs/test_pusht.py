"""What is particular to PushT's adapter; that it keeps the contract is tested beside the other benchmarks."""

import importlib

import numpy as np
import pytest
import torch

from forearm import envs
from forearm.envs import registry
from forearm.world_model import load_checkpoint
from forearm.world_model.training.report import probe

if REASON := registry.obstacle("pusht"):
    pytest.skip(REASON, allow_module_level=True)

adapter = importlib.import_module("forearm.envs.benchmarks.pusht.env")
pusher = importlib.import_module("forearm.envs.benchmarks.pusht.pusher")

TOUCHING = [170.0, 262.0, 256.0, 256.0, 0.4]
"""Pusher and T, side by side: a push to the right moves the T."""


@pytest.fixture
def env():
    made = envs.make("pusht")
    made.reset(seed=0, options={"goal": False})
    yield made
    made.close()


def put(env, pose, goal=None):
    """Put pusher and T at `pose` (5,), at rest."""
    goal = pose if goal is None else goal
    env.restore(np.concatenate([pose, np.zeros(5), goal, [0]]))


def own_world(state):
    """The package's own environment at a state (10,)."""
    inner = adapter.PushTEnv()
    inner._setup()
    inner.agent.position, inner.agent.velocity = state[:2].tolist(), state[5:7].tolist()
    inner.block.angle, inner.block.position = float(state[4]), state[2:4].tolist()
    inner.block.velocity, inner.block.angular_velocity = state[7:9].tolist(), float(state[9])
    return inner


def test_a_control_step_is_the_benchmarks_own_to_the_bit(env):
    put(env, TOUCHING)
    for action in np.random.default_rng(0).uniform(-0.3, 1.0, (12, 2)):
        state = env.snapshot()[:10]
        inner = own_world(state)
        told = inner.step(np.clip(state[:2] + 100.0 * action, 0.0, 512.0))[-1]
        env.advance(action)
        after = env.snapshot()[:10]
        assert np.array_equal(after[:2], told["pos_agent"]) and np.array_equal(after[5:7], told["vel_agent"])
        assert np.array_equal(after[2:5], told["block_pose"])
    assert np.linalg.norm(after[2:4] - TOUCHING[2:4]) > 30


def test_contacts_that_are_forgotten_between_control_steps_matter_little(env):
    put(env, TOUCHING)
    inner = own_world(env.snapshot()[:10])
    for t in range(25):
        inner.step(np.add(inner.agent.position, [15.0, 6.0 * np.sin(t)]))
        env.advance(np.array([0.15, 0.06 * np.sin(t)]))
    after = env.achieved()
    assert np.linalg.norm(after[2:4] - TOUCHING[2:4]) > 60
    assert np.linalg.norm(after[2:4] - np.array(inner.block.position)) < 2.0
    assert abs(after[4] - inner.block.angle) < 0.05


@pytest.mark.parametrize(
    ("off", "solved"),
    [
        ([0, 0, 0, 0, 0], True),
        ([19, 0, 0, 0, 0], True),
        ([21, 0, 0, 0, 0], False),
        ([0, 0, 0, -21, 0], False),
        ([12, 0, 0, 12, 0], True),
        ([15, 0, 0, 15, 0], False),  # together they are 21 px off
        ([0, 0, 0, 0, 0.34], True),
        ([0, 0, 0, 0, 0.36], False),
        ([0, 0, 0, 0, 2 * np.pi - 0.34], True),
        ([0, 0, 0, 0, -4 * np.pi + 0.34], True),
        ([0, 0, 0, 0, np.pi], False),
    ],
)
def test_pusher_and_t_within_20_px_and_20_degrees_is_success(env, off, solved):
    put(env, np.add(TOUCHING, off), TOUCHING)
    assert env.success() is solved
    away = np.linalg.norm(off[:4]) / 1000
    turn = abs((off[4] + np.pi) % (2 * np.pi) - np.pi)
    assert env.distance() == pytest.approx(away + 0.06 * turn)
    assert env.pose_error() == pytest.approx((np.linalg.norm(off[2:4]) / 1000, turn))


def test_the_picture_is_the_benchmarks_without_its_fixed_goal(env):
    put(env, TOUCHING)
    seen = env.render(resolution=512)
    inner = own_world(env.snapshot()[:10])
    inner.goal_pose = np.array([-1e4, -1e4, 0.0])
    for body in (inner.agent, inner.block):
        inner.space.reindex_shapes_for_body(body)
    assert np.array_equal(seen, inner._get_img(inner._draw(), 512, 512))
    assert np.array_equal(env.render(resolution=64), env.render())
    put(env, np.add(TOUCHING, [0, 0, 0.5, 0, 0]))
    moved = env.render()
    put(env, TOUCHING)
    assert not np.array_equal(moved, env.render())  # half a pixel of 512 shows at 64


def test_starts_and_goals_are_drawn_from_the_benchmarks_places_and_nothing_overlaps(env):
    for seed in range(30):
        _, info = env.reset(seed=seed, options={"goal": False})
        start = env.achieved()
        for pose in (start, env.goal()):
            assert (pose >= adapter.STARTS[0]).all() and (pose <= adapter.STARTS[1]).all()
            assert pusher.gap(pose[:2], pose[2:]) > 0
        assert info["success"] == env.success()


def test_commands_end_at_the_pictures_edge(env):
    put(env, [20.0, 20.0, 300.0, 300.0, 0.0])
    for _ in range(10):
        env.advance(np.array([-1.0, -1.0]))
    assert env.achieved()[:2] == pytest.approx([0.0, 0.0], abs=0.5)


@pytest.mark.parametrize(
    ("place", "far"),
    [
        ([0.0, -20.0], 5.0),  # above the bar
        ([90.0, 15.0], 15.0),  # to its right
        ([30.0, 60.0], 0.0),  # in the corner: stem and bar are touched
        ([0.0, 60.0], -30.0),  # inside the stem
        ([75.0, 50.0], 10.0),  # off a corner: 15 and 20 make 25
    ],
)
def test_the_gap_between_pusher_and_t(place, far):
    block = np.array([200.0, 150.0, 2.0])
    assert pusher.gap(pusher._world(np.array(place), block), block) == pytest.approx(far)


def test_the_gap_is_that_of_the_benchmarks_shapes(env):
    rng = np.random.default_rng(0)
    put(env, TOUCHING)
    env.render()
    for place in rng.uniform(100, 400, (200, 2)):
        own = min(shape.point_query(tuple(place)).distance for shape in env.inner.block.shapes) - 15.0
        told = pusher.gap(place, np.array(TOUCHING[2:]))
        assert told == pytest.approx(own) or (told < -15.0 and own < -15.0)


def test_the_pusher_goes_around_the_t():
    block = np.array([250.0, 250.0, 0.3])
    start = pusher._world(np.array([0.0, -60.0]), block)
    hand, goal = start.copy(), pusher._world(np.array([-40.0, 80.0]), block)
    for _ in range(200):
        way = pusher._next(hand, goal, block) - hand
        hand = hand + way * min(1.0, 4.0 / max(np.linalg.norm(way), 1e-9))
        assert pusher.gap(hand, block) > 0
    assert np.allclose(hand, goal)


def test_the_explorer_pushes_the_t_about_and_keeps_it_in_the_picture(env):
    moved, turned = [], []
    for seed in range(6):
        env.reset(seed=seed, options={"goal": False})
        policy = env.explorer(np.random.default_rng(seed))
        poses = [env.achieved()[2:]]
        for _ in range(100):
            env.advance(policy.act())
            poses.append(env.achieved()[2:])
        poses = np.array(poses)
        steps = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)
        moved.append((steps > 0.05).mean())
        turned.append(np.ptp(poses[:, 2]))
        assert poses[:, :2].min() > 0 and poses[:, :2].max() < 512
    assert np.mean(moved) > 0.2 and np.mean(turned) > 0.5


def test_the_shipped_model_sees_how_the_t_is_turned(env):
    """A probe that is taught the turn on some latents reads it off others; by chance by 90 degrees."""
    poses = np.random.default_rng(0).uniform(*adapter.STARTS, (2000, 5))
    frames = []
    for pose in poses:
        put(env, pose)
        frames.append(env.render())
    model, _ = load_checkpoint("pusht")
    with torch.inference_mode():
        latents = torch.cat([model.encode(np.stack(frames[at : at + 200])) for at in range(0, 2000, 200)])
    turn = torch.tensor(poses[:, 4], dtype=torch.float32)
    wanted = torch.stack([turn.cos(), turn.sin()], dim=1)
    off = probe(latents[:1600].clone(), wanted[:1600], latents[1600:].clone(), wanted[1600:])
    assert off["mlp"] < 2 * np.sin(np.radians(15) / 2)  # the chord of 15 degrees, of a circle of radius 1
