import numpy as np
import pytest
import torch

from forearm.world_model.data import DatasetWriter, Episode

RESOLUTION = 32


def filmed(rng, steps=24):
    """A bright square on a dark floor, moved by the first two actions: a world small enough to learn in seconds."""
    place = rng.uniform(6, 26, 2)
    actions = np.clip(np.cumsum(rng.normal(0, 0.5, (steps, 4)), 0), -1, 1).astype(np.float32)
    frames, places = [], []
    for t in range(steps + 1):
        frame = np.full((RESOLUTION, RESOLUTION, 3), 40, np.uint8)
        row, column = np.round(place).astype(int)
        frame[row - 3 : row + 3, column - 3 : column + 3] = (250, 90, 30)
        frames.append(frame)
        places.append([*place, 0.0])
        if t < steps:
            place = np.clip(place + 1.5 * actions[t, :2], 5, 27)
    places = np.array(places, np.float32)
    return Episode(
        pixels=np.stack(frames), state=places[:, :2] / 10, action=actions, extra={"object_position": places / 1000}
    )


@pytest.fixture
def one_thread():
    """Torch on one thread, for what must come out the same to the bit in two runs here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def brief(quick_probes):
    """Whoever asks what latents show has a training of the module's, which began before this."""


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """A LeRobot folder of 40 episodes of the moving square."""
    return film(tmp_path_factory.mktemp("squares"), 40, 1)


@pytest.fixture(scope="session")
def more_squares(tmp_path_factory):
    """Another 20 of them: a second task."""
    return film(tmp_path_factory.mktemp("more-squares"), 20, 2)


def film(root, episodes, seed):
    writer = DatasetWriter(
        root, fps=10, resolution=RESOLUTION, state_names=["row", "column"], action_names=["down", "right", "x", "y"],
        task="squares", total_episodes=episodes, fingerprint={"seed": 0}, extra={"object_position": ("x", "y", "z")},
    )  # fmt: skip
    for shard in writer.missing_shards():
        writer.write_shard(shard, [filmed(np.random.default_rng([seed, e])) for e in writer.shard_range(shard)])
    writer.finalise()
    return root
