"""Jobs on a Ray cluster of three machines, which are processes on loopback: one has the driver, two do jobs."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from forearm.cli import main as cli
from forearm.cli.compare import comparison_of
from forearm.cli.engine import engine_of
from forearm.common.addresses import CACHE
from forearm.common.engine import versions
from forearm.common.engine.luggage import Luggage
from forearm.common.engine.ray_cluster import ray_cluster
from forearm.common.engine.run import run_jobs, using
from forearm.common.files import write_json
from forearm.common.progress import ALL_ROWS
from forearm.errors import ForearmError
from forearm.evaluation import comparison
from forearm.recording import collect as recording
from forearm.settings import compose as settings
from tests.conftest import run_here
from tests.forearm.test_diagnose_command import SMALL

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'forearm[scale]'")

ROOT = Path(__file__).parents[2]
PRETRAINED = ROOT / "world_model" / "pretrained"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The machines, with a cache of their own; a test that takes one away puts one back."""
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as whole, pytest.MonkeyPatch.context() as patch:
        # Of machines that come later as well.
        whole.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv(CACHE, str(folder))
        patch.chdir(folder)
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            found.add_node(num_cpus=1)
        patch.undo()
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def connected(cluster: Any) -> Iterator[Any]:
    with ray_cluster(cluster.address, 2) as engine:
        yield engine


@pytest.fixture
def engine(connected: Any) -> Iterator[Any]:
    with using(connected):
        yield connected


def lose_a_machine(cluster: Any, node_id: str | None = None) -> None:
    """The processes of one are killed, as with the power gone; another machine joins."""
    lost = [node for node in cluster.worker_nodes if node_id in (None, node.node_id)]
    cluster.remove_node(lost[0], allow_graceful=False)
    cluster.add_node(num_cpus=1)


# -- jobs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    number: int
    out: Path
    mark: Path
    file: Path

    @property
    def luggage(self) -> list[Luggage]:
        return [Luggage("typed/here.txt", {"here.txt": self.file})]


def _reads_and_writes(job: _Job) -> tuple[int, str, str]:
    from forearm.common.files import place

    (job.out / "deep").mkdir()
    (job.out / "deep" / f"{job.number}.txt").write_text(f"written by {job.number}")
    (job.out / f".{job.number}.tmp").write_text("left over")
    if job.number == 1 and not job.mark.exists():
        job.mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    read = place("typed/here.txt")
    return job.number, read.read_text(), str(read)


def _fails(job: int) -> int:
    if job == 2:
        raise ForearmError("a setting\nthat cannot be")
    return job


def _sleeps(job: int) -> int:
    time.sleep(600)
    return job


def test_files_go_by_their_hash_and_come_home_and_a_killed_worker_costs_nothing(
    engine: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "content.txt"
    file.write_text("read there")
    jobs = [_Job(number, tmp_path / "out", tmp_path / "mark", file) for number in range(5)]
    found = sorted(run_jobs(_reads_and_writes, jobs, 2))
    assert [(number, text) for number, text, _ in found] == [(number, "read there") for number in range(5)]
    [path] = {Path(path) for _, _, path in found}
    assert path.parent.parent.name == "luggage" and len(path.parent.name) == 64 and path.name == "here.txt"
    out = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert out == {f"deep/{number}.txt" for number in range(5)}
    assert ["killed" in said and "done again" in said for said in caplog.messages] == [True]


def _waits(job: tuple[int, Path]) -> int:
    """The first time until it may go on; where it is, is told in a file."""
    number, folder = job
    told = folder / f"{number}.node"
    if not told.exists():
        write_json(told, ray.get_runtime_context().get_node_id())
        while not (folder / "go").exists():
            time.sleep(0.02)
    return number


def test_a_job_in_hand_of_a_machine_that_is_lost_is_done_again(
    cluster: Any, engine: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [(number, tmp_path) for number in range(5)]
    with ThreadPoolExecutor() as pool:  # a machine can be added in the main thread alone
        running = pool.submit(copy_context().run, lambda: sorted(run_jobs(_waits, jobs, 2)))
        try:
            told = [tmp_path / f"{number}.node" for number in range(2)]
            deadline = time.monotonic() + 60
            while not all(path.exists() for path in told):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            lose_a_machine(cluster, json.loads(told[1].read_text()))
        finally:
            (tmp_path / "go").touch()
        found = running.result()
    assert found == list(range(5))
    [said] = caplog.messages
    assert "machine" in said and "done again" in said


def test_what_a_job_raises_is_raised_here(engine: Any) -> None:
    with pytest.raises(ForearmError, match="a setting that cannot be") as caught:
        list(run_jobs(_fails, list(range(4)), 2))
    assert "in a worker process" in str(caught.value.__cause__)


def test_who_stops_asking_leaves_no_job_behind(engine: Any) -> None:
    results = run_jobs(_fails, [0, 1], 1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert sorted(run_jobs(_fails, [0, 1], 2)) == [0, 1]


# -- the commands ---------------------------------------------------------------------------------------------------


def _compared(out: Path, tell: Any = None) -> dict[str, Any]:
    words = [
        "task=reach", "planner=[cem,planner_on_ray:Mine]", "cem.samples=8", "cem.iterations=2", "cem.elites=2",
        "task.checkpoint=./model", "task.max_steps=4", "baselines=[hold]", "episodes=4", "films=1", f"out={out}",
    ]  # fmt: skip
    return comparison.compare(comparison_of(settings.load("compare", words)), 1, 2, tell)


MINE = """
    from dataclasses import dataclass, replace
    from forearm.planner import CEM, CEMConfig

    @dataclass(frozen=True)
    class MineConfig(CEMConfig):
        samples: int = 8
        iterations: int = 1
        elites: int = 2

    class Mine(CEM):
        config_class = MineConfig
        def __init__(self, config: MineConfig) -> None:
            super().__init__(config)
"""


def test_a_comparison_is_the_same_where_a_machine_is_lost_in_the_middle(
    cluster: Any, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its checkpoint and a planner of one's own lie where the machines do not look."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for suffix in (".json", ".safetensors"):
        shutil.copy(PRETRAINED / f"reach{suffix}", tmp_path / f"model{suffix}")
    (tmp_path / "planner_on_ray.py").write_text(textwrap.dedent(MINE))
    seen: list[int] = []

    def tell(what: str, done: int, of: int) -> None:
        if what == ALL_ROWS:
            seen.append(done)
            if done == 2:
                lose_a_machine(cluster)

    there = _compared(tmp_path / "there", tell)
    assert seen == list(range(13))  # each once
    assert all("lost" in said and "done again" in said for said in caplog.messages)
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "run_jobs", run_here)
        here = _compared(tmp_path / "here")
    assert _outcomes(there) == _outcomes(here)
    assert len(list((tmp_path / "there" / "films").iterdir())) == 2
    assert sorted(path.name for path in (tmp_path / "there").rglob("*")) == sorted(
        path.name for path in (tmp_path / "here").rglob("*")
    )


def _outcomes(document: dict[str, Any]) -> list[Any]:
    timed = ("seconds", "plan_ms", "plan_seconds")
    return [
        [{key: value for key, value in outcome.items() if key not in timed} for outcome in row["outcomes"]]
        for row in document["rows"]
    ]


def test_a_collection_is_the_same_where_a_machine_is_lost_in_the_middle(
    cluster: Any, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = recording.Collection("reach", tmp_path / "there", episodes=10, steps=3, shard_episodes=2)
    done = []
    for state in recording.collect(collection, 2):
        done.append(state.shards_done)
        if state.shards_done == 2:
            lose_a_machine(cluster)
    assert done == list(range(6))
    monkeypatch.setattr(recording, "run_jobs", run_here)
    list(recording.collect(replace(collection, out=tmp_path / "here"), 1))
    files = [
        {path.relative_to(tmp_path / where): path.read_bytes() for path in (tmp_path / where).rglob("*.*")}
        for where in ("there", "here")
    ]
    assert files[0] == files[1] and len(files[0]) > 10


def test_a_run_and_a_manifest_are_the_same_on_either_engine(
    cluster: Any, connected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["cem.samples=8", "cem.iterations=2", "cem.elites=2", "task.max_steps=4", "films=0", "episodes=2"]

    def made(*engine: str) -> list[Any]:
        out = tmp_path / "-".join(["out", *engine])
        assert cli.main(["run", "task=reach", f"out={out}", *small, *engine]) == 0
        assert cli.main(["manifest", "task=reach", "episodes=2", f"out={out / 'm.json'}", *engine]) == 0
        return [_outcomes(json.loads((out / "results.json").read_text())), (out / "m.json").read_bytes()]

    there = made("engine=ray")
    monkeypatch.setattr(comparison, "run_jobs", run_here)
    assert made() == there


def test_a_diagnosis_is_the_same_on_either_engine(
    connected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forearm.diagnosis.probe.STEPS", 20)

    def found(where: str, *engine: str) -> list[Any]:
        assert cli.main(["diagnose", *SMALL, f"out={tmp_path / where}", *engine]) == 0
        document = json.loads((tmp_path / where / "diagnosis.json").read_text())
        outcomes = _outcomes({"rows": document["cells"]})
        for cell in document["cells"]:
            del cell["outcomes"]
        return [outcomes, {key: value for key, value in document.items() if key not in ("command", "created")}]

    there = found("there", "engine=ray", "workers=2")
    monkeypatch.setattr("forearm.diagnosis.run.run_jobs", run_here)
    assert there == found("here")


# -- what can be wrong ----------------------------------------------------------------------------------------------


def test_another_forearm_or_another_ray_on_a_machine_is_told_in_one_line(
    cluster: Any, connected: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(versions, "here", lambda: "Python 3.9.1, forearm 7 (abc)")
    with pytest.raises(ForearmError, match=r"has Python 3.* this command Python 3.9.1, forearm 7 \(abc\): install"):
        versions.check_nodes(ray, cluster.address)


def test_a_job_on_a_machine_that_came_later_looks_as_well(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forearm.common.engine.ray_cluster.here", lambda: "forearm 7")
    with pytest.raises(ForearmError, match=r"a machine of the cluster has Python .*, the command forearm 7"):
        list(run_jobs(_fails, [0], 1))


def test_no_gpu_is_told(cluster: Any, connected: Any) -> None:
    with (
        pytest.raises(ForearmError, match=r"ray\.gpus=1: no machine of the cluster has a GPU"),
        ray_cluster(cluster.address, 1, 1.0),
    ):
        pass


SCRIPT = """
    import sys
    from forearm.common.engine.ray_cluster import ray_cluster
    from forearm.common.engine.run import run_jobs, using
    from tests.forearm.test_ray import _fails, _sleeps

    if __name__ == "__main__":
        with ray_cluster(sys.argv[1], 2) as cluster, using(cluster):
            print(*run_jobs(_fails, [0, 1], 2), flush=True)
            try:
                list(run_jobs(_sleeps, [0, 1, 2], 2))
            except KeyboardInterrupt:
                print("interrupted", flush=True)
"""


def test_an_interrupt_ends_the_jobs(cluster: Any, connected: Any, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "script.py", cluster.address],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split(), process.communicate(timeout=60)[1]
        deadline = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and out == "interrupted\n" and said == "", said
    deadline = time.monotonic() + 60
    while ray.available_resources().get("CPU", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cluster_of_this_machine_alone_begins_and_ends_with_the_command(tmp_path: Path) -> None:
    words = [
        "task=reach",
        "episodes=2",
        "steps=2",
        "workers=1",
        "contact_sheet=false",
        f"out={tmp_path / 'out'}",
        "engine=ray",
    ]
    env = {**os.environ, "HOME": str(tmp_path / "home")}  # where Ray keeps a token
    ran = subprocess.run(
        [sys.executable, "-m", "forearm", "collect", *words], env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert "2 episodes in" in ran.stdout and "ray" not in ran.stdout.replace(str(tmp_path), "").lower()
    assert (tmp_path / "out" / "meta" / "info.json").is_file()


def test_other_versions_of_ray_are_told_in_one_line(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comes last: this process lets go of the cluster."""
    ray.shutdown()
    monkeypatch.setattr("ray._private.utils.compute_version_info", lambda: ("1.0.0", "3.9.1"))
    words = ["task=reach", "learned=false", "baselines=[hold]", "episodes=1", f"out={tmp_path}", "engine=ray"]
    with suppress(SystemExit):
        assert cli.main(["compare", *words, f"ray.address={cluster.address}"]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert said.startswith(f"forearm: ray.address={cluster.address}: Version mismatch") and said.count("\n") == 1
    assert "Ray: 1.0.0" in said and not (tmp_path / "results.json").exists()
    with (
        pytest.raises(ForearmError, match="Version mismatch"),
        engine_of(settings.load("collect", ["engine=ray", f"ray.address={cluster.address}"])),
    ):
        pass
