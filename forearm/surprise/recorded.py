"""Recorded episodes as a monitor wants them: at the model's size and rate, with commands, readings and times."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.agent.action_spec import same_period
from forearm.errors import ForearmError
from forearm.surprise.fitting import Recording
from forearm.surprise.monitor import GAP
from forearm.surprise.prediction import Array
from forearm.world_model.data.moments import moments_of

if TYPE_CHECKING:
    from forearm.agent.loaded_model import LoadedModel


@dataclass(frozen=True, eq=False)
class Episode:
    """One recorded episode: number in the data set, frames (L, R, R, 3) uint8, or moments (L, P, 2) of sensors, actions
    (L - 1, A) between them, readings (L, P) or None, times (L,) in s.
    """

    number: int
    frames: np.ndarray
    actions: Array
    readings: Array | None
    times: Array

    @property
    def gaps(self) -> list[int]:
        """Before which frames some are missing."""
        steps = np.diff(self.times)
        return (1 + np.flatnonzero(steps > GAP * np.median(steps))).tolist() if len(steps) else []


class Recorded:
    """The episodes of a LeRobotDataset folder for a model; for one of sensors, those of a described table as well.

    Raises `DatasetError` for a folder that is none, `ForearmError` for one of another camera, rate or commands.
    """

    def __init__(self, loaded: "LoadedModel", folder: Path, **which: Any) -> None:
        from forearm.world_model.data import read_dataset
        from forearm.world_model.data.stream_sources import read_streams
        from forearm.world_model.data.streams import Streams

        self._loaded, document = loaded, loaded.document
        columns = document.get("dataset", {}).get("chosen", {})
        keys = {key: which.pop(key, None) or columns.get(key) for key in ("action_key", "state_key")}
        self._streams: Streams | None = None
        if loaded.of_sensors:
            self._streams = read_streams(folder, **(keys if folder.is_dir() else {}), **which)
            self._streams.check_like(**document["sensors"], made=f"checkpoint '{loaded.task['checkpoint']}'")
            fps, found = self._streams.fps, len(self._streams.action_names)
        else:
            self._data = read_dataset(folder, str(document["camera"]), **keys, **which)
            fps, found = self._data.fps, self._data.columns.get("action", 0)
        period, size = float(document["control_period"]), loaded.model.config.action_dim
        if not same_period(period, 1 / fps):
            raise ForearmError(
                f"data={folder}: {fps:g} frames a second, but checkpoint '{loaded.task['checkpoint']}' was "
                f"trained on {1 / period:g}"
            )
        if found != size:
            raise ForearmError(
                f"data={folder}: commands of {found} numbers, but checkpoint '{loaded.task['checkpoint']}' was trained "
                f"on {size}; name their columns, action_key=[NAME,NAME]"
            )

    def __len__(self) -> int:
        return len(self._data if self._streams is None else self._streams.episodes)

    @property
    def lengths(self) -> list[int]:
        """Frames, or moments, of each."""
        if self._streams is not None:
            return [len(episode.readings) for episode in self._streams.episodes]
        return [entry.length for entry in self._data.episodes]

    @property
    def read(self) -> bool:
        """Whether there are joint readings."""
        return self._streams is not None or self._data.columns.get("observation.state", 0) > 0

    def __iter__(self) -> Iterator[Episode]:
        if self._streams is None:
            yield from self._filmed()
            return
        for each in self._streams.episodes:
            moments, actions = moments_of(each.readings, self._streams.names), each.actions[:-1].astype(np.float64)
            yield Episode(each.number, moments, actions, each.readings.astype(np.float64), each.times)

    def _filmed(self) -> Iterator[Episode]:
        from forearm.world_model.data.images import tiled

        side, period = self._loaded.resolution, float(self._loaded.document["control_period"])
        for index in range(len(self._data)):
            numbers, table = self._data.numbers(index), self._data.table(index)
            frames = np.stack([tiled(seen, side, side) for seen in self._data.seen(index)])
            times: Array = period * np.arange(len(frames), dtype=np.float64)
            if "timestamp" in table.column_names:
                told = np.asarray(table.column("timestamp").to_pylist(), np.float64).reshape(-1)
                times = told if len(told) == len(frames) and np.isfinite(told).all() else times
            readings = numbers.get("observation.state")
            actions = np.array(numbers["action"][:-1], dtype=np.float64)
            known = None if readings is None or not readings.shape[1] else readings.astype(np.float64)
            yield Episode(self._data.episodes[index].index, frames, actions, known, times)

    def recordings(self) -> Iterator[Recording]:
        """The same to calibrate on; raises `ForearmError` for an episode with a gap."""
        for episode in self:
            if episode.gaps:
                raise ForearmError(
                    f"episode {episode.number} has a gap before frame {episode.gaps[0]}, at "
                    f"{episode.times[episode.gaps[0]]:.2f} s: leave it out, exclude=[{episode.number}]"
                )
            with torch.inference_mode():
                latents = self._loaded.model.encode(episode.frames).cpu().numpy()
            readings = episode.readings
            if self._streams is not None:  # as the monitor knows them: held from before, or else usual
                held = episode.frames[..., 0].astype(np.float64)
                readings = np.where(np.isnan(held), self._loaded.model.proprio_mean.cpu().numpy(), held)
            yield Recording(latents, episode.actions, readings)
