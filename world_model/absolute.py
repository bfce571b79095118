"""Commands that are absolute joint positions, as LeRobot records them: taken as differences inside the model.

A difference is measured from the command before; at the beginning of an episode from the joint readings. So a command
of zeros holds the pose, a plan begins at the present one, and what is searched is how far joints move in a step. A
model is rolled out on the differences of the positions that would be sent, bounds included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError

Floats = NDArray[np.float64]
LOOSE = 0.7
"""Commands whose distance from the readings varies by less than this share of their own spread are positions."""
ROUNDING = 1e-6
"""Of a command's size: what varies by less does not move."""


@dataclass(frozen=True, eq=False)
class Handover:
    """Where B plans begin: `before` (B, A), the command that was given last, or the present reading where none was.

    least, most: (B, A) between which the first command of a plan lies.
    """

    before: Tensor
    least: Tensor
    most: Tensor

    @classmethod
    def joined(cls, each: "Sequence[Handover]") -> "Handover":
        """Those of several problems together."""
        return cls(*(torch.cat([getattr(one, name) for one in each]) for name in ("before", "least", "most")))

    def row(self, b: int) -> "Handover":
        """That of problem `b` alone."""
        return Handover(self.before[b : b + 1], self.least[b : b + 1], self.most[b : b + 1])


@dataclass(frozen=True, eq=False)
class AbsolutePositions:
    """What data say about positions as commands.

    Attributes:
        low, high: (A,), the least and the greatest command.
        step: (A,), how far a command lies from the one before at most.
        first_low, first_high: (A,), between which a command lies, measured from the reading of its moment.
        columns: which of the joint readings the commands are for, (A,) whole numbers.
        readings: how many joint readings there are.
    """

    low: Floats
    high: Floats
    step: Floats
    first_low: Floats
    first_high: Floats
    columns: tuple[int, ...]
    readings: int

    @classmethod
    def of(
        cls,
        action: NDArray[np.floating],
        state: NDArray[np.floating],
        columns: Sequence[int],
        starts: NDArray[np.int64],
    ) -> "AbsolutePositions":
        """Learned from commands (N, A) and readings (N, S) of episodes that begin at `starts` (E,)."""
        moved = abs(differences(action, state, columns, starts).astype(np.float64))
        rows = told(action, starts)
        offset = action[rows].astype(np.float64) - state[rows][:, list(columns)]
        return cls(
            low=action[rows].min(0).astype(np.float64),
            high=action[rows].max(0).astype(np.float64),
            step=np.delete(moved, starts, 0).max(0, initial=0.0),
            first_low=offset.min(0),
            first_high=offset.max(0),
            columns=tuple(columns),
            readings=state.shape[1],
        )

    @classmethod
    def union(cls, each: "Sequence[AbsolutePositions]") -> "AbsolutePositions":
        """The narrowest limits that hold those of all data sets; ValueError where readings differ."""
        if any((one.columns, one.readings) != (each[0].columns, each[0].readings) for one in each):
            raise InputError("the data sets of one model must have the same joint readings")

        def limit(name: str) -> Floats:
            found = np.array([getattr(one, name) for one in each])
            return np.asarray(found.min(0) if "low" in name else found.max(0))

        names = ("low", "high", "step", "first_low", "first_high")
        return cls(**{name: limit(name) for name in names}, columns=each[0].columns, readings=each[0].readings)

    def to_document(self) -> dict[str, Any]:
        """As it stands in a checkpoint, without `low` and `high`, which stand there for all kinds of commands."""
        numbers = {name: getattr(self, name).tolist() for name in ("step", "first_low", "first_high")}
        return {**numbers, "columns": list(self.columns), "readings": self.readings}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "AbsolutePositions | None":
        """What a checkpoint says; None where its commands are of another kind.

        Raises `KeyError`, `TypeError` or `ValueError` for what `to_document` did not write.
        """
        said = document.get("absolute_positions")
        if said is None:
            return None
        found = {"low": document["action_low"], "high": document["action_high"], **said}
        arrays = {key: np.asarray(found[key], np.float64) for key in ("low", "high", "step", "first_low", "first_high")}
        columns, readings = tuple(map(int, found["columns"])), int(found["readings"])
        right = all(array.shape == (len(columns),) and np.isfinite(array).all() for array in arrays.values())
        if not right or not all(0 <= column < readings for column in columns) or (arrays["step"] < 0).any():
            raise InputError("absolute_positions do not fit the commands")
        return cls(**arrays, columns=columns, readings=readings)

    def reading(self, proprio: NDArray[np.floating] | None) -> Floats:
        """Present positions (A,) out of joint readings (P,); raises ValueError where there are none, or others."""
        if proprio is None:
            raise InputError(
                f"no joint readings: this model's commands are joint positions, and a plan begins at the present ones: "
                f"give `proprio`, {self.readings} numbers"
            )
        found = np.asarray(proprio, np.float64)
        if found.shape != (self.readings,) or not np.isfinite(found).all():
            raise InputError(f"joint readings have shape {found.shape}: expected {self.readings} finite numbers")
        return np.asarray(found[list(self.columns)])

    def before(self, sent: Floats | None, reading: Floats | None) -> Floats:
        """Where the next command counts from, (A,): what was `sent`, or else the `reading`; ValueError for none."""
        if sent is not None:
            return sent
        return self.reading(None) if reading is None else reading

    def handover(self, sent: Floats | None, reading: Floats | None) -> Handover:
        """Where a plan begins: after the command `sent` (A,), if any was, and with the arm at `reading` (A,), if known.

        Raises ValueError where neither is known.
        """
        before = self.before(sent, reading)
        least, most = before - self.step, before + self.step
        if reading is not None:
            near = reading + self.first_low, reading + self.first_high
            least, most = near if sent is None else (np.clip(bound, least, most) for bound in near)
        with torch.inference_mode(False):  # planners that follow gradients want it as well
            return Handover(*(torch.tensor(value, dtype=torch.float64)[None] for value in (before, least, most)))

    def carried_out(self, commands: Floats, reading: Floats, expected: int) -> int:
        """How many of the last plan's commands (H, A) were carried out, now that the arm is at `reading` (A,).

        The `expected` number, unless the next command could then not lie where commands lie beside a reading, and for
        another number it could: then the nearest such number.
        """
        least, most = reading + self.first_low, reading + self.first_high
        gap = np.maximum(least - (commands + self.step), (commands - self.step) - most).max(1, initial=-np.inf)
        fits = 1 + np.flatnonzero(gap <= ROUNDING * abs(commands).max(initial=1.0))
        if not len(fits) or expected in fits:
            return expected
        return int(fits[abs(fits - expected).argmin()])

    def positions(self, moved: Tensor, begin: Handover) -> Tensor:
        """Positions (B, K, H, A) that differences (B, K, H, A) lead to, each within the bounds of commands.

        A joint that is beyond its bounds to begin with stays, or comes back.
        """
        low, high = (torch.as_tensor(bound, dtype=moved.dtype, device=moved.device) for bound in (self.low, self.high))
        before, least, most = (value.to(moved)[:, None] for value in (begin.before, begin.least, begin.most))
        found = []
        for step in range(moved.shape[2]):
            after = before + moved[:, :, step]
            after = torch.minimum(torch.maximum(after, torch.minimum(low, before)), torch.maximum(high, before))
            if step == 0:
                after = torch.minimum(torch.maximum(after, least), most)
            found.append(after)
            before = after
        return torch.stack(found, dim=2)

    def kept(self, moved: Tensor, begin: Handover) -> Tensor:
        """Differences (B, K, H, A) of the `positions` that differences lead to: what is really done."""
        return moved_by(self.positions(moved, begin), begin)


def moved_by(positions: Tensor, begin: Handover) -> Tensor:
    """Differences (B, K, H, A) that positions (B, K, H, A) are, from where they begin."""
    before = begin.before.to(positions)[:, None, None].expand_as(positions[:, :, :1])
    return torch.diff(positions, dim=2, prepend=before)


def columns_of(action_names: Sequence[str], state_names: Sequence[str]) -> tuple[int, ...] | None:
    """Which joint readings commands are for: by their names, or else the first ones; None where there are too few."""
    if action_names and set(action_names) <= set(state_names):
        return tuple(list(state_names).index(name) for name in action_names)
    return tuple(range(len(action_names))) if len(action_names) <= len(state_names) else None


def looks_absolute(
    action: NDArray[np.floating], state: NDArray[np.floating], columns: Sequence[int], starts: NDArray[np.int64]
) -> bool:
    """Whether commands (N, A) are positions of the joints that `columns` of the readings (N, S) show.

    They are if more than half of the joints that move follow their command: a gripper may only be opened and shut, or
    not be measured. Episodes begin at `starts` (E,).
    """
    rows = told(action, starts)
    wanted = action[rows].astype(np.float64)
    apart = (wanted - state[rows][:, list(columns)]).std(0)
    spread = wanted.std(0)
    moves = spread > ROUNDING * abs(wanted).max(0, initial=0.0)
    return bool(2 * (moves & (apart < LOOSE * spread)).sum() > moves.sum())


def differences(
    action: NDArray[np.floating], state: NDArray[np.floating], columns: Sequence[int], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Commands (N, A) less the ones before, (N, A); the first of each episode less the reading (N, S) of its moment.

    Zeros that fill the last row of an episode, where nothing was commanded any more, hold the pose.
    """
    before = np.concatenate([action[:1], action[:-1]])
    before[starts] = state[starts][:, list(columns)]
    found = action - before
    found[~told(action, starts)] = 0.0
    return np.asarray(found, np.float32)


def told(action: NDArray[np.floating], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of commands (N, A) are such, (N,): all but zeros that fill the last row of an episode."""
    found = np.ones(len(action), bool)
    ends = np.append(starts[1:], len(action)) - 1
    found[ends[~action[ends].any(axis=1)]] = False
    return found
