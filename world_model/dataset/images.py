"""Single frames: PNG bytes and back, and resizing."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def encode_png(frame: Pixels) -> bytes:
    """PNG bytes of one RGB frame (H, W, 3) uint8; lossless, quick rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def decode_image(data: bytes) -> Pixels:
    """RGB frame (H, W, 3) uint8 from the bytes of an image file.

    Raises:
        ValueError: the bytes are not a whole image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    # Pillow reports broken files as OSError, SyntaxError, ValueError or struct.error.
    except Exception as error:
        raise ValueError(f"image cannot be decoded ({error})") from error


def resize_frame(frame: Pixels, height: int, width: int) -> Pixels:
    """Frame (H, W, 3) resized to (height, width, 3) by averaging over areas; the whole view is kept.

    A frame of another aspect ratio is squeezed, not cropped. Frames given to a model that was trained
    on resized data must pass through this same function.
    """
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))
