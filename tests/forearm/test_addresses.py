"""Data sets and results at addresses: a real S3 server on loopback, and what goes wrong with one."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm import load
from forearm.agent.checkpoint_reading import fetched_checkpoint
from forearm.cli.compare import of_manifest
from forearm.cli.hydra_options import multirun
from forearm.cli.main import main
from forearm.common import stored, twins
from forearm.common.addresses import CACHE, address, told, twin
from forearm.common.files import place, write_json
from forearm.common.reading import here
from forearm.errors import ForearmError
from forearm.recording.collect import Collection, collect
from forearm.world_model.data import DatasetError, DatasetWriter, open_cache, read_dataset
from forearm.world_model.data.episode import Episode
from forearm.world_model.data.images import encode_png
from forearm.world_model.data.merging import merge
from forearm.world_model.runtime.checkpoint import pretrained_folder
from tests.forearm.one_process import in_one_process

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
DATA = "s3://here/data"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield f"http://127.0.0.1:{running.get_host_and_port()[1]}"
    running.stop()


@pytest.fixture
def store(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The server's file system with an empty bucket `here`, and a cache folder of this test's own."""
    import s3fs

    known = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
             "AWS_DEFAULT_REGION": "us-east-1", CACHE: str(tmp_path / "cache")}  # fmt: skip
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    forget()
    found = s3fs.S3FileSystem(use_listings_cache=False)
    if found.exists("here"):
        found.rm("here", recursive=True)
    found.mkdir("here")
    yield found
    forget()
    twins.set_limit(twins.DEFAULT_GB)


def forget() -> None:
    """What this process knows of addresses, as in a new one."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    stored._listed.clear()
    fetched_checkpoint.cache_clear()
    while twins._pins:
        os.close(twins._pins.popitem()[1])


def episode(number: int, frames: int = 5) -> Episode:
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (frames, 16, 16, 3)).astype(np.uint8)
    return Episode(pixels, rng.random((frames, 2), np.float32), rng.random((frames - 1, 1), np.float32), {})


def writer(root: Path, seed: int = 0) -> DatasetWriter:
    return DatasetWriter(
        root, fps=10, resolution=16, state_names=["a", "b"], action_names=["x"], task="push", total_episodes=6,
        fingerprint={"seed": seed}, shard_episodes=2,
    )  # fmt: skip


def recorded(root: Path, seed: int = 0) -> Path:
    made = writer(root, seed)
    for shard in made.missing_shards():
        made.write_shard(shard, [episode(100 * seed + number) for number in made.shard_range(shard)])
    made.finalise()
    return root


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line in which a command says what is wrong."""
    assert main(list(words)) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and "Traceback" not in said
    return said


def test_an_address_has_a_place_here_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    path = place("s3://bucket/a/b") / "meta/info.json"
    assert path == tmp_path / "buckets/s3/bucket/a/b/meta/info.json"
    assert address(path) == "s3://bucket/a/b/meta/info.json" == told(path)
    assert told(f"{path}: missing") == "s3://bucket/a/b/meta/info.json: missing"
    assert address(tmp_path) is address(tmp_path / "luggage/x/y") is None and place("file:///x/y") == Path("/x/y")
    for wrong in ("s3://", "s3://bucket//x", "s3://bucket/../x"):
        with pytest.raises(ForearmError, match="expected an address such as s3://BUCKET/FOLDER"):
            twin(wrong)
    with pytest.raises(ForearmError, match="unknown kind of address 's4'; did you mean 's3'"):
        twin("s4://bucket")


def test_a_data_set_is_written_merged_and_read_through_a_small_cache(store: Any, tmp_path: Path) -> None:
    local = recorded(tmp_path / "local")
    largest = max(path.stat().st_size for path in local.rglob("*.parquet"))
    twins.set_limit(2 * largest / 1e9)
    there = recorded(place(DATA))
    names = {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}
    assert {name.removeprefix("here/data/") for name in store.find("here/data")} == names
    for name in names:  # the same bytes
        assert store.cat_file(f"here/data/{name}") == (local / name).read_bytes()
    forget()
    shutil.rmtree(tmp_path / "cache")
    cache = open_cache(there, cache_dir=tmp_path / "frames")
    wanted = open_cache(local, cache_dir=tmp_path / "frames")
    assert cache.fingerprint == wanted.fingerprint and cache.path == wanted.path
    assert np.array_equal(cache.frames[7], episode(1).pixels[2])
    held = list((tmp_path / "cache").rglob("data/*/*.parquet"))
    assert sum(path.stat().st_size for path in held) <= 2 * largest and len(held) < 3
    # What is known of unchanged files is not fetched again.
    forget()
    shutil.rmtree(tmp_path / "cache/buckets/s3/here/data/data")
    assert open_cache(there, cache_dir=tmp_path / "frames").path == cache.path
    assert not list((tmp_path / "cache").rglob("data/*/*.parquet"))
    merge([there, local], place("s3://here/both"))
    merge([local, local], tmp_path / "both")
    for path in (tmp_path / "both").rglob("*.parquet"):
        assert store.cat_file(f"here/both/{path.relative_to(tmp_path / 'both')}") == path.read_bytes()


def test_what_changed_at_the_address_is_fetched_again(store: Any, tmp_path: Path) -> None:
    path = place("s3://here/note.json")
    write_json(path, {"a": 1})
    assert json.loads(store.cat_file("here/note.json")) == {"a": 1}
    store.pipe_file("here/note.json", b'{"a": 2}\n\n\n')  # as long as it was
    forget()
    assert json.loads(stored.fetched(path).read_text()) == {"a": 2}
    store.rm_file("here/note.json")
    forget()
    with pytest.raises(FileNotFoundError, match=r"s3://here/note\.json"):
        stored.fetched(path)


def test_a_collection_goes_on_and_takes_nothing_cut_off_for_whole(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = writer(place(DATA))
    made.write_shard(0, [episode(0), episode(1)])
    with monkeypatch.context() as patch:  # the connection breaks between the rows and their slice of the table

        async def broken(self: Any, source: str, name: str, **more: Any) -> None:
            if "meta/episodes" in name:
                raise OSError("connection reset")
            await put(self, source, name, **more)

        put = type(store)._put_file
        patch.setattr(type(store), "_put_file", broken)
        forget()
        with pytest.raises(ForearmError, match=r"s3://here/data/meta/episodes/.*: cannot be .*connection reset"):
            made.write_shard(1, [episode(2), episode(3)])
    forget()
    made.write_shard(2, [episode(4), episode(5)])
    path = "here/data/data/chunk-000/file-002.parquet"
    store.pipe_file(path, store.cat_file(path)[:-100])  # as a copy by other means leaves it
    forget()
    assert writer(place(DATA)).missing_shards() == [1, 2]
    with pytest.raises(DatasetError, match="its collection is not finished"):
        read_dataset(place(DATA))
    recorded(place(DATA))
    forget()
    found = read_dataset(place(DATA))
    assert [found.episode(e).pixels[0, 0, 0, 0] for e in range(6)] == [episode(e).pixels[0, 0, 0, 0] for e in range(6)]


def test_results_are_sent_whole_and_brought_back(store: Any, tmp_path: Path) -> None:
    folder = stored.output("s3://here/run")
    write_json(folder / "partial/one.json", {"done": 1})
    assert json.loads(store.cat_file("here/run/partial/one.json")) == {"done": 1}
    with (folder / "log.jsonl").open("a") as file:  # not written whole: sent at the end
        file.write("1\n")
    assert not store.exists("here/run/log.jsonl")
    stored.settle()
    assert store.cat_file("here/run/log.jsonl") == b"1\n" and not folder.exists()
    forget()
    again = stored.output("s3://here/run")
    assert (again / "log.jsonl").read_text() == "1\n" and json.loads((again / "partial/one.json").read_text())
    assert [name for name in store.find("here") if ".tmp" in name] == []
    stored.settle()


def test_commands_take_addresses(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forearm.recording.collect.run_jobs", lambda function, jobs, workers: map(function, jobs))
    words = ["task=reach", "episodes=2", "steps=14", "task.resolution=32", "shard_episodes=1", "contact_sheet=false"]
    assert main(["collect", *words, f"out={DATA}"]) == 0
    assert f"2 episodes in {DATA};" in capsys.readouterr().out
    assert main(["data", "inspect", f"data={DATA}"]) == 0
    assert f"{DATA}: LeRobotDataset v3.0" in capsys.readouterr().out
    words = ["task=reach", "task.resolution=32", "world_model.width=8", "world_model.latent_dim=8",
             "world_model.predictor_width=16", "world_model.loss.rollout=2", "world_model.loss.directions=16",
             "world_model.train.steps=2", "world_model.train.batch=8", "world_model.train.warmup=1",
             "device=cpu", f"cache_dir={tmp_path}/frames"]  # fmt: skip
    assert main(["train", *words, f"data={DATA}", "out=s3://here/run"]) == 0
    assert "checkpoint: s3://here/run/model.json" in capsys.readouterr().out
    left = {name.removeprefix("here/run/") for name in store.find("here/run")}
    assert {"model.json", "model.safetensors", "log.jsonl"} < left
    assert "a run is already there" in refused(capsys, "train", *words, f"data={DATA}", "out=s3://here/run")
    # A plan with that checkpoint, between pictures that are there as well; nothing is left of it here.
    for name in ("start", "goal"):
        store.pipe_file(f"here/{name}.png", encode_png(episode(0, 1).pixels[0]))
    pictures = ["start=s3://here/start.png", "goal=s3://here/goal.png", "task.resolution=32"]
    small = ["planner=cem", "cem.samples=8", "cem.iterations=1", "cem.elites=2"]
    assert main(["plan", "task=reach", "task.checkpoint=s3://here/run", *pictures, *small, "out=s3://here/p.json"]) == 0
    assert json.loads(store.cat_file("here/p.json"))["actions"]


def test_learning_and_practice_keep_all_at_an_address(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one_process(monkeypatch.setattr)
    list(collect(Collection("reach", place(DATA), episodes=2, steps=14, shard_episodes=1, resolution=32), 1))
    words = ["task=reach", "task.resolution=32", f"data={DATA}", "planner=cem", "cem.samples=8", "cem.iterations=1",
             "cem.elites=2", "protocol.max_steps=2", "workers=1", "device=cpu",
             f"cache_dir={tmp_path}/frames"]  # fmt: skip
    model = ["world_model.width=8", "world_model.latent_dim=8", "world_model.predictor_width=16",
             "world_model.loss.rollout=2", "world_model.loss.directions=8", "world_model.loss.beginnings=2",
             "world_model.train.batch=8", "world_model.train.optimizer=adamw"]  # fmt: skip
    assert main(["learn", *words, *model, "out=s3://here/learned", "steps=2", "validation=1"]) == 0
    checkpoint = json.loads(store.cat_file("here/learned/curve.json"))["checkpoint"]
    assert checkpoint.startswith("s3://here/learned/stage-")
    forget()
    small = ["rounds=1", "episodes=1", "steps=14", "train_steps=2", "validation=1", "out=s3://here/practised"]
    assert main(["practice", *words, f"task.checkpoint={checkpoint}", *small]) == 0
    assert json.loads(store.cat_file("here/practised/practice.json"))["checkpoint"].startswith("s3://here/")
    left = {name.removeprefix("here/practised/round-1/") for name in store.find("here/practised/round-1")}
    assert {"round.json", "model/model.safetensors", "film-cem/meta/info.json"} < left
    assert not [name for name in left if name.startswith("data/")]  # made of the data and the films
    assert not (tmp_path / "cache/outputs/s3/here/practised").exists()


def test_what_is_read_whole_is_what_stands_there_now(
    store: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one_process(monkeypatch.setattr)
    for suffix in (".json", ".safetensors"):
        store.put_file(str(pretrained_folder() / f"reach{suffix}"), f"here/run/model{suffix}")
    store.pipe_file("here/run/model.heads.json", b"{}")
    shipped = load("reach").document
    for name in ("run", "run/model", "run/model.json"):
        place_of = fetched_checkpoint(f"s3://here/{name}")
        assert address(place_of) == f"s3://here/{name}" and load(f"s3://here/{name}", task="reach").document == shipped
    beside = fetched_checkpoint("s3://here/run") / "model.heads.json"
    assert beside.is_file()
    store.rm_file("here/run/model.heads.json")
    forget()
    assert fetched_checkpoint("s3://here/run").is_dir() and not beside.exists()
    with pytest.raises(ForearmError, match="no checkpoint 's3://here/none'"):
        load("s3://here/none", task="reach")
    assert main(["manifest", "task=reach", "episodes=1", "seed=7", "workers=1", "out=s3://here/m.json"]) == 0
    assert {"task=[reach]", "seed=7", "episodes=1"} <= set(of_manifest(["manifest=s3://here/m.json"]))
    folder = here("s3://here/goals")
    assert not folder.exists()
    for name in "ab":
        store.pipe_file(f"here/goals/{name}.png", b"")
    assert sorted(path.name for path in here("s3://here/goals").iterdir()) == ["a.png", "b.png"]
    store.rm_file("here/goals/a.png")
    assert [path.name for path in here("s3://here/goals").iterdir()] == ["b.png"] and here(folder) == folder
    for word in ("manifest=s3://here/none.json", "manifest=s3://nowhere/m.json"):
        assert "s3://" in refused(capsys, "compare", "learned=false", "baselines=[hold]", word)


@pytest.mark.parametrize(("command", "out"), [("collect", "s3://here/x"), ("plan", "s3://here/x/plan.json")])
def test_a_sweep_has_a_place_for_each_job(store: Any, command: str, out: str) -> None:
    ran: list[str] = []
    words = ["task=reach", "seed=1,2", f"out={out}"]
    assert multirun(command, words, lambda job: ran.append(job[-1]) or 0, lambda text: None) == 0
    wanted = [f"s3://here/x/{number}{'/plan.json' * (command == 'plan')}" for number in range(2)]
    assert ran == [f"out={each}" for each in wanted]
    assert list(json.loads(store.cat_file("here/x/multirun.json"))["jobs"]) == wanted


def test_what_is_wrong_is_told_in_one_line(
    store: Any, endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ["collect", "task=reach", "episodes=1", "steps=2"]
    assert "s3://nowhere/data" in (said := refused(capsys, *film, "out=s3://nowhere/data"))
    assert "bucket does not exist: make it first, or name another" in said
    assert "bucket does not exist" in refused(capsys, "data", "inspect", "data=s3://nowhere/data")
    assert "no such folder" in refused(capsys, "train", "task=reach", "data=s3://here/nothing")
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::here/*"}
    store.call_s3(
        "put_bucket_policy", Bucket="here", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    )
    for words in (film, ["train", "task=reach", "data=data/reach"]):
        assert "may not be written with these credentials" in refused(capsys, *words, "out=s3://here/x")
    store.call_s3("delete_bucket_policy", Bucket="here")
    assert store.find("here") == []
    assert "cache_gb" in refused(capsys, "data", "inspect", f"data={DATA}", "bucket.cache_gb=0")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    forget()
    assert "credentials: set AWS_ACCESS_KEY_ID" in refused(capsys, "data", "inspect", f"data={DATA}")


def test_a_missing_package_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))

    def absent(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    said = refused(capsys, "data", "inspect", f"data={DATA}")
    assert "needs a package that is not installed: pip install 'forearm[bucket]'" in said


def test_what_is_no_address_stays_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local data never ask a store."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "store_of", lambda *_: pytest.fail("a local path was taken for an address"))
    root = recorded(tmp_path / "data")
    assert stored.fetched(root / "meta/info.json") == root / "meta/info.json" and len(open_cache(root).starts) == 6
    assert not (tmp_path / "cache").exists()
