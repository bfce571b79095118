"""The setting `engine`, and addresses at which nobody answers; no Ray is needed for that."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forearm.cli import main as cli
from forearm.common.addresses import CACHE
from forearm.common.engine import answering
from forearm.common.engine.answering import check_answering
from forearm.common.engine.luggage import Luggage, Packed, put_away
from forearm.common.files import is_brought, place
from forearm.errors import ForearmError
from tools.results.__main__ import main as results


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["engine=rye"], "unknown engine 'rye'; did you mean 'ray'?"),
        (["ray.address=auto"], "ray.address=auto goes with engine=ray: give that too"),
        (["engine=ray", "ray.gpus=-1"], "ray.gpus must be at least 0, got -1"),
        (
            ["engine=ray", "live=true"],
            "live=true shows what runs on this machine, not engine=ray: leave one out",
        ),
    ],
)
def test_settings_that_make_no_sense_are_told_in_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = ["task=reach", "learned=false", "baselines=[hold]", "episodes=1", f"out={tmp_path / 'out'}"]
    assert cli.main(["compare", *about, *words]) == cli.USER_ERROR
    assert capsys.readouterr().err == f"forearm: {said}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["compare", "run", "manifest", "collect", "practice", "diagnose"])
def test_without_ray_the_extra_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("forearm.cli.practice.practice_of", lambda *about: None)  # which needs data
    own = {"compare": ["learned=false", "baselines=[hold]"], "collect": ["steps=2"], "practice": ["steps=2"]}
    words = ["task=reach", *own.get(command, []), "episodes=1", f"out={tmp_path / 'out'}", "engine=ray"]
    assert cli.main([command, *words]) == cli.USER_ERROR
    assert capsys.readouterr().err == "forearm: engine=ray needs more packages: pip install 'forearm[scale]'\n"


def test_results_take_an_engine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert results(["--engine", "ray", "--ray-address", "auto", "--docs", str(tmp_path)]) == cli.USER_ERROR
    assert capsys.readouterr().err == "results: engine=ray needs more packages: pip install 'forearm[scale]'\n"
    assert results(["--ray-address", "auto", "--docs", str(tmp_path)]) == cli.USER_ERROR
    assert "goes with engine=ray" in capsys.readouterr().err and not list(tmp_path.iterdir())


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """Somebody who takes calls; and hears a greeting out and says `answer`, unless that is None."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                if answer is not None:
                    connection.recv(64)
                    connection.sendall(answer)
                over.wait(10)

        over = threading.Event()
        if answer is not None:
            thread = threading.Thread(target=serve)
            thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        over.set()
        if answer is not None:
            thread.join()


def test_an_address_where_nobody_answers_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ForearmError, match=f"ray.address={closed}: no answer from {closed}"):
        check_answering(closed)
    with listening(None) as silent, pytest.raises(ForearmError, match=r"no answer from .*timed out"):
        check_answering(silent)


def test_somebody_else_at_an_address_is_told() -> None:
    with (
        listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as other,
        pytest.raises(ForearmError, match="no Ray cluster"),
    ):
        check_answering(other)
    with listening(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as like_ray:
        check_answering(like_ray)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:", ":6379", "head:port", "head:70000"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ForearmError, match="write auto, or HOST:PORT of the head"):
        check_answering(address)


def test_files_that_were_sent_are_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.safetensors").write_bytes(b"weights")
    names = {"model.json": tmp_path / "a.json", "deep/model.safetensors": tmp_path / "b.safetensors"}
    packed, contents = Packed.of(Luggage("runs/a", names))
    with pytest.raises(ValueError, match="files of runs/a were damaged"):
        packed.keep([contents[0], b"weight"])
    assert not packed.folder.exists()
    for _ in range(2):  # two processes may do so at once
        packed.keep(contents)
    assert [path.name for path in packed.folder.parent.iterdir()] == [packed.sha256]
    assert not is_brought("runs/a")
    packed.unpack()
    assert place("runs/a") == packed.folder / "model.json"
    assert (packed.folder / "deep" / "model.safetensors").read_bytes() == b"weights"
    same, _ = Packed.of(Luggage("elsewhere/a", names))
    assert same.folder == packed.folder
    (tmp_path / "a.json").write_text("[]")
    assert Packed.of(Luggage("runs/a", names))[0].sha256 != packed.sha256


def test_what_comes_home_replaces_whole_files(tmp_path: Path) -> None:
    put_away(tmp_path, [("deep/a.txt", b"one"), ("b.txt", b"two")])
    put_away(tmp_path, [("deep/a.txt", b"one"), ("b.txt", b"three")])
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")} == {"a.txt": b"one", "b.txt": b"three"}
