"""Frames from image files, with errors that say what was expected."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from forearm.agent.sensor_fit import SensorFit
from forearm.common.reading import here
from forearm.errors import ForearmError, InputError
from forearm.world_model.data.incoming import FrameFit

Frame = np.ndarray | str | Path | Mapping[str, Any]
"""Pixels, a file, or either by name of camera."""
CONVERTIBLE = ("L", "P", "RGBA", "LA")
"""Modes that mean an ordinary picture; others (16 bit, floating point, CMYK) are no camera frame."""


def as_frame(frame: Any, fit: FrameFit | SensorFit, key: str) -> np.ndarray:
    """A frame (H, W, 3) uint8, the file of one, or a mapping of such by camera, as the model sees it.

    Of a model of sensors, readings. Raises `ForearmError` for anything else.
    """
    if isinstance(fit, SensorFit):
        return _fitted(frame, fit, key)
    if isinstance(frame, Mapping):
        return _fitted({name: _pixels(each, f"{key} {name}") for name, each in frame.items()}, fit, key)
    if isinstance(frame, (str, Path)):
        path = here(frame)
        return fit(read_frame(path, key), f"{key}={path}")
    return _fitted(np.asarray(frame), fit, key)


def by_camera(text: str, fit: FrameFit | SensorFit) -> Path | dict[str, Path]:
    """The file that somebody typed; for a model of several cameras those of `NAME:FILE,NAME:FILE`."""
    if len(fit.cameras) < 2 or ":" not in text:
        return here(text)
    pairs = [part.partition(":") for part in text.split(",")]
    return {name.strip(): here(file.strip()) for name, _, file in pairs}


def _pixels(frame: Any, key: str) -> Any:
    return read_frame(here(frame), key) if isinstance(frame, (str, Path)) else np.asarray(frame)


def _fitted(frame: Any, fit: FrameFit | SensorFit, key: str) -> np.ndarray:
    try:
        return fit(frame, key)
    except InputError as error:
        raise ForearmError(str(error)) from None


def read_frame(path: Path | BinaryIO, key: str = "frame") -> np.ndarray:
    """The frame (H, W, 3) uint8, of any size, in an image file, or one that is open.

    Grey, palette and opaque RGBA pictures become RGB. Raises `ForearmError` for a file that is missing or
    no image, for an unusual mode and for transparency.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
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
        raise ForearmError(f"{key}={path}: is not an image; give a PNG") from None
    except Image.DecompressionBombError:
        raise ForearmError(f"{key}={path}: is far too large; give a PNG of a camera's size") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow reports damaged files with any of these.
        raise ForearmError(f"{key}={path}: cannot be read as an image ({error})") from None
