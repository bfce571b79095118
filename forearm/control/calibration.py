"""What was measured with a checkpoint: what its frames look like, and how near to a goal is there.

A JSON file beside the checkpoint, NAME.calibration.json, made by `forearm calibrate`. Without one, a
controller does not say that it has arrived, and only asks of frames that they change while the arm moves.
"""

import logging
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.calibration_file import calibration_path, read_parts, rounded, write_parts
from forearm.common.dotted import is_dotted
from forearm.control.frame_gate import PICTURE, Looks
from forearm.errors import ForearmError, InputError, one_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is known of a checkpoint. looks: of its frames, None if not. radius: mean squared distance of a latent from
    the goal's, under the task's metric, within which the goal is reached; None if not known.
    """

    looks: Looks | None = None
    radius: float | None = None


def calibration_of(task: Mapping[str, Any], document: Mapping[str, Any]) -> Calibration:
    """The calibration beside a task's checkpoint; an empty one, with a warning in the log, where there is none.

    Raises ForearmError for a file that cannot be read, or was made for other weights.
    """
    if is_dotted(str(task["checkpoint"])):
        logger.warning(
            "model %s has no calibration: frames are hardly checked, and arrival is not noticed", task["checkpoint"]
        )
        return Calibration()
    path = calibration_path(task)
    if not path.is_file():
        logger.warning("no %s: frames are hardly checked, and arrival is not noticed", path.name)
        return Calibration()
    try:
        found = read_parts(path, task, document)
        if "looks" not in found:
            logger.warning("%s holds nothing of frames: they are hardly checked, and arrival is not noticed", path.name)
            return Calibration()
        looks = Looks(
            **{key: _checked(key, found["looks"][key]) for key in _KEYS if key in found["looks"] or key in _NEEDED}
        )
        _fits(looks)
        radius = found["arrival"].get(_metric_key(task))
        return Calibration(looks, None if radius is None else float(radius))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForearmError(
            f"{path}: {one_line(error)}; make it again, forearm calibrate task={task['name']} parts=[frames]"
        ) from None


def save_calibration(task: Mapping[str, Any], document: Mapping[str, Any], found: Calibration, measured: Any) -> Path:
    """Write the calibration beside a task's checkpoint, with an account of what was `measured`; returns its path."""
    assert found.looks is not None
    path = calibration_path(task)
    looks = {key: rounded(getattr(found.looks, key)) for key in _KEYS if key != _NAMES}
    looks[_NAMES] = list(found.looks.mistakes)
    arrival = {} if found.radius is None else {_metric_key(task): rounded(found.radius)}
    write_parts(path, task, document, {"arrival": arrival, "measured": measured, "looks": looks})
    return path


def _metric_key(task: Mapping[str, Any]) -> str:
    """Under which metric a radius was measured: under another, it means nothing."""
    objective = task["objective"]
    return f"slowness={float(objective['slowness']):g}" + (",features" if objective.get("features") else "")


_KEYS = tuple(field.name for field in fields(Looks))
_NEEDED = {field.name for field in fields(Looks) if field.default is MISSING and field.default_factory is MISSING}
"""Without which a calibration is none; those of before knew no mistakes."""
_NAMES = "mistakes"


def _checked(key: str, value: Any) -> Any:
    if key == _NAMES:
        return tuple(map(str, value))
    array = np.asarray(value, np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{key} holds numbers that are not finite")
    return float(array) if key in ("unusual", "unlike", "apart") else array


def _fits(looks: Looks) -> None:
    size = len(looks.latent_mean)
    shapes = (looks.latent_map.shape, looks.place_map.shape, looks.place_mean.shape, looks.picture_mean.shape)
    if shapes != ((size, size), (size, 3), (3,), (PICTURE,)) or looks.picture_directions.shape[1:] != (PICTURE,):
        raise InputError(f"its arrays do not fit together: {shapes}")
    known, sizes = len(looks.mistakes), (looks.mistake_directions.shape, looks.mistake_bounds.shape)
    if known and sizes != ((known, PICTURE), (known,)):
        raise InputError(f"its arrays do not fit its {known} mistakes: {sizes}")
