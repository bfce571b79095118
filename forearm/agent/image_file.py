"""Frames from image files, with errors that say what was expected."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from forearm.common.files import place
from forearm.errors import ForearmError

CONVERTIBLE = ("L", "P", "RGBA", "LA")
"""Modes that mean an ordinary picture; others (16 bit, floating point, CMYK) are no camera frame."""


def as_frame(frame: np.ndarray | str | Path, side: int, key: str) -> np.ndarray:
    """A frame, or the file of one, as an array (side, side, 3) uint8; raises `ForearmError` for anything else."""
    if isinstance(frame, (str, Path)):
        return read_frame(place(frame), side, key)
    array = np.asarray(frame)
    if array.dtype != np.uint8 or array.shape != (side, side, 3):
        raise ForearmError(f"{key} is {array.dtype} {array.shape}, but the model expects uint8 ({side}, {side}, 3)")
    return array


def read_frame(path: Path | BinaryIO, side: int, key: str = "frame") -> np.ndarray:
    """The frame (side, side, 3) uint8 in an image file, or one that is open.

    Grey, palette and opaque RGBA pictures become RGB. Raises `ForearmError` for a file that is missing or
    no image, for one of another size (frames are not resized: the model would see something it was not
    trained on), for an unusual mode and for transparency.
    """
    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
            if size != (side, side):
                raise ForearmError(
                    f"{key}={path}: is {size[0]} x {size[1]} pixels, but the model expects {side} x {side}"
                )
            if mode not in ("RGB", *CONVERTIBLE):
                raise ForearmError(f"{key}={path}: has mode {mode}, but 8-bit RGB is expected; save it as an RGB PNG")
            if "transparency" in image.info or "A" in mode:
                opacity = np.asarray(image.convert("RGBA"))[..., 3]
                if opacity.min() < 255:
                    raise ForearmError(f"{key}={path}: is partly transparent; save it as an RGB PNG")
            return np.array(image.convert("RGB"), np.uint8)
    except FileNotFoundError:
        raise ForearmError(f"{key}={path}: no such file") from None
    except IsADirectoryError:
        raise ForearmError(f"{key}={path}: is a folder, not an image") from None
    except UnidentifiedImageError:
        raise ForearmError(f"{key}={path}: is not an image; give a PNG of {side} x {side} pixels") from None
    except Image.DecompressionBombError:
        raise ForearmError(f"{key}={path}: is far too large; give a PNG of {side} x {side} pixels") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow reports damaged files with any of these.
        raise ForearmError(f"{key}={path}: cannot be read as an image ({error})") from None
