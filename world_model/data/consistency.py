"""Whether the rows of a dataset are those that its episodes table, its tasks and its clocks speak of."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.errors import one_line
from forearm.world_model.data import layout
from forearm.world_model.data.entries import EpisodeEntry
from forearm.world_model.data.reader import LeRobotData
from forearm.world_model.data.tables import scalars

LATE = 0.25
"""Share of a frame's period by which a time stamp may be off before it counts as a gap."""
COUNTED = ("episode_index", "timestamp", "frame_index", "index", "task_index")

Numbers = npt.NDArray[np.float64]


def table_problems(data: LeRobotData) -> list[str]:
    """What the meta files and the folder say that does not go together, a sentence each."""
    found = [*data.contradictions, *data.untidy]
    rows, promised = 0, sum(entry.length for entry in data.everything)
    paths = stored.glob(data.root, "data/*/*.parquet")
    for path in paths:
        try:
            rows += pq.read_metadata(stored.opened(path)).num_rows
        except (OSError, pa.ArrowException):  # named when it is read
            return found
    if rows > promised:
        found.append(f"{data.root / 'data'}: {rows} rows, expected those of the episodes, {promised}")
    _, problems = read_tasks(data.root)
    return found + problems


def table_notes(data: LeRobotData) -> list[str]:
    """What is odd in the meta files and is read all the same, a sentence each."""
    moved = [entry for entry in data.episodes if entry.named is not None]
    return [
        f"episode {entry.index}: data/file_index names {_within(data.root, entry.named)}, its rows stand in "
        f"{_within(data.root, entry.data)} and are read from there, as LeRobot does"
        for entry in moved
        if entry.named is not None
    ]


def row_problems(data: LeRobotData, entry: EpisodeEntry, tasks: dict[int, str]) -> list[str]:
    """Time stamps, counters and tasks of an episode's rows that do not go on as rate and table say.

    `tasks`: texts by number, empty where that table cannot be read.
    """
    where = f"episode {entry.index}"
    try:
        columns = _columns(entry.data)
    except (OSError, pa.ArrowException) as error:
        return [f"{where}: time stamps cannot be read ({one_line(error)[:120]})"]
    found = [f"{where}: {entry.data.name} has no column {key}" for key in COUNTED if key not in columns]
    found += [f"{where}: {key} {value}" for key, value in columns.items() if isinstance(value, str)]
    index = columns.get("episode_index")
    if index is None or isinstance(index, str):
        return found
    own = {key: value[index == entry.index] for key, value in columns.items() if not isinstance(value, str)}
    if "frame_index" in own and not np.array_equal(own["frame_index"], np.arange(len(own["frame_index"]))):
        found.append(f"{where}: frame_index does not count 0, 1, 2, …")
    if "timestamp" in own:
        found += _gaps(where, own["timestamp"], data.fps)
    if "index" in own and entry.first_row is not None:
        found += _offset(where, own["index"], entry.first_row)
    if "task_index" in own and tasks:
        found += _tasks(where, own["task_index"], tasks, entry.tasks)
    return found


def read_tasks(root: Path) -> tuple[dict[int, str], list[str]]:
    """Texts of ``meta/tasks.parquet`` by number, and what is wrong with it: a sentence, or none."""
    path = root / layout.TASKS_PATH
    try:
        table = pq.read_table(stored.fetched(path), partitioning=None)
        # LeRobot has the text as the index of a pandas table, which parquet calls by a name of its own.
        text = next(name for name in table.column_names if name != "task_index")
        numbers = scalars(table.column("task_index")).astype(np.int64).tolist()
        texts = table.column(text).to_pylist()
    except FileNotFoundError:
        return {}, [f"{path}: missing; LeRobot needs it: write it anew, a row a task with task_index and task"]
    except (OSError, pa.ArrowException, KeyError, ValueError, StopIteration) as error:
        said = one_line(error)[:120]
        return {}, [f"{path}: tasks cannot be read ({said}): write it anew, a row a task with task_index and task"]
    return {number: str(task) for number, task in zip(numbers, texts, strict=True)}, []


def clear_kept() -> None:
    """Forget the rows that were read last: the file may have changed since."""
    _columns.cache_clear()


@lru_cache(maxsize=1)
def _columns(path: Path) -> dict[str, Numbers | str]:
    """Columns of a data file, or what is wrong with one; the last file is kept: it may hold a thousand episodes."""
    with pq.ParquetFile(stored.fetched(path)) as file:
        table = file.read([key for key in COUNTED if key in file.schema_arrow.names])
    found: dict[str, Numbers | str] = {}
    for key in table.column_names:
        try:
            found[key] = scalars(table.column(key)).astype(np.float64)
        except ValueError as error:
            found[key] = str(error)
    return found


def _gaps(where: str, times: Numbers, fps: float) -> Iterator[str]:
    if not np.isfinite(times).all():
        yield f"{where}: {int((~np.isfinite(times)).sum())} time stamps are no numbers"
        return
    if len(times) and abs(times[0]) > LATE / fps:
        yield f"{where}: time stamps begin at {times[0]:.6g} s, expected 0"
    steps = np.diff(times)
    for kind, off in (("longer", steps - 1 / fps), ("shorter", 1 / fps - steps)):
        bad = np.flatnonzero(off > LATE / fps)
        if len(bad):
            yield (
                f"{where}: {len(bad)} steps are {kind} than {1e3 / fps:.4g} ms, the worst "
                f"{1e3 * steps[bad[off[bad].argmax()]]:.4g} ms after frame {int(bad[off[bad].argmax()])}"
            )


def _offset(where: str, index: Numbers, first: int) -> Iterator[str]:
    wrong = np.flatnonzero(index != first + np.arange(len(index)))
    if len(wrong):
        at = int(wrong[0])
        yield (f"{where}: index of frame {at} is {index[at]:.12g}, expected {first + at} by dataset_from_index {first}")


def _tasks(where: str, numbers: Numbers, tasks: dict[int, str], said: tuple[str, ...]) -> Iterator[str]:
    used = np.unique(numbers)
    unknown = [number for number in used if number not in tasks]
    if unknown:
        yield f"{where}: task_index {unknown[0]:g} is not in {layout.TASKS_PATH}"
        return
    texts = {tasks[int(number)] for number in used}
    if said and texts != set(said):
        yield f"{where}: tasks are {', '.join(sorted(said))}, its rows' task_index says {', '.join(sorted(texts))}"


def _within(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
