"""Frames/s of training beside the bare forward and backward pass of the same network on a batch that stays in place."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forearm.world_model.data import FrameCache, WindowSampler, split_episodes
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.training.losses import unrolled
from forearm.world_model.training.mixed_precision import autocast
from forearm.world_model.training.report import report
from forearm.world_model.training.run import export
from forearm.world_model.training.trainer import Trainer, Training
from tools.bench.bootstrap import ratio_of_medians
from tools.bench.budget import Budget
from tools.bench.timing import Bare, Runner, rounds, threads

EPISODES, FRAMES = 240, 60
ON_CPU = tuple(f"world_model=conv world_model.train.precision={name}" for name in ("float32", "bfloat16"))
ON_GPU = (
    "world_model=conv world_model.train.precision=float32",
    "world_model=conv",
    "world_model=conv world_model.train.batch=512",
    "world_model=vit",
)


def training(
    budget: Budget, device: torch.device | None = None, runs: Sequence[str] | None = None, episodes: int = EPISODES
) -> dict[str, Any]:
    """Frames/s of each of `runs`, which are settings of `forearm train`, separated by spaces."""
    where = device or torch.device("cpu")
    rows = []
    for words in runs or (ON_CPU if where.type == "cpu" else ON_GPU):
        with threads(1), _trainer(words.split(), episodes, where) as (trainer, validation):
            taken = {name: np.asarray(s) for name, s in _times(trainer, validation, budget, where).items()}
        config = trainer.training.train
        frames = budget.training_steps * config.batch * trainer.sampler.window
        found = speeds(taken, frames, budget.training_steps, config.validate_every, config.save_every)
        rows.append({"settings": words, "precision": trainer.precision, **found})
    return {
        "device": where.type, "rounds": budget.training_rounds, "steps": budget.training_steps, "episodes": episodes,
        "frames": FRAMES, "rows": rows,
    }  # fmt: skip


def speeds(
    taken: Mapping[str, np.ndarray], frames: int, steps: int, validate_every: int, save_every: int
) -> dict[str, Any]:
    """Frames/s of the whole loop and of its parts, and the loop's share of the bare pass.

    Args:
        taken: seconds of each round (R,) by what was done in it; see `_times`.
        frames: that are seen in a round's `steps` steps.
        steps: training steps of a round.
        validate_every: steps from one validation to the next.
        save_every: steps from one saving to the next.
    """
    periodic = steps * (taken["validation"] / validate_every + taken["saving"] / save_every)
    loop = taken["steps"] + periodic
    parts = {"loop": loop, **{name: taken[name] for name in ("bare", "regulariser", "loader")}}
    return {
        **{name: frames / float(np.median(seconds)) for name, seconds in parts.items()},
        "share": ratio_of_medians(taken["bare"], loop).to_dict(),
        "periodic_percent": 100 * float(np.median(periodic / loop)),
    }


def _times(trainer: Trainer, validation: WindowSampler, budget: Budget, where: torch.device) -> dict[str, np.ndarray]:
    """Seconds of each round by what was done in it."""
    steps, config = budget.training_steps, trainer.training.train
    model = JEPA(trainer.training.model).to(where)
    batch = {key: values.to(where) for key, values in trainer.sampler.batch(0, config.batch, config.seed).items()}

    def loop() -> None:
        for _ in trainer.steps(trainer.step + steps):
            pass
        trainer.means()

    def bare() -> None:
        for _ in range(steps):
            with autocast(where, trainer.precision):
                _, _, error = unrolled(model.train(), batch)
            model.zero_grad(set_to_none=True)
            error.backward()

    def regularised() -> None:
        for step in range(steps):
            with autocast(where, trainer.precision):
                terms = trainer.loss(model.train(), batch, step)
            model.zero_grad(set_to_none=True)
            terms["loss"].backward()

    def load() -> None:
        for _ in trainer.batches(0, steps):
            pass

    def save() -> None:
        trainer.save()
        export(trainer, {})

    runners: dict[str, Runner] = {
        "steps": Bare(loop),
        "bare": Bare(bare),
        "regulariser": Bare(regularised),
        "loader": Bare(load),
        "validation": Bare(lambda: report(trainer.model, validation, None, where)),
        "saving": Bare(save),
    }
    return rounds(runners, budget.training_rounds, warmup=1, device=where)


@contextmanager
def _trainer(words: Sequence[str], episodes: int, where: torch.device) -> Iterator[tuple[Trainer, WindowSampler]]:
    """A training run that is ready for its first step, and windows for its validation, in a folder of its own."""
    from forearm.cli.train import training_of
    from forearm.settings import compose as settings

    with tempfile.TemporaryDirectory(prefix="forearm-bench-") as folder:
        chosen = settings.load("train", ["task=push", f"data={folder}", f"out={folder}/run", *words])
        made: Training = training_of(chosen, chosen.all("task"), chosen.one("world_model"))
        cache = _noise(Path(folder), episodes, made.model.resolution, made.model.action_dim)
        shape = (made.model.history, made.loss.rollout, made.model.frameskip)
        fitting, held_out = split_episodes(episodes, made.train.validation, made.train.seed)
        trainer = Trainer(made, where)
        trainer.use(WindowSampler(cache, *shape, fitting))
        trainer.begin()
        yield trainer, WindowSampler(cache, *shape, held_out)


def _noise(folder: Path, episodes: int, side: int, actions: int) -> FrameCache:
    """Episodes of noise, on disk as decoded video is."""
    rng, total = np.random.default_rng(0), episodes * FRAMES
    rng.integers(0, 256, (total, side, side, 3), np.uint8).tofile(folder / "frames.u8")
    lengths = np.full(episodes, FRAMES, np.int64)
    return FrameCache(
        path=folder,
        fingerprint="0" * 64,
        frames=np.memmap(folder / "frames.u8", np.uint8, "r", shape=(total, side, side, 3)),
        state=np.zeros((total, 0), np.float32),
        action=rng.uniform(-1, 1, (total, actions)).astype(np.float32),
        extra={},
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        fps=10.0,
        camera_key="noise",
        names={},
        source_resolution=(side, side),
    )
