"""Pictures of every kind that Pillow and ffmpeg read: their colours, or a refusal by name; never numbers cut off."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from forearm.world_model.data import CAMERA_KEY, DatasetError, open_cache, read_dataset
from forearm.world_model.data.images import decode_image
from forearm.world_model.data.inspection import inspect
from forearm.world_model.data.video import decode_video
from tests.world_model.numbered import DATA_FILE, LENGTHS, change_info, make, with_column

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 150, 100)]
CARD = np.repeat(np.repeat(np.array([COLOURS], np.uint8), 16, axis=0), 16, axis=1)
DEPTH = "observation.images.depth"


def stored(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@given(top=st.integers(0, 65535))
def test_grey_with_sixteen_bits_is_refused_by_name(kind: str, top: int) -> None:
    depth = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
    with pytest.raises(ValueError, match=f"is a {kind} of the mode I.*grey with more than 8 bits.*camera_key="):
        decode_image(stored(Image.fromarray(depth), kind))


@pytest.mark.parametrize(("mode", "dtype"), [("I", np.int32), ("F", np.float32)])
def test_whole_and_real_numbers_are_refused_by_name(mode: str, dtype: Any) -> None:
    with pytest.raises(ValueError, match=f"is a TIFF of the mode {mode}:"):
        decode_image(stored(Image.fromarray(np.ones((4, 4), dtype)), "TIFF"))


@given(frame=arrays(np.uint8, (5, 6, 3)))
def test_colours_of_eight_bits_are_read_to_the_bit(frame: np.ndarray) -> None:
    image = Image.fromarray(frame)
    assert np.array_equal(decode_image(stored(image)), frame)
    veiled = image.convert("RGBA")
    veiled.putalpha(Image.fromarray(frame[..., 0]))  # transparency is left out
    assert np.array_equal(decode_image(stored(veiled)), frame)
    grey = image.convert("L")
    three = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    assert np.array_equal(decode_image(stored(grey)), three)
    assert np.array_equal(decode_image(stored(grey.convert("LA"))), three)
    few = image.quantize(4)
    assert np.array_equal(decode_image(stored(few)), np.asarray(few.convert("RGB")))


def test_palettes_black_and_white_and_print_colours_are_read() -> None:
    card = Image.fromarray(CARD)
    palette = card.quantize(8)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=bytes([0, 128, 255]))
    assert np.array_equal(decode_image(buffer.getvalue()), CARD)
    two = np.array([[True, False], [False, True]])
    assert decode_image(stored(Image.fromarray(two))).tolist() == [[[255] * 3, [0] * 3], [[0] * 3, [255] * 3]]
    assert np.array_equal(decode_image(stored(card.convert("CMYK"), "TIFF")), CARD)


def with_depth(root: Path, storage: str, note: dict[str, Any], first: bool) -> None:
    """Add a camera that is marked as depth, of which no file is there."""
    feature = {"dtype": storage, "shape": [16, 48, 1], "names": ["height", "width", "channels"], **note}

    def change(info: dict[str, Any]) -> None:
        both = {DEPTH: feature}
        info["features"] = both | info["features"] if first else info["features"] | both

    change_info(root, change)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("storage", ["image", "video"])
@pytest.mark.parametrize(
    "note",
    [
        {"info": {"is_depth_map": True, "depth_unit": "mm"}},
        {"info": {"video.is_depth_map": True}},
        {"video_info": {"video.is_depth_map": True}},
    ],
)
def test_a_depth_camera_is_named_and_left_out(tmp_path: Path, first: bool, storage: str, note: dict[str, Any]) -> None:
    root = make(tmp_path, "png")
    with_depth(root, storage, note, first)
    found = inspect(root, frames=True)
    assert found.problems == [] and {camera.key: camera.depth for camera in found.cameras} == {
        DEPTH: True,
        CAMERA_KEY: False,
    }
    assert read_dataset(root).camera_key == CAMERA_KEY
    with pytest.raises(DatasetError, match=f"{DEPTH} is a depth camera and shows no colours; choose from {CAMERA_KEY}"):
        read_dataset(root, DEPTH)


def test_depth_that_is_not_marked_is_refused_with_its_frame(tmp_path: Path) -> None:
    root = make(tmp_path, "png")
    depth = stored(Image.fromarray(np.full((16, 48), 700, np.uint16)))
    with_column(root / DATA_FILE, DEPTH, pa.array([{"bytes": depth, "path": None}] * sum(LENGTHS)))
    with_depth(root, "image", {}, first=False)
    for ask in (lambda: list(read_dataset(root, DEPTH).frames(0)), lambda: open_cache(root, camera_key=DEPTH)):
        with pytest.raises(DatasetError, match=r"file-000\.parquet: episode 0: frame 0: is a PNG of the mode I[;:]"):
            ask()
    assert any("of the mode I" in problem for problem in inspect(root, frames=True).problems)
    assert inspect(root).problems == []


def film(
    path: Path, codec: str, pixels: str, *, depth: bool = False, chain: tuple[str, str] | None = None,
    options: dict[str, str] | None = None, tags: dict[str, int] | None = None,
) -> Path:  # fmt: skip
    """Three frames of a colour card, or of 16-bit grey, as ffmpeg encodes them after the filter `chain`."""
    picture = np.linspace(0, 65535, 16 * 64).astype("<u2").reshape(16, 64) if depth else CARD
    graph, kind = av.filter.Graph(), "gray16le" if depth else "rgb24"
    graph.link_nodes(
        graph.add_buffer(width=64, height=16, format=kind, time_base=Fraction(1, 10)),
        *([graph.add(*chain)] if chain else []),
        graph.add("format", pixels),
        graph.add("buffersink"),
    ).configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 64, 16, pixels
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for number in (0, 1, 2, None):
            frame = None
            if number is not None:
                frame = av.VideoFrame.from_ndarray(picture, format=kind)
                frame.pts, frame.time_base = number, Fraction(1, 10)
                graph.push(frame)
                frame = graph.pull()
            container.mux(stream.encode(frame))
    return path


def worst(path: Path) -> int:
    """Largest error of a colour in the middle of its field."""
    frame = next(decode_video(path, start=0.0, length=3, fps=10))
    return int(abs(frame[8, 8::16].astype(int) - COLOURS).max())


MATRICES = {
    "bt709": ("bt709", 1),
    "bt470bg": ("bt601", 5),
    "smpte170m": ("smpte170m", 6),
    "smpte240m": ("smpte240m", 7),
    "bt2020nc": ("bt2020", 9),
    None: ("bt601", 2),
}
"""Names of ffmpeg's colour matrices: the same for its scaler, and its number."""


@pytest.mark.parametrize(
    ("span", "pixels"),
    [(span, kind) for span in ("tv", "pc") for kind in ("yuv444p", "yuv420p", "yuv420p10le", "yuv444p10le")]
    + [("pc", "yuvj444p")],
)
@pytest.mark.parametrize("matrix", list(MATRICES))
def test_colours_are_those_that_the_file_says(tmp_path: Path, matrix: str | None, span: str, pixels: str) -> None:
    scaler, number = MATRICES[matrix]
    path = film(
        tmp_path / "file.mp4",
        "libx264",
        pixels,
        chain=("scale", f"out_color_matrix={scaler}:out_range={span}"),
        options={"qp": "0"},
        tags={"colorspace": number, "color_range": 1 if span == "tv" else 2},
    )
    with av.open(str(path)) as container:
        says = container.streams.video[0].codec_context
        assert says.colorspace == number and (says.color_range == 2) == (span == "pc")
    assert worst(path) <= 3


def test_grey_video_of_eight_bits_is_read(tmp_path: Path) -> None:
    path = film(tmp_path / "file.mkv", "ffv1", "gray")
    frame = next(decode_video(path, start=0.0, length=3, fps=10))
    assert np.array_equal(frame[..., 0], frame[..., 2]) and frame[8, 8, 0] == pytest.approx(76, abs=2)


@pytest.mark.parametrize(("codec", "pixels"), [("ffv1", "gray16le"), ("ffv1", "gray10le"), ("libx265", "gray12le")])
def test_grey_video_of_more_bits_is_refused(tmp_path: Path, codec: str, pixels: str) -> None:
    more = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = film(tmp_path / "file.mkv", codec, pixels, depth=True, options=more)
    with pytest.raises(ValueError, match=rf"frames are grey with \d\d bits \({pixels}\).*camera_key="):
        next(decode_video(path, start=0.0, length=3, fps=10))


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused(tmp_path: Path, transfer: int, name: str) -> None:
    tags = {"color_trc": transfer, "colorspace": 9, "color_primaries": 9}  # of BT.2020
    path = film(tmp_path / "file.mp4", "libx264", "yuv420p10le", tags=tags)
    with pytest.raises(ValueError, match=rf"frames are HDR \({name}\); convert the video"):
        next(decode_video(path, start=0.0, length=3, fps=10))


def test_colours_that_cannot_be_converted_are_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "file.mp4", "libx264", "yuv444p", tags={"colorspace": 8})  # YCgCo
    with pytest.raises(ValueError, match="colour matrix 8"):
        next(decode_video(path, start=0.0, length=3, fps=10))
