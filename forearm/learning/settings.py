"""What is learned, and for how long: the settings of one learning, its legs and its stages."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common.files import write_json
from forearm.common.nested import changes, leaves
from forearm.errors import ForearmError
from forearm.recording.collect import Collection

if TYPE_CHECKING:
    from forearm.world_model.training.run import Training

SETTINGS, LEGS = "settings.json", "legs.json"
MINUTES, STEPS = "minutes", "steps"
DEFAULTS = {"look": True}
"""What settings were before there were any, for learnings of earlier versions."""
CHUNK = 100
"""Episodes of one film; training begins with those that are whole."""
FIRST = 0.25
"""Share of the first leg after which there is a model, trained on the first films and measured on few episodes."""


@dataclass(frozen=True)
class Budget:
    """How long to learn: `amount` minutes or steps, in all or `more` than was learned so far."""

    unit: str
    amount: float
    more: bool

    @classmethod
    def read(cls, unit: str, text: str) -> "Budget":
        """`12`, or `+12` for more; raises `ForearmError` for anything else."""
        try:
            amount = float(text)
        except ValueError:
            amount = math.nan
        if not 0 < amount < math.inf or (unit == STEPS and amount % 1):
            kind = "number" if unit == MINUTES else "whole number"
            raise ForearmError(f"{unit}={text}: expected a {kind} above 0, or +{unit} to go on for")
        return cls(unit, amount, text.strip().startswith("+"))

    def __str__(self) -> str:
        return f"{self.unit}={'+' * self.more}{self.amount:g}"


@dataclass(frozen=True)
class Stage:
    """One training, with what comes before and after it.

    Attributes:
        number: from 1.
        leg: which leg of the learning it belongs to, from 0.
        of_leg: minutes or steps of the whole leg.
        end: share of the leg that is over when it ends.
        share: of the leg that is its own.
        look: whether only a few episodes are measured, or none, as the leg goes on.
    """

    number: int
    leg: int
    of_leg: float
    end: float
    share: float
    look: bool


@dataclass(frozen=True)
class Learning:
    """One learning.

    Attributes:
        task, planner, protocol: configs as in configs/.
        out: folder of films, stages and curve.
        budget: how long.
        training: of a folder of data into a folder, as the settings say.
        identity: what must agree for it to go on.
        data: recorded data to learn from; None: film.
        episodes: filmed at most.
        steps: control steps of each.
        look: whether the first stage ends in a model that is looked at; else the second goes on where it was.
        validation: episodes on which it is measured; 0 where nothing can be.
        validation_seed: of these.
        parts: heads that are trained, see `forearm.world_model.heads.training`.
        heads: settings of each, by name.
        seed: of films and training.
        storage: of the films, `png` or `mp4`.
        cache_dir: folder of decoded frames; None: beside the data.
        device: for training; None: CUDA where there is one.
        use: modules of the user's own.
        command: what to type for the same.
    """

    task: Mapping[str, Any]
    planner: Mapping[str, Any]
    protocol: Mapping[str, Any]
    out: Path
    budget: Budget
    training: Callable[[Path, Path], "Training"]
    identity: Mapping[str, Any]
    data: Path | None = None
    episodes: int = 0
    steps: int = 50
    look: bool = True
    validation: int = 50
    validation_seed: int = 9
    parts: tuple[str, ...] = ()
    heads: Mapping[str, Any] | None = None
    seed: int = 0
    storage: str = "png"
    cache_dir: Path | None = None
    device: str | None = None
    use: tuple[str, ...] = ()
    command: str | None = None

    def folder(self, stage: Stage) -> Path:
        """Of one stage."""
        return self.out / f"stage-{stage.number}"

    def films(self) -> list[Collection]:
        """The films that there are to be, in their order; none of recorded data."""
        if self.data is not None:
            return []
        counts = [min(CHUNK, self.episodes - first) for first in range(0, self.episodes, CHUNK)]
        return [
            Collection(
                str(self.task["name"]),
                self.out / "films" / f"{number:03d}",
                episodes=count,
                steps=self.steps,
                seed=int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]),
                camera=self.task["camera"],
                resolution=self.task["resolution"],
                storage=self.storage,
                use=self.use,
            )
            for number, count in enumerate(counts)
        ]

    def begin(self, resume: bool) -> list[Stage]:
        """Begin or take up the folder `out`; the stages that there are to be, those that are done among them.

        Raises `ForearmError` for a folder that holds another learning, or one that is not to be gone on with.
        """
        path, ours = self.out / SETTINGS, json.loads(json.dumps({**self.identity, "budget": self.budget.unit}))
        legs: list[float] = []
        if path.exists():
            if not resume:
                raise ForearmError(
                    f"{self.out}: a learning is already there: go on with resume=true, or give another out="
                )
            try:
                theirs = {**DEFAULTS, **dict(leaves(json.loads(path.read_text(encoding="utf-8"))))}
                kept = self.out / LEGS
                legs = [float(leg) for leg in json.loads(kept.read_text(encoding="utf-8"))] if kept.exists() else []
            except (ValueError, AttributeError, TypeError) as error:
                raise ForearmError(f"{self.out}: cannot be gone on from ({error}): give another out=") from None
            if differing := changes(theirs, dict(leaves(ours))):
                told = "; ".join(differing[:3])
                raise ForearmError(f"{self.out}: learning was begun with other settings ({told}): give another out=")
        elif self.out.exists() and any(self.out.iterdir()):
            raise ForearmError(f"{self.out}: holds something that is no learning: give another out=")
        else:
            write_json(path, ours)
        legs = self._legs(legs)
        write_json(self.out / LEGS, legs)
        return stages_of(legs, self.budget.unit)

    def _legs(self, legs: list[float]) -> list[float]:
        """Minutes or steps of each leg: one that was begun is finished, unless nothing was trained in it yet."""
        if len(legs) == 1 and not self._trained(1):
            return [self.budget.amount + (legs[0] if self.budget.more else 0.0)]
        finished = all((self.folder(stage) / "stage.json").exists() for stage in stages_of(legs, self.budget.unit))
        wanted = self.budget.amount if self.budget.more else self.budget.amount - sum(legs)
        if legs and not finished:
            wanted = 0.0 if self.budget.more else wanted
        return [*legs, wanted] if wanted > 1e-9 else legs

    def _trained(self, number: int) -> bool:
        return any((self.out / f"stage-{number}" / "model").glob("*"))


def stages_of(legs: list[float], unit: str) -> list[Stage]:
    """The first leg has two stages, so that there soon is a model; the others one, on all films that there are."""
    stages: list[Stage] = []
    for leg, amount in enumerate(legs):
        whole = unit == STEPS and amount < 2
        ends = [1.0] if leg or whole else [FIRST, 1.0]
        for begin, end in zip([0.0, *ends], ends, strict=False):
            stages.append(Stage(len(stages) + 1, leg, amount, end, end - begin, look=end < 1.0))
    return stages
