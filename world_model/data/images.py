"""Single frames: PNG bytes and back, and resizing."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from forearm.errors import InputError

Pixels = npt.NDArray[np.uint8]
MEASUREMENTS = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N", "I;12"})
"""Pillow's modes of one number a pixel with more than 8 bits; made RGB they would be cut off at 255."""


def encode_png(frame: Pixels) -> bytes:
    """PNG bytes of one RGB frame (H, W, 3) uint8; lossless, quick rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def decode_image(data: bytes) -> Pixels:
    """RGB frame (H, W, 3) uint8 from the bytes of an image file.

    Grey, palette, black-and-white and CMYK pictures become RGB; transparency is left out, not drawn over a background;
    colours of 16 bits are rounded down to 8.

    Raises:
        ValueError: the bytes are not a whole image, or they are measurements such as depth and no colours.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, kind = image.mode, image.format
            if mode not in MEASUREMENTS:
                image.info.pop("transparency", None)  # else Pillow makes another picture of some palettes
                return np.asarray(image.convert("RGB"))
    # Pillow reports broken files as OSError, SyntaxError, ValueError or struct.error.
    except Exception as error:
        raise InputError(f"image cannot be decoded ({error})") from error
    raise InputError(
        f"is a {kind} of the mode {mode}: grey with more than 8 bits, as depth is stored, not colours; name a colour "
        "camera with camera_key="
    )


def tiled(frames: Sequence[Pixels], height: int, width: int) -> Pixels:
    """Frames (H, W, 3) of several cameras, side by side in one of (height, width, 3): each resized to its share.

    Raises:
        ValueError: the cameras cannot share the width evenly.
    """
    if width % len(frames):
        raise InputError(f"{len(frames)} cameras cannot share {width} pixels evenly: use another resolution")
    return np.concatenate([resize_frame(frame, height, width // len(frames)) for frame in frames], axis=1)


def resize_frame(frame: Pixels, height: int, width: int) -> Pixels:
    """Frame (H, W, 3) resized to (height, width, 3) by averaging over areas; the whole view is kept.

    A frame of another aspect ratio is squeezed, not cropped. Frames given to a model that was trained
    on resized data must pass through this same function.
    """
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))
