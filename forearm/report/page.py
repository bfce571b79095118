"""The report: one HTML file that needs nothing else, no network and no server."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from forearm.agent.setup import NONE
from forearm.common.files import replacing
from forearm.errors import ForearmError
from forearm.evaluation.workers import film_path
from forearm.report import charts
from forearm.report.rows import Row, pairs_of, rows_of, tasks_of

if TYPE_CHECKING:
    from jinja2 import Environment

EMBED_MB = 32.0
"""Megabytes of films that a report holds itself; others are linked."""


@dataclass(frozen=True)
class Film:
    """A film in the page, as base64 under the id `inside`, or at the address `link` beside it."""

    inside: str | None = None
    data: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Square:
    """One episode of one row: how it went, in a state and in words, and what its dialog shows."""

    state: str
    said: str
    facts: Sequence[tuple[str, str]]
    film: Film | None


def write_report(
    path: Path, document: Mapping[str, Any], folder: Path, embed_mb: float | None = EMBED_MB
) -> tuple[int, int]:
    """Write the report of a results document, whole or not at all.

    Args:
        path: of the HTML file.
        document: as in results.json.
        folder: of the results, beside which the films lie.
        embed_mb: megabytes of films that the page holds itself, the first episodes first; others are linked. None: all.

    Returns how many films the page holds and how many it links.

    Raises:
        ForearmError: `embed_mb` is negative.
        OSError: the file cannot be written.
    """
    if embed_mb is not None and embed_mb < 0:
        raise ForearmError(f"embed must be at least 0 megabytes, not {embed_mb:g}")
    rows = rows_of(document)
    films = _films(rows, path, folder, embed_mb)
    text = report(document, rows, films)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    inside = sum(film.inside is not None for film in films.values())
    return inside, len(films) - inside


def report(document: Mapping[str, Any], rows: Sequence[Row], films: Mapping[tuple[Row, int], Film]) -> str:
    """The page's HTML, with films by row and place of the episode in it."""
    tasks = [_task(document, task, [row for row in rows if row.task == task], films) for task in tasks_of(rows)]
    script, style = (_file(name) for name in ("report.js", "report.css"))
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            document=document,
            confidence=f"{100 * float(document.get('confidence', 0.95)):g}",
            across=document.get("across"),
            tasks=tasks,
            films=list(films.values()),
            filmed=any(film.inside for film in films.values()),
            squares=[[[_told(square) for square in line["squares"]] for line in task["lines"]] for task in tasks],
            names=[[line["row"].name for line in task["lines"]] for task in tasks],
            script=script,
            style=style,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            frame=charts,
        )
    )


def _task(
    document: Mapping[str, Any],
    task: str,
    rows: Sequence[Row],
    films: Mapping[tuple[Row, int], Film],
) -> dict[str, Any]:
    """What the page shows of one task."""
    names = charts.names_of(rows)
    styles = {kind: number for number, kind in enumerate(names)}
    spreads, ticks = charts.spreads(rows)
    return {
        "name": task,
        "rows": rows,
        "styles": {row: styles.get(row.kind) for row in rows},
        "pairs": pairs_of(document, task),
        "solved_at_start": document.get("solved_at_start", {}).get(task),
        "detectable": document.get("detectable", {}).get(task),
        "charts": [*charts.budget_charts(rows, names), *charts.strength_charts(rows, names)],
        "spreads": spreads,
        "ticks": ticks,
        "lines": [
            {"row": row, "squares": [square(row, place, films.get((row, place))) for place in range(len(row.outcomes))]}
            for row in rows
        ],
    }


def square(row: Row, place: int, film: Film | None) -> Square:
    """The square of a row's episode at a place."""
    outcome = row.outcomes[place]
    held, touched = outcome.get("held"), outcome.get("touched")
    if outcome["success"]:
        state, said = ("left", "solved, but not held at the end") if held is False else ("solved", "solved")
    else:
        state, said = ("touched", "touched, not solved") if touched else ("missed", "not solved")
    distance = outcome.get("final_distance_m")
    facts = [("result", said), ("control steps", str(outcome["steps"]))]
    facts.append(("distance at the end", "not finite" if distance is None else f"{100 * distance:.1f} cm"))
    facts.append(("seed of the reset", str(outcome["seed"])))
    return Square(state, f"episode {outcome['episode']}: {said} in {outcome['steps']} steps", facts, film)


def _told(one: Square) -> dict[str, Any]:
    """A square for the page's script."""
    film = one.film and ({"inside": one.film.inside} if one.film.inside else {"link": one.film.link})
    return {"state": one.state, "said": one.said, "facts": one.facts, "film": film}


def _films(rows: Sequence[Row], page: Path, folder: Path, embed_mb: float | None) -> dict[tuple[Row, int], Film]:
    """Films by row and place: the first episodes of all rows first into the page, as long as there is room."""
    found = [
        (place, row, film)
        for row in rows
        for place, outcome in enumerate(row.outcomes)
        if (film := _film_of(row, outcome, folder)) is not None
    ]
    room = float("inf") if embed_mb is None else embed_mb * 1e6
    films: dict[tuple[Row, int], Film] = {}
    for place, row, path in sorted(found, key=lambda one: one[0]):
        room -= path.stat().st_size
        if room >= 0:
            data = base64.b64encode(path.read_bytes()).decode()
            films[row, place] = Film(inside=f"film-{len(films)}", data=data)
        else:
            beside = Path(os.path.relpath(path.resolve(), page.parent.resolve())).as_posix()
            films[row, place] = Film(link=quote(beside))
    return films


def _film_of(row: Row, outcome: Mapping[str, Any], folder: Path) -> Path | None:
    """The film of an episode, if there is one: what results name lies in a folder `films`, as all films do."""
    if "film" in outcome:
        named = PurePosixPath(str(outcome["film"] or ""))
        if named.is_absolute() or named.parent.name != "films":
            return None
        path = folder / named
    elif row.dynamics == NONE:
        return None
    else:
        path = film_path(folder, row.label, int(outcome["episode"]))
    return path if path.suffix == ".mp4" and path.is_file() else None


def _file(name: str) -> str:
    from importlib.resources import files

    return (files("forearm.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("forearm.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
