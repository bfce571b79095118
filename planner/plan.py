"""A plan is a document: what to do, when, what it should cost, how it was found. Making one moves nothing."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forearm.common.files import replacing
from forearm.planner import plan_json as check
from forearm.planner.plan_json import PlanError

VERSION = 1
Stopped = Literal["iterations", "deadline", "converged"]
UNITS = {
    "times": "s from the start of the plan",
    "actions": "command units of the task, one row per control step",
    "mean": "command units of the task, one row per control step",
    "cost": "units of the objective; null where no finite cost is known",
    "timings_ms": "ms, for all problems planned together",
    "deadline_ms": "ms",
}


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of one problem.

    actions: (H, A), the commands to carry out, one per control step: the best found, or `mean` if the planner's
    `execute` says so. times: (H,), seconds from the start of the plan at which each begins. mean: (H, A), the
    search's final proposal, from which the next search starts. cost: of `actions`, infinite when no finite cost was
    seen (or nothing was predicted). cost_per_iteration: the best so far after each iteration. model_evals: sequences
    rolled out for this problem. timings_ms: `encode`, `rollout`, `select`, `total`, of all `batch` problems that were
    planned together. predicted_cost_curve: (H',), cost along the predicted trajectory. seed: of this problem's random
    stream. checkpoint: fingerprint of the model's checkpoint, if there is one. action_names: (A,), what the
    components of a command are called, where that is known. elites: (E, H, A), the best candidates that the search
    hands on to the next one, best first, if it does. action_units: (A,), what 1.0 of each component is, such as
    "3 cm", where that is known.

    Raises `PlanError` (a `ValueError`) naming the field whose value or shape is wrong. Compares by content.
    """

    actions: NDArray[np.float64]
    times: NDArray[np.float64]
    mean: NDArray[np.float64]
    cost: float
    cost_per_iteration: Sequence[float]
    model_evals: int
    iterations: int
    timings_ms: Mapping[str, float]
    planner: str
    config: Mapping[str, Any] = field(default_factory=dict)
    stopped: Stopped = "iterations"
    deadline_ms: float | None = None
    seed: int | None = None
    checkpoint: str | None = None
    predicted_cost_curve: NDArray[np.float64] | None = None
    batch: int = 1
    action_names: Sequence[str] | None = None
    elites: NDArray[np.float64] | None = None
    action_units: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check every field and bring it into its plain form."""
        actions = check.array("actions", self.actions, 2)
        horizon, dims = actions.shape
        if horizon == 0 or dims == 0:
            raise PlanError(f"actions: expected shape (H, A) with H, A > 0, got {actions.shape}")
        clean: dict[str, Any] = {
            "actions": actions,
            "times": check.shaped("times", check.array("times", self.times, 1), (horizon,)),
            "mean": check.shaped("mean", check.array("mean", self.mean, 2), (horizon, dims)),
            "cost": check.cost("cost", self.cost),
            "cost_per_iteration": [
                check.cost(f"cost_per_iteration[{i}]", c)
                for i, c in enumerate(check.items("cost_per_iteration", self.cost_per_iteration))
            ],
            "model_evals": check.count("model_evals", self.model_evals, 0),
            "iterations": check.count("iterations", self.iterations, 0),
            "timings_ms": {
                str(k): check.milliseconds(f"timings_ms.{k}", v)
                for k, v in check.mapping("timings_ms", self.timings_ms).items()
            },
            "planner": check.text("planner", self.planner),
            "config": check.plain("config", check.mapping("config", self.config)),
            "batch": check.count("batch", self.batch, 1),
        }
        if len(clean["cost_per_iteration"]) != clean["iterations"]:
            raise PlanError(
                f"cost_per_iteration: expected {clean['iterations']} numbers, one per iteration, "
                f"got {len(clean['cost_per_iteration'])}"
            )
        if self.stopped not in get_args(Stopped):
            raise PlanError(f"stopped: expected one of {', '.join(get_args(Stopped))}, got {self.stopped!r}")
        if self.deadline_ms is not None:
            clean["deadline_ms"] = check.milliseconds("deadline_ms", self.deadline_ms)
        if self.seed is not None:
            clean["seed"] = check.count("seed", self.seed, None)
        if self.checkpoint is not None:
            clean["checkpoint"] = check.text("checkpoint", self.checkpoint)
        for key, what in (("action_names", "names"), ("action_units", "units")):
            if (given := getattr(self, key)) is not None:
                texts = [check.text(f"{key}[{i}]", n) for i, n in enumerate(check.items(key, given))]
                if len(texts) != dims:
                    raise PlanError(f"{key}: expected {dims} {what}, one per action dimension, got {len(texts)}")
                clean[key] = texts
        if self.elites is not None:
            elites = check.array("elites", self.elites, 3)
            clean["elites"] = check.shaped("elites", elites, (len(elites), horizon, dims))
        if self.predicted_cost_curve is not None:
            clean["predicted_cost_curve"] = check.array(
                "predicted_cost_curve", self.predicted_cost_curve, 1, finite=False
            )
        for name, value in clean.items():
            object.__setattr__(self, name, value)

    @classmethod
    def trusted(cls, **fields: Any) -> "Plan":
        """A plan of fields that are already in their plain form, as a search makes them: nothing is checked."""
        plan = object.__new__(cls)
        plan.__dict__.update(fields)
        return plan

    def __eq__(self, other: object) -> bool:
        """Same content, whatever the objects."""
        return self.to_dict() == other.to_dict() if isinstance(other, Plan) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The document as plain lists, numbers and strings; costs that are not finite become None."""
        curve = self.predicted_cost_curve
        return {
            "version": VERSION,
            "units": dict(UNITS),
            "planner": self.planner,
            "config": self.config,
            "seed": self.seed,
            "checkpoint": self.checkpoint,
            "batch": self.batch,
            "action_names": self.action_names,
            **({} if self.action_units is None else {"action_units": self.action_units}),
            "actions": self.actions.tolist(),
            "times": self.times.tolist(),
            "mean": self.mean.tolist(),
            "elites": None if self.elites is None else self.elites.tolist(),
            "cost": check.or_none(self.cost),
            "cost_per_iteration": [check.or_none(c) for c in self.cost_per_iteration],
            "predicted_cost_curve": None if curve is None else [check.or_none(c) for c in curve.tolist()],
            "model_evals": self.model_evals,
            "iterations": self.iterations,
            "stopped": self.stopped,
            "deadline_ms": self.deadline_ms,
            "timings_ms": self.timings_ms,
        }

    def to_json(self) -> str:
        """The document as strict JSON (no NaN or Infinity). Numbers survive the round trip exactly."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_dict(cls, document: Any) -> "Plan":
        """The plan that `to_dict` wrote; raises `PlanError` naming what is missing, unknown or misshapen."""
        if not isinstance(document, dict):
            raise PlanError(f"a plan is a JSON object, got {type(document).__name__}")
        values = dict(document)
        version = values.pop("version", None)
        if type(version) is not int or version != VERSION:
            raise PlanError(f"version: this program reads plan version {VERSION}, got {version!r}")
        units = values.pop("units", UNITS)
        if units != UNITS:
            raise PlanError("units: expected the units of plan version 1, which cannot be chosen")
        for later in ("elites", "action_units"):  # plans were written before they had any
            values.setdefault(later, None)
        known = set(cls.__dataclass_fields__)
        if missing := sorted(known - set(values)):
            raise PlanError(f"{missing[0]}: missing from the plan")
        if unknown := sorted(set(values) - known):
            raise PlanError(f"{unknown[0]}: not a field of a plan")
        values["cost"] = check.or_infinite(values["cost"])
        values["cost_per_iteration"] = [
            check.or_infinite(c) for c in check.items("cost_per_iteration", values["cost_per_iteration"])
        ]
        if values["predicted_cost_curve"] is not None:
            curve = check.items("predicted_cost_curve", values["predicted_cost_curve"])
            values["predicted_cost_curve"] = [math.nan if c is None else c for c in curve]
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that `to_json` wrote; raises `PlanError`."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"not a JSON document: {error}") from error
        return cls.from_dict(document)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the document to `path` whole or not at all; raises `OSError` where that cannot be."""
        text = self.to_json() + "\n"
        with replacing(Path(path), make_folder=False) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Plan":
        """Read a saved plan; raises `OSError`, or `PlanError` with the path and the field in its message."""
        data = Path(path).read_bytes()
        try:
            return cls.from_json(data.decode("utf-8"))
        except ValueError as error:
            raise PlanError(f"{os.fspath(path)}: {error}") from error

    def __str__(self) -> str:
        """A short table to read on a terminal."""
        horizon, dims = self.actions.shape
        names = self.action_names or [f"a{i}" for i in range(dims)]
        widths = [max(9, len(name) + 2) for name in names]
        cost = f"cost {self.cost:.6g}" if math.isfinite(self.cost) else "no finite cost"
        head = [
            f"{self.planner}: {horizon} steps, {cost}, {self.iterations} iterations ({self.stopped}), "
            f"{self.model_evals} model evaluations",
            "  ".join(f"{name} {ms:.1f} ms" for name, ms in self.timings_ms.items()),
            *([] if self.action_units is None else [f"1.0 is {_listed(names, self.action_units)}"]),
            f"{'step':>5}{'time [s]':>10}" + "".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True)),
        ]
        rows = [
            f"{h:>5}{self.times[h]:>10.2f}"
            + "".join(f"{a:>+{w}.3f}" for a, w in zip(self.actions[h], widths, strict=True))
            for h in range(horizon)
        ]
        if horizon > 24:
            rows = [*rows[:20], f"{'...':>5}", *rows[-3:]]
        return "\n".join([*head, *rows])


def _listed(names: Sequence[str], units: Sequence[str]) -> str:
    """What 1.0 of each number is, those of one unit together: `3 cm (dx, dy, dz), 1 cm (gripper)`."""
    if len(set(units)) == 1:
        return f"{units[0]} for each"
    of = {unit: ", ".join(n for n, u in zip(names, units, strict=True) if u == unit) for unit in units}
    return ", ".join(f"{unit} ({those})" for unit, those in of.items())


def command_times(horizon: int, control_period: float) -> NDArray[np.float64]:
    """When each of `horizon` commands begins, (H,) seconds from the start of the plan."""
    return _times(horizon, control_period).copy()


@lru_cache(maxsize=64)
def _times(horizon: int, control_period: float) -> NDArray[np.float64]:
    return np.arange(horizon, dtype=np.float64) * control_period
