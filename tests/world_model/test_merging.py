"""Several data sets of one kind become one, frame by frame."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError
from forearm.world_model.data.entries import Entries
from forearm.world_model.data.episode import Episode
from forearm.world_model.data.merging import merge
from forearm.world_model.data.reader import read_dataset
from forearm.world_model.data.writer import DatasetWriter
from tests.world_model.foreign import KINDS, stored, vectors, write


def recorded(root, lengths, seed, **more):
    settings = {"fps": 10, "resolution": 16, "state_names": ["a", "b"], "action_names": ["x"], "task": "push"}
    settings |= {"shard_episodes": 2, "extra": {"ee_position": ["x", "y", "z"]}} | more
    writer = DatasetWriter(root, total_episodes=len(lengths), fingerprint={"seed": seed}, **settings)
    rng, size = np.random.default_rng(seed), settings["resolution"]
    episodes = [
        Episode(
            rng.integers(0, 256, (n, size, size, 3)).astype(np.uint8), rng.random((n, 2), np.float32),
            rng.random((n - 1, 1), np.float32), {"ee_position": rng.random((n, 3), np.float32)},
        )
        for n in lengths
    ]  # fmt: skip
    for shard in range(writer.shards):
        writer.write_shard(shard, [episodes[i] for i in writer.shard_range(shard)])
    writer.finalise()
    return root


def test_all_episodes_are_there_to_the_bit_and_in_order(tmp_path):
    sources = [recorded(tmp_path / "a", [4, 6, 3], 0), recorded(tmp_path / "b", [5, 2], 1)]
    told = []
    info = merge(sources, tmp_path / "c", lambda done, of: told.append((done, of)))
    assert info["total_episodes"] == 5 and info["total_frames"] == 20 and told[0] == (0, 5) and told[-1] == (5, 5)
    found = read_dataset(tmp_path / "c")
    wanted = [part.episode(i) for part in map(read_dataset, sources) for i in range(len(part))]
    for index, episode in enumerate(wanted):
        copy = found.episode(index)
        assert np.array_equal(copy.pixels, episode.pixels) and np.array_equal(copy.action, episode.action)
        assert np.array_equal(copy.state, episode.state)
        assert np.array_equal(copy.extra["ee_position"], episode.extra["ee_position"])
    assert found.names("observation.state") == ["a", "b"] and found.episodes[4].tasks == ("push",)


def test_a_killed_merging_goes_on_and_another_one_does_not(tmp_path):
    sources = [recorded(tmp_path / "a", [4, 6, 3], 0), recorded(tmp_path / "b", [5, 2], 1)]

    def killed(done, of):
        if done:
            raise KeyboardInterrupt

    many = [*sources, *sources, *sources, *sources, *sources, *sources]
    with pytest.raises(KeyboardInterrupt):
        merge(many, tmp_path / "c", killed)
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "c/data").rglob("*.parquet")}
    assert there and not (tmp_path / "c/meta/info.json").exists()
    told = []
    merge(many, tmp_path / "c", lambda done, of: told.append(done))
    assert told[0] in (5, 25, 30) and told[-1] == 30 and len(read_dataset(tmp_path / "c")) == 30
    assert there == {path: path.stat().st_mtime_ns for path in there}
    with pytest.raises(DatasetError, match="was begun with"):
        merge(sources, tmp_path / "c")


def test_a_large_file_of_a_source_stays_one_and_small_ones_become_one(tmp_path):
    a, b = recorded(tmp_path / "a", [2] * 30, 0, shard_episodes=30), recorded(tmp_path / "b", [3] * 5, 1)
    merge([a, b], tmp_path / "c")
    files = sorted((tmp_path / "c/data").rglob("*.parquet"))
    assert files[0].read_bytes() == next((a / "data").rglob("*.parquet")).read_bytes()
    assert [pq.read_metadata(file).num_rows for file in files] == [60, 15]
    [table] = (tmp_path / "c/meta/episodes").rglob("*.parquet")
    assert pq.read_table(table).column("data/file_index").to_pylist() == [0] * 30 + [1] * 5
    found = read_dataset(tmp_path / "c")
    assert np.array_equal(found.episode(34).pixels, read_dataset(b).episode(4).pixels)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"resolution": 8}, "resolution"),
        ({"fps": 20}, "frames a second 20.0"),
        ({"action_names": ["y"]}, "columns"),
        ({"task": "reach"}, "task"),
        ({"camera_key": "observation.images.wrist"}, "has no camera called observation.images.front"),
    ],
)
def test_what_is_not_alike_is_refused(tmp_path, more, message):
    sources = [recorded(tmp_path / "a", [4], 0), recorded(tmp_path / "b", [5], 1, **more)]
    with pytest.raises(DatasetError, match=message):
        merge(sources, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_other_data_of_the_same_size_are_other_data(tmp_path):
    a, b, c = (recorded(tmp_path / name, [4, 4], seed) for seed, name in enumerate("abc"))
    merge([a, b], tmp_path / "out")
    for others in ([a, c], [b, a]):
        with pytest.raises(DatasetError, match="was begun with"):
            merge(others, tmp_path / "out")
    moved = b.rename(tmp_path / "moved")
    assert merge([a, moved], tmp_path / "out")["total_episodes"] == 4


@pytest.mark.parametrize(("number", "tasks", "message"), [(1, ("reach",), "push, reach"), (0, (), "push")])
def test_what_the_merged_could_not_say_is_refused(tmp_path, monkeypatch, number, tasks, message):
    def changed(source, camera=None):
        part = read_dataset(source, camera)
        entries = list(part.episodes)
        entries[number] = replace(entries[number], tasks=tasks)
        part.episodes = Entries.of(entries)
        return part

    sources = [recorded(tmp_path / "a", [4, 3], 0), recorded(tmp_path / "b", [5, 3], 1)]
    monkeypatch.setattr("forearm.world_model.data.merging.read_dataset", changed)
    with pytest.raises(DatasetError, match=message):
        merge(sources, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_one_alone_is_no_merging(tmp_path):
    with pytest.raises(ValueError, match="two data sets or more"):
        merge([recorded(tmp_path / "a", [4], 0)], tmp_path / "c")


def anything(rng, kind, shape, frames=15):
    """Columns of the whole range of a type, NaN and infinities among the real ones."""
    if kind == "string":
        return np.array([f"word {n}" for n in rng.integers(0, 99, frames)])
    if kind == "bool":
        return rng.random((frames, *shape)) < 0.5
    if kind.startswith("float"):
        values = (rng.normal(size=(frames, *shape)) * 10.0 ** rng.integers(-4, 4)).astype(kind)
        values.reshape(-1)[:: max(1, values.size // 3)] = rng.choice([np.nan, np.inf, -0.0, 1.0])
        return values
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max, (frames, *shape), dtype=kind, endpoint=True)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from([*sorted(KINDS), "string"]), st.lists(st.integers(1, 3), max_size=2)), max_size=4
    ),
    seed=st.integers(0, 999),
    chosen=st.sampled_from([None, ((0, 2), (1,)), "1:3"]),
)
def test_every_type_and_shape_survives_to_the_bit(tmp_path_factory, kinds, seed, chosen):
    root, rng = tmp_path_factory.mktemp("kinds"), np.random.default_rng(seed)
    sources = []
    for name in "ab":
        columns = vectors(rng) | {f"c{n}": anything(rng, kind, shape) for n, (kind, shape) in enumerate(kinds)}
        sources.append(write(root / name, columns, seed=seed))
    merge(sources, root / "m", episodes=chosen)
    numbers = {None: [(0, 1, 2), (0, 1, 2)], "1:3": [(1, 2), (1, 2)]}.get(chosen, [(0, 2), (1,)])
    spans = [(0, 5), (5, 4), (9, 6)]
    wanted = pa.concat_tables(
        [stored(source).slice(*spans[e]) for source, own in zip(sources, numbers, strict=True) for e in own]
    )
    found = stored(root / "m")
    assert found.column_names == wanted.column_names and found.schema.types == wanted.schema.types
    for key in found.column_names:
        if key not in ("index", "episode_index"):
            assert str(found.column(key).to_pylist()) == str(wanted.column(key).to_pylist()), key
    assert found.column("index").to_pylist() == list(range(len(found)))
    json.loads((root / "m/meta/stats.json").read_text(), parse_constant=pytest.fail)
    features = json.loads((root / "m/meta/info.json").read_text())["features"]
    assert features == json.loads((sources[0] / "meta/info.json").read_text())["features"]


CAMERAS = {"observation.images.top": "video", "observation.images.wrist": "image", "observation.images.side": "video"}


def test_every_camera_is_kept_videos_as_the_files_they_are(tmp_path):
    sources = [
        write(tmp_path / n, vectors(np.random.default_rng(i)), cameras=CAMERAS, seed=i) for i, n in enumerate("ab")
    ]
    merge(sources, tmp_path / "m", episodes=[None, [2, 0]])
    for camera, storage in CAMERAS.items():
        found = read_dataset(tmp_path / "m", camera)
        parts = [read_dataset(sources[0], camera), read_dataset(sources[1], camera, exclude=[1])]
        wanted = [frame for part in parts for e in range(len(part)) for frame in part.frames(e)]
        assert np.array_equal([frame for e in range(len(found)) for frame in found.frames(e)], wanted)
        files = sorted((tmp_path / "m/videos" / camera).rglob("*.mp4")) if storage == "video" else []
        theirs = [source / f"videos/{camera}/chunk-000/file-000.mp4" for source in sources[: len(files)]]
        assert [file.read_bytes() for file in files] == [file.read_bytes() for file in theirs]
        assert len(files) == 2 * (storage == "video")


@pytest.mark.parametrize("first", ["video", "image"])
def test_a_camera_that_is_video_here_and_images_there_becomes_images(tmp_path, first):
    kinds = [first, "image" if first == "video" else "video"]
    sources = [
        write(tmp_path / kind, vectors(np.random.default_rng(0)), cameras={"front": kind}, seed=i)
        for i, kind in enumerate(kinds)
    ]
    info = merge(sources, tmp_path / "m")
    assert info["features"]["front"]["dtype"] == "image" and info["video_path"] is None
    found = read_dataset(tmp_path / "m")
    parts = [read_dataset(source) for source in sources]
    wanted = [frame for part in parts for e in range(3) for frame in part.frames(e)]
    assert np.array_equal([frame for e in range(6) for frame in found.frames(e)], wanted)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (CAMERAS, {"observation.images.top": "video"}, "has no camera called observation.images.wrist; it has"),
        ({"observation.images.top": "video"}, CAMERAS, "has a camera called observation.images.wrist, which"),
    ],
)
def test_other_cameras_are_refused(tmp_path, ours, theirs, message):
    sources = [
        write(tmp_path / n, vectors(np.random.default_rng(0)), cameras=c) for n, c in (("a", ours), ("b", theirs))
    ]
    with pytest.raises(DatasetError, match=message):
        merge(sources, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_the_same_values_in_another_kind_of_list_are_alike_and_other_values_are_not(tmp_path):
    columns = vectors(np.random.default_rng(0))
    kinds = (pa.list_(pa.float32(), 3), pa.list_(pa.float32()), pa.large_list(pa.float32()))
    sources = [write(tmp_path / str(i), columns, kinds={"action": kind}) for i, kind in enumerate(kinds)]
    merge(sources, tmp_path / "m")
    found = stored(tmp_path / "m")
    assert found.column("action").type == kinds[0] and len(found) == 45
    assert found.column("action").to_pylist() == 3 * columns["action"].tolist()
    other = write(tmp_path / "doubles", columns, kinds={"action": pa.list_(pa.float64(), 3)})
    with pytest.raises(DatasetError, match=r"column action holds fixed_size_list<.*double.*, but .*float"):
        merge([sources[0], other], tmp_path / "n")


def test_video_without_commands_and_any_rate_can_be_merged(tmp_path):
    sources = [write(tmp_path / n, {"note": np.arange(15)}, seed=i) for i, n in enumerate("ab")]
    for source in sources:
        path = source / "meta/info.json"
        path.write_text(path.read_text().replace('"fps": 10', '"fps": 12.5'))
    assert merge(sources, tmp_path / "m")["fps"] == 12.5
    with pytest.raises(DatasetError, match=r"action_key=action: has no numbers called action; .* note \(1\)"):
        merge(sources, tmp_path / "n", action_key="action")


def test_pictures_outside_of_the_tables_come_along(tmp_path):
    source = write(tmp_path / "a", vectors(np.random.default_rng(0)), cameras={"front": "image"})
    path = source / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    cells = table.column("front").to_pylist()
    (source / "images").mkdir()
    for n, cell in enumerate(cells):
        (source / f"images/{n}.png").write_bytes(cell["bytes"])
    outside = pa.array([{"bytes": None, "path": f"images/{n}.png"} for n in range(15)])
    place = table.column_names.index("front")
    pq.write_table(table.set_column(place, "front", outside), path)
    merge([source, source], tmp_path / "m")
    assert [cell["bytes"] for cell in stored(tmp_path / "m").column("front").to_pylist()] == 2 * [
        c["bytes"] for c in cells
    ]
