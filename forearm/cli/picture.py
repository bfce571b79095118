"""Pictures of plans and of what is imagined: the commanded path over the start frame, what comes of it, the goal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from forearm.common.files import replacing
from forearm.evaluation.film import BACKGROUND, BAR, GOOD, INK, LINE, enlarged

if TYPE_CHECKING:
    from forearm.agent.imagination import Imagined
    from forearm.planner.plan import Plan

SIDE = 448
PANEL = 256
"""Side of a frame in a film, in pixels."""
MOST = 8
"""Imagined frames in a row."""


def plan_picture(
    start: np.ndarray, goal: np.ndarray, path: np.ndarray, plan: "Plan", imagined: "Imagined | None" = None
) -> Image.Image:
    """Now and the goal with a caption; between them what is imagined, where it can be drawn, and below the way there.

    Args:
        start, goal: frames (R, R, 3) uint8.
        path: (H + 1, 2) column and row in pixels of `start`, where the plan sends the hand; (0, 2) draws none.
        plan: for the caption.
        imagined: what the plan is expected to lead to.
    """
    seconds = len(plan.actions) * (plan.times[1] - plan.times[0] if len(plan.times) > 1 else 0.0)
    caption = f"start, and the path commanded by {plan.planner} in {seconds:.1f} s" if len(path) else "start"
    panels = [(caption, _with_path(start, path)), ("goal", enlarged(goal, SIDE))]
    if imagined is None:
        return _row(panels, SIDE)
    panels.insert(1, (f"imagined, {imagined.times[-1]:.1f} s from now", enlarged(imagined.frames[-1], SIDE)))
    above = _row(panels, SIDE)
    below = _row(_steps(imagined), above.width // len(_shown(imagined)), above.width)
    page = Image.new("RGB", (above.width, above.height + below.height), BACKGROUND)
    page.paste(above, (0, 0))
    page.paste(below, (0, above.height))
    return page


def save_plan_picture(
    target: Path,
    start: np.ndarray,
    goal: np.ndarray,
    path: np.ndarray,
    plan: "Plan",
    imagined: "Imagined | None" = None,
) -> None:
    """Write `plan_picture` as a PNG, whole or not at all."""
    with replacing(target) as temporary:
        plan_picture(start, goal, path, plan, imagined).save(temporary, format="PNG")


def strip(imagined: "Imagined", real: np.ndarray | None = None, goal: np.ndarray | None = None) -> Image.Image:
    """What is imagined, from now on to the right; below it what came, where that is known, and the goal at the end.

    Args:
        imagined: M frames; at most `MOST` of them are shown.
        real: (M + 1, R, R, 3) uint8, what was seen now and after each of them.
        goal: (R, R, 3) uint8.
    """
    side = SIDE // 2
    rows = [[*_steps(imagined), *([("goal", enlarged(goal, side))] if goal is not None else [])]]
    if real is not None:
        rows.append([("real" if n else "real, now", enlarged(real[n], side)) for n in _shown(imagined)])
    width = side * len(rows[0])
    page = Image.new("RGB", (width, len(rows) * (BAR + side)), BACKGROUND)
    for number, row in enumerate(rows):
        page.paste(_row(row, side, width), (0, number * (BAR + side)))
    return page


def imagined_film(
    imagined: "Imagined", real: np.ndarray | None = None, goal: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Frames of a film of the same, each (BAR + PANEL, PANEL * panels, 3) uint8, one a frame that is imagined."""
    for n, time in enumerate(imagined.times):
        frame = imagined.frames[n - 1] if n else imagined.now
        panels = [(f"imagined, {time:.1f} s", enlarged(frame))]
        panels += [("real", enlarged(real[n]))] if real is not None else []
        panels += [("goal", enlarged(goal))] if goal is not None else []
        yield np.asarray(_row(panels, PANEL))


def _shown(imagined: "Imagined") -> list[int]:
    """Which moments a row shows, 0 for now; all, or as many as there is room for, the last among them."""
    count = len(imagined.frames) + 1
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST))})


def _steps(imagined: "Imagined") -> list[tuple[str, Image.Image]]:
    frames = [imagined.now, *imagined.frames]
    side = SIDE // 2
    return [
        (f"imagined, {imagined.times[n]:.1f} s" if n else "now, as the model knows it", enlarged(frames[n], side))
        for n in _shown(imagined)
    ]


def _row(panels: Sequence[tuple[str, Image.Image]], side: int, width: int | None = None) -> Image.Image:
    """Square panels side by side, a caption above each."""
    page = Image.new("RGB", (width or side * len(panels), BAR + side), BACKGROUND)
    draw = ImageDraw.Draw(page)
    for number, (caption, panel) in enumerate(panels):
        page.paste(panel if panel.width == side else panel.resize((side, side)), (number * side, BAR))
        draw.text((number * side + 8, 9), caption, fill=INK)
    return page


def _with_path(start: np.ndarray, path: np.ndarray) -> Image.Image:
    panel = enlarged(start, SIDE)
    draw = ImageDraw.Draw(panel)
    points = [(float(x), float(y)) for x, y in np.asarray(path) * (SIDE / start.shape[0])]
    if len(points) > 1:
        draw.line(points, fill=(0, 0, 0), width=7, joint="curve")
        draw.line(points, fill=LINE, width=4, joint="curve")
    for x, y in points:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=LINE, outline=(0, 0, 0))
    if not points:
        return panel
    (x, y), (u, v) = points[0], points[-1]
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=INK, outline=(0, 0, 0))
    draw.ellipse((u - 6, v - 6, u + 6, v + 6), fill=GOOD, outline=(0, 0, 0))
    return panel
