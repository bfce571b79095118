"""Frames that an encoder left as copies of the ones before are found, told of, and can be left out."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forearm.world_model.config import LossConfig, ModelConfig, TrainConfig
from forearm.world_model.data import CAMERA_KEY, WindowSampler, open_cache
from forearm.world_model.data.inspection import inspect
from forearm.world_model.data.repeats import RepeatCounter, Repeats, repeats_from
from forearm.world_model.training.run import Training, frozen_frames, train
from tests.world_model.numbered import LENGTHS, VIDEO, make
from tests.world_model.test_dataset_windows import fake

LONG = (30, 32, 28)
SVT = "libsvtav1"


def counted(numbers: list[int], first: int = 0) -> Repeats:
    """What is counted over frames of one colour each."""
    counter = RepeatCounter(first)
    for number in numbers:
        counter.see(np.full((2, 2, 3), number, np.uint8))
    return counter.found


def film_slowly(root: Path) -> Path:
    """A data set whose video is of a slow spot, encoded as LeRobot does unless told otherwise."""
    make(root, "mp4", LONG)
    rows, columns = np.mgrid[0:16, 0:48]
    path = root / f"{VIDEO}/chunk-000/file-000.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(SVT, rate=10, options={"g": "2", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 48, 16, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for number in range(sum(LONG)):
            spot = np.exp(-((columns - 12 - number / 20) ** 2 + (rows - 8) ** 2) / 60.0)
            frame = (60 + spot[..., None] * [150, 90, 30]).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return root


needs_svt = pytest.mark.skipif(SVT not in av.codec.codecs_available, reason="this PyAV has no SVT-AV1 encoder")


@given(phases=st.lists(st.sampled_from([0, 1]), min_size=1, max_size=6), length=st.integers(20, 40))
def test_every_second_frame_as_a_copy_is_seen(phases: list[int], length: int) -> None:
    """In each episode the odd ones (0), or those that are odd in the file."""
    by_episode = Repeats()
    by_file, first = Repeats(), 0
    for phase in phases:
        by_episode += counted([n // 2 for n in range(length)])
        by_file += counted([(n + first % 2) // 2 for n in range(length + phase)], first)
        first += length + phase
    assert by_episode.frozen == "odd" and "100% of those with odd numbers" in str(by_episode)
    assert by_file.frozen in ("odd", "even", "every second")
    assert by_file.film_repeated[0] == 0 and by_file.film_repeated[1] == by_file.film_frames[1]
    assert repeats_from(by_file.numbers) == by_file


@given(still=st.integers(0, 40), moving=st.integers(0, 60), seed=st.integers(0, 5))
def test_an_arm_that_stands_still_is_no_fault(still: int, moving: int, seed: int) -> None:
    numbers = [0] * still + list(range(moving))
    assert counted(numbers).frozen is None
    repeated = np.cumsum(np.random.default_rng(seed).random(400) < 0.5).tolist()
    assert counted([n % 256 for n in repeated]).frozen is None


@needs_svt
def test_what_the_encoder_froze_is_told(tmp_path: Path) -> None:
    root = film_slowly(tmp_path)
    found = inspect(root, frames=True)
    assert found.problems == []
    assert any(note.startswith(f"{CAMERA_KEY}: ") and "every=2" in note for note in found.notes), found.notes
    cache = open_cache(root, 16)
    assert cache.repeats.frozen == "odd" and cache.repeats == open_cache(root, 16).repeats
    notice = frozen_frames(WindowSampler(cache, 2, 2, 3))
    assert notice is not None and "set every=2 and world_model.frameskip=4" in notice and "H.264 at crf 10" in notice
    assert frozen_frames(WindowSampler(cache, 2, 2, 4, every=2)) is None
    assert frozen_frames(WindowSampler(cache, 2, 2, 4)) is not None
    assert frozen_frames(WindowSampler(cache, 2, 2, 3, every=2)) is not None


@needs_svt
def test_training_tells_it_once(tmp_path: Path) -> None:
    root = film_slowly(tmp_path / "data")
    training = Training(
        data=root,
        out=tmp_path / "out",
        model=ModelConfig(
            resolution=32, width=8, latent_dim=8, predictor_width=16, action_dim=1, history=2, frameskip=2
        ),
        loss=LossConfig(rollout=1, directions=8),
        train=TrainConfig(steps=2, batch=8, warmup=1, validation=0.34),
        description={"task": "own"},
    )
    told: list[str] = []
    train(training, device="cpu", on_notice=told.append)
    assert len(told) == 1 and "set every=2 and world_model.frameskip=2" in told[0]
    told.clear()
    calm = replace(training, out=tmp_path / "calm", train=replace(training.train, every=2))
    train(calm, device="cpu", on_notice=told.append)
    assert told == []


def test_video_of_ours_freezes_nothing(tmp_path: Path) -> None:
    root = make(tmp_path)
    assert inspect(root, frames=True).notes == [] and open_cache(root).repeats.repeated == (0, 0)
    assert open_cache(root).lengths.tolist() == list(LENGTHS)


@given(
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=5),
    every=st.integers(1, 4),
    skip=st.integers(1, 3),
    history=st.integers(1, 3),
    pad=st.booleans(),
)
def test_windows_begin_at_every_nth_frame(lengths: list[int], every: int, skip: int, history: int, pad: bool) -> None:
    cache = fake(lengths)
    first = 0 if pad else (history - 1) * skip
    wanted = [
        (episode, present)
        for episode, length in enumerate(lengths)
        for present in range(0, length - skip, every)
        if present >= first
    ]
    if not wanted:
        with pytest.raises(ValueError, match="needs"):
            WindowSampler(cache, history, 1, skip, pad_start=pad, every=every)
        return
    sampler = WindowSampler(cache, history, 1, skip, pad_start=pad, every=every)
    found: Any = list(zip(*sampler.locate(np.arange(len(sampler))), strict=True))
    assert found == wanted


def test_every_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match="every is 0; it must be at least 1"):
        WindowSampler(fake([9]), 1, 1, 1, every=0)
    with pytest.raises(ValueError, match="every is 0"):
        TrainConfig(every=0)
