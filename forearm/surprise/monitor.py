"""Watches a stream of frames, joint readings and the commands sent, and says when the world surprises the model."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.errors import InputError
from forearm.surprise.alarm import SMOOTH, most_per_hour
from forearm.surprise.calibration import SurpriseCalibration, surprise_calibration_of
from forearm.surprise.levels import Levels
from forearm.surprise.occlusion import Region, locate
from forearm.surprise.prediction import Array
from forearm.surprise.usual import Sizes
from forearm.world_model.data.moments import SensorHold, readings_of

if TYPE_CHECKING:
    from forearm.agent.of_checkpoint import OfCheckpoint

RATE = 6.0
"""False alarms an hour, at most: one in ten minutes."""
GAP = 1.5
"""Control periods between two frames, beyond which frames are missing."""
CAMERA, JOINTS = "camera", "joints"


@dataclass(frozen=True, eq=False)
class Surprise:
    """What a frame says about the world.

    step: number of the frame since `begin`. time: s. p: how rare normal frames are that are as strange, of the
    strangest part; None where nothing was expected yet. p_horizons (K,): of the latent predicted from 1 to K latent
    steps before, NaN where it was not. p_joints: of the readings. level: mean strangeness over time, alarm: whether it
    is above the threshold. part: `camera` or `joints`, of which the level is the greater; of a model of sensors, the
    sensor that is furthest from what was expected of it. since: the step with which an alarm began. region: of the
    frame, where one explains it. reason: one line.
    """

    step: int
    time: float
    p: float | None
    p_horizons: Array
    p_joints: float | None
    level: float
    alarm: bool
    part: str
    since: int | None = None
    region: Region | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and text, for JSON or msgpack; NaN is None."""
        region = None if self.region is None else vars(self.region)
        horizons = [None if np.isnan(p) else float(p) for p in self.p_horizons]
        return {**vars(self), "p_horizons": horizons, "region": region}


class Monitor:
    """Tells what is unusual in a stream that comes one frame a control step; from one thread at a time.

    Args:
        loaded: the world model, such as that of `forearm.load`.
        calibration: of that model.
        rate: false alarms an hour, at most, in motion like that of the calibration; with 95 % confidence.

    Attributes:
        threshold: level beyond which there is an alarm.

    Raises `ForearmError` for a rate that the calibration's hours cannot promise.
    """

    def __init__(self, loaded: "OfCheckpoint", calibration: SurpriseCalibration, rate: float = RATE) -> None:
        self.loaded, self.calibration, self.rate = loaded, calibration, rate
        self.period = float(loaded.document["control_period"])
        self.threshold = calibration.alarms.threshold(rate)
        self._sizes = Sizes(loaded.model, calibration.usual)
        self._levels = Levels(calibration.tables)
        self._frames: deque[np.ndarray] = deque(maxlen=loaded.model.config.frameskip * calibration.usual.horizons)
        self._unusual: int
        names = loaded.document["sensors"]["names"] if loaded.of_sensors else ()
        self._hold = SensorHold(names)
        self.begin()

    @classmethod
    def load(cls, task: str = "reach", *, checkpoint: str | None = None, rate: float = RATE) -> "Monitor":
        """For the checkpoint of a task, or another by name or path.

        Raises what `forearm.load` raises, and `ForearmError` where no calibration of surprise lies beside it.
        """
        from forearm.agent.loaded_model import load

        loaded = load(task) if checkpoint is None else load(checkpoint, task=task)
        return cls(loaded, surprise_calibration_of(loaded.task, loaded.document), rate)

    @property
    def promise(self) -> str:
        """How seldom it cries wolf, and how many hours say so: one line."""
        counted = self.calibration.counted
        false = counted.passed(self.threshold)
        return (
            f"at most {self.rate:g} false alarms an hour by {self.calibration.alarms.hours:.2f} h of held-out motion; "
            f"{false} in {counted.hours:.2f} h more, at most {most_per_hour(false, counted.hours):.1f} an hour (95 %)"
        )

    @property
    def joints_level(self) -> float:
        """The level of the joints alone: what one has without a world model."""
        return self._levels.joints

    def begin(self) -> None:
        """A stream begins: nothing was seen."""
        self._step, self._time = -1, -np.inf
        self._hold.begin()
        self._strange = np.zeros(len(self._hold.names))  # of each sensor, over time as levels are
        self._forget()
        self._levels.begin()
        self._since: int | None = None
        self._region: Region | None = None

    def see(
        self, observation: Mapping[str, Any], command: Any = None, *, time: float | None = None, latent: Any = None
    ) -> Surprise:
        """Take in a frame and say how unusual it is.

        A frame after a gap (more than 1.5 control periods), or without a command after the first, begins anew: it takes
        as many frames as the model's history until something is expected again.

        Args:
            observation: `pixels` (R, R, 3) uint8, and `proprio` (P,), the readings, where there are any. A model of
                sensors wants these alone, NaN where one was not measured.
            command: (A,) what was sent since the frame before.
            time: s; None: one control period after the frame before.
            latent: (L,) of the frame, where it is known already.

        Raises InputError for frames, readings or commands of another shape, numbers that are not finite, and times that
        do not rise.
        """
        pixels, readings, action = self._checked(observation, command)
        first = self._step < 0
        if time is None:
            time = 0.0 if first else self._time + self.period
        if not np.isfinite(time) or time <= self._time:
            raise InputError(f"time is {time:g} s, but must be after that of the frame before, {self._time:g} s")
        reason = ""
        if not first and time - self._time > GAP * self.period:
            reason = f"a gap of {time - self._time:.2f} s: nothing is expected of this frame"
        elif not first and action is None:
            reason = "no command since the frame before: nothing is expected of this one"
        if reason:
            self._forget()
            action = None
        self._step, self._time = self._step + 1, time
        if self.loaded.of_sensors:
            assert readings is not None
            pixels = self._hold.see(readings)
            readings = np.where(np.isnan(pixels[:, 0]), self.loaded.model.proprio_mean.cpu().numpy(), pixels[:, 0])
        if latent is None:
            with torch.inference_mode():
                latent = self.loaded.model.encode(pixels[None])[0]
        sizes = self._sizes.see(torch.as_tensor(latent, dtype=torch.float32), readings, action)
        return self._said(pixels, sizes, self._levels.see(sizes), reason)

    def levels_of(self, sizes: Array) -> tuple[Array, Array]:
        """(L,) levels of a recording that is known whole, and (L,) those of the joints alone; as `see` has them.

        sizes: (L, K + 1), see `forearm.surprise.usual.sizes_of`.
        """
        levels, found = Levels(self.calibration.tables), []
        for each in sizes:
            levels.see(each)
            found.append((levels.level, levels.joints))
        of_all, of_joints = np.array(found).T
        return of_all, of_joints

    def _said(self, pixels: np.ndarray, sizes: Array, strange: Array, reason: str) -> Surprise:
        tables, levels = self.calibration.tables, self._levels
        p = np.array(
            [
                np.nan if table is None else float(table.p(np.array([size]))[0])
                for table, size in zip(tables, sizes, strict=True)
            ]
        )
        known = strange[~np.isnan(strange)]
        whole = float(self.calibration.whole.p(known.max(keepdims=True) + 1.0)[0]) if len(known) else None
        alarm, part = bool(levels.level > self.threshold), CAMERA if levels.camera >= levels.joints else JOINTS
        if self._hold.names:
            part = self._furthest()
        if not alarm:
            self._since = self._region = None
        elif self._since is None:
            self._since = self._step - self._unusual
            self._region = self._located(pixels) if part == CAMERA and not self._hold.names else None
        self._unusual = self._unusual + 1 if len(known) and known.max() > 0 else 0
        self._frames.append(pixels.copy())
        if alarm:
            reason = self._told(part)
        joints = None if np.isnan(p[-1]) else float(p[-1])
        return Surprise(
            self._step, self._time, whole, p[:-1], joints, levels.level, alarm, part, self._since, self._region, reason
        )

    def _furthest(self) -> str:
        """Which sensor is furthest from what was expected of it."""
        errors = self._sizes.of_readings
        self._strange += SMOOTH * ((0.0 if errors is None else np.square(errors)) - self._strange)
        return str(self._hold.names[int(self._strange.argmax())])

    def _told(self, part: str) -> str:
        if self._hold.names:
            return f"sensors show what was not expected since step {self._since}, {part} most of all"
        what = "the camera shows" if part == CAMERA else "the joints do"
        region = self._region
        where = ""
        if region is not None:
            where = f", around column {(region.left + region.right) // 2}, row {(region.top + region.bottom) // 2}"
        return f"{what} what was not expected since step {self._since}{where}"

    def _located(self, pixels: np.ndarray) -> Region | None:
        """Where in the frame it is, judged by the prediction from farthest back."""
        predicted = self._sizes.predictions.predicted
        if not len(predicted) or not self._frames:
            return None

        def size(frames: np.ndarray) -> Array:
            with torch.inference_mode():
                latents = self.loaded.model.encode(frames).double().cpu().numpy()
            return self._sizes.of_latent(latents - predicted[-1])

        return locate(pixels, self._frames[0], size)

    def _forget(self) -> None:
        self._sizes.begin()
        self._frames.clear()
        self._unusual = 0  # frames in a row, up to the last one, that were in the tail of what is usual

    def _checked(self, observation: Mapping[str, Any], command: Any) -> tuple[np.ndarray, Array | None, Array | None]:
        side, size = self.loaded.resolution, self.loaded.model.config.action_dim
        if self.loaded.of_sensors:
            given = np.asarray(readings_of(observation.get("proprio", ()), self._hold.names), np.float64)
            return given, given, _numbers("the command", command, size)
        pixels = np.asarray(observation.get("pixels"))
        if pixels.dtype != np.uint8 or pixels.shape != (side, side, 3):
            raise InputError(f"the frame is {pixels.dtype} {pixels.shape}: expected uint8 ({side}, {side}, 3)")
        joints, wanted = self.calibration.usual.joints, self.loaded.model.config.proprio_dim
        if joints is not None:
            wanted = len(joints.mean)
        readings = _numbers("joint readings", observation.get("proprio"), wanted)
        if readings is None and self.loaded.model.config.proprio_dim:
            raise InputError(f"no joint readings: this model expects {wanted} numbers as `proprio`")
        return pixels, readings, _numbers("the command", command, size)


def _numbers(what: str, given: Any, size: int) -> Array | None:
    if given is None:
        return None
    found = np.asarray(given, np.float64)
    if size and found.shape != (size,):
        raise InputError(f"{what}: shape {found.shape}, expected ({size},)")
    if not np.isfinite(found).all():
        raise InputError(f"{what}: a number is NaN or infinite")
    return found
