"""Columns and cameras of a data set, as settings name them and tables show them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from forearm.errors import ForearmError
from forearm.settings.words import written

if TYPE_CHECKING:
    from forearm.world_model.absolute import AbsolutePositions


def keys(setting: str, value: Any) -> str | list[str] | None:
    """A setting that names columns: one, a list of them, or None; raises `ForearmError` for anything else."""
    names = value if isinstance(value, list) else [value]
    if value is None or (names and all(isinstance(name, str) and name for name in names)):
        return value
    raise ForearmError(f"{setting}={written(value)}: expected the name of a column, or names in brackets, [NAME,NAME]")


def camera_key_of(value: Any) -> str | None:
    """The camera that is named, or several as one view; raises `ForearmError` for anything else."""
    from forearm.world_model.data.layout import view

    names = keys("camera_key", value)
    return view(names) if isinstance(names, list) else names


def steps_table(absolute: "AbsolutePositions", names: Sequence[str]) -> Table:
    """How far commands that are positions lie from the one before at most, and from the readings of their moment."""
    table = Table(title="steps", title_justify="left", box=None, padding=(0, 1))
    table.add_column("command", no_wrap=True)
    for title in ("from the last", "from the reading", ""):
        table.add_column(title, justify="right", no_wrap=True)
    rows = zip(absolute.step, absolute.first_low, absolute.first_high, strict=True)
    for i, (step, low, high) in enumerate(rows):
        name = names[i] if i < len(names) else f"a{i}"
        table.add_row(escape(name), f"{step:.3g}", f"{low:.3g}", f"{high:.3g}")
    return table
