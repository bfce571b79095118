"""Where numeric streams come from: the columns of a LeRobot data set, or a table that a description tells about."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from forearm.world_model.data import declared, layout
from forearm.world_model.data.columns import Keys, advice
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import read_dataset
from forearm.world_model.data.selection import Episodes
from forearm.world_model.data.sensor_table import read_table
from forearm.world_model.data.streams import Stream, Streams


def read_streams(
    source: str | Path,
    *,
    action_key: Keys = None,
    state_key: Keys = None,
    episodes: Episodes = None,
    exclude: Episodes = None,
) -> Streams:
    """The streams of a LeRobot folder, of the columns that are named, or of the description of a table.

    Raises:
        DatasetError: no such source; columns, units, times or gaps that are not as they should be.
    """
    source = Path(source)
    if source.suffix in layout.DESCRIPTIONS:
        if action_key is not None or state_key is not None:
            raise DatasetError(f"{source}: its sensors and actions are named in it: leave out state_key and action_key")
        return read_table(source, episodes, exclude)
    return _of_lerobot(source, action_key, state_key, episodes, exclude)


def _of_lerobot(root: Path, action_key: Keys, state_key: Keys, episodes: Episodes, exclude: Episodes) -> Streams:
    data = read_dataset(
        root, layout.NO_CAMERA, action_key=action_key, state_key=state_key, episodes=episodes, exclude=exclude
    )
    if not data.columns.get(layout.STATE_KEY):
        raise DatasetError(
            f"{root}: has no readings that are clearly such; {advice(data.info['features'], layout.STATE_KEY)}"
        )
    found = []
    for index, entry in enumerate(data.episodes):
        numbers = data.numbers(index)
        actions = numbers.get(layout.ACTION_KEY, np.zeros((entry.length, 0), np.float32))
        times = np.arange(entry.length) / data.fps
        table = data.table(index)
        if "timestamp" in table.column_names:
            told = np.asarray(table.column("timestamp").to_pylist(), np.float64).reshape(-1)
            _check_steady(root, entry.index, told, data.fps)
        found.append(Stream(entry.index, numbers[layout.STATE_KEY], actions, times))
    names = [tuple(data.names(key)) if key in data.columns else () for key in (layout.STATE_KEY, layout.ACTION_KEY)]
    units = declared.units(data.info, data.sources.get(layout.STATE_KEY, ()))
    return Streams(root, names[0], units, names[1], data.action_units, data.action_bounds, data.fps, found)


def _check_steady(root: Path, number: int, times: npt.NDArray[np.float64], fps: float) -> None:
    steps = np.diff(times) * fps
    wrong = np.flatnonzero(~(abs(steps - 1) < 0.5))  # NaN too
    if len(wrong):
        row = int(wrong[0]) + 1
        raise DatasetError(
            f"{root}: episode {number}: {steps[row - 1] / fps:.3g} s lie before row {row}, but there are {fps:g} rows "
            f"a second: leave it out, exclude=[{number}], or split it there"
        )
