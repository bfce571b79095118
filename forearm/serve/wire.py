"""Bytes on the wire: msgpack, with NumPy arrays as dtype, shape and bytes.

The format of an array is that of openpi's client: a map with the binary keys `__ndarray__`, `data`, `dtype`, `shape`.
Nothing is ever executed or constructed by name: a dtype is one of a short list, a shape must go with the bytes, and
anything else is refused.
"""

from contextlib import suppress
from typing import Any

import msgpack
import numpy as np

from forearm.errors import InputError, one_line

NAMES = ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
DTYPES = frozenset(np.dtype(name).str for name in NAMES)
"""What an array may hold: booleans, integers and floats, little-endian."""
DEEPEST = 8
"""Dimensions of an array, and maps and lists within each other."""

PLAIN = (type(None), bool, int, float, str, bytes, np.ndarray, np.generic)

ARRAY, SCALAR = b"__ndarray__", b"__npgeneric__"


class WireError(InputError):
    """Bytes that are no message; the message says what is wrong with them."""


def pack(message: Any) -> bytes:
    """A message as bytes; raises WireError for something that has no place on the wire."""
    try:
        return bytes(msgpack.packb(message, default=_packed))
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"cannot be sent: {error}") from None


def unpack(data: bytes) -> Any:
    """The message that `pack`, or openpi's client, made; arrays are copies that can be written to.

    Raises WireError for anything else.
    """
    try:
        message = msgpack.unpackb(data, object_hook=_unpacked, ext_hook=_no_extensions, raw=False, strict_map_key=True)
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"not a msgpack message: {_short(error)}") from None
    _shallow(message, 0)
    return message


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.newbyteorder("<").str not in DTYPES:
        raise WireError(f"cannot be sent: dtype {value.dtype}")
    if isinstance(value, np.ndarray):
        value = np.asarray(value, value.dtype.newbyteorder("<"))
        return {ARRAY: True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": list(value.shape)}
    if isinstance(value, np.generic):
        return {SCALAR: True, b"data": value.item(), b"dtype": value.dtype.newbyteorder("<").str}
    raise WireError(f"cannot be sent: {type(value).__name__}")


def _unpacked(found: dict[Any, Any]) -> Any:
    if ARRAY in found:
        return _array(found)
    if SCALAR in found:
        return _scalar(found)
    return found


def _array(found: dict[Any, Any]) -> np.ndarray:
    if set(found) != {ARRAY, b"data", b"dtype", b"shape"}:
        raise WireError("an array has exactly the keys __ndarray__, data, dtype and shape")
    dtype, shape, data = _dtype(found[b"dtype"]), found[b"shape"], found[b"data"]
    if not isinstance(data, bytes):
        raise WireError("the data of an array are bytes")
    if not isinstance(shape, list) or len(shape) > DEEPEST or not all(type(n) is int and n >= 0 for n in shape):
        raise WireError(f"the shape of an array is a list of at most {DEEPEST} sizes")
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size != len(data):
        raise WireError(f"an array of shape {shape} and dtype {dtype.str} has {size} bytes, not {len(data)}")
    if dtype.kind == "b":
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _scalar(found: dict[Any, Any]) -> Any:
    if set(found) != {SCALAR, b"data", b"dtype"}:
        raise WireError("a number has exactly the keys __npgeneric__, data and dtype")
    dtype, value = _dtype(found[b"dtype"]), found[b"data"]
    if not isinstance(value, bool | int | float):
        raise WireError("the data of a number are a number")
    with suppress(OverflowError, ValueError):
        # numpy 1 wraps whole numbers that are too large around, numpy 2 refuses them.
        if dtype.kind not in "iu" or np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            return dtype.type(value)
    raise WireError(f"{_short(value)} is no number of dtype {dtype.str}")


def _dtype(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or name not in DTYPES:
        raise WireError(f"dtype {_short(repr(name))} is not one of {', '.join(sorted(DTYPES))}")
    return np.dtype(name)


def _no_extensions(code: int, data: bytes) -> Any:
    raise WireError(f"extension type {code} has no place here")


def _shallow(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise WireError(f"maps and lists go deeper than {DEEPEST}")
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise WireError(f"the keys of a map are text, not {type(key).__name__}")
            _shallow(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _shallow(part, depth + 1)
    elif not isinstance(value, PLAIN):
        raise WireError(f"extension type {type(value).__name__} has no place here")


def _short(value: object) -> str:
    text = one_line(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
