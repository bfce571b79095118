"""What a live page is told: news of one arm or one row of a comparison, as JSON."""

import base64
import io
from typing import Any, Protocol

import numpy as np
from PIL import Image

PORT = 8010
"""Where the page is, unless it is told otherwise."""


class Publishing(Protocol):
    """Takes news; what it is told of a source stands until it is told otherwise. Waits for nobody, raises nothing."""

    def publish(self, source: str, **news: Any) -> None:
        """Tell about `source`, the heading of its part of the page, in what JSON can say: see `page.html`."""
        ...


def picture(frame: np.ndarray) -> str:
    """A frame (H, W, 3) uint8 as a data URL of a PNG."""
    encoded = io.BytesIO()
    Image.fromarray(frame).save(encoded, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def numbers(values: Any) -> list[Any]:
    """Nested lists of an array (1 axis or more); None for what JSON has no number for."""
    array = np.asarray(values, np.float64).round(6)
    found: Any = array.astype(object)
    found[~np.isfinite(array)] = None
    nested: list[Any] = found.tolist()
    return nested
