"""What normal motion surprises a checkpoint with: part of the file beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.calibration_file import calibration_path, read_parts, rounded, write_parts
from forearm.common.dotted import is_dotted
from forearm.errors import ForearmError, InputError, one_line
from forearm.surprise.alarm import FalseAlarms
from forearm.surprise.conformal import Table
from forearm.surprise.joints import JointModel
from forearm.surprise.prediction import Array
from forearm.surprise.usual import Usual

PART = "surprise"
_JOINTS = ("mean", "std", "weights")


@dataclass(frozen=True, eq=False)
class SurpriseCalibration:
    """What is usual, how rare which sizes of errors are, and how high levels of alarm rise in normal motion.

    tables: of the K horizons and the joints (None without); see `Sizes`. whole: of the strangest part of a frame, plus
    1. alarms: of the motion that bounds them. counted: of more motion, on which nothing was set. measured: an account.
    """

    usual: Usual
    tables: tuple[Table | None, ...]
    whole: Table
    alarms: FalseAlarms
    counted: FalseAlarms
    measured: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        usual, joints = self.usual, None
        if usual.joints is not None:
            joints = {key: rounded(getattr(usual.joints, key)) for key in _JOINTS} | {"map": rounded(usual.joints_map)}
        return {
            "measured": dict(self.measured),
            "latent_map": rounded(usual.latent_map),
            "joints": joints,
            "tables": [None if table is None else _plain(table) for table in self.tables],
            "whole": _plain(self.whole),
            "alarms": _plain(self.alarms),
            "counted": _plain(self.counted),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "SurpriseCalibration":
        """What `to_dict` gave; raises ValueError, KeyError or TypeError for anything else."""
        joints, latent_map = found["joints"], _array(found["latent_map"])
        tables = tuple(None if table is None else _table(table) for table in found["tables"])
        if latent_map.shape != (len(latent_map), len(latent_map)) or len(tables) < 2 or None in tables[:-1]:
            raise InputError("its arrays do not fit together")
        usual = Usual(
            latent_map,
            len(tables) - 1,
            None if joints is None else JointModel(**{key: _array(joints[key]) for key in _JOINTS}),
            None if joints is None else _array(joints["map"]),
        )
        alarms, counted = (
            FalseAlarms(_array(found[key]["levels"]), float(found[key]["hours"])) for key in ("alarms", "counted")
        )
        return cls(usual, tables, _table(found["whole"]), alarms, counted, dict(found["measured"]))


def surprise_calibration_of(task: Mapping[str, Any], document: Mapping[str, Any]) -> SurpriseCalibration:
    """The calibration beside a task's checkpoint; raises `ForearmError` where there is none, or it cannot be read."""
    if is_dotted(str(task["checkpoint"])):
        raise ForearmError(
            f"model {task['checkpoint']} cannot be watched: a monitor needs a checkpoint of 'forearm train'"
        )
    path = calibration_path(task)
    how = f"make it from held-out episodes, forearm calibrate task={task['name']} data=FOLDER"
    if not path.is_file():
        raise ForearmError(f"checkpoint '{task['checkpoint']}' has no calibration, {path}: {how}")
    try:
        found = read_parts(path, task, document)
        if PART not in found:
            raise InputError("it says nothing of surprise")
        return SurpriseCalibration.from_dict(found[PART])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForearmError(f"{path}: {one_line(error)}; {how}") from None


def save_surprise(task: Mapping[str, Any], document: Mapping[str, Any], found: SurpriseCalibration) -> Path:
    """Write it beside a task's checkpoint, where other parts stay; returns the path."""
    path = calibration_path(task)
    write_parts(path, task, document, {PART: found.to_dict()})
    return path


def _plain(value: Any) -> dict[str, Any]:
    return {key: rounded(entry) for key, entry in vars(value).items()}


def _table(found: Mapping[str, Any]) -> Table:
    return Table(_array(found["levels"]), _array(found["values"]), float(found["tail"]), float(found["slope"]))


def _array(found: Any) -> Array:
    array = np.asarray(found, np.float64)
    if not np.isfinite(array).all():
        raise InputError("it holds numbers that are not finite")
    return array
