"""Training: from a folder of video to a checkpoint, by one process or several, resumable at any moment."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forearm.common import stored
from forearm.common.progress import Count
from forearm.errors import InputError
from forearm.world_model import distributed
from forearm.world_model.absolute import AbsolutePositions
from forearm.world_model.config import to_mapping
from forearm.world_model.data import (
    ACTION_KEY,
    STATE_KEY,
    DatasetError,
    FrameCache,
    WindowMixture,
    Windows,
    WindowSampler,
    open_cache,
    read_dataset,
    share_of,
    split_episodes,
    with_differences,
    with_features,
)
from forearm.world_model.data.cache import memory_of
from forearm.world_model.data.columns import advice
from forearm.world_model.data.declared import Bounds, spread, union
from forearm.world_model.data.incoming import RULE
from forearm.world_model.data.layout import NO_CAMERA
from forearm.world_model.data.repeats import REMEDY
from forearm.world_model.data.selection import of_each
from forearm.world_model.data.stream_sources import read_streams
from forearm.world_model.runtime.checkpoint import save_checkpoint
from forearm.world_model.runtime.slowness import step_covariance
from forearm.world_model.training.normalisation import known_commands
from forearm.world_model.training.progress import LOG_FILE, TrainProgress, log_row, tidy
from forearm.world_model.training.report import embed, numbers
from forearm.world_model.training.trainer import STATE_FILE, Trainer, Training

__all__ = ["STATE_FILE", "TrainProgress", "Training", "export", "train"]

METRIC_WINDOWS = 1024
"""Windows from which the covariance of one-step changes is taken."""


def train(
    training: Training,
    *,
    resume: bool = True,
    device: str | None = None,
    on_progress: Callable[[TrainProgress], None] = lambda progress: None,
    on_decoded: Count | None = None,
    on_features: Count | None = None,
    on_notice: Callable[[str], None] = lambda notice: None,
    every: int = 20,
    probes: bool = True,
) -> dict[str, Any]:
    """Runs or continues a training run and writes its checkpoint.

    Batches and random directions are functions of (seed, step), so a run that was stopped and resumed ends in the
    same weights as one that was not: to the bit on one thread of one kind of processor, to rounding on several, whose
    sums vary in order, and on another kind (`docs/numerics.md`).

    Under `torchrun` all processes train one model: each takes its share of every batch, and gradients and the
    statistics of the batch are taken over all, so that the losses are those of one process, to rounding. The first
    process validates and writes.

    Args:
        resume: go on from `out` if a run is there; otherwise it is an error that one is.
        device: torch device; None picks CUDA where there is one. Each process takes a GPU of its own.
        on_progress: called every `every` steps and after validations, in the first process.
        on_decoded: called with (frames done, frames in all) while the video is decoded, which happens once.
        on_features: the same while a backbone or encoder that is not trained looks at the frames, which happens once as
            well.
        on_notice: called with a sentence about what is odd in the data, in the first process.
        probes: whether the final report says how well positions can be read off the latents, which takes seconds.

    Returns:
        the final report (see `evaluation.numbers`), which the checkpoint's JSON holds too.

    Raises:
        DatasetError: unusable data, or a run in `out` with other settings.
        BackboneError: a frozen backbone that cannot be had.
        CheckpointError: an encoder to begin with that cannot be read, or is another than the model's.
        DeviceError: there is no such device here.
        ValueError: a batch that the processes cannot share evenly, or fewer GPUs than processes.
        FloatingPointError: the loss became infinite or NaN.
    """
    config = training.train
    with distributed.joined(device) as where:
        if not resume and (training.out / STATE_FILE).exists():
            raise DatasetError(
                f"{training.out}: a run is already there: continue it with resume=true, or give another out="
            )
        trainer = Trainer(training, where)
        sampler, validation = _samplers(training, on_decoded)
        trainer.model.absolute = absolute_of(sampler)
        trainer.training = replace(trainer.training, absolute=trainer.model.absolute is not None)
        if training.model.action_dim:
            rest = np.clip(0.0, *bounds_of(sampler, config.share)).astype(np.float32)
            for part in (*sampler.parts, *validation.parts):
                part.rest_at(rest)
            trainer.model.action_rest.copy_(torch.from_numpy(rest))
        trainer.use(sampler)
        trainer.load()
        first = distributed.is_first()
        for part in sampler.parts if first else ():
            if notice := frozen_frames(part):
                on_notice(notice)
        if (kept := trainer.model.kept) is not None:
            # Only now: what else is wrong with data and settings is told before hours of encoding.
            look = trainer.model.eval().features
            for part, held_out in zip(sampler.parts, validation.parts, strict=True):
                part.cache = with_features(part.cache, *kept, look, on_features)
                held_out.cache = part.cache
        trainer.begin()
        if first:
            tidy(training.out, trainer.step)
        began, start = time.perf_counter(), trainer.step
        for done in trainer.steps(config.steps if training.seconds is None else sys.maxsize):
            last = trainer.over
            validating = done % config.validate_every == 0 or last
            metrics: dict[str, Any] | None = None
            if done % every == 0 or validating:
                means = trainer.means()  # raises before a report could stumble over weights that are not finite
                if first and validating:
                    metrics = numbers(trainer.model, validation, None, where)
                seconds = time.perf_counter() - began
                frames = (done - start) * config.batch * sampler.window
                if first:
                    waiting = trainer.waited / seconds
                    progress = TrainProgress(done, means, frames / seconds, waiting, metrics, trainer.share)
                    on_progress(progress)
                    log_row(training.out, progress)
            if done % config.save_every == 0 or last:
                trainer.save()
                if first and (log := training.out / LOG_FILE).exists():
                    stored.kept(log)
                if first and not last:  # the last export follows, with the full report
                    export(trainer, metrics or {})
        final: dict[str, Any] = {}
        if first:
            final = numbers(trainer.model, validation, sampler if probes else None, where)
            export(trainer, final)
        return dict(distributed.from_first(final, where))


def export(trainer: Trainer, metrics: dict[str, Any]) -> None:
    """Writes the checkpoint of a run as it is now, with `metrics` in its JSON; raises `DatasetError` if it cannot."""
    training, windows = trainer.training, trainer.sampler
    cache = windows.parts[0].cache  # what is said of it here is true of all
    if not trainer.model.encoder_is_fixed:  # else the checkpoint that it came from had more video to take it from
        latents = embed(trainer.model, windows, METRIC_WINDOWS, trainer.device)["latents"]
        trainer.model.step_covariance.copy_(step_covariance(latents))
    description = {
        **training.description,
        **_seen(windows),
        "action_names": cache.names.get(ACTION_KEY),
        **({} if cache.action_units is None else {"action_units": list(cache.action_units)}),
        "control_period": 1.0 / cache.fps,
        **(_bounds(trainer) if training.model.action_dim else {}),
        **({} if training.init is None else {"init": training.init.settings()}),
        "dataset": {**_dataset(windows), **({"chosen": chosen} if (chosen := training.chosen()) else {})},
        "loss": to_mapping(training.loss),
        "train": {**to_mapping(training.train), "done": trainer.step},
        "metrics": metrics,
    }
    save_checkpoint(trainer.model, training.out / "model", description)


def _seen(windows: Windows) -> dict[str, Any]:
    """What the checkpoint says about its camera and frames, or about its sensors."""
    cache = windows.parts[0].cache
    if cache.camera_key == NO_CAMERA:
        units = None if cache.reading_units is None else list(cache.reading_units)
        return {"sensors": {"names": cache.names[STATE_KEY], "units": units}}
    recorded = _recorded(windows)  # a size a camera, of each data set
    return {"camera": cache.camera_key, "frames": {"resize": RULE, "recorded": recorded}}


def _recorded(windows: Windows) -> list[list[int]]:
    """Sizes (height, width) in px of the frames that were trained on, before they were resized."""
    caches = [part.cache for part in windows.parts]
    return [list(size) for size in dict.fromkeys(s for c in caches for s in (c.source_resolution, *c.beside))]


def _samplers(training: Training, on_decoded: Count | None) -> tuple[Windows, Windows]:
    """Windows to train on, and windows of the episodes held out: of each task its own share."""
    if not isinstance(training.data, Mapping):
        return _split(training, training.data, training.episodes, training.exclude, on_decoded)
    if len(training.data) < 2:
        raise InputError(f"data are of {', '.join(training.data) or 'no task'} alone: expected a folder, or several")
    chosen, without = (
        of_each(value, len(training.data), name)
        for name, value in (("episodes", training.episodes), ("exclude", training.exclude))
    )
    found = {
        task: _split(training, folder, some, others, on_decoded)
        for (task, folder), some, others in zip(training.data.items(), chosen, without, strict=True)
    }
    fitting, held_out = ({task: both[side] for task, both in found.items()} for side in (0, 1))
    weights = training.weights or None
    return WindowMixture(fitting, weights), WindowMixture(held_out, weights)


def _split(
    training: Training,
    folder: Path,
    episodes: Any,
    exclude: Any,
    on_decoded: Count | None,
) -> tuple[WindowSampler, WindowSampler]:
    chosen: dict[str, Any] = {"camera_key": training.camera_key, "episodes": episodes, "exclude": exclude}
    chosen |= {"action_key": training.action_key, "state_key": training.state_key}
    if training.model.encoder == "sensors":
        return _windows(training, _streams(training, folder, chosen))
    data = read_dataset(folder, **chosen, memory=memory_of(folder, training.cache_dir))
    features, expected = data.info["features"], training.model.action_dim
    size, readings = (data.columns.get(key, 0) for key in (ACTION_KEY, STATE_KEY))
    if expected and not size:
        raise DatasetError(
            f"{folder}: has no actions that are clearly such, which the model needs; {advice(features, ACTION_KEY)}, "
            "learn from its frames alone with world_model=video, or give data with actions"
        )
    if expected not in (0, size):
        raise DatasetError(
            f"{folder}: actions have {size} numbers, the model expects {expected}: set world_model.action_dim={size}"
        )
    if training.model.proprio_dim and not readings:
        raise DatasetError(
            f"{folder}: has no joint readings that are clearly such, the model expects {training.model.proprio_dim}; "
            f"{advice(features, STATE_KEY)}, or set world_model.proprio_dim=0"
        )
    cache = open_cache(folder, training.model.resolution, training.cache_dir, progress=on_decoded, **chosen)
    # Of the other columns, positions alone are of use, for the report.
    cache = replace(cache, extra={key: cache.extra[key] for key in cache.positions})
    if not expected:  # so that video with actions and video without can be learned from together
        names = {key: value for key, value in cache.names.items() if key != ACTION_KEY}
        cache = replace(cache, action=cache.action[:, :0], names=names)
    return _windows(training, cache)


def _streams(training: Training, folder: Path, chosen: dict[str, Any]) -> FrameCache:
    """The moments of sensors alone; raises `DatasetError` where they are not what the model expects."""
    if training.absolute:
        raise DatasetError("absolute=true is of models that see frames: leave it out, or use another world_model=")
    if chosen.pop("camera_key") is not None:
        raise DatasetError("camera_key: world_model=sensors sees no camera, leave it out")
    streams = read_streams(folder, **chosen)
    streams.check_varying()
    sizes = {"action_dim": len(streams.action_names), "proprio_dim": len(streams.names)}
    for key, size in sizes.items():
        if getattr(training.model, key) != size:
            what = "actions" if key == "action_dim" else "sensors"
            raise DatasetError(
                f"{folder}: has {size} {what}, the model expects {getattr(training.model, key)}: set "
                f"world_model.{key}={size}"
            )
    return streams.cache(training.cache_dir)


def _windows(training: Training, cache: FrameCache) -> tuple[WindowSampler, WindowSampler]:
    """Windows to train on, and windows of the episodes held out."""
    config, expected = training.train, training.model.action_dim
    fitting, held_out = split_episodes(cache.episodes, config.validation, config.seed)
    fitting = share_of(fitting, config.share, config.seed)
    # As for the bounds of commands, all episodes tell unless a share is asked for.
    tell = np.arange(cache.episodes) if config.share == 1.0 else fitting
    wanted = training.absolute if expected and training.model.encoder != "sensors" else False
    cache = with_differences(cache, wanted, tell)
    shape = (training.model.history, training.loss.rollout, training.model.frameskip)
    every, (history, rollout, skip) = config.every, shape
    longer = (history, rollout + training.loss.beginnings - 1, skip)
    return WindowSampler(cache, *longer, fitting, every=every), WindowSampler(cache, *shape, held_out, every=every)


def frozen_frames(windows: WindowSampler) -> str | None:
    """What to know about windows that see frames which an encoder left as copies of the ones before; None if none do.

    See `forearm.world_model.data.repeats`.
    """
    repeats = windows.cache.repeats
    phase = repeats.frozen
    if phase is None or (phase == "odd" and windows.every % 2 == 0 and windows.frameskip % 2 == 0):
        return None
    skip = windows.frameskip + windows.frameskip % 2
    avoid = f"set every=2 and world_model.frameskip={skip}, which sees the others alone, or " if phase == "odd" else ""
    return (
        f"{windows.cache.camera_key}: {repeats}, which is the video's encoding and not the motion; windows that begin "
        f"there see the past: {avoid}{REMEDY}"
    )


def _dataset(windows: Windows) -> dict[str, Any]:
    """What the checkpoint says about its data; of several tasks together, and of each under `tasks`."""
    each: list[dict[str, Any]] = [
        {
            "fingerprint": part.fingerprint,
            "frames": len(part.cache.frames),
            "episodes": part.cache.episodes,
            "learned_from": len(part.episodes),
        }
        for part in windows.parts
    ]
    if not isinstance(windows, WindowMixture):
        return each[0]
    tasks = {
        name: {**one, "share": round(share, 6)}
        for name, one, share in zip(windows.names, each, windows.shares, strict=True)
    }
    sums = {key: sum(part[key] for part in tasks.values()) for key in ("frames", "episodes", "learned_from")}
    return {"fingerprint": windows.fingerprint, **sums, "tasks": tasks}


def absolute_of(windows: Windows) -> AbsolutePositions | None:
    """What joint positions as commands keep to; None for commands of another kind.

    Raises `DatasetError` where one data set has the one kind and another the other.
    """
    each = [part.cache.absolute for part in windows.parts]
    found = [one for one in each if one is not None]
    if found and len(found) < len(each):
        raise DatasetError(
            "some data sets have absolute joint positions for commands and some do not: train a model each, or say "
            "which they are, absolute=true or absolute=false"
        )
    return AbsolutePositions.union(found) if found else None


def bounds_of(windows: Windows, share: float) -> Bounds:
    """Between which commands to plan: what the data say that was possible, or else what was recorded."""
    return union([part.cache.action_bounds or spread(known_commands(part, share)) for part in windows.parts])


def _bounds(trainer: Trainer) -> dict[str, Any]:
    """What the checkpoint says about its commands."""
    if (absolute := trainer.model.absolute) is not None:
        limits = {"action_low": absolute.low.tolist(), "action_high": absolute.high.tolist()}
        return {**limits, "absolute_positions": absolute.to_document()}
    low, high = bounds_of(trainer.sampler, trainer.training.train.share)
    rest = trainer.model.action_rest.tolist()
    return {"action_low": list(low), "action_high": list(high), **({"action_rest": rest} if any(rest) else {})}
