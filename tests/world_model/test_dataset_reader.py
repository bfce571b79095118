"""Broken folders are named by file and episode; folders made by others are read."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forearm.world_model.data import DatasetError, DatasetWriter, Episode, open_cache, read_dataset

LENGTH = 20
NOISE = np.random.default_rng(5).integers(0, 256, (LENGTH, 32, 32, 3), dtype=np.uint8)


def make(root: Path, storage: str) -> None:
    w = DatasetWriter(
        root,
        fps=10,
        resolution=32,
        state_names=["a", "b"],
        action_names=["u"],
        task="t",
        total_episodes=6,
        shard_episodes=3,
        storage=storage,  # type: ignore[arg-type]
        fingerprint={},
    )
    for index in range(2):
        one = Episode(NOISE, np.zeros((LENGTH, 2), np.float32), np.ones((LENGTH - 1, 1), np.float32))
        w.write_shard(index, [one] * 3)
    w.finalise()


def spoil(path: Path, at: float) -> None:
    content = bytearray(path.read_bytes())
    begin = int(len(content) * at)
    content[begin : begin + 64] = bytes(255 - b for b in content[begin : begin + 64])
    path.write_bytes(content)


def read_all(root: Path) -> None:
    data = read_dataset(root)
    for episode in range(len(data)):
        data.episode(episode)


DATA = "data/chunk-000/file-001.parquet"
VIDEO = "videos/observation.images.front/chunk-000/file-001.mp4"


@pytest.mark.parametrize("storage", ["png", "mp4"])
@pytest.mark.parametrize("how", ["missing", "truncated", "emptied", "spoiled"])
def test_a_broken_file_is_named_with_its_episode(tmp_path: Path, storage: str, how: str) -> None:
    make(tmp_path, storage)
    read_all(tmp_path)
    name = DATA if storage == "png" else VIDEO
    path = tmp_path / name
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    elif how == "emptied":
        path.write_bytes(b"")
    else:
        # H.264 has no check sums: a decoder only sees damage that breaks its codes, as this does.
        spoil(path, 0.5 if storage == "png" else 0.6)
    with pytest.raises(DatasetError, match=rf"{name}: episode [345]: "):
        read_all(tmp_path)
    with pytest.raises(DatasetError, match=rf"{name}: episode [345]: "):
        open_cache(tmp_path)
    assert not list((tmp_path / ".cache").glob("*/*/*"))


def test_a_broken_numbers_file_beside_a_video(tmp_path: Path) -> None:
    make(tmp_path, "mp4")
    (tmp_path / DATA).write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=rf"{DATA}: episode 3: not a readable parquet file"):
        read_all(tmp_path)


@pytest.mark.parametrize("storage", ["png", "mp4"])
def test_a_short_file_is_named_with_its_episode(tmp_path: Path, storage: str) -> None:
    make(tmp_path, storage)
    if storage == "png":
        table = pq.read_table(tmp_path / DATA)
        pq.write_table(table.slice(0, len(table) - 3), tmp_path / DATA)
        said = rf"{DATA}: episode 5: holds 17 of its 20 frames"
    else:
        other = tmp_path / "other"
        w = DatasetWriter(
            other,
            fps=10,
            resolution=32,
            state_names=["a", "b"],
            action_names=["u"],
            task="t",
            total_episodes=1,
            storage="mp4",
            fingerprint={},
        )
        zeros = np.zeros((1, 2), np.float32)
        w.write_shard(0, [Episode(NOISE[:1], zeros, zeros[:, :1])])
        (other / VIDEO.replace("001", "000")).replace(tmp_path / VIDEO)
        said = rf"{VIDEO}: episode 3: ends after 1 of 20 frames"
    with pytest.raises(DatasetError, match=said):
        read_all(tmp_path)


def change_info(root: Path, **changes: object) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_broken_meta_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"meta/info.json: missing; no LeRobot dataset is there"):
        read_dataset(tmp_path)
    make(tmp_path, "png")
    for changes, said in (
        ({"codebase_version": "v2.1"}, "codebase_version is v2.1, not v3.0: make it v3.0 where it lies"),
        ({"total_episodes": 7}, "holds 6 of the 7 episodes"),
        ({"features": {}}, "which camera"),
    ):
        whole = (tmp_path / "meta/info.json").read_text()
        change_info(tmp_path, **changes)
        with pytest.raises(DatasetError, match=said):
            read_dataset(tmp_path)
        (tmp_path / "meta/info.json").write_text(whole)
    with pytest.raises(DatasetError, match=r"no camera called wrist; it has observation\.images\.front"):
        read_dataset(tmp_path, "wrist")
    spare = tmp_path / "meta/episodes/chunk-000/file-001.parquet"
    content = spare.read_bytes()
    spare.write_bytes(content[:50])
    with pytest.raises(DatasetError, match=r"file-001\.parquet: episodes cannot be read"):
        read_dataset(tmp_path)
    spare.write_bytes((tmp_path / "meta/episodes/chunk-000/file-000.parquet").read_bytes())
    with pytest.raises(DatasetError, match="stands there twice"):
        read_dataset(tmp_path)
    (tmp_path / "meta/info.json").write_text("{")
    with pytest.raises(DatasetError, match=r"info\.json: not readable as JSON"):
        read_dataset(tmp_path)


LENGTHS = [12, 30, 9]
WRIST = "observation.images.wrist_left"


def foreign(root: Path) -> list[np.ndarray]:
    """By hand, as a recorded dataset looks: one file of everything, 30 Hz, two cameras, 7-d actions."""
    rng = np.random.default_rng(1)
    total = sum(LENGTHS)
    ends = np.cumsum(LENGTHS)
    features: dict = {
        "action": {"dtype": "float32", "shape": [7], "names": {"motors": [f"m{i}" for i in range(7)]}},
        "observation.state": {"dtype": "float32", "shape": [6], "names": None},
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "language": {"dtype": "string", "shape": [1], "names": None},
    }
    names = ["channels", "height", "width"]
    info = {"video.fps": 30, "video.is_depth_map": False}
    for key, depth in ((WRIST, False), ("observation.depth", True)):
        features[key] = {"dtype": "video", "shape": [3, 48, 64], "names": names}
        features[key]["info"] = info | {"video.is_depth_map": depth}
    features["observation.images.top"] = {"dtype": "image", "shape": [20, 24, 3]}
    actions = rng.normal(size=(total, 7)).astype(np.float32)
    top = rng.integers(0, 256, (total, 20, 24, 3), dtype=np.uint8)
    from PIL import Image

    (root / "images").mkdir(parents=True)
    cells = []
    for n, picture in enumerate(top):
        Image.fromarray(picture).save(root / f"images/{n}.png")
        cells.append({"bytes": None, "path": f"images/{n}.png"})
    table = pa.table(
        {
            "observation.state": pa.array([[float(n)] * 6 for n in range(total)]),  # float64 lists
            "action": pa.array(list(actions), pa.list_(pa.float32(), 7)),
            "next.done": pa.array([n + 1 in ends for n in range(total)]),
            "language": pa.array(["go"] * total),
            "observation.images.top": pa.array(cells),
            "episode_index": pa.array(np.repeat(range(3), LENGTHS)),
            "index": pa.array(range(total)),
        }
    )
    (root / "data/chunk-000").mkdir(parents=True)
    pq.write_table(table, root / "data/chunk-000/file-000.parquet")
    grey = (np.arange(total) * 5).astype(np.uint8)
    path = root / f"videos/{WRIST}/chunk-000/file-000.mp4"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "250", "crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n, level in enumerate(grey):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    starts = (ends - LENGTHS) / 30
    rows = {"episode_index": range(3), "length": LENGTHS, "tasks": [["go"]] * 3}
    rows |= {"data/chunk_index": [0] * 3, "data/file_index": [0] * 3}
    rows |= {f"videos/{WRIST}/chunk_index": [0] * 3, f"videos/{WRIST}/file_index": [0] * 3}
    rows |= {f"videos/{WRIST}/from_timestamp": starts, f"videos/{WRIST}/to_timestamp": ends / 30}
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.table(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    data_path = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video_path = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    document = {"codebase_version": "v3.0", "fps": 30, "total_episodes": 3, "total_frames": total}
    document |= {"data_path": data_path, "video_path": video_path, "features": features}
    (root / "meta/info.json").write_text(json.dumps(document))
    return [actions, grey, top]


def test_a_dataset_of_somebody_else(tmp_path: Path) -> None:
    actions, grey, top = foreign(tmp_path)
    with pytest.raises(DatasetError, match=rf"which camera\? It has {WRIST}, observation.images.top"):
        read_dataset(tmp_path)
    data = read_dataset(tmp_path, WRIST)
    assert data.resolution == (48, 64) and data.fps == 30
    assert set(data.columns) == {"action", "observation.state", "next.done"}
    assert data.names("action")[6] == "m6"
    begin = 0
    for number, length in enumerate(LENGTHS):
        episode = data.episode(number)
        np.testing.assert_array_equal(episode.action, actions[begin : begin + length])
        np.testing.assert_array_equal(episode.state[:, 2], np.arange(begin, begin + length))
        assert episode.extra["next.done"][:, 0].tolist() == [0] * (length - 1) + [1]
        wanted = grey[begin : begin + length, None, None, None].astype(int)
        assert np.abs(episode.pixels.astype(int) - wanted).max() <= 3
        pictures = np.stack(list(read_dataset(tmp_path, "observation.images.top").frames(number)))
        np.testing.assert_array_equal(pictures, top[begin : begin + length])
        begin += length
    cache = open_cache(tmp_path, 16, camera_key=WRIST)
    assert cache.frames.shape == (sum(LENGTHS), 16, 16, 3) and cache.action.shape[1] == 7
    (tmp_path / "images/20.png").unlink()
    with pytest.raises(DatasetError, match=r"file-000.parquet: episode 1: frame 8: .*20\.png"):
        open_cache(tmp_path, camera_key="observation.images.top")
