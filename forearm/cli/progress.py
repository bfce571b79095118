"""Progress bars of every command."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bars:
    """One bar for each thing that is told of; it can be called as `forearm.common.progress.Progress`."""

    def __init__(self, lines: Progress) -> None:
        self._lines = lines
        self._known: dict[tuple[str, int], TaskID] = {}

    def __call__(self, what: str, done: int, of: int, note: str | None = None) -> None:
        """Tell how much of `what` is done; a `note` stays beside its bar until the next one."""
        if (what, of) not in self._known:
            self._known[what, of] = self._lines.add_task(what, total=of, note="")
        line = self._known[what, of]
        self._lines.update(line, completed=done)
        if note is not None:
            self._lines.update(line, note=note)


@contextmanager
def bars(console: Console, transient: bool = False) -> Iterator[Bars]:
    """Show bars inside; `transient` ones are gone afterwards."""
    columns = (
        TextColumn("{task.description}", markup=False),  # a label may have brackets
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=transient) as lines:
        yield Bars(lines)
