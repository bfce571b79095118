"""Films of episodes: what the arm saw, where it had to get to, and what it expected that to cost."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from forearm.common.files import replacing
from forearm.evaluation.closed_loop import Outcome, Recording

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Draw

PANEL = 256
"""Side of each panel, in pixels."""
BAR = 32
BACKGROUND, INK, FAINT, LINE, GOOD = (
    (18, 20, 26),
    (225, 228, 235),
    (85, 92, 105),
    (255, 170, 60),
    (110, 210, 130),
)
FPS = 10
LINGER = 8
"""Frames for which the last one stands still."""


def write_film(path: Path, recording: Recording, title: str, outcome: Outcome) -> None:
    """Write an mp4 of one episode, whole or not at all: frame | goal | predicted cost curve | what is imagined.

    Raises OSError if it cannot be written.
    """
    write_video(path, film_frames(recording, title, outcome))


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int = FPS) -> None:
    """Write an mp4 that every player shows, whole or not at all.

    Args:
        path: of the file; folders that lack are made.
        frames: each (H, W, 3) uint8, of one even height and width.
        fps: frames a second.

    Raises:
        OSError: it cannot be written.
    """
    import imageio.v3 as imageio

    encoded = io.BytesIO()  # the encoder does not say which file could not be written, and why
    with imageio.imopen(encoded, "w", extension=".mp4", plugin="pyav") as video:
        video.init_video_stream("libx264", fps=fps, pixel_format="yuv420p")
        for frame in frames:
            video.write_frame(frame)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def film_frames(recording: Recording, title: str, outcome: Outcome) -> Iterator[np.ndarray]:
    """The film's frames, each (BAR + PANEL, 3 * PANEL, 3) uint8; a fourth panel shows where a plan is to lead."""
    finite = [curve[np.isfinite(curve)] for curve in recording.curves if curve is not None]
    top = max((float(curve.max()) for curve in finite if len(curve)), default=0.0)
    last = len(recording.frames) - 1
    goal = enlarged(recording.goal)
    fancied = any(frame is not None for frame in recording.imagined)
    for step, (frame, curve) in enumerate(zip(recording.frames, recording.curves, strict=True)):
        page = Image.new("RGB", ((3 + fancied) * PANEL, BAR + PANEL), BACKGROUND)
        page.paste(enlarged(frame), (0, BAR))
        page.paste(goal, (PANEL, BAR))
        page.paste(_curve_panel(curve, top), (2 * PANEL, BAR))
        draw = ImageDraw.Draw(page)
        _text(draw, (8, 9), f"{title}  step {step}/{last}")
        if step == last:
            lost = " and left" if outcome.held is False else ""
            verdict, colour = (f"reached{lost}", GOOD) if outcome.success or outcome.touched else ("not reached", LINE)
            # On the frame itself: a benchmark's task has a name that fills the bar.
            _text(draw, (8, BAR + PANEL - 20), verdict, colour)
        _text(draw, (PANEL + 8, 9), "goal")
        _text(draw, (2 * PANEL + 8, 9), "predicted cost along the plan")
        if fancied and (imagined := recording.imagined[step]) is not None:
            page.paste(enlarged(imagined), (3 * PANEL, BAR))
            _text(draw, (3 * PANEL + 8, 9), "imagined, at the end of the plan")
        pixels = np.asarray(page)
        for _ in range(1 + LINGER * (step == last)):
            yield pixels


def enlarged(frame: np.ndarray, side: int = PANEL) -> Image.Image:
    """A frame (H, W, 3) uint8 as a square picture; pixels stay sharp, because they are what the arm sees."""
    return Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST)


def _curve_panel(curve: np.ndarray | None, top: float) -> Image.Image:
    """One predicted cost curve, (H',), on axes that stay the same through the film."""
    panel = Image.new("RGB", (PANEL, PANEL), BACKGROUND)
    draw = ImageDraw.Draw(panel)
    left, right, upper, lower = 16, PANEL - 16, 24, PANEL - 28
    draw.line([(left, upper), (left, lower), (right, lower)], fill=FAINT)
    _text(draw, (left, lower + 8), "now", FAINT)
    _text(draw, (right - 44, lower + 8), "horizon", FAINT)
    if curve is None or top <= 0:
        _text(draw, (left + 12, PANEL // 2), "no prediction", FAINT)
        return panel
    _text(draw, (left + 4, upper - 16), f"{top:.3g}", FAINT)
    values = np.nan_to_num(np.asarray(curve, np.float64), nan=top, posinf=top, neginf=0.0)
    x = np.linspace(left, right, len(values)) if len(values) > 1 else np.array([left])
    y = lower - np.clip(values / top, 0, 1) * (lower - upper)
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    if len(points) > 1:
        draw.line(points, fill=LINE, width=3)
    for a, b in points:
        draw.ellipse((a - 3, b - 3, a + 3, b + 3), fill=LINE)
    return panel


def _text(draw: "Draw", place: tuple[int, int], words: str, colour: tuple[int, int, int] = INK) -> None:
    draw.text(place, words, fill=colour)
