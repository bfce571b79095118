"""Progress bars of every command; where nobody watches, as in a log file, a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from forearm.common.progress import ALL_ROWS

PAUSE = 60.0
"""s between two lines in a log file."""


class Bars:
    """One bar for each thing that is told of; it can be called as `forearm.common.progress.Progress`."""

    def __init__(self, lines: Progress) -> None:
        self._lines = lines
        self._told_at = time.monotonic()
        self._known: dict[tuple[str, int], TaskID] = {}
        self.told: dict[str, tuple[int, int]] = {}
        """How much of each thing is done, and how much there is."""

    def __call__(self, what: str, done: int, of: int, note: str | None = None) -> None:
        """Tell how much of `what` is done; a `note` stays beside its bar until the next one."""
        self.told[what] = done, of
        if (what, of) not in self._known:
            self._known[what, of] = self._lines.add_task(what, total=of, note="")
        line = self._known[what, of]
        self._lines.update(line, completed=done)
        if note is not None:
            self._lines.update(line, note=note)
        if not self._lines.console.is_terminal and time.monotonic() - self._told_at >= PAUSE and done < of:
            self._told_at = time.monotonic()
            self._log(what)

    def _log(self, what: str) -> None:
        """A line of how far all rows are, or else `what`, as a bar is drawn in a terminal alone."""
        what = ALL_ROWS if ALL_ROWS in self.told else what
        done, of = self.told[what]
        task = self._lines.tasks[self._known[what, of]]
        note = f", {task.fields['note']}" if task.fields["note"] else ""
        took = timedelta(seconds=round(task.elapsed or 0))
        self._lines.console.print(f"{what}: {done} of {of} after {took}{note}", markup=False, soft_wrap=True)

    def left(self, seconds: float) -> None:
        """Tell how long the rest of all rows takes, better than its bar can know."""
        line = self._known[ALL_ROWS, self.told[ALL_ROWS][1]]
        self._lines.update(line, end=self._lines.get_time() + seconds)


class TimeLeft(TimeRemainingColumn):
    """What was told of it, counted down, or else what the bar's speed lets expect."""

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds."""
        end = task.fields.get("end")
        if end is None or task.finished:
            return super().render(task)
        left = timedelta(seconds=max(0, round(end - task.get_time())))
        return Text(str(left), style="progress.remaining")


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
        TimeLeft(),
    )
    with Progress(*columns, console=console, transient=transient) as lines:
        yield Bars(lines)
