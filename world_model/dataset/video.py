"""mp4 files of one shard: every episode's frames one after the other, decoded by time stamp."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from .images import Pixels

CRF = 10
"""x264 quality; low, because the world model learns from these pixels."""
KEY_FRAME_EVERY = 2
"""LeRobot's choice: any frame is at most one frame away from a key frame."""


@cache
def pixel_format() -> str:
    """``yuv444p`` where the encoder has it (small coloured things keep their colour), else ``yuv420p``.

    Raises:
        ValueError: this build of PyAV has no H.264 encoder.
    """
    try:
        formats = {entry.name for entry in av.codec.Codec("libx264", "w").video_formats or ()}
    except av.error.FFmpegError as error:
        raise ValueError("this PyAV has no libx264 encoder; use storage=png") from error
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


def decode_video(path: Path, *, start: float, length: int, fps: float) -> Iterator[Pixels]:
    """Yield the ``length`` RGB frames (H, W, 3) uint8 from ``start`` seconds on, in order.

    Raises:
        ValueError: the file cannot be opened or decoded, or one of the frames is not in it.
    """
    expected = 0
    to_rgb = VideoReformatter()  # kept over the frames: to_ndarray(format=…) makes one for each
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError("holds no video stream")
            stream = container.streams.video[0]
            base = stream.time_base
            if base is None:
                raise ValueError("has no time base")
            # Half a frame early, so that rounding cannot land on the key frame behind the one wanted.
            container.seek(max(0, int((start - 0.5 / fps) / base)), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                number = round((float(frame.pts * base) - start) * fps)
                if number < expected:
                    continue
                if number > expected:
                    raise ValueError(f"frame {expected} is not in the video")
                if frame.is_corrupt:
                    raise ValueError(f"frame {expected} is damaged")
                yield np.asarray(to_rgb.reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
                expected += 1
                if expected == length:
                    return
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"cannot be decoded at frame {expected} ({error})") from error
    raise ValueError(f"ends after {expected} of {length} frames")
