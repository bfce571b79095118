"""What surprised in recorded episodes, as one HTML file that needs no other, and as a table."""

import base64
import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forearm.common.files import replacing
from forearm.surprise.monitor import Surprise

SHOWN = 12
"""Frames of an episode's film strip."""
INK, ALARM, CALM = "#333333", "#b5542c", "#3a7d44"
STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#333}img{max-width:100%}"
    "h2{font-size:1.1em}.alarm{color:#b5542c}"
)


@dataclass(frozen=True, eq=False)
class Watched:
    """An episode's number in its data set, its frames (L, R, R, 3) uint8, or moments (L, P, 2) of sensors called
    `names`, and what was said of each.
    """

    number: int
    frames: np.ndarray
    said: Sequence[Surprise]
    names: Sequence[str] = ()

    @property
    def alarms(self) -> list[Surprise]:
        """The first frame of each alarm."""
        return [now for before, now in zip([None, *self.said], self.said, strict=False) if begins(before, now)]


def begins(before: Surprise | None, now: Surprise) -> bool:
    """Whether an alarm begins with `now`."""
    return now.alarm and not (before is not None and before.alarm)


def save_table(path: Path, watched: Sequence[Watched]) -> None:
    """Write a CSV with a row for each frame, whole or not at all."""
    horizons = len(watched[0].said[0].p_horizons) if watched else 0
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        columns = [f"p_{h}" for h in range(1, horizons + 1)]
        rows.writerow(
            ["episode", "frame", "time_s", "level", "alarm", "part", "since", "p", *columns, "p_joints", "reason"]
        )
        for episode in watched:
            for said in episode.said:
                p = ["" if np.isnan(each) else f"{each:.3g}" for each in said.p_horizons]
                whole, joints = ("" if each is None else f"{each:.3g}" for each in (said.p, said.p_joints))
                since = "" if said.since is None else said.since
                about = (episode.number, said.step, f"{said.time:.3f}", f"{said.level:.3f}", int(said.alarm), said.part)
                rows.writerow([*about, since, whole, *p, joints, said.reason])


def save_page(path: Path, title: str, promise: str, threshold: float, watched: Sequence[Watched], films: int) -> None:
    """Write the page, whole or not at all: `films` episodes are shown, those with alarms first."""
    order = sorted(watched, key=lambda each: -max(said.level for said in each.said))
    order.sort(key=lambda each: not each.alarms)
    found = sum(bool(each.alarms) for each in watched)
    parts = [
        f"<h1>{html.escape(title)}</h1><p>{found} of {len(watched)} episodes with an alarm. The threshold is "
        f"{threshold:.2f}: {html.escape(promise)}.</p>"
    ]
    for episode in order[:films]:
        parts.append(f"<h2>episode {episode.number}</h2>")
        parts += [f'<p class="alarm">step {said.step}: {html.escape(said.reason)}</p>' for said in episode.alarms]
        parts.append(f'<img alt="episode {episode.number}" src="data:image/png;base64,{_picture(episode, threshold)}">')
    if len(order) > films:
        parts.append(f"<p>{len(order) - films} more episodes are in the table.</p>")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _picture(episode: Watched, threshold: float) -> str:
    """The film, and the level over it, as PNG in base64."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    last = len(episode.said) - 1
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    film, curve = figure.subplots(2, 1, height_ratios=[1, 2])
    if episode.names:
        _draw_sensors(film, episode)
    else:
        _draw_film(film, episode, last)
    levels = np.array([said.level for said in episode.said])
    alarm = np.array([said.alarm for said in episode.said])
    curve.plot(levels, color=CALM, linewidth=1.2)
    curve.plot(np.flatnonzero(alarm), levels[alarm], ".", color=ALARM)
    curve.axhline(threshold, color=INK, linestyle=":", linewidth=1)
    curve.set_xlim(0, max(last, 1))
    curve.set_ylim(bottom=0)
    curve.set_xlabel("frame")
    curve.set_ylabel("level")
    curve.spines[["top", "right"]].set_visible(False)
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=90)
        return base64.b64encode(file.getvalue()).decode()


def _draw_film(film: Any, episode: Watched, last: int) -> None:
    from matplotlib.patches import Rectangle

    chosen = {*np.linspace(0, last, min(SHOWN, last + 1)).round().astype(int).tolist()}
    for said in episode.alarms[:2]:
        chosen = {step for step in chosen if abs(step - said.step) > last / SHOWN / 2} | {said.step}
    side = episode.frames.shape[1]
    steps = sorted(chosen)
    film.imshow(np.concatenate([episode.frames[step] for step in steps], axis=1))
    for place, step in enumerate(steps):
        said, region = episode.said[step], episode.said[step].region
        film.text(place * side + 2, side - 3, str(step), color=ALARM if said.alarm else "white", fontsize=8)
        if region is not None:
            corner = (place * side + region.left, region.top)
            box = (region.right - region.left, region.bottom - region.top)
            film.add_patch(Rectangle(corner, *box, fill=False, edgecolor=ALARM, linewidth=1.5))
    film.set_axis_off()


def _draw_sensors(film: Any, episode: Watched) -> None:
    """The readings, each in its own spread."""
    values = episode.frames[..., 0]
    scaled = (values - np.nanmean(values, axis=0)) / np.maximum(np.nanstd(values, axis=0), 1e-12)
    for name, column in zip(episode.names, scaled.T, strict=True):
        film.plot(column, linewidth=0.8, label=name)
    film.legend(fontsize=7, ncols=4, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    film.set_axis_off()
