"""Films of episodes: what the arm did, saw, tried and imagined, where it had to get to, and what it expected that to
cost.
"""

import io
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from forearm.common.files import replacing
from forearm.evaluation.closed_loop import SIDE, Outcome, Recording

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Draw

MAIN = SIDE
"""Side of the panel with the camera, in pixels. The others are stacked to its right, and are as high together."""
BAR = 32
STRIP = 96
"""Height of the predicted cost's curve, below the camera."""
BACKGROUND, INK, FAINT, LINE, GOOD = (
    (18, 20, 26),
    (225, 228, 235),
    (125, 132, 145),
    (255, 170, 60),
    (110, 210, 130),
)
DEAR, MIDDLE, CHEAP = (72, 40, 120), (38, 150, 140), (253, 231, 60)
"""Colours of candidates, by the rank of their cost."""
FPS = 10
LINGER = 8
"""Frames for which the last one stands still."""


def write_film(path: Path, recording: Recording, title: str, outcome: Outcome) -> None:
    """Write an mp4 of one episode, whole or not at all.

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
    """The film's frames, each (BAR + MAIN + STRIP, W, 3) uint8: W is MAIN and the side of the panels beside it.

    Those show the goal, what the model sees and, where anything was, what was imagined: MAIN / 2 or MAIN / 3 wide.
    """
    finite = [curve[np.isfinite(curve)] for curve in recording.curves if curve is not None]
    top = max((float(curve.max()) for curve in finite if len(curve)), default=0.0)
    last = len(recording.frames) - 1
    fancied = any(frame is not None for frame in recording.imagined)
    side = MAIN // (3 if fancied else 2)
    goal = enlarged(recording.goal if recording.goal_picture is None else recording.goal_picture, side)
    for step, (frame, curve) in enumerate(zip(recording.frames, recording.curves, strict=True)):
        page = Image.new("RGB", (MAIN + side, BAR + MAIN + STRIP), BACKGROUND)
        draw = ImageDraw.Draw(page)
        picture = enlarged(recording.pictures[step] if recording.pictures else frame, MAIN)
        tried = recording.tried[step] if recording.tried else None
        page.paste(picture if tried is None else _with_paths(picture, *tried), (0, BAR))
        panels = [("goal", goal), ("what the model sees", enlarged(frame, side))]
        if fancied:
            imagined = recording.imagined[step]
            blank = Image.new("RGB", (side, side), BACKGROUND)
            panels.append(("what it imagines", blank if imagined is None else enlarged(imagined, side)))
        for row, (name, panel) in enumerate(panels):
            page.paste(panel, (MAIN, BAR + row * side))
            draw.line([(MAIN, BAR + row * side), (MAIN + side, BAR + row * side)], BACKGROUND, 3)
            _label(draw, (MAIN + 8, BAR + row * side + 8), name)
        draw.line([(MAIN, BAR), (MAIN, BAR + MAIN)], BACKGROUND, 3)
        page.paste(_curve_strip(curve, top, MAIN + side), (0, BAR + MAIN))
        _text(draw, (8, 7), title, size=15, width=MAIN + side - 100)
        _text(draw, (MAIN + side - 8, 7), f"{step}/{last}", FAINT, 15, "ra")
        if tried is not None:
            _label(draw, (8, BAR + 8), "tried: yellow is cheap, violet dear")
        if step == last:
            lost = " and left" if outcome.held is False else ""
            verdict, colour = (f"reached{lost}", GOOD) if outcome.success or outcome.touched else ("not reached", LINE)
            _label(draw, (8, BAR + MAIN - 30), verdict, colour, 18)
        pixels = np.asarray(page)
        for _ in range(1 + LINGER * (step == last)):
            yield pixels


def enlarged(frame: np.ndarray, side: int = 256) -> Image.Image:
    """A frame (H, W, 3) uint8 as a square picture; pixels of small ones stay sharp: they are what the arm sees."""
    way = Image.Resampling.NEAREST if frame.shape[0] < side else Image.Resampling.BOX
    return Image.fromarray(frame).resize((side, side), way)


def _with_paths(picture: Image.Image, paths: np.ndarray, costs: np.ndarray) -> Image.Image:
    """Paths (N, H + 1, 2) in shares of the picture's side, the dearest first, coloured by the ranks of `costs` (N,)."""
    over = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(over)
    shares = np.linspace(0.0, 1.0, len(costs)) if len(costs) > 1 else np.ones(1)
    for share, path in zip(shares, paths * picture.width, strict=True):
        points = [(float(x), float(y)) for x, y in path]
        if share == 1.0:
            draw.line(points, fill=(0, 0, 0, 255), width=6, joint="curve")
        draw.line(
            points, fill=(*_colour(share), 120 + round(135 * share)), width=3 if share == 1.0 else 2, joint="curve"
        )
    x, y = points[0]
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=INK, outline=(0, 0, 0))
    return Image.alpha_composite(picture.convert("RGBA"), over).convert("RGB")


def _colour(share: float) -> tuple[int, int, int]:
    """From dear, 0, to cheap, 1."""
    r, g, b = (round(float(np.interp(share, (0, 0.6, 1), band))) for band in zip(DEAR, MIDDLE, CHEAP, strict=True))
    return r, g, b


def _curve_strip(curve: np.ndarray | None, top: float, width: int) -> Image.Image:
    """One predicted cost curve, (H',), on axes that stay the same through the film."""
    strip = Image.new("RGB", (width, STRIP), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    left, right, upper, lower = 12, width - 12, 26, STRIP - 12
    if curve is None or top <= 0:
        _text(draw, (left, 7), "no prediction", FAINT)
        return strip
    _text(draw, (left, 7), "predicted cost along the plan", FAINT)
    _text(draw, (right, 7), f"at most {top:.3g}", FAINT, anchor="ra")
    draw.line([(left, lower), (right, lower)], fill=FAINT)
    values = np.nan_to_num(np.asarray(curve, np.float64), nan=top, posinf=top, neginf=0.0)
    x = np.linspace(left + 4, right - 4, len(values)) if len(values) > 1 else np.array([left + 4])
    y = lower - np.clip(values / top, 0, 1) * (lower - upper)
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    if len(points) > 1:
        draw.line(points, fill=LINE, width=3, joint="curve")
    for a, b in points:
        draw.ellipse((a - 3, b - 3, a + 3, b + 3), fill=LINE)
    return strip


def _label(
    draw: "Draw", place: tuple[int, int], words: str, colour: tuple[int, int, int] = INK, size: int = 13
) -> None:
    """Text on a picture, which may be of any brightness."""
    x0, y0, x1, y1 = draw.textbbox(place, words, font=_font(size))
    draw.rounded_rectangle((x0 - 4, y0 - 4, x1 + 4, y1 + 4), 4, fill=BACKGROUND)
    _text(draw, place, words, colour, size)


def _text(
    draw: "Draw",
    place: tuple[int, int],
    words: str,
    colour: tuple[int, int, int] = INK,
    size: int = 13,
    anchor: str = "la",
    width: int | None = None,
) -> None:
    """One line of text; one wider than `width` pixels is drawn smaller."""
    while width is not None and size > 8 and draw.textlength(words, font=_font(size)) > width:
        size -= 1
    draw.text(place, words, fill=colour, font=_font(size), anchor=anchor)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
