import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forearm.serve.wire import ARRAY, DEEPEST, DTYPES, SCALAR, WireError, pack, unpack

some_arrays = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: arrays(np.dtype(name), st.lists(st.integers(0, 4), max_size=3).map(tuple))
)


@settings(deadline=None)
@given(some_arrays)
def test_arrays_survive_the_way(array: np.ndarray) -> None:
    back = unpack(pack({"a": array}))["a"]
    assert back.dtype == array.dtype and back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
    assert back.flags.writeable


def test_other_byte_orders_and_layouts_arrive_as_little_endian_c_order() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T
    back = unpack(pack(array))
    assert back.dtype == np.dtype("<f4") and np.array_equal(back, array)


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True), np.uint8(200)])
def test_numpy_numbers_keep_their_kind(value: np.generic) -> None:
    back = unpack(pack({"n": value}))["n"]
    assert back == value and back.dtype == value.dtype


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, 1j, np.array(["text"]), np.array([object()]), np.zeros(2, complex)]
)
def test_what_has_no_place_on_the_wire_is_refused_when_sent(value: object) -> None:
    with pytest.raises(WireError, match="cannot be sent"):
        pack({"x": value})


def array(**changes: object) -> dict:
    return {ARRAY: True, b"data": b"\0" * 8, b"dtype": "<f4", b"shape": [2], **changes}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (array(**{}) | {b"dtype": "|O"}, "dtype"),
        (array() | {b"dtype": "O"}, "dtype"),
        (array() | {b"dtype": ">f4"}, "dtype"),
        (array() | {b"dtype": "<f4,<f4"}, "dtype"),
        (array() | {b"dtype": b"<f4"}, "dtype"),
        (array() | {b"dtype": ["<f4"]}, "dtype"),
        (array() | {b"shape": [3]}, "12 bytes, not 8"),
        (array() | {b"shape": [-2]}, "shape"),
        (array() | {b"shape": [2.0]}, "shape"),
        (array() | {b"shape": [True, 2]}, "shape"),
        (array() | {b"shape": 2}, "shape"),
        (array() | {b"shape": [2**62, 2**62, 0]}, "0 bytes"),
        (array() | {b"shape": [1] * 9}, "shape"),
        (array() | {b"data": "text"}, "bytes"),
        (array() | {b"more": 1}, "exactly"),
        ({ARRAY: True}, "exactly"),
        ({SCALAR: True, b"data": "1", b"dtype": "<f4"}, "number"),
        ({SCALAR: True, b"data": 300, b"dtype": "|u1"}, "no number"),
        ({SCALAR: True, b"data": 1, b"dtype": "object"}, "dtype"),
        ({SCALAR: True}, "exactly"),
        (msgpack.ExtType(5, b"x"), "extension"),
        (msgpack.Timestamp(1), "extension|timestamp|msgpack"),
        ({1: 2}, "msgpack"),
    ],
)
def test_what_is_no_message_is_refused(message: object, said: str) -> None:
    with pytest.raises(WireError, match=said) as caught:
        unpack(msgpack.packb(message))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x81", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000 + b"\xc0", b"\x01\x02"]
)
def test_bytes_that_are_no_msgpack_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(data)


def test_what_goes_too_deep_is_refused() -> None:
    value: object = 1
    for _ in range(DEEPEST):
        value = [value]
    unpack(pack(value))
    with pytest.raises(WireError, match="deeper"):
        unpack(pack([value]))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        unpack(data)
    except WireError as error:
        assert str(error)


def test_it_is_the_format_of_openpis_client() -> None:
    theirs = pytest.importorskip("openpi_client.msgpack_numpy")
    message = {
        "image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        "state": np.linspace(0, 1, 3),
        "n": np.float32(2),
    }
    for there, back in ((theirs.packb, unpack), (pack, theirs.unpackb)):
        found = back(there(message))
        assert set(found) == set(message)
        for key, value in message.items():
            assert np.array_equal(found[key], value) and found[key].dtype == value.dtype
    assert pack(message) == theirs.packb(message)
