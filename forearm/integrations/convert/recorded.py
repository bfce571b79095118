"""What a recording of any format is made before it is written: columns, lengths, and its episodes one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forearm.errors import ForearmError
from forearm.world_model.data import Episode

NEEDS = "reading {what} needs more packages: pip install 'forearm[convert]'"
SHOWN = 12
"""Names in a message."""


@dataclass(frozen=True)
class Asked:
    """Which parts of a recording are wanted, by the names that it has for them; None: the only, or the usual ones.

    Attributes:
        camera: its pictures.
        state, action: its joint readings and commands, several side by side.
        fps: frames a second; None: what the recording says.
    """

    camera: str | None = None
    state: Sequence[str] | None = None
    action: Sequence[str] | None = None
    fps: int | None = None


@dataclass(frozen=True)
class Recorded:
    """A recording that is understood, not yet read whole.

    Attributes:
        lengths: frames of each episode, 1 or more.
        size: height and width of a frame in px.
        fps: frames a second.
        camera: what it is called.
        episodes: reads them, in order; raises `ForearmError` for one that cannot be read whole.
    """

    lengths: Sequence[int]
    size: tuple[int, int]
    fps: int
    camera: str
    state_names: Sequence[str]
    action_names: Sequence[str]
    episodes: Callable[[], Iterator[Episode]]


def one_of(path: object, what: str, key: str, wanted: str | None, there: Sequence[str]) -> str:
    """The name that is wanted, or the only one; raises `ForearmError` where it is not there, or there are several."""
    if wanted is not None and wanted in there:
        return wanted
    if wanted is None and len(there) == 1:
        return there[0]
    shown = ", ".join(there[:SHOWN]) or "none"
    if wanted is not None:
        raise ForearmError(f"{path}: {key}={wanted} is no {what} of it; it has {shown}")
    raise ForearmError(f"{path}: which {what}? name it, {key}=NAME; it has {shown}")


def all_of(path: object, what: str, key: str, wanted: Sequence[str] | None, usual: Sequence[str],
           there: Sequence[str]) -> list[str]:  # fmt: skip
    """The names that are wanted, or the usual ones; raises `ForearmError` where one is not there."""
    names = list(wanted or usual)
    if missing := [name for name in names if name not in there]:
        shown = ", ".join(there[:SHOWN]) or "none"
        raise ForearmError(f"{path}: has no {what} {', '.join(missing)}; name it, {key}=NAME or [NAME,NAME]: {shown}")
    return names


def rate(path: object, asked: int | None, said: float | None) -> int:
    """Frames a second: those asked for, or what a recording says; raises `ForearmError` where nobody says a number."""
    found = said if asked is None else asked
    if found is None:
        raise ForearmError(f"{path}: does not say how many frames a second it has: give fps=NUMBER")
    if not 1 <= round(found) <= 1000 or abs(found - round(found)) > 0.01 * found:
        raise ForearmError(f"{path}: has {found:g} frames a second: expected a whole number, give fps=NUMBER")
    return round(found)


def components(columns: Mapping[str, int]) -> list[str]:
    """A name for each number of some columns of these widths."""
    return [f"{key}_{number}" if width > 1 else key for key, width in columns.items() for number in range(width)]


def pictures(values: Any, where: str) -> np.ndarray:
    """Frames (L, H, W, 3) uint8 of pictures (L, H, W, 3) or (L, 3, H, W): bytes, whole numbers to 255 as real numbers,
    or real numbers from 0 to 1. Raises `ForearmError` for anything else.
    """
    frames = np.asarray(values)
    if frames.ndim == 4 and frames.shape[3] != 3 and frames.shape[1] == 3:
        frames = frames.transpose(0, 2, 3, 1)
    if frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise ForearmError(f"{where}: has the shape {frames.shape}: expected pictures of three colours, (n, h, w, 3)")
    if frames.dtype == np.uint8:
        return np.ascontiguousarray(frames)
    if frames.dtype.kind == "f" and np.isfinite(frames).all() and frames.min() >= 0:
        if frames.max() <= 255 and (frames == np.round(frames)).all() and frames.max() > 1:
            return np.ascontiguousarray(frames.astype(np.uint8))
        if frames.max() <= 1:
            return np.ascontiguousarray(np.round(255.0 * frames).astype(np.uint8))
    raise ForearmError(f"{where}: has pictures of {frames.dtype}: expected bytes, or real numbers from 0 to 1 or 255")


def numbers(values: Any, length: int, where: str) -> np.ndarray:
    """(L, D) float32 of `length` rows; raises `ForearmError` for another count, and for what is not finite."""
    found = np.asarray(values)
    if found.dtype.kind not in "fiub" or found.ndim < 1 or len(found) != length:
        raise ForearmError(f"{where}: is {found.dtype} {found.shape}: expected numbers of {length} moments")
    rows = found.reshape(length, -1).astype(np.float32)
    if not np.isfinite(rows).all():
        raise ForearmError(f"{where}: holds a number that is not finite")
    return rows
