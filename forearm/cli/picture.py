"""A picture of a plan: the commanded path of the hand over the start frame, the goal frame beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from forearm.common.files import replacing
from forearm.evaluation.film import BACKGROUND, BAR, GOOD, INK, LINE, enlarged

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

SIDE = 448


def plan_picture(start: np.ndarray, goal: np.ndarray, path: np.ndarray, plan: "Plan") -> Image.Image:
    """Two panels with a caption.

    Args:
        start, goal: frames (R, R, 3) uint8.
        path: (H + 1, 2) column and row in pixels of `start`, where the plan sends the hand; (0, 2) draws none.
        plan: for the caption.
    """
    page = Image.new("RGB", (2 * SIDE, BAR + SIDE), BACKGROUND)
    page.paste(_with_path(start, path), (0, BAR))
    page.paste(enlarged(goal, SIDE), (SIDE, BAR))
    draw = ImageDraw.Draw(page)
    seconds = len(plan.actions) * (plan.times[1] - plan.times[0] if len(plan.times) > 1 else 0.0)
    caption = f"start, and the path commanded by {plan.planner} in {seconds:.1f} s" if len(path) else "start"
    draw.text((8, 9), caption, fill=INK)
    draw.text((SIDE + 8, 9), "goal", fill=INK)
    return page


def save_plan_picture(target: Path, start: np.ndarray, goal: np.ndarray, path: np.ndarray, plan: "Plan") -> None:
    """Write `plan_picture` as a PNG, whole or not at all."""
    with replacing(target) as temporary:
        plan_picture(start, goal, path, plan).save(temporary, format="PNG")


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
