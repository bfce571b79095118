"""What is practised, and how: the settings of one practice, and what must agree for it to go on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forearm.agent.action_spec import Holding
from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.setup import PlanningSetup
from forearm.common.files import write_json
from forearm.common.nested import changes, leaves
from forearm.errors import ForearmError
from forearm.recording.collect import practising

SETTINGS = "settings.json"
DECIDING = (
    *("episodes", "steps", "practice", "train_steps", "heads_steps", "learning_rate", "precision", "freeze_encoder"),
    *("validation", "validation_seed", "seed", "replan_every", "storage", "use"),
)
"""Settings that must agree for a practice to go on; more rounds may be asked for."""
STORAGES = ("png", "mp4")


@dataclass(frozen=True)
class Practice:
    """One practice; the same settings give the same weights, however often it is stopped.

    Attributes:
        task, planners, protocol: configs as in configs/. All planners are filmed, and measured together.
        data: LeRobotDataset v3 folder on which the checkpoint was trained.
        out: folder of the rounds and of the curve.
        rounds: how many.
        episodes: filmed a round, shared among the planners.
        steps: control steps of each.
        practice: share of the filmed episodes that a planner begins; 0: none, for comparison.
        train_steps: optimiser steps of the model a round.
        heads_steps: of each head a round; None: as many as it was trained for.
        learning_rate: peak rate of each round; None: that of the checkpoint's training.
        precision: of training, as in `TrainConfig`; None: that of the checkpoint's training.
        freeze_encoder: train the rest alone.
        validation: episodes on which each round is measured, the same in all.
        validation_seed: of these.
        seed: of filming and training.
        replan_every: control steps carried out from each plan; None: the task's.
        storage: of the films, `png` or `mp4`.
        cache_dir: folder of decoded frames; None: beside the merged data.
        device: for training; None: CUDA where there is one.
        use: modules of the user's own.
        hold: what holds the arm still, where the configs say so.
        command: what to type for the same.
    """

    task: Mapping[str, Any]
    planners: Sequence[Mapping[str, Any]]
    protocol: Mapping[str, Any]
    data: Path
    out: Path
    rounds: int = 3
    episodes: int = 200
    steps: int = 50
    practice: float = 1.0
    train_steps: int = 600
    heads_steps: int | None = None
    learning_rate: float | None = None
    precision: str | None = None
    freeze_encoder: bool = False
    validation: int = 50
    validation_seed: int = 9
    seed: int = 0
    replan_every: int | None = None
    storage: str = "png"
    cache_dir: Path | None = None
    device: str | None = None
    use: tuple[str, ...] = ()
    hold: Holding | None = None
    command: str | None = None

    def folder(self, number: int) -> Path:
        """Of one round; 0 is the checkpoint that it begins with."""
        return self.out / f"round-{number}"

    def begin(self) -> None:
        """Begin or take up the folder `out`.

        Raises what `PlanningSetup.resolve` raises, `DatasetError` for data that cannot be learned from, and
        `ForearmError` for settings that make no sense, or that are not those with which the folder was begun.
        """
        setups = [practising(self.task, planner, self.replan_every, self.hold) for planner in self.planners]
        if self.practice and self.episodes // len(setups) * self.practice < 1:
            raise ForearmError(
                f"practice={self.practice:g} of episodes={self.episodes} for {len(setups)} planners: one of them would "
                "begin no episode; give more episodes, or practice=0"
            )
        if self.storage not in STORAGES:
            raise ForearmError(f"storage={self.storage}: expected one of {', '.join(STORAGES)}")
        path, ours = self.out / SETTINGS, json.loads(json.dumps(self._identity(setups)))
        if not path.exists():
            write_json(path, ours)
            return
        try:
            theirs = dict(leaves(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, AttributeError) as error:  # the latter for JSON that is no mapping
            raise ForearmError(f"{path}: cannot be gone on from ({error}): give another out=") from None
        if differing := changes(theirs, dict(leaves(ours))):
            told = "; ".join(differing[:3])
            raise ForearmError(f"{self.out}: practice was begun with other settings ({told}): give another out=")

    def _identity(self, setups: Sequence[PlanningSetup]) -> dict[str, Any]:
        """What must agree for a practice to go on."""
        from forearm.world_model.data import dataset_fingerprint, read_dataset

        read = LoadedCheckpoint.read(self.task)
        data = read_dataset(self.data, str(read.document["camera"]))
        if len(data) < 2:
            raise ForearmError(f"data={self.data}: has {len(data)} episodes, practice needs at least 2 to begin with")
        parts = ("checkpoint", "heads", "student", "subgoals")
        return {
            "task": {key: value for key, value in self.task.items() if key not in parts},
            "planners": [dict(planner) for planner in self.planners],
            "protocol": dict(self.protocol),
            "checkpoints": [setup.fingerprint for setup in setups],
            "data": dataset_fingerprint(data),
            **{name: getattr(self, name) for name in DECIDING},
            **({} if self.hold is None else {"hold": self.hold.document}),
        }
