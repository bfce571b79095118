"""Training: from a folder of video to a checkpoint, resumable at any moment."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from world_model.checkpoint import save_checkpoint, write_whole
from world_model.config import LossConfig, ModelConfig, TrainConfig, to_mapping
from world_model.dataset import (
    ACTION_KEY,
    DatasetError,
    FrameCache,
    WindowSampler,
    open_cache,
    split_episodes,
    with_features,
)
from world_model.evaluation import embed, report
from world_model.jepa import JEPA
from world_model.losses import JepaLoss
from world_model.metric import step_covariance

STATE_FILE = "training.safetensors"
LOG_FILE = "log.jsonl"
METRIC_WINDOWS = 1024
"""Windows from which the covariance of one-step changes is taken."""


@dataclass(frozen=True)
class Training:
    """One training run: its data, its settings, and where it goes.

    Attributes:
        data: LeRobotDataset v3 folder.
        out: folder of the run; `model.json`, `model.safetensors`, the log and the resumable state go there.
        description: task, camera, control period and so on, for the checkpoint's JSON.
        camera_key: which of the data's cameras is seen; None for the only one, or `observation.images.front`.
    """

    data: Path
    out: Path
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    description: dict[str, Any] = field(default_factory=dict)
    camera_key: str | None = None

    def settings(self) -> dict[str, Any]:
        """What must agree for a run to go on where it stopped."""
        settings = {kind: to_mapping(getattr(self, kind)) for kind in ("model", "loss", "train")}
        if self.model.backbone is not None:
            del settings["model"]["backbone"]["weights_file"]  # its hash is what counts
        return settings


@dataclass(frozen=True)
class TrainProgress:
    """Where a run is: step, means of the loss terms since the last report, frames/s."""

    step: int
    terms: dict[str, float]
    frames_per_s: float
    validation: dict[str, Any] | None = None


class _Run:
    """The mutable half of a training run: weights, optimiser and step."""

    def __init__(self, training: Training, device: torch.device) -> None:
        self.device = device
        torch.manual_seed(training.train.seed)
        self.model = JEPA(training.model)
        self.training = replace(training, model=self.model.config)
        self.loss = JepaLoss(self.model, training.loss, training.train.seed).to(device)
        self.model.to(device)
        parameters = [*self.model.parameters(), *self.loss.parameters()]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=training.train.learning_rate, weight_decay=training.train.weight_decay
        )
        self.parameters = parameters
        self.precision = training.train.precision
        self.step = 0

    def advance(self, batch: dict[str, Tensor], autocast: torch.autocast) -> dict[str, float]:
        config = self.training.train
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(self.step, config)
        self.model.train()
        with autocast:
            terms = self.loss(self.model, {k: v.to(self.device) for k, v in batch.items()}, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, config.clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"the gradient is not finite at step {self.step}: lower learning_rate, or set precision=float32"
            )
        self.optimizer.step()
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"loss.{k}": v for k, v in self.loss.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        settings = json.dumps(self.training.settings(), sort_keys=True)
        meta = {"step": str(self.step), "precision": self.precision, "settings": settings}
        write_whole(self.training.out / STATE_FILE, save_tensors(plain, meta))

    def load(self) -> None:
        path = self.training.out / STATE_FILE
        try:
            with safe_open(str(path), "pt", device="cpu") as file:
                meta = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a mapping)
        except Exception as error:  # safetensors raises its own and OSErrors alike
            raise DatasetError(f"{path}: cannot be resumed from ({error}); start anew with resume=false") from error
        theirs = dict(_leaves(json.loads(meta["settings"])))
        ours = dict(_leaves(json.loads(json.dumps(self.training.settings()))))
        differing = [
            f"{key} was {theirs.get(key)}, is {value}" for key, value in ours.items() if theirs.get(key) != value
        ]
        if differing:
            raise DatasetError(
                f"{path}: is a run with other settings ({'; '.join(differing)}): give another out= or resume=false"
            )
        self.model.load_state_dict(_under("model.", tensors))
        self.loss.load_state_dict(_under("loss.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _under("optimizer.", tensors).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.precision = int(meta["step"]), meta["precision"]


def train(
    training: Training,
    *,
    resume: bool = True,
    device: str | None = None,
    on_progress: Callable[[TrainProgress], None] = lambda progress: None,
    on_decoded: Callable[[int, int], None] | None = None,
    on_features: Callable[[int, int], None] | None = None,
    every: int = 20,
) -> dict[str, Any]:
    """Runs or continues a training run and writes its checkpoint.

    Batches and random directions are functions of (seed, step), so a run that was stopped and resumed ends in the
    same weights as one that was not: to the bit on one thread, to rounding on several, whose sums vary in order.

    Args:
        resume: go on from `out` if a run is there; otherwise it is an error that one is.
        device: torch device; None picks CUDA where there is one.
        on_progress: called every `every` steps and after validations.
        on_decoded: called with (frames done, frames in all) while the video is decoded, which happens once.
        on_features: the same while a frozen backbone looks at the frames, which happens once as well.

    Returns:
        the final report (see `evaluation.report`), which the checkpoint's JSON holds too.

    Raises:
        DatasetError: unusable data, or a run in `out` with other settings.
        BackboneError: a frozen backbone that cannot be had.
        FloatingPointError: the loss became infinite or NaN.
    """
    config = training.train
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    run = _Run(training, where)  # first, because a backbone that is missing should be told before the video is decoded
    resolution = training.model.resolution
    cache = open_cache(training.data, resolution, camera_key=training.camera_key, progress=on_decoded)
    if cache.action.shape[1] != training.model.action_dim:
        raise DatasetError(
            f"{training.data}: actions have {cache.action.shape[1]} numbers, the model expects "
            f"{training.model.action_dim}: set world_model.action_dim={cache.action.shape[1]}"
        )
    fitting, held_out = split_episodes(cache.episodes, config.validation, config.seed)
    shape = (training.model.history, training.loss.rollout, training.model.frameskip)
    sampler, validation = WindowSampler(cache, *shape, fitting), WindowSampler(cache, *shape, held_out)
    _set_normalisation(run.model, cache)
    if (training.out / STATE_FILE).exists():
        if not resume:
            raise DatasetError(
                f"{training.out}: a run is already there: continue it with resume=true, or give another out="
            )
        run.load()
    if run.model.backbone is not None:
        # Only now: what else is wrong with data and settings is told before hours of encoding.
        backbone = run.model.backbone
        cache = with_features(cache, backbone.identity(), backbone.shape, run.model.features, on_features)
        sampler.cache = validation.cache = cache
    if run.precision == "auto":
        run.precision = faster_precision(run.model, sampler.batch(0, config.batch, config.seed), where)
    autocast = torch.autocast(where.type, torch.bfloat16, enabled=run.precision == "bfloat16")
    sums, began = dict[str, float](), time.perf_counter()
    frames = summed = 0
    for step, batch in sampler.prefetch(run.step, config.steps, config.batch, config.seed):
        terms = run.advance(batch, autocast)
        frames += batch["state"].shape[0] * batch["state"].shape[1]
        sums = {name: sums.get(name, 0.0) + value for name, value in terms.items()}
        summed += 1
        done = step + 1
        checked = None
        if done % config.validate_every == 0 or done == config.steps:
            checked = report(run.model, validation, fitting=None, where=where).numbers()
        if done % every == 0 or checked:
            means = {name: value / summed for name, value in sums.items()}
            progress = TrainProgress(done, means, frames / (time.perf_counter() - began), checked)
            on_progress(progress)
            _log(training.out, progress)
            sums, summed = {}, 0
        if done % config.save_every == 0 or done == config.steps:
            run.save()
            if done < config.steps:  # the last export follows, with the full report
                _export(run, cache, sampler, checked or {})
    final = report(run.model, validation, fitting=sampler, where=where).numbers()
    _export(run, cache, sampler, final)
    return final


def faster_precision(model: JEPA, batch: dict[str, Tensor], where: torch.device) -> str:
    """`bfloat16` on a GPU; on a CPU whichever of `float32` and `bfloat16` encodes and learns from a batch faster here.

    Processors without matrix instructions for bfloat16 are often slower with it.
    """
    if where.type != "cpu":
        return "bfloat16"
    windows = max(1, 256 // batch["state"].shape[1])
    few = {key: value[:windows] for key, value in batch.items()}
    seconds: dict[str, float] = {}
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for precision in ("float32", "bfloat16") * 2:
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            model.train().latents(few).pow(2).mean().backward()
        seconds[precision] = min(seconds.get(precision, float("inf")), time.perf_counter() - began)
    model.zero_grad(set_to_none=True)
    for name, buffer in model.named_buffers():  # the trial must leave no trace, or it would change the run
        buffer.copy_(kept[name])
    return min(seconds, key=lambda name: seconds[name])


def _export(run: _Run, cache: FrameCache, sampler: WindowSampler, metrics: dict[str, Any]) -> None:
    training = run.training
    latents = embed(run.model, sampler, METRIC_WINDOWS, run.device)["latents"]
    run.model.step_covariance.copy_(step_covariance(latents))
    description = {
        **training.description,
        "camera": cache.camera_key,
        "action_names": cache.names.get(ACTION_KEY),
        "control_period": 1.0 / cache.fps,
        **_bounds(cache),
        "dataset": {
            "fingerprint": cache.fingerprint,
            "frames": len(cache.frames),
            "episodes": cache.episodes,
        },
        "loss": to_mapping(training.loss),
        "train": {**to_mapping(training.train), "done": run.step},
        "metrics": metrics,
    }
    save_checkpoint(run.model, training.out / "model", description)


def _bounds(cache: FrameCache) -> dict[str, list[float]]:
    """Between which commands to plan: those of the data, where they are not in [-1, 1], which goes without saying."""
    low, high = cache.action.min(0), cache.action.max(0)
    if (abs(low) <= 1.0).all() and (abs(high) <= 1.0).all():
        return {}
    return {"action_low": low.tolist(), "action_high": high.tolist()}


def _set_normalisation(model: JEPA, cache: FrameCache) -> None:
    model.action_mean.copy_(torch.from_numpy(cache.action.mean(0)))
    model.action_std.copy_(torch.from_numpy(cache.action.std(0)).clamp_min(1e-3))
    if model.config.proprio_dim:
        if cache.state.shape[1] != model.config.proprio_dim:
            raise DatasetError(
                f"{cache.path}: has {cache.state.shape[1]} joint readings, the model expects {model.config.proprio_dim}"
            )
        model.proprio_mean.copy_(torch.from_numpy(cache.state.mean(0)))
        model.proprio_std.copy_(torch.from_numpy(cache.state.std(0)).clamp_min(1e-3))


def _schedule(step: int, config: TrainConfig) -> float:
    if step < config.warmup:
        return (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1.0 + float(torch.cos(torch.tensor(share * torch.pi))))


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _log(out: Path, progress: TrainProgress) -> None:
    out.mkdir(parents=True, exist_ok=True)
    row: dict[str, Any] = {"step": progress.step, "frames_per_s": round(progress.frames_per_s, 1), **progress.terms}
    if progress.validation:
        row["validation"] = progress.validation
    with (out / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
