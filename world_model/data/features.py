"""What a frozen image model sees in every frame, computed once and kept as a memory map beside the decoded frames.

    <root>/.cache/forearm/<key>.features/features.f16     (N, C, h, w) float16
                                        /features.json    shape and what made them; written last

``key`` is made from the data, camera and resolution and from the model's identity, its weights' hash among it. Until
they are complete the files lie in ``<key>.features.part``, and a run that was stopped goes on from there.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forearm.common.progress import Count
from forearm.errors import InputError
from forearm.world_model.data.atomic import read_json, write_json
from forearm.world_model.data.cache import FrameCache, locked
from forearm.world_model.data.images import Pixels
from forearm.world_model.data.layout import DatasetError

VERSION = 1
CHUNK = 128
"""Frames that are encoded together, and lost at most when the process is killed."""
_VALUES, _NOTE, _DONE = "features.f16", "features.json", "done.json"

Halves = npt.NDArray[np.float16]


def with_features(
    cache: FrameCache,
    identity: dict[str, Any],
    shape: tuple[int, ...],
    encode: Callable[[Pixels], Halves],
    progress: Count | None = None,
) -> FrameCache:
    """``cache`` with ``features`` (N, *shape), computed now as far as that was not done before.

    ``encode`` makes (n, *shape) float16 of frames (n, H, W, 3); ``identity`` is whatever decides what it makes of them,
    as plain values for JSON. Processes that ask for the same features at the same time wait for the first one.

    Raises:
        DatasetError: there is no room for the features, or they are not finite.
        ValueError: ``encode`` makes something of another shape.
    """
    key = json.dumps([VERSION, cache.fingerprint, cache.camera_key, *cache.resolution, identity], sort_keys=True)
    target = cache.path.parent / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.features"
    whole = (len(cache.frames), *shape)
    features = _load(target, whole)
    if features is None:
        try:
            with locked(target.with_suffix(".lock")):
                if _load(target, whole) is None:  # somebody else may have made them while we waited
                    _build(cache, target, identity, whole, encode, progress)
        except OSError as error:
            raise DatasetError(
                f"{target}: features cannot be written ({error.strerror or error}); "
                "make room and run the same command again, or keep them elsewhere, cache_dir=FOLDER"
            ) from error
        features = _load(target, whole)
        if features is None:
            raise DatasetError(f"{target}: the features were changed while they were made")
    return replace(cache, features=features)


def _build(
    cache: FrameCache,
    target: Path,
    identity: dict[str, Any],
    whole: tuple[int, ...],
    encode: Callable[[Pixels], Halves],
    progress: Count | None,
) -> None:
    part = target.with_name(f"{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    path, row = part / _VALUES, 2 * math.prod(whole[1:])
    done = min(_done(part), path.stat().st_size // row if path.exists() else 0)
    # Plain writes, not a memory map: on a full disk they fail, while a map kills the process.
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.seek(done * row)
        for at in range(done, whole[0], CHUNK):
            made = encode(np.array(cache.frames[at : at + CHUNK]))
            expected = (min(CHUNK, whole[0] - at), *whole[1:])
            if made.shape != expected or made.dtype != np.float16:
                raise InputError(f"features are {made.dtype} {made.shape}: expected float16 {expected}")
            if not np.isfinite(made).all():
                raise DatasetError(
                    f"{target}: the backbone makes numbers of frames {at} to {at + len(made) - 1} that are not finite "
                    "in half precision: choose another layer"
                )
            file.write(np.ascontiguousarray(made).data)
            file.flush()
            os.fsync(file.fileno())  # before the note that says so
            write_json(part / _DONE, {"frames": at + len(made)})
            if progress is not None:
                progress(at + len(made), whole[0])
    if _load(target, whole) is not None:  # a process that the lock did not stop was faster
        shutil.rmtree(part, ignore_errors=True)
        return
    (part / _DONE).unlink(missing_ok=True)
    write_json(part / _NOTE, {"version": VERSION, "fingerprint": cache.fingerprint, "shape": whole, "model": identity})
    if target.exists():  # not whole, or it would have been used
        shutil.rmtree(target)
    os.replace(part, target)


def _done(part: Path) -> int:
    """How many frames the files in ``part`` are sure to hold."""
    try:
        return int(read_json(part / _DONE)["frames"])
    except (DatasetError, KeyError, TypeError, ValueError):
        return 0


def _load(target: Path, whole: tuple[int, ...]) -> Halves | None:
    """The features in ``target``, or None where there are none or they are not whole."""
    try:
        if tuple(read_json(target / _NOTE)["shape"]) != whole:
            return None
        if (target / _VALUES).stat().st_size != 2 * math.prod(whole):
            return None
        return np.memmap(target / _VALUES, dtype=np.float16, mode="r", shape=whole)
    except (DatasetError, OSError, KeyError, TypeError, ValueError):
        return None
