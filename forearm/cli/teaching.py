"""What `forearm learn` and `forearm practice` have in common: both film, train and measure, and say where that lies."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from forearm.cli.device import device_of
from forearm.cli.engine import engine_of
from forearm.cli.progress import Bars, bars
from forearm.cli.train import no_data
from forearm.common import stored
from forearm.common.addresses import told
from forearm.common.files import place
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.settings import compose as settings


def chosen_of(command: str, overrides: Sequence[str]) -> settings.Settings:
    """The settings of a command, with its device here and the user's modules imported."""
    chosen = settings.load(command, overrides)
    import_modules(chosen["use"])
    device_of(chosen)  # one that is not here is told before anything is filmed
    return chosen


def data_of(folder: str, task: Mapping[str, Any]) -> Path:
    """Where the data set is; raises `ForearmError` where there is none."""
    data = place(folder)
    if not stored.look(data):
        raise ForearmError(no_data(data, task["name"]))
    return data


@contextmanager
def at_work(chosen: settings.Settings, console: Console) -> Iterator[tuple[int, Bars]]:
    """Inside, jobs run where the settings say, on so many workers, and bars tell how far they are."""
    with engine_of(chosen) as engine, bars(console, transient=True) as tell:
        yield chosen["workers"] or engine.default_workers(), tell


def say_where(console: Console, curve: Path, checkpoint: str) -> None:
    """Print where the curve, its figures beside it, and the checkpoint lie."""
    for what, where in (("curve", curve), ("figures", curve.with_suffix(".json")), ("checkpoint", checkpoint)):
        console.print(f"{what}: {told(where)}", soft_wrap=True, highlight=False)
