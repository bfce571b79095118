"""Windows of several data sets as those of one: every batch has windows of each, in the shares that are asked for.

    step 0        step 1        step 2               three data sets, drawn evenly, 4 windows a batch
    a b b c       a b c c       a a b c       …

What a batch holds is a function of the step alone, as for one data set: the windows of each are taken from its own
endless row of epochs, and how many of them the steps before have taken is counted, not remembered.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm

import torch

from forearm.errors import InputError
from forearm.world_model.data.layout import ACTION_KEY, STATE_KEY, DatasetError
from forearm.world_model.data.windows import Batch, Windows, WindowSampler, equal_part


class WindowMixture(Windows):
    """The windows of several data sets by the name of their task.

    Args:
        samplers: at least two, whose windows have as many frames.
        weights: how often windows of each are drawn, above 0; None for evenly. Only their ratios count.

    Raises:
        DatasetError: the data sets differ in what one model must have the same of.
        ValueError: weights that are none.
    """

    def __init__(self, samplers: Mapping[str, WindowSampler], weights: Sequence[float] | None = None) -> None:
        self.names = tuple(samplers)
        self._samplers = tuple(samplers.values())
        _check_alike(samplers)
        given = [1.0] * len(samplers) if weights is None else list(weights)
        if len(given) != len(samplers) or not all(0.0 < weight < float("inf") for weight in given):
            raise InputError(f"weights are {given}: expected {len(samplers)} numbers above 0, one a task")
        exact = [Fraction(weight) for weight in given]  # whole numbers, so that no step is counted wrongly
        scale = lcm(*(weight.denominator for weight in exact))
        self._weights = [int(weight * scale) for weight in exact]
        self._total = sum(self._weights)

    @property
    def window(self) -> int:
        """T, the frames of a window."""
        return self._samplers[0].window

    @property
    def parts(self) -> Sequence[WindowSampler]:
        """The windows of each task, in the order of ``names``."""
        return self._samplers

    @property
    def shares(self) -> Sequence[float]:
        """Which share of all windows drawn is of each of ``parts``; they sum to 1."""
        return [weight / self._total for weight in self._weights]

    @property
    def fingerprint(self) -> str:
        """sha256 of those of the data sets, in their order."""
        return hashlib.sha256("".join(sampler.fingerprint for sampler in self._samplers).encode()).hexdigest()

    def batch(self, step: int, batch_size: int, seed: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """As in ``Windows``: windows of the first task, then of the second, and so on.

        Raises:
            ValueError: a weight is so small that not every batch has a window of its task.
        """
        wanted = equal_part(batch_size, part)
        for name, weight in zip(self.names, self._weights, strict=True):
            if weight * batch_size < self._total:
                raise InputError(
                    f"a batch of {batch_size} has less than one window of '{name}', which has the weight "
                    f"{weight / self._total:.3g} of 1: raise its weight or the batch"
                )
        before, after = (self._taken(count * batch_size) for count in (step, step + 1))
        parts, at = [], 0
        for sampler, begin, end in zip(self._samplers, before, after, strict=True):
            low, high = max(wanted.start - at, 0), min(wanted.stop - at, end - begin)
            at += end - begin
            if low < high:
                parts.append(sampler.gather(sampler.stretch(begin + low, begin + high, seed)))
        return _together(parts)

    def in_order(self, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """As in ``Windows``, task by task; ``limit`` is shared out like the windows of batches."""
        counts = [len(sampler) for sampler in self._samplers] if limit is None else self._taken(limit)
        keys = set.intersection(*(_keys(sampler) for sampler in self._samplers))
        for sampler, count in zip(self._samplers, counts, strict=True):
            for batch in sampler.in_order(batch_size, count):
                yield {key: values for key, values in batch.items() if key in keys}

    def _taken(self, drawn: int) -> list[int]:
        """How many of the first ``drawn`` windows are of each task."""
        ends, weight = [0], 0
        for one in self._weights:
            weight += one
            ends.append(drawn * weight // self._total)
        return [end - begin for begin, end in pairwise(ends)]


def _check_alike(samplers: Mapping[str, WindowSampler]) -> None:
    """Raise `DatasetError` that names what differs, unless one model can see and move what was filmed."""
    (first, of_first), *others = ((name, sampler.cache) for name, sampler in samplers.items())
    for name, cache in others:
        for what, one, other in (
            ("cameras", of_first.camera_key, cache.camera_key),
            ("frame sizes", of_first.resolution, cache.resolution),
            ("frame rates (Hz)", of_first.fps, cache.fps),
            ("numbers in a command", of_first.action.shape[1], cache.action.shape[1]),
            ("action names", of_first.names.get(ACTION_KEY), cache.names.get(ACTION_KEY)),
            ("joint readings", of_first.state.shape[1], cache.state.shape[1]),
            ("names of joint readings", of_first.names.get(STATE_KEY), cache.names.get(STATE_KEY)),
        ):
            if one != other:
                raise DatasetError(
                    f"the data of '{first}' and '{name}' have different {what}: {one} and {other}; one model of "
                    "several tasks needs the same of all, so film them alike or train a model each"
                )


def _keys(sampler: WindowSampler) -> set[str]:
    return set(sampler.gather(torch.zeros(1, dtype=torch.int64).numpy()))


def _together(batches: Sequence[Batch]) -> Batch:
    """The batches one after the other, with the columns that all of them have."""
    keys = [key for key in batches[0] if all(key in batch for batch in batches)]
    return {key: torch.cat([batch[key] for batch in batches]) for key in keys}
