"""mp4 files of one shard: every episode's frames one after the other, decoded by time stamp."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType, VideoFrame

from forearm.errors import InputError
from forearm.world_model.data.colours import ToRgb
from forearm.world_model.data.images import Pixels

CRF = 10
"""x264 quality; low, because the world model learns from these pixels."""
KEY_FRAME_EVERY = 2
"""LeRobot's choice: any frame is at most one frame away from a key frame."""
DRIFT = 0.25
"""Share of a frame's period by which an episode may begin beside its first frame: beyond it, which one is meant is a
guess. LeRobot itself reads what is off by less than 0.1 ms."""


@cache
def pixel_format() -> str:
    """``yuv444p`` where the encoder has it (small coloured things keep their colour), else ``yuv420p``.

    Raises:
        ValueError: this build of PyAV has no H.264 encoder.
    """
    try:
        formats = {entry.name for entry in av.codec.Codec("libx264", "w").video_formats or ()}
    except av.error.FFmpegError as error:
        raise InputError("this PyAV has no libx264 encoder; use storage=png") from error
    return "yuv444p" if "yuv444p" in formats else "yuv420p"


def encode_video(path: Path, episodes: Iterable[Pixels], *, fps: int, height: int, width: int) -> int:
    """Write episodes (L, H, W, 3) uint8 RGB one after the other to an mp4; how many frames there were.

    Frame k of the file has the time stamp k / fps seconds; every episode begins with a key frame.
    """
    count = 0
    with av.open(str(path), "w", format="mp4") as container:
        # Looking ahead, x264 now and then (one file in a thousand) spends its bits otherwise on the same frames.
        options = {"crf": str(CRF), "g": str(KEY_FRAME_EVERY), "bf": "0", "preset": "veryfast", "rc-lookahead": "0"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format()
        # One thread: several processes encode at once, and the bytes do not depend on the machine.
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, fps)
        for episode in episodes:
            for number, pixels in enumerate(episode):
                frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts, frame.time_base = count, Fraction(1, fps)
                if number == 0:  # else the cut to the next scene is coded badly
                    frame.pict_type = PictureType.I
                container.mux(stream.encode(frame))
                count += 1
        container.mux(stream.encode(None))
    return count


def timestamps(path: Path) -> npt.NDArray[np.float64]:
    """When each frame of a video is shown, (N,) seconds in order; nothing is decoded.

    Raises:
        ValueError: the file cannot be opened or read.
    """
    try:
        with av.open(str(path)) as container:
            stream, base = _stream(container)
            shown = [p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard and p.size]
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"cannot be read ({error})") from error
    return np.sort(np.array(shown, np.float64)) * float(base)


def check_interval(times: npt.NDArray[np.float64], *, start: float, length: int, fps: float) -> None:
    """Raise ValueError unless the ``length`` frames from ``start`` seconds on are in a video with these ``times``.

    A file without time stamps passes here: decoding it says what is missing.
    """
    if not len(times):
        return
    expected = start + np.arange(length) / fps
    after = np.searchsorted(times, expected).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    near = np.where(abs(times[before] - expected) <= abs(times[after] - expected), before, after)
    off = (times[near] - expected) * fps
    there = np.flatnonzero(expected <= times[-1] + 0.5 / fps)
    if len(there) and abs(np.median(off[there])) >= DRIFT:
        raise InputError(
            f"from_timestamp is {start:.6g} s, expected the time of a frame: the nearest is shown at "
            f"{times[near[0]]:.6g} s, {abs(off[there[0]]):.2g} frames away"
        )
    if len(there) < length:
        raise InputError(f"ends after {len(there)} of {length} frames")
    lost = np.flatnonzero(abs(off) >= 0.5)
    if len(lost):
        raise InputError(f"frame {lost[0]} is not in the video")


def decode_video(path: Path, *, start: float, length: int, fps: float) -> Iterator[Pixels]:
    """Yield the ``length`` RGB frames (H, W, 3) uint8 from ``start`` seconds on, in order.

    Raises:
        ValueError: the file cannot be opened or decoded, one of the frames is not in it, or they are no colours.
    """
    expected = 0
    to_rgb = ToRgb()
    try:
        with av.open(str(path)) as container:
            stream, base = _stream(container)
            transfer = getattr(stream.codec_context, "color_trc", None)
            # Half a frame early, so that rounding cannot land on the key frame behind the one wanted.
            container.seek(max(0, int((start - 0.5 / fps) / base)), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                number = round((float(frame.pts * base) - start) * fps)
                if number < expected:
                    continue
                if number > expected:
                    raise InputError(f"frame {expected} is not in the video")
                if frame.is_corrupt:
                    raise InputError(f"frame {expected} is damaged")
                yield to_rgb(frame, transfer)
                expected += 1
                if expected == length:
                    return
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"cannot be decoded at frame {expected} ({error})") from error
    raise InputError(f"ends after {expected} of {length} frames")


def _stream(container: av.container.InputContainer) -> tuple[Any, Fraction]:
    if not container.streams.video:
        raise InputError("holds no video stream")
    stream = container.streams.video[0]
    if stream.time_base is None:
        raise InputError("has no time base")
    return stream, stream.time_base
