"""A cache is of the bytes that are there now, whatever their names, sizes and dates say."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forearm.world_model.data import CAMERA_KEY, DatasetError, dataset_fingerprint, open_cache, read_dataset
from forearm.world_model.data import cache as cache_module
from forearm.world_model.data import fingerprint as fingerprint_module
from forearm.world_model.data.fingerprint import MEMORY
from tests.world_model.numbered import DATA_FILE, LENGTHS, VIDEO, change_info, make, picture, with_column

VIDEO_FILE = f"{VIDEO}/chunk-000/file-000.mp4"


def old(path: Path) -> None:
    """Set the dates of a file an hour back."""
    then = time.time() - 3600
    os.utime(path, (then, then))


def as_it_was(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Other bytes of the same length, with the dates restored."""
    before, content = path.stat(), path.read_bytes()
    changed = change(content)
    assert len(changed) == len(content) and changed != content
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def in_the_middle(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def beside(root: Path) -> Path:
    """Pictures as files beside the table."""
    make(root, "png")
    (root / "images").mkdir()
    for number in range(sum(LENGTHS)):
        Image.fromarray(picture(number)).save(root / f"images/{number}.bmp")
    cells = [{"bytes": None, "path": f"images/{number}.bmp"} for number in range(sum(LENGTHS))]
    with_column(root / DATA_FILE, CAMERA_KEY, pa.array(cells))
    return root


@pytest.mark.parametrize("settled", [False, True])
def test_pictures_beside_the_table_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: bool) -> None:
    root = beside(tmp_path)
    if settled:  # as if all had been there for long
        monkeypatch.setattr(fingerprint_module, "SETTLED", -1.0)
    first = open_cache(root)
    assert np.array_equal(first.frames[5], picture(5))
    again = open_cache(root)
    assert again.path == first.path
    # A bitmap is as long whatever it shows.
    as_it_was(root / "images/5.bmp", lambda _: (root / "images/9.bmp").read_bytes())
    now = open_cache(root)
    assert np.array_equal(now.frames[5], picture(9)) and now.fingerprint != first.fingerprint
    (root / "images/3.bmp").unlink()
    with pytest.raises(DatasetError, match=r"episode 0: frame 3: .*3\.bmp"):
        open_cache(root)


@pytest.mark.parametrize(
    ("storage", "name"), [("png", DATA_FILE), ("mp4", DATA_FILE), ("mp4", VIDEO_FILE), ("png", "meta/info.json")]
)
def test_any_byte_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str, name: str) -> None:
    monkeypatch.setattr(fingerprint_module, "SETTLED", -1.0)
    root, memory = make(tmp_path / "data", storage), tmp_path / "memory"
    path = root / name
    old(path)
    data = read_dataset(root)
    first = dataset_fingerprint(data, memory)
    assert dataset_fingerprint(data, memory) == dataset_fingerprint(data) == first
    as_it_was(path, in_the_middle)
    assert dataset_fingerprint(data, memory) == dataset_fingerprint(data) != first


def test_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_module, "SETTLED", -1.0)
    root = make(tmp_path)
    first = open_cache(root)
    assert (first.path.parent / MEMORY).exists()
    monkeypatch.setattr(fingerprint_module.hashlib, "sha256", Counting)
    Counting.fed = 0
    monkeypatch.setattr(cache_module, "_build", None)
    again = open_cache(root)
    assert again.path == first.path
    assert Counting.fed < 2000  # names and hashes alone


class Counting:
    fed = 0

    def __init__(self, content: bytes = b"") -> None:
        import _hashlib

        self._digest = _hashlib.openssl_sha256()
        self.update(content)

    def update(self, content: bytes) -> None:
        Counting.fed += len(content)
        self._digest.update(content)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def test_what_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    cache = open_cache(make(tmp_path))
    assert not (cache.path.parent / MEMORY).exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_a_broken_memory_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(fingerprint_module, "SETTLED", -1.0)
    root = make(tmp_path)
    first = open_cache(root)
    (first.path.parent / MEMORY).write_bytes(content)
    assert open_cache(root).fingerprint == first.fingerprint


def test_a_link_to_another_video_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_module, "SETTLED", -1.0)
    root, other = make(tmp_path / "data"), make(tmp_path / "other", lengths=[4, 9, 9])
    video = root / VIDEO_FILE
    moved = video.rename(tmp_path / "first.mp4")
    video.symlink_to(moved)
    first = open_cache(root)
    video.unlink()
    video.symlink_to(other / VIDEO_FILE)
    assert open_cache(root).fingerprint != first.fingerprint
    video.unlink()
    video.symlink_to(moved)
    assert open_cache(root).path == first.path


def test_a_set_that_moved_is_the_same_and_another_camera_is_not(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "png")
    first = open_cache(root, 8)
    assert open_cache(root, 16).path != first.path
    shutil.move(root, tmp_path / "moved")
    assert open_cache(tmp_path / "moved", 8).fingerprint == first.fingerprint
    root = tmp_path / "moved"
    table = pq.read_table(root / DATA_FILE, partitioning=None)
    with_column(root / DATA_FILE, "observation.images.other", table.column(CAMERA_KEY).combine_chunks())
    change_info(root, lambda info: info["features"].update({"observation.images.other": info["features"][CAMERA_KEY]}))
    paths = {open_cache(root, 8, camera_key=key).path for key in (CAMERA_KEY, "observation.images.other")}
    assert len(paths) == 2
