"""One training run in one process: weights, optimiser, step, and the state from which it goes on after a kill.

Where several processes train together, each has a trainer of its own. All hold the same weights, as each takes its
share of every batch and the gradients are averaged.
"""

import json
import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from forearm.common.nested import changes, leaves
from forearm.world_model import distributed
from forearm.world_model.config import LossConfig, ModelConfig, TrainConfig, to_mapping
from forearm.world_model.data import Batch, DatasetError, Windows
from forearm.world_model.data.columns import Keys
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import write_whole
from forearm.world_model.training import optimizers
from forearm.world_model.training.losses import JepaLoss
from forearm.world_model.training.mixed_precision import autocast, faster_precision
from forearm.world_model.training.normalisation import set_balance, set_normalisation, set_standardisation
from forearm.world_model.training.warm_start import Init, start_from

STATE_FILE = "training.safetensors"
USED = ("pixels", "features", "actions", "state")
"""What of a batch is learned from."""
DEFAULTS = {
    "train.share": 1.0,
    "train.every": 1,
    "model.inferred_dim": 0,
    "model.patch": 4,
    "model.standardize": False,
    "model.balance": False,
    "model.predictor": "residual",
    "train.optimizer": "adamw",
    "loss.inverse_steps": 1,
    "loss.beginnings": 1,
    "loss.time_contrast": 0.0,
}
"""What settings were before there were any, for states of earlier versions."""
CLOCK = time.perf_counter
"""By which a run of so many seconds is timed."""
WARMUP = 0.05
"""Share of such a run in which the learning rate rises."""
LOADERS = 4
"""Threads that fetch batches for a GPU; one keeps a processor busy."""


@dataclass(frozen=True)
class Training:
    """One training run: its data, its settings, and where it goes.

    Attributes:
        data: LeRobotDataset v3 folder, or by task the folders of several that one model is trained on.
        out: folder of the run; `model.json`, `model.safetensors`, the log and the resumable state go there.
        description: task, camera, control period and so on, for the checkpoint's JSON.
        camera_key: which of the data's cameras is seen; None for the only one, or `observation.images.front`.
        action_key, state_key: columns of the data with commands and joint readings, see `dataset.columns.sources`.
        episodes, exclude: which episodes of the data count and which do not, see `dataset.selection.select`; with
            several tasks the same of each, or a list of lists with one for each.
        weights: how often windows of each task are drawn, where there are several; empty for evenly.
        init: where the encoder comes from; None for random weights.
        absolute: whether commands are absolute joint positions, see `absolute`; None for as they look.
        cache_dir: folder of the decoded frames; None for beside the data.
        seconds: how long to train, in place of `train.steps` and `train.warmup`: the learning rate follows the share of
            the time that is over, so what comes of it depends on the machine.
        part: from where to where on the learning rate's way such a run goes, as shares; what is left is another run's.
    """

    data: Path | Mapping[str, Path]
    out: Path
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    description: dict[str, Any] = field(default_factory=dict)
    camera_key: str | None = None
    action_key: Keys = None
    state_key: Keys = None
    episodes: Any = None
    exclude: Any = None
    weights: tuple[float, ...] = ()
    init: Init | None = None
    absolute: bool | None = None
    cache_dir: Path | None = None
    seconds: float | None = None
    part: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        optimizers.check(self.train)  # told before anything is filmed or decoded

    def settings(self) -> dict[str, Any]:
        """What must agree for a run to go on where it stopped."""
        settings: dict[str, Any] = {kind: to_mapping(getattr(self, kind)) for kind in ("model", "loss", "train")}
        if self.model.backbone is not None:
            del settings["model"]["backbone"]["weights_file"]  # its hash is what counts
        if isinstance(self.data, Mapping):
            weights = self.weights or [1.0] * len(self.data)
            settings["tasks"] = list(zip(self.data, weights, strict=True))  # their order decides the batches
        if self.init is not None:
            settings["init"] = self.init.settings()
        if self.absolute:
            settings["absolute"] = True
        return settings | self.chosen()

    def chosen(self) -> dict[str, Any]:
        """Which columns and episodes of the data were chosen, where any were."""
        given = {key: getattr(self, key) for key in ("action_key", "state_key", "episodes", "exclude")}
        return {key: value for key, value in given.items() if value is not None}


class Trainer:
    """The mutable half of a training run.

    It is made before any data are there, so that what it lacks is told before the video is decoded; then `use` gives it
    the windows to train on.

    Args:
        training: the settings.
        device: where the weights are.

    Raises:
        BackboneError: a frozen backbone that cannot be had.
        CheckpointError: an encoder to begin with that cannot be read, or is another than the model's.
        ValueError: the batch cannot be shared evenly by all processes, or actions shall be predicted and there are
            none.
    """

    sampler: Windows

    def __init__(self, training: Training, device: torch.device) -> None:
        self.device = device
        distributed.share(training.train.batch)
        torch.manual_seed(training.train.seed)
        self.model = JEPA(training.model)
        init = None if training.init is None else start_from(self.model, training.init)
        self.training = replace(training, model=self.model.config, init=init)
        self.loss = JepaLoss(self.model, training.loss, training.train.seed).to(device)
        self.model.to(device)
        every = [*self.model.parameters(), *self.loss.parameters()]
        self.parameters = [parameter for parameter in every if parameter.requires_grad]
        self.optimizer = optimizers.Updates(self.parameters, training.train, device)
        self.precision = training.train.precision
        self.step = 0
        self.spent = 0.0
        """Seconds of earlier calls, up to what they saved."""
        self._began: float | None = None
        self.over = False
        """Whether the last step was that."""
        self.waited = 0.0
        """Seconds that `steps` has waited for batches."""
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._exact = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        # The first step whose gradient was not finite. It stays on the device, so that no step waits for a GPU.
        self._broken = torch.full((), -1, device=device)

    def use(self, sampler: Windows) -> None:
        """Train on these windows, normalised as their data are, or as the model is that the run goes on from; raises
        `DatasetError` for other joint readings than the model's.
        """
        self.sampler = sampler
        share, init = self.training.train.share, self.training.init
        if init is None or not init.whole:
            set_normalisation(self.model, sampler, share)
        elif self.model.config.proprio_dim:
            for part in sampler.parts:
                part.cache.check_readings(self.model.config.proprio_dim)
        if init is not None:
            return  # an encoder that was given keeps its own
        if self.model.config.standardize:
            set_standardisation(self.model, sampler, share)
        if self.model.config.balance:
            set_balance(self.model, sampler, share)

    def begin(self) -> None:
        """Settle the precision, the same in all processes; to be called once, after `load`."""
        config = self.training.train
        part = (distributed.rank(), distributed.count())
        if self.precision == "auto":
            batch = self.sampler.batch(0, config.batch, config.seed, part)
            self.precision = distributed.from_first(faster_precision(self.model, batch, self.device), self.device)

    @property
    def elapsed(self) -> float:
        """Seconds that this run has trained, in all calls."""
        return self.spent + (0.0 if self._began is None else CLOCK() - self._began)

    @property
    def share(self) -> float:
        """Of the run that is over."""
        if self.training.seconds is None:
            return self.step / self.training.train.steps
        return self.elapsed / self.training.seconds

    def steps(self, until: int) -> Iterator[int]:
        """Trains up to step `until`, or until its time is up, and yields after each step how many are done."""
        self._began = CLOCK()
        self.over = self.training.seconds is not None and self.step > 0 and self.share >= 1.0
        with closing(self.batches(self.step, until)) as batches:
            while self.training.seconds is None or not self.over:
                began = time.perf_counter()
                found = next(batches, None)
                self.waited += time.perf_counter() - began
                if found is None:
                    return
                self._advance(found[1])
                self.over = self.share >= 1.0  # asked once, as time goes on
                yield self.step

    def batches(self, start: int, until: int) -> Generator[tuple[int, Batch], None, None]:
        """The share of this process in the batches of the steps from `start` to `until`, fetched ahead."""
        config, on_gpu = self.training.train, self.device.type == "cuda"
        part = (distributed.rank(), distributed.count())
        depth, threads = (2 * LOADERS, LOADERS) if on_gpu else (4, 1)
        return self.sampler.prefetch(
            start, until, config.batch, config.seed, part=part, depth=depth, threads=threads, pin=on_gpu
        )

    def _advance(self, batch: dict[str, Tensor]) -> None:
        config = self.training.train
        learning_rate = config.learning_rate * self._rate()
        self.model.train()
        batch = {key: batch[key].to(self.device, non_blocking=True) for key in USED if key in batch}
        with autocast(self.device, self.precision):
            terms = self.loss(self.model, batch, self.step)
        for parameter in self.parameters:
            parameter.grad = None
        terms["loss"].backward()
        distributed.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, config.clip)
        self._broken = torch.where((self._broken < 0) & ~torch.isfinite(norm), self.step, self._broken)
        self.optimizer.step(learning_rate)
        self.step += 1
        for name, term in terms.items():
            value = term.detach().to(self._exact)
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._summed += 1

    def _rate(self) -> float:
        """Share of the peak learning rate."""
        if self.training.seconds is None:
            return _schedule(self.step, self.training.train)
        begin, end = self.training.part
        return _falling(begin + (end - begin) * self.share, WARMUP)

    def means(self) -> dict[str, float]:
        """Means of the loss terms, over all processes, since the last call; all processes must call it together.

        Raises:
            FloatingPointError: a gradient was not finite.
        """
        names = list(self._sums)
        values = self._sums_of_all().tolist()
        found = {name: value / self._summed for name, value in zip(names, values, strict=True)}
        self._sums, self._summed = {}, 0
        return found

    def _sums_of_all(self) -> Tensor:
        if (step := int(self._broken)) >= 0:
            raise FloatingPointError(
                f"the gradient is not finite at step {step}: lower world_model.train.learning_rate, or set "
                "world_model.train.precision=float32"
            )
        return distributed.average(torch.stack(list(self._sums.values()))) if self._sums else torch.zeros(0)

    def save(self) -> None:
        """Writes the state from which `load` goes on, in the first process; all processes must call it together.

        Raises:
            FloatingPointError: a gradient was not finite; what was saved before stays.
            DatasetError: the file cannot be written.
        """
        sums = self._sums_of_all()
        if not distributed.is_first():
            return
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"loss.{k}": v for k, v in self.loss.state_dict().items()}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizer.tensors().items()}
        tensors |= {f"sum.{name}": value for name, value in zip(self._sums, sums, strict=True)}
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        settings = json.dumps(self.training.settings(), sort_keys=True)
        meta = {"step": str(self.step), "summed": str(self._summed), "precision": self.precision, "settings": settings}
        if self.training.seconds is not None:
            meta["seconds"] = str(self.elapsed)
        meta["terms"] = json.dumps(list(self._sums))
        write_whole(self.training.out / STATE_FILE, save_tensors(plain, meta))

    def load(self) -> None:
        """Takes up the state in the run's folder, where there is one.

        Raises:
            DatasetError: it cannot be read, is that of a run with other settings, or is not what the others found.
        """
        path = self.training.out / STATE_FILE
        if path.exists():
            self._load(path)
        step, data = self.step, self.sampler.fingerprint
        of_first = distributed.from_first([step, data], self.device)
        if [step, data] != of_first:
            raise DatasetError(
                f"{self.training.out}: process {distributed.rank()} is at step {step} of data {data[:8]}, the first "
                f"one at step {of_first[0]} of data {of_first[1][:8]}: give folders that all processes share"
            )

    def _load(self, path: Path) -> None:
        try:
            with safe_open(str(path), "pt", device="cpu") as file:
                meta = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a mapping)
            theirs = {**DEFAULTS, **dict(leaves(json.loads(meta["settings"])))}
            ours = {**DEFAULTS, **dict(leaves(json.loads(json.dumps(self.training.settings()))))}
        except Exception as error:  # safetensors raises its own and OSErrors alike; a foreign file has no settings
            raise DatasetError(
                f"{path}: cannot be resumed from ({error}); remove it to start anew, or give another out="
            ) from error
        if differing := changes(theirs, ours):
            raise DatasetError(f"{path}: is a run with other settings ({'; '.join(differing)}): give another out=")
        self.model.load_state_dict(_under("model.", tensors))
        self.loss.load_state_dict(_under("loss.", tensors))
        self.optimizer.load(_under("optimizer.", tensors))
        self.step, self.precision = int(meta["step"]), meta["precision"]
        self.spent = float(meta.get("seconds", "0"))
        # States of earlier versions have no sums.
        self._sums = {name: tensors[f"sum.{name}"].to(self.device) for name in json.loads(meta.get("terms", "[]"))}
        self._summed = int(meta.get("summed", "0"))


def _schedule(step: int, config: TrainConfig) -> float:
    if step < config.warmup:
        return (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1.0 + float(torch.cos(torch.tensor(share * torch.pi))))


def _falling(share: float, warmup: float) -> float:
    """The same of a run of which a share is over, and which warms up in the first part of it."""
    if share < warmup:
        return max(share / warmup, 0.01)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (share - warmup) / (1.0 - warmup))))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
