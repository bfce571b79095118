"""Decoded video frames as 8-bit RGB, by the matrix and range that the file says; what cannot be is refused by name.

PyAV before 17 converts with BT.601 whatever a frame says of itself, and passes what it is told to swscale only where
source and target differ. Told as here, PyAV 13 to 18 give the same bytes. Where a file says nothing, BT.601 in limited
range is meant, as ffmpeg's converter has it.
"""

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from forearm.errors import InputError
from forearm.world_model.data.images import Pixels

_SWSCALE = {1: 1, 2: 5, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""Number of a matrix in swscale by its number in a file (ITU-T H.273, table 4); 2 is "not said"."""
_BT601, _BT709 = 5, 1
_LIMITED, _FULL = 1, 2
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions (ITU-T H.273, table 3) whose numbers are no display colours."""


class ToRgb:
    """Converts the frames of one video; kept over them, as the converter is set up once for frames that are alike."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame, transfer: int | None = None) -> Pixels:
        """The frame as (H, W, 3) uint8.

        Args:
            frame: as decoded.
            transfer: the stream's transfer function, as the codec context has it.

        Raises:
            ValueError: it is depth or of a kind whose colours 8 bits cannot say; the message names what it is.
        """
        kind = frame.format
        bits = max(component.bits for component in kind.components)
        if bits > 16 or "f32" in kind.name or "f16" in kind.name:
            raise InputError(f"frames are {kind.name}, which are measurements, not colours; {_REMEDY}")
        if kind.name.startswith(("gray", "ya")) and bits > 8:
            raise InputError(f"frames are grey with {bits} bits ({kind.name}), as depth is stored; {_REMEDY}")
        if transfer in _HDR:
            raise InputError(f"frames are HDR ({_HDR[transfer]}); convert the video to BT.709 with 8 bits first")
        if kind.is_rgb or kind.name.startswith(("gray", "ya", "mono", "pal")):
            return self._array(frame)
        matrix = int(frame.colorspace)
        if matrix not in _SWSCALE:
            raise InputError(f"frames have the colour matrix {matrix} (H.273); convert the video to BT.709 first")
        source = _SWSCALE[matrix]
        full = int(frame.color_range) == _FULL or kind.name.startswith("yuvj")
        try:
            return self._array(
                frame,
                src_colorspace=source,
                dst_colorspace=_BT709 if source == _BT601 else _BT601,  # of RGB it means nothing, but it must differ
                src_color_range=_FULL if full else _LIMITED,
                dst_color_range=_FULL,
            )
        except KeyError:  # PyAV 13 and 14 have no name for BT.2020
            raise InputError("frames have BT.2020 colours, which this PyAV cannot convert; install av>=15") from None

    def _array(self, frame: VideoFrame, **how: int) -> Pixels:
        return np.asarray(self._reformatter.reformat(frame, format="rgb24", **how).to_ndarray(), dtype=np.uint8)


_REMEDY = "name a colour camera with camera_key="
