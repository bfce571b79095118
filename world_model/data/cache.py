"""Every frame decoded once into a uint8 memory map, with the numbers beside it, for training to sample.

    <root>/.cache/forearm/<key>/frames.u8      (N, H, W, 3) uint8
                               /*.npy          state (N, S), action (N, A), further columns (N, D): float32
                               /cache.json     shapes, sizes, fingerprint; written last

``key`` is made from the dataset's fingerprint, the camera and the resolution, so a changed dataset or
another resolution is another cache. The fingerprint is of all bytes that frames and numbers come from, pictures
beside the table included; beside the caches lies what was hashed, see ``fingerprint``.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forearm.common.progress import Count
from forearm.errors import InputError
from forearm.world_model.absolute import AbsolutePositions, columns_of, differences, looks_absolute
from forearm.world_model.data import declared, layout
from forearm.world_model.data.atomic import read_json
from forearm.world_model.data.columns import Keys
from forearm.world_model.data.episode import Floats
from forearm.world_model.data.episodes import check_there
from forearm.world_model.data.fingerprint import dataset_fingerprint
from forearm.world_model.data.images import Pixels, tiled
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import LeRobotData, read_dataset
from forearm.world_model.data.repeats import RepeatCounter, Repeats, repeats_from
from forearm.world_model.data.selection import Episodes

try:
    import fcntl
except ImportError:  # not on Windows, where two processes may then build the same cache twice
    fcntl = None  # type: ignore[assignment]

VERSION = 2
MAPPED = 1 << 20
"""Size of a column in bytes from which on it is mapped into memory and not read into it."""


@dataclass(frozen=True)
class FrameCache:
    """A decoded dataset; row n of every array is frame n. Read-only, cheap to open in every process."""

    path: Path
    fingerprint: str
    """sha256 of the dataset, 64 hexadecimal digits; independent of the resolution and of the machine."""
    frames: Pixels
    """(N, H, W, 3), a memory map."""
    state: Floats
    """(N, S); S is 0 where the dataset has none."""
    action: Floats
    """(N, A); A is 0 where the dataset has none."""
    extra: dict[str, Floats]
    """Further numeric columns (N, D) by feature name."""
    starts: npt.NDArray[np.int64]
    """(E,) first frame of each episode."""
    lengths: npt.NDArray[np.int64]
    """(E,) frames of each episode."""
    fps: float
    camera_key: str
    names: dict[str, list[str]]
    """What the components of each numeric column are called."""
    source_resolution: tuple[int, int]
    """(H, W) before resizing."""
    beside: tuple[tuple[int, int], ...] = ()
    """The same of further cameras, which are seen beside the first."""
    repeats: Repeats = field(default_factory=Repeats)
    """How many frames show the one before again, before resizing."""
    features: npt.NDArray[np.float16] | None = None
    """(N, ...), kept of each frame: a frozen model's maps, or latents, see ``with_features``; a memory map."""
    positions: tuple[str, ...] = ()
    """Which of ``extra`` are known to be positions x, y, z in metres."""
    action_bounds: declared.Bounds | None = None
    """Between which commands the data say to lie; None where they do not say."""
    action_units: tuple[str, ...] | None = None
    """What 1.0 of each number of a command is; None where the data do not say."""
    reading_units: tuple[str, ...] | None = None
    """The unit of each number of ``state``; None where the data do not say."""
    absolute: AbsolutePositions | None = None
    """What joint positions as commands keep to, where ``action`` holds their differences; see ``with_differences``."""

    @property
    def resolution(self) -> tuple[int, int]:
        """(H, W) of ``frames``."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.starts)

    def rows(self, episodes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Numbers of the frames of ``episodes`` (E,), one episode after the other."""
        lengths = self.lengths[episodes]
        before = np.cumsum(lengths) - lengths
        return np.arange(lengths.sum()) + np.repeat(self.starts[episodes] - before, lengths)

    def check_readings(self, wanted: int) -> None:
        """Raise ``DatasetError`` unless frames have ``wanted`` joint readings; 0 is for a model that uses none."""
        if wanted and self.state.shape[1] != wanted:
            raise DatasetError(f"{self.path}: has {self.state.shape[1]} joint readings, the model expects {wanted}")


def open_cache(
    root: str | Path,
    resolution: int | tuple[int, int] | None = None,
    cache_dir: str | Path | None = None,
    *,
    camera_key: str | None = None,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: Episodes = None,
    exclude: Episodes = None,
    progress: Count | None = None,
) -> FrameCache:
    """The decoded dataset of ``root``, decoding it now if that was not done before.

    ``resolution`` is a side length or (height, width); None keeps the camera's. Frames of another size
    are resized by ``resize_frame``. ``cache_dir`` defaults to ``<root>/.cache/forearm``. A cache that is
    not whole is made again; processes that open it at the same time wait for the first one. Which columns and episodes
    are meant is said as for ``read_dataset``; other ones are another cache.

    Raises:
        DatasetError: the dataset is broken, or there is no room for the cache.
    """
    folder = memory_of(root, cache_dir)
    chosen: dict[str, Any] = {"action_key": action_key, "state_key": state_key, "episodes": episodes}
    data = read_dataset(root, camera_key, **chosen, exclude=exclude, memory=folder)
    for each in (data, *data.beside):
        check_there(data.root, each.episodes)
    height, width = data.resolution
    if resolution is not None:
        height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    if height < 1 or width < 1:
        raise InputError(f"resolution is {height}x{width}; it must be at least 1x1")
    fingerprint = _fingerprint(data, folder)
    target = place_of(folder, fingerprint, data.view, height, width)
    cache = _load(target)
    if cache is not None:
        return _described(cache, data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock")):
            cache = _load(target)  # somebody else may have made it while we waited
            if cache is None:
                _build(data, target, (height, width), fingerprint, progress)
                cache = _load(target)
    except OSError as error:
        raise DatasetError(
            f"{target}: cache cannot be written ({error.strerror or error}); make room or keep caches "
            "elsewhere, cache_dir=FOLDER"
        ) from error
    if cache is None:
        raise DatasetError(f"{target}: cache was changed while it was made")
    return _described(cache, data)


def memory_of(root: str | Path, cache_dir: str | Path | None) -> Path:
    """The folder of the caches of a data set, and of what is remembered of its files."""
    return Path(cache_dir) if cache_dir is not None else Path(root) / ".cache" / "forearm"


def place_of(folder: Path, fingerprint: str, view: str, height: int, width: int) -> Path:
    """The folder of a decoded data set."""
    key = json.dumps([VERSION, fingerprint, view, height, width])
    return folder / hashlib.sha256(key.encode()).hexdigest()[:24]


def _fingerprint(data: LeRobotData, folder: Path) -> str:
    found = [dataset_fingerprint(each, folder) for each in (data, *data.beside)]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _described(cache: FrameCache, data: LeRobotData) -> FrameCache:
    """``cache`` with what the data set says about its numbers."""
    known = tuple(key for key in declared.positions(data.info) if key in cache.extra)
    return replace(cache, positions=known, action_bounds=data.action_bounds, action_units=data.action_units)


def with_differences(cache: FrameCache, wanted: bool | None, episodes: npt.NDArray[np.int64]) -> FrameCache:
    """``cache`` with differences for commands where those are absolute joint positions, and what they keep to.

    ``wanted`` says whether they are; None: as they look, see ``looks_absolute``. Limits are learned from ``episodes``
    (E,).

    Raises:
        DatasetError: they are said to be positions, and no joint readings fit them.
    """
    names = [cache.names.get(key, []) for key in (layout.ACTION_KEY, layout.STATE_KEY)]
    columns = columns_of(*names) if cache.action.shape[1] else None
    if wanted is False or (columns is None and not wanted):
        return cache
    if columns is None:
        raise DatasetError(
            f"{cache.path}: absolute=true wants a joint reading for each of {cache.action.shape[1]} numbers of a "
            f"command, and there are {cache.state.shape[1]} readings"
        )
    rows = cache.rows(episodes)
    starts = np.cumsum(cache.lengths[episodes]) - cache.lengths[episodes]
    known = cache.action[rows], cache.state[rows], columns, starts
    if not wanted and not looks_absolute(*known):
        return cache
    found = AbsolutePositions.of(*known)
    if cache.action_bounds is not None:
        low, high = (np.asarray(bound, np.float64) for bound in cache.action_bounds)
        found = replace(found, low=low, high=high)
    moved = differences(cache.action, cache.state, columns, cache.starts)
    return replace(cache, action=moved, action_bounds=None, absolute=found)


def _build(data: LeRobotData, target: Path, size: tuple[int, int], fingerprint: str, progress: Count | None) -> None:
    """Decode ``data`` into a folder beside ``target``, then rename it."""
    for leftover in target.parent.glob(f"{target.name}.*.tmp"):  # of killed processes: we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    folder = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    folder.mkdir()
    try:
        total, done, repeats = data.frames_total, 0, Repeats()
        columns: dict[str, list[Floats]] = {key: [] for key in data.columns}
        # Plain writes, not a memory map: on a full disk they fail, while a map kills the process.
        with (folder / "frames.u8").open("wb", buffering=1 << 22) as file:
            for episode, entry in enumerate(data.episodes):
                for key, values in data.numbers(episode).items():
                    columns[key].append(values)
                counter = RepeatCounter(entry.first_frame(data.fps))
                for frames in data.seen(episode):
                    counter.see(frames[0])
                    file.write(np.ascontiguousarray(tiled(frames, *size)).data)
                    done += 1
                repeats += counter.found
                if progress is not None:
                    progress(done, total)
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, key in (("state", layout.STATE_KEY), ("action", layout.ACTION_KEY)):
            arrays[name] = np.concatenate(columns.pop(key, [np.zeros((total, 0), np.float32)]))
        extra = {key: f"extra{number}" for number, key in enumerate(columns)}
        arrays |= {name: np.concatenate(columns[key]) for key, name in extra.items()}
        lengths = data.episodes.length
        arrays |= {"lengths": lengths, "starts": np.cumsum(lengths) - lengths}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        description = {
            "version": VERSION,
            "fingerprint": fingerprint,
            "camera_key": data.view,
            "fps": data.fps,
            "shape": [total, *size, 3],
            "source_resolution": list(data.resolution),
            "beside": [list(each.resolution) for each in data.beside],
            "repeats": repeats.numbers,
            "extra": extra,
            "names": {key: data.names(key) for key in data.columns},
            "bytes": {path.name: path.stat().st_size for path in folder.iterdir()},
        }
        (folder / "cache.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        if target.exists():  # not whole, or it would have been used
            shutil.rmtree(target)
        os.replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load(target: Path) -> FrameCache | None:
    """The cache in ``target``, or None where there is none or it is not whole."""
    try:
        note = read_json(target / "cache.json")
        if any((target / name).stat().st_size != size for name, size in note["bytes"].items()):
            return None
        shape = tuple(note["shape"])
        frames = np.memmap(target / "frames.u8", dtype=np.uint8, mode="r", shape=shape)

        def array(name: str) -> npt.NDArray[Any]:
            path = target / f"{name}.npy"
            mapped = path.stat().st_size > MAPPED
            found = np.asarray(np.load(path, "r" if mapped else None, allow_pickle=False))
            if mapped:  # every page once: else the first windows would wait for each
                found.reshape(-1)[:: 4096 // found.itemsize].max()
            return found

        height, width = note["source_resolution"]
        cache = FrameCache(
            path=target,
            fingerprint=note["fingerprint"],
            frames=frames,
            state=array("state"),
            action=array("action"),
            extra={key: array(name) for key, name in note["extra"].items()},
            starts=array("starts"),
            lengths=array("lengths"),
            fps=float(note["fps"]),
            camera_key=note["camera_key"],
            names=note["names"],
            source_resolution=(height, width),
            repeats=repeats_from(note["repeats"]),
            beside=tuple((int(h), int(w)) for h, w in note.get("beside", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = all(len(a) == shape[0] for a in (cache.state, cache.action, *cache.extra.values()))
    return cache if whole and cache.lengths.sum() == shape[0] else None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; the system lets go of it when the process dies."""
    with path.open("w") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
