"""Training windows out of a frame cache: which there are, in which order, and how to fetch them.

A window is T = history + rollout frames, ``frameskip`` control steps apart. Between two of its frames lie
``frameskip`` actions, concatenated:

    frame 0 ── a b c d e ──▶ frame 1 ── f g h i j ──▶ frame 2        history 1, rollout 2, frameskip 5

The last frame of the history is the present; it may be any frame of the episode that leaves room for the
rollout. Where the history would begin before the episode does, the first frame stands in and the actions
are zero, or what ``rest_at`` was told: the arm is at rest then, and a planner's first call sees exactly this.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.data.cache import FrameCache
from forearm.world_model.data.layout import AT_LEAST, DatasetError

Indices = npt.NDArray[np.int64]
Batch = dict[str, torch.Tensor]
"""``pixels`` (N, T, H, W, 3) uint8, or in their place ``features`` (N, T, C, h, w) float16 where the cache has them,
``actions`` (N, T-1, frameskip*A), ``state`` (N, T, S), every extra
column (N, T, D) float32 under its own name, ``episode`` (N,) and ``time`` (N,) int64: the control step of
the present frame."""


class Windows(ABC):
    """Windows of one data set or of several, in batches that a seed and a step number fix."""

    @property
    @abstractmethod
    def window(self) -> int:
        """T, the frames of a window."""

    @property
    @abstractmethod
    def parts(self) -> Sequence["WindowSampler"]:
        """The windows of each data set."""

    @property
    @abstractmethod
    def shares(self) -> Sequence[float]:
        """Which share of all windows drawn is of each of ``parts``; they sum to 1."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 of the data, 64 hexadecimal digits."""

    @abstractmethod
    def batch(self, step: int, batch_size: int, seed: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Batch number ``step``, a pure function of the arguments; with ``part`` (i, n), the i-th of its n equal parts.

        Raises:
            ValueError: ``batch_size`` does not divide into n, or there is no such part.
        """

    @abstractmethod
    def in_order(self, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """Every window once, as for validation; with ``limit``, that many spread evenly over all."""

    def prefetch(
        self,
        start_step: int,
        stop_step: int,
        batch_size: int,
        seed: int,
        *,
        part: tuple[int, int] = (0, 1),
        depth: int = 4,
        threads: int = 1,
        pin: bool = False,
    ) -> Generator[tuple[int, Batch], None, None]:
        """Yield (step, batch) for the steps from start to stop, fetched ahead by background threads.

        At most ``depth`` batches are fetched or wait; how many threads fetch changes nothing but the time. The threads
        end when the iterator is used up or closed; an error in one is raised here.

        Args:
            part: which part of each batch, as for ``batch``.
            pin: into page-locked memory, from which copies to a GPU need not be waited for.
        """

        def fetch(step: int) -> Batch:
            batch = self.batch(step, batch_size, seed, part)
            return {key: values.pin_memory() for key, values in batch.items()} if pin else batch

        steps = iter(range(start_step, stop_step))
        ahead: deque[tuple[int, Future[Batch]]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="window-prefetch")
        try:
            ahead.extend((step, pool.submit(fetch, step)) for step in islice(steps, max(1, depth)))
            while ahead:
                step, found = ahead.popleft()
                batch = found.result()
                ahead.extend((following, pool.submit(fetch, following)) for following in islice(steps, 1))
                yield step, batch
        finally:
            pool.shutdown(cancel_futures=True)


class WindowSampler(Windows):
    """All windows of some episodes of a cache, and batches of them in an order fixed by a seed.

    ``episodes`` are indices into the cache's episodes, None for all. With ``pad_start`` False no window
    begins before its episode. With ``every`` n only each n-th frame of an episode, from its first on, is a present:
    where an encoder left every second frame as a copy, 2 with an even ``frameskip`` sees the others alone. Episodes too
    short for one window are left out (``skipped``). Safe to use
    from several threads.

    Raises:
        DatasetError: no episode is long enough for a window.
        ValueError: a setting makes no sense.
    """

    def __init__(
        self,
        cache: FrameCache,
        history: int,
        rollout: int,
        frameskip: int,
        episodes: Sequence[int] | Indices | None = None,
        *,
        pad_start: bool = True,
        every: int = 1,
    ) -> None:
        for name, value in {"history": history, "rollout": rollout, "frameskip": frameskip, "every": every}.items():
            AT_LEAST(name, value, least=1)
        chosen = np.arange(cache.episodes) if episodes is None else np.unique(np.asarray(episodes, np.int64))
        if len(chosen) and (chosen[0] < 0 or chosen[-1] >= cache.episodes):
            raise InputError(f"episodes go from {chosen[0]} to {chosen[-1]}; the cache has 0 to {cache.episodes - 1}")
        self.cache, self.history, self.rollout, self.frameskip = cache, history, rollout, frameskip
        self.every = every
        self.earliest = 0 if pad_start else -(-(history - 1) * frameskip // every) * every
        """First control step of an episode that can be the present."""
        room = cache.lengths[chosen] - rollout * frameskip - self.earliest
        self.skipped: Indices = chosen[room < 1]
        """Episodes that are too short."""
        self.episodes: Indices = chosen[room >= 1]
        """Episodes that have windows."""
        counts = -(-room[room >= 1] // every)
        self._ends = np.cumsum(counts)
        self._each = int(counts[0]) if len(counts) and (counts == counts[0]).all() else 0
        """Windows of every episode, where they are equally many: then none has to be searched for."""
        # Beside each other, as they are wanted together: of a million episodes, hardly one is where it was just read.
        before = self._ends - counts
        self._places = np.stack([cache.starts[self.episodes], before, self.episodes], axis=1)
        if not len(self.episodes):
            longest = int(cache.lengths[chosen].max()) if len(chosen) else 0
            needed = self.earliest + rollout * frameskip + 1
            raise DatasetError(
                f"{cache.path}: a window of history {history}, rollout {rollout} and frameskip {frameskip} "
                f"needs {needed} frames; the longest of {len(chosen)} episodes has {longest}"
            )
        self._orders: dict[tuple[int, int], npt.NDArray[Any]] = {}
        self._lock = Lock()
        self._rest = np.zeros(cache.action.shape[1], np.float32)

    def rest_at(self, command: npt.NDArray[np.float32]) -> None:
        """Let ``command`` (A,) stand for the actions before an episode began."""
        self._rest = np.array(command, np.float32)

    def __len__(self) -> int:
        """How many windows there are."""
        return int(self._ends[-1])

    @property
    def window(self) -> int:
        """T, the frames of a window."""
        return self.history + self.rollout

    @property
    def parts(self) -> Sequence["WindowSampler"]:
        """Only this one."""
        return (self,)

    @property
    def shares(self) -> Sequence[float]:
        """All of it."""
        return (1.0,)

    @property
    def fingerprint(self) -> str:
        """That of the data set."""
        return self.cache.fingerprint

    def locate(self, windows: Indices) -> tuple[Indices, Indices]:
        """Episode and control step of the present frame of each of ``windows`` (N,) in [0, len)."""
        self._check(windows := np.asarray(windows, np.int64))
        _, episode, present = self._located(windows)
        return episode, present

    def _check(self, windows: Indices) -> None:
        if windows.size and (windows.min() < 0 or windows.max() >= len(self)):
            raise IndexError(f"window out of range; there are {len(self)}")

    def _located(self, windows: Indices) -> tuple[Indices, Indices, Indices]:
        """First frame, episode and control step of the present frame of each of ``windows`` (N,)."""
        which = windows // self._each if self._each else np.searchsorted(self._ends, windows, side="right")
        start, before, episode = self._places.take(which, axis=0).T
        return start, episode, (windows - before) * self.every + self.earliest

    def gather(self, windows: Indices) -> Batch:
        """The windows with the numbers ``windows`` (N,), each in [0, len)."""
        self._check(windows := np.asarray(windows, np.int64))
        start, episode, present = self._located(windows)
        first = start[:, None]
        offsets = np.arange(1 - self.history, self.rollout + 1) * self.frameskip
        frames = first + np.maximum(present[:, None] + offsets, 0)
        steps = present[:, None] + np.arange(offsets[0], offsets[-1])
        actions = self.cache.action.take(first + np.maximum(steps, 0), axis=0)
        actions[steps < 0] = self._rest
        cache = self.cache
        # `take`, not brackets, which are several times slower where rows are small and far apart.
        arrays: dict[str, npt.NDArray[Any]] = {"state": cache.state.take(frames, axis=0)}
        if cache.features is None:
            arrays["pixels"] = cache.frames.take(frames, axis=0)
        else:
            arrays["features"] = cache.features.take(frames, axis=0)
        arrays["actions"] = actions.reshape(len(episode), self.window - 1, self.frameskip * actions.shape[-1])
        arrays |= {key: values.take(frames, axis=0) for key, values in cache.extra.items()}
        arrays |= {"episode": episode, "time": present}
        return {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}

    def order(self, step: int, batch_size: int, seed: int) -> Indices:
        """Numbers (batch_size,) of the windows in batch ``step``.

        Batches are cut from one endless row of epochs, each epoch a permutation of all windows that
        depends on (seed, epoch) alone: nothing but the step number is needed to go on after a stop.
        """
        AT_LEAST("step", step, least=0)
        AT_LEAST("batch_size", batch_size, least=1)
        return self.stretch(step * batch_size, (step + 1) * batch_size, seed)

    def stretch(self, at: int, end: int, seed: int) -> Indices:
        """Numbers (end - at,) of the windows from place ``at`` to before ``end`` in the endless row of epochs."""
        count = len(self)
        parts = [np.zeros(0, np.int64)]
        while at < end:
            epoch, offset = divmod(at, count)
            parts.append(self._epoch(seed, epoch)[offset : offset + end - at].astype(np.int64))
            at += len(parts[-1])
        return np.concatenate(parts)

    def _epoch(self, seed: int, epoch: int) -> npt.NDArray[Any]:
        """The order of all windows in an epoch; that of the last two asked for is kept, as batches lie across both."""
        with self._lock:
            if (found := self._orders.get((seed, epoch))) is None:
                while len(self._orders) > 1:
                    del self._orders[next(iter(self._orders))]
                # In the smaller type the draws are the same, and a million episodes of 50 frames take 200 MB.
                numbers = np.arange(len(self), dtype=np.int32 if len(self) < 1 << 31 else np.int64)
                np.random.default_rng([seed, epoch]).shuffle(numbers)
                found = self._orders[seed, epoch] = numbers
            return found

    def batch(self, step: int, batch_size: int, seed: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """As in ``Windows``: the batch's windows in ``order``."""
        return self.gather(self.order(step, batch_size, seed)[equal_part(batch_size, part)])

    def in_order(self, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """As in ``Windows``, episode by episode."""
        count = len(self) if limit is None else min(limit, len(self))
        windows = np.arange(count) * len(self) // max(count, 1)
        for at in range(0, count, batch_size):
            yield self.gather(windows[at : at + batch_size])


def equal_part(batch_size: int, part: tuple[int, int]) -> slice:
    """Which windows of a batch belong to ``part`` (i, n), the i-th of n equal parts.

    Raises:
        ValueError: ``batch_size`` does not divide into n, or there is no such part.
    """
    index, parts = part
    if not 0 <= index < parts or batch_size % parts:
        raise ValueError(f"part {index} of {parts} of a batch of {batch_size}: there is no such equal part")
    size = batch_size // parts
    return slice(index * size, (index + 1) * size)


def share_of(episodes: Indices, share: float, seed: int) -> Indices:
    """A ``share`` of ``episodes`` (E,), sorted, chosen at random by ``seed``; a smaller share is part of a larger one.

    Raises:
        ValueError: the share is not in (0, 1], or not one episode is left of them.
    """
    checks.real("share", share, above=0.0, most=1.0)
    count = round(share * len(episodes))
    if count < 1:
        raise InputError(
            f"share is {share}: not one of {len(episodes)} episodes; it must be at least {1 / len(episodes):.2g} here"
        )
    # Its own stream, so that it has nothing to do with what was held out.
    order = np.random.default_rng([seed, len(episodes), 1]).permutation(len(episodes))
    return np.sort(episodes[order[:count]])


def split_episodes(count: int, validation_fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Episode indices (training, validation), disjoint, sorted, chosen at random by ``seed``.

    At least one episode is for validation unless the fraction is 0, and at least one for training.

    Raises:
        ValueError: the fraction is not in [0, 1), or there are too few episodes.
    """
    checks.real("validation_fraction", validation_fraction, least=0.0, below=1.0)
    held_out = round(count * validation_fraction)
    if validation_fraction > 0.0:
        held_out = min(max(held_out, 1), count - 1)
    if count - held_out < 1 or (validation_fraction > 0.0 and held_out < 1):
        raise InputError(f"{count} episodes are too few to split")
    order = np.random.default_rng([seed, count]).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
