import concurrent.futures
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from forearm.agent.loaded_model import LoadedModel
from forearm.errors import ForearmError
from forearm.planner.plan import Plan
from forearm.serve.client import DIRECT, Client, NoServer, ServerError
from forearm.serve.config import ServeConfig, loopback
from forearm.serve.goals import Goals
from forearm.serve.running import running
from forearm.serve.server import Server
from forearm.serve.wire import pack, unpack
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint

from .conftest import HORIZON, Serving, frame, planner

CAMERAS = ["observation.images.front", "observation.images.wrist"]
TOKEN = "a token of some length"


def raw(server: Server, **options: Any) -> Any:
    return connect(server.url, compression=None, max_size=None, **DIRECT, **options)


def http(server: Server, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(server.url.replace("ws", "http", 1) + path, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_first_message_says_what_the_server_is(serving: Serving) -> None:
    with Client(serving().url) as client:
        said = client.metadata
    assert said["server"] == "forearm" and said["protocol"] == 1 and said["task"] == "push"
    assert said["horizon"] == HORIZON and said["action_dim"] == 4 and said["resolution"] == 64
    assert said["action_names"] == ["dx", "dy", "dz", "gripper"] and said["goals"] == ["left", "right"]


def test_frames_of_any_size_are_resized_as_in_training(serving: Serving) -> None:
    large = [frame(seed).repeat(3, axis=0).repeat(3, axis=1) for seed in (0, 1)]
    with Client(serving().url) as client:
        one = client.plan(frame(), frame(1))
        two = client.plan(*large, reset=True)
    assert client.metadata["recorded_sizes"] == [[64, 64]] and np.array_equal(one.actions, two.actions)


def test_frames_of_several_cameras_come_by_name(loaded: Any, tmp_path: Path) -> None:
    kept = {key: loaded.document[key] for key in ("task", "control_period", "action_names")}
    save_checkpoint(loaded.model, tmp_path / "two", {**kept, "camera": "+".join(CAMERAS)})
    two = LoadedModel({**loaded.task, "checkpoint": f"{tmp_path / 'two.json'}", "camera": None})
    start, goal = ({"front": frame(seed), "wrist": frame(seed + 9)} for seed in (0, 1))
    with (
        running(Server(two.setup(planner()), ServeConfig(port=0), Goals(None, two))) as server,
        Client(server.url) as client,
    ):
        assert client.metadata["cameras"] == CAMERAS
        plan = client.infer({"pixels": start, "goal": goal})["actions"]
        tiles = [two.fit(each) for each in (start, goal)]
        assert np.array_equal(plan, client.infer({"pixels": tiles[0], "goal": tiles[1], "reset": True})["actions"])
        for wrong, says in (({"front": frame()}, "lacks a frame of camera wrist"), ({"side": frame()}, "camera 'side'"),
                            (np.zeros((9, 9, 3), np.uint8), "is one frame, but the model sees")):  # fmt: skip
            with pytest.raises(ServerError, match=says):
                client.infer({"pixels": wrong})


def test_a_plan_for_a_frame(serving: Serving) -> None:
    with Client(serving().url) as client:
        reply = client.plan(frame(), frame(1), want_plan=True)
    assert reply.actions.shape == (HORIZON, 4) and reply.actions.dtype == np.float32
    assert np.all(abs(reply.actions) <= 1)
    assert reply.policy_timing["infer_ms"] > 0 and reply.server_timing["queue_ms"] >= 0
    assert reply.plan is not None
    plan = Plan.from_dict(reply.plan)
    assert np.allclose(plan.actions, reply.actions) and plan.checkpoint
    json.dumps(reply.plan)


def test_what_is_planned_is_what_planning_in_this_process_gives(serving: Serving, loaded: Any) -> None:
    with Client(serving().url) as client:
        first = client.plan(frame(), frame(1)).actions
    here = loaded.plan(frame(), frame(1), planner=planner(), seed=0).actions
    assert np.array_equal(first, here.astype(np.float32))


def test_a_goal_stays_until_there_is_another_and_a_name_is_as_good_as_an_image(serving: Serving) -> None:
    with Client(serving().url) as client:
        named = client.plan(frame(), "left").actions
        with pytest.raises(ServerError, match="goal 'up' is not known here: left, right"):
            client.plan(frame(), "up")
        again = client.plan(frame()).actions
        shown = client.plan(frame(), frame(100), reset=True).actions
    assert np.array_equal(named, shown) and not np.array_equal(named, again)


def test_without_a_goal_nothing_is_planned(serving: Serving) -> None:
    with Client(serving().url) as client:
        with pytest.raises(ServerError, match="no goal"):
            client.plan(frame())
        assert client.plan(frame(), "left").actions.shape == (HORIZON, 4)


def test_a_reset_begins_anew(serving: Serving) -> None:
    with Client(serving().url) as client:
        first = client.plan(frame(), "left").actions
        second = client.plan(frame(2)).actions
        client.reset()
        assert np.array_equal(client.plan(frame()).actions, first)
        assert np.array_equal(client.plan(frame(2)).actions, second)


def test_each_client_has_a_warm_start_of_its_own(serving: Serving) -> None:
    server = serving()
    with Client(server.url) as alone:
        wanted = [alone.plan(frame(i), "left" if i == 0 else None).actions for i in range(4)]
    with Client(server.url) as a, Client(server.url) as b:
        found = []
        for i in range(4):
            found.append(a.plan(frame(i), "left" if i == 0 else None).actions)
            b.plan(frame(50 + i), "right" if i == 0 else None)
    assert np.array_equal(wanted, found)


def test_what_has_elapsed_shifts_the_warm_start(serving: Serving) -> None:
    with Client(serving().url) as client:
        plans = {}
        for steps in (None, 4, 8):
            client.plan(frame(), "left", reset=True)
            plans[steps] = client.plan(frame(2), elapsed_steps=steps).actions
    assert np.array_equal(plans[None], plans[4]) and not np.array_equal(plans[4], plans[8])


def test_times_may_be_given_with_every_frame(serving: Serving) -> None:
    with Client(serving().url) as client:
        client.plan(frame(), "left", time=10.0)
        timed = client.plan(frame(2), time=10.4).actions
        with pytest.raises(ServerError, match="not after"):
            client.plan(frame(3), time=10.4)
        with pytest.raises(ServerError, match="every request or with none"):
            client.plan(frame(3))
        client.plan(frame(), "left", reset=True)
        assert np.array_equal(timed, client.plan(frame(2)).actions)


def test_a_deadline_ends_the_search_early(serving: Serving) -> None:
    with Client(serving(planner(iterations=3000)).url) as client:
        reply = client.plan(frame(), "left", deadline_ms=40, want_plan=True)
    assert reply.plan is not None
    assert reply.plan["stopped"] == "deadline" and reply.plan["iterations"] < 3000


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\xc1", "not a msgpack message"),
        ("hello", "not text"),
        (pack({"request_id": 5, "pixels": 3}), "request 5: frame is int"),
        (pack([]), "a request is a map"),
        (msgpack.packb({"pixels": {b"__ndarray__": True, b"data": b"", b"dtype": "|O", b"shape": []}}), "dtype"),
    ],
)
def test_an_error_is_a_text_message_and_the_connection_lives_on(message: Any, said: str, serving: Serving) -> None:
    with raw(serving()) as socket:
        socket.recv(timeout=20)
        socket.send(message)
        answer = socket.recv(timeout=20)
        assert isinstance(answer, str) and said in answer and "\n" not in answer
        socket.send(pack({"pixels": frame(), "goal": "left"}))
        assert unpack(socket.recv(timeout=20))["actions"].shape == (HORIZON, 4)


def test_who_sends_nothing_but_nonsense_is_cut_off(serving: Serving) -> None:
    server = serving(max_errors=5)
    with raw(server) as socket:
        socket.recv(timeout=20)
        with pytest.raises(ConnectionClosed, match="5 wrong requests"):
            for _ in range(50):
                socket.send(b"\xc1")
                socket.recv(timeout=20)


def test_the_newest_frame_wins_and_the_others_are_answered_too(serving: Serving) -> None:
    server = serving(planner(iterations=60))
    with raw(server) as socket:
        socket.recv(timeout=20)
        for number in range(12):
            first = {"goal": "left", "reset": True} if number == 0 else {}
            socket.send(pack({"pixels": frame(number), "request_id": number, **first}))
        answers = {}
        while 11 not in answers:
            answer = unpack(socket.recv(timeout=60))
            answers[answer["request_id"]] = answer
    assert sorted(answers) == list(range(12))
    superseded = [number for number, answer in answers.items() if answer.get("superseded")]
    assert len(superseded) >= 1 and "actions" in answers[11]
    assert all("actions" in answers[number] for number in set(answers) - set(superseded))


def test_many_clients_at_once(serving: Serving) -> None:
    server = serving()

    def use(number: int) -> int:
        with Client(server.url, timeout=120) as client:
            return sum(client.plan(frame(i), "left" if i == 0 else None).actions.shape[0] for i in range(3))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(use, range(16))) == [3 * HORIZON] * 16
    assert server.metrics.value("forearm_requests_total", outcome="ok") == 48


def test_no_more_clients_than_there_is_room_for(serving: Serving) -> None:
    server = serving(max_clients=1)
    with Client(server.url) as first:
        with pytest.raises(NoServer, match="try again later"):
            Client(server.url)
        first.plan(frame(), "left")


def test_messages_that_are_too_large_end_the_connection(serving: Serving) -> None:
    with raw(serving(max_message_bytes=20_000)) as socket:
        socket.recv(timeout=20)
        socket.send(b"\0" * 30_000)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
        assert socket.protocol.close_rcvd.code == 1009


def test_a_silent_client_is_cut_off(serving: Serving) -> None:
    with raw(serving(idle_timeout=0.2)) as socket:
        socket.recv(timeout=20)
        with pytest.raises(ConnectionClosed, match="no request for"):
            socket.recv(timeout=60)


def test_a_message_without_an_end_is_cut_off(serving: Serving) -> None:
    with raw(serving(receive_timeout=0.2)) as socket:
        socket.recv(timeout=20)

        def fragments() -> Any:
            yield b"\x81"
            threading.Event().wait(3)
            yield b"\x00"

        with pytest.raises(ConnectionClosed, match="did not come to an end"):
            socket.send(fragments())
            socket.recv(timeout=60)


def test_a_client_that_does_not_read_is_cut_off(serving: Serving) -> None:
    import socket as sockets

    server = serving(send_timeout=0.3)
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
    small.connect(("127.0.0.1", server.port))
    with raw(server, sock=small, max_queue=1, close_timeout=1) as socket:
        try:
            for number in range(3000):
                socket.send(pack({"request_id": "x" * 120, "pixels": "?" * 2000, "n": number}))
        except (ConnectionClosed, OSError):
            pass
    for _ in range(200):
        if server.metrics.value("forearm_clients") == 0:
            break
        threading.Event().wait(0.05)
    assert server.metrics.value("forearm_clients") == 0


def test_health_and_metrics_by_plain_http(serving: Serving) -> None:
    server = serving()
    with Client(server.url) as client:
        client.plan(frame(), "left")
        with pytest.raises(ServerError):
            client.plan(frame(), "up")
        assert http(server, "/healthz") == (200, "OK\n")
        status, text = http(server, "/metrics")
    assert status == 200
    lines = text.splitlines()
    assert "forearm_clients 1.0" in lines
    assert (
        'forearm_requests_total{outcome="ok"} 1.0' in lines and 'forearm_requests_total{outcome="error"} 1.0' in lines
    )
    assert "forearm_plan_seconds_count 1.0" in lines and 'forearm_plan_seconds_bucket{le="+Inf"} 1.0' in lines
    assert all(line.startswith("#") or len(line.split(" ")) == 2 for line in lines)
    assert http(server, "/elsewhere")[0] == 404


def test_a_token_is_asked_for_by_all_but_health(serving: Serving) -> None:
    server = serving(token=TOKEN)
    for wrong in (None, "wrong", TOKEN + "x"):
        with pytest.raises(NoServer, match="401"):
            Client(server.url, token=wrong)
    assert http(server, "/healthz")[0] == 200
    assert http(server, "/metrics")[0] == 401
    assert http(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    with Client(server.url, token=TOKEN) as client:
        client.plan(frame(), "left")


def test_a_page_in_a_browser_may_not_connect(serving: Serving) -> None:
    with pytest.raises(InvalidStatus):
        raw(serving(), origin="https://somewhere.example")


def test_an_open_address_needs_a_token_and_other_settings_are_checked() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "arm.local"):
        with pytest.raises(ForearmError, match="token"):
            ServeConfig(host=host)
    assert ServeConfig(host="0.0.0.0", token=TOKEN).token == TOKEN
    assert (
        loopback("127.0.0.2") and loopback("::1") and loopback("localhost") and not loopback("localhost.evil.example")
    )
    for wrong in ({"token": "short"}, {"port": 70000}, {"tls_cert": "x"}, {"workers": 0}, {"idle_timeout": 0.0}):
        with pytest.raises(ForearmError):
            ServeConfig(**wrong)


def test_tls(serving: Serving, tmp_path: Any) -> None:
    import shutil
    import ssl
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = serving(tls_cert=cert, tls_key=key)
    assert server.url.startswith("wss://")
    with Client(server.url, ssl=ssl.create_default_context(cafile=cert)) as client:
        client.plan(frame(), "left")
    with pytest.raises(NoServer, match="certificate"):
        Client(server.url)
    with pytest.raises(ForearmError, match="cannot be used"):
        ServeConfig(tls_cert=key, tls_key=cert).tls()


def test_a_server_that_ends_says_so_and_a_client_notices(loaded: Any, goal_folder: Any) -> None:
    from forearm.serve.goals import Goals
    from forearm.serve.running import running

    with running(Server(loaded.setup(planner()), ServeConfig(port=0), Goals(goal_folder, loaded))) as server:
        client = Client(server.url)
        client.plan(frame(), "left")
    with pytest.raises(NoServer, match="lost"):
        client.plan(frame())
    with pytest.raises(NoServer, match="no forearm server"):
        Client(server.url)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("forearm-serve", "forearm-plan"))]


def test_an_address_that_is_taken_is_said(serving: Serving, loaded: Any, goal_folder: Any) -> None:
    from forearm.serve.goals import Goals
    from forearm.serve.running import running

    taken = serving().port
    with pytest.raises(OSError), running(Server(loaded.setup(planner()), ServeConfig(port=taken), Goals(None, loaded))):
        pass


def test_goals_come_from_a_folder_that_is_there(loaded: Any, tmp_path: Any) -> None:
    from PIL import Image

    from forearm.serve.goals import Goals

    with pytest.raises(ForearmError, match="no such folder"):
        Goals(tmp_path / "nowhere", loaded)
    Image.fromarray(np.zeros((9, 9, 4), np.uint8)).save(tmp_path / "clear.png")
    with pytest.raises(ForearmError, match="partly transparent"):
        Goals(tmp_path, loaded)


def test_a_goal_of_another_camera_or_upside_down_is_refused_and_the_episode_goes_on(loaded: Any, tmp_path: Any) -> None:
    from forearm import envs
    from forearm.agent.camera_check import views_for
    from forearm.serve.goals import Goals
    from forearm.serve.running import running

    env = envs.make("push")
    seen, info = env.reset(seed=3)
    side, start, goal = env.render("side"), seen["pixels"], info["goal"]
    env.close()
    views = views_for(loaded)
    assert views is not None
    bad = [
        (np.ascontiguousarray(goal[::-1]), "goal looks upside down for camera 'front' of push: turn it"),
        (side, "goal looks like camera 'side' of push, not like 'front'"),
        (np.zeros((64, 64, 4), np.uint8), r"goal is uint8 \(64, 64, 4\): expected uint8 \(height, width, 3\)"),
    ]
    server = Server(loaded.setup(planner()), ServeConfig(port=0), Goals(None, loaded), views)
    with running(server), Client(server.url) as client:
        first = client.plan(start, goal, want_plan=True)
        for pixels, says in bad:
            for _ in range(2):  # what was refused is not kept, and is refused again
                with pytest.raises(ServerError, match=says):
                    client.plan(start, pixels)
        # Neither its goal nor its warm start was lost to what was refused.
        second = client.plan(start, want_plan=True)
    other = Server(loaded.setup(planner()), ServeConfig(port=0), Goals(None, loaded), views)
    with running(other), Client(other.url) as client:
        client.plan(start, goal)
        undisturbed = client.plan(start, want_plan=True)
    assert first.actions.shape == (HORIZON, 4) and np.array_equal(second.actions, undisturbed.actions)


def test_named_goals_are_looked_at_when_the_server_starts(loaded: Any, tmp_path: Any) -> None:
    from PIL import Image

    from forearm import envs
    from forearm.agent.camera_check import views_for
    from forearm.serve.goals import Goals

    env = envs.make("push")
    goal = env.reset(seed=3)[1]["goal"]
    env.close()
    Image.fromarray(goal).save(tmp_path / "good.png")
    assert Goals(tmp_path, loaded, views_for(loaded)).names == ["good"]
    Image.fromarray(goal[::-1]).save(tmp_path / "turned.png")
    with pytest.raises(ForearmError, match=r"goals=.*turned.png looks upside down for camera 'front' of push"):
        Goals(tmp_path, loaded, views_for(loaded))
    assert Goals(tmp_path, loaded).names == ["good", "turned"]  # where nobody asked for it


def test_a_horizon_that_the_model_cannot_step_is_told_before_anything_is_served(
    loaded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from forearm.cli.main import main

    words = [f"task.checkpoint={loaded.task['checkpoint']}", "planner.horizon=11", "port=0"]
    assert main(["serve", "task=push", *words]) == 2
    said = capsys.readouterr()
    assert "horizon=11 is no multiple of 2" in said.err and said.err.count("\n") == 1 and not said.out


def test_clients_are_answered_by_the_model_that_the_server_was_started_with(tmp_path: Path) -> None:
    from forearm.agent.loaded_model import load
    from forearm.serve.goals import Goals
    from forearm.serve.running import running

    def trained(seed: int) -> Any:
        torch.manual_seed(seed)
        model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32)).eval()
        for weights in model.predictor.parameters():
            torch.nn.init.normal_(weights, std=0.1)
        save_checkpoint(model, tmp_path / "model", {"task": "push", "camera": "a.front", "control_period": 0.1})
        return load(tmp_path)

    def answered(server: Server) -> Any:
        with Client(server.url) as client:
            return client.metadata["checkpoint"], client.plan(frame(0), frame(1)).actions.tolist()

    setup = trained(0).setup(planner())
    with running(Server(setup, ServeConfig(port=0), Goals(None, setup))) as server:
        before = answered(server)
        other = trained(1)
        assert answered(server) == before
    with running(Server(other.setup(planner()), ServeConfig(port=0), Goals(None, other))) as server:
        assert answered(server)[0] != before[0]


def test_surprise_is_in_the_answers_and_in_the_metrics(goal_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that come one a command are watched; a scene that is another one at once is an alarm.

    What is watched is encoded for the plan anyway, and not once more.
    """
    import forearm
    from forearm.serve.goals import Goals
    from forearm.serve.running import running
    from forearm.surprise.calibration import surprise_calibration_of
    from forearm.surprise.monitor import Monitor

    push = forearm.load("push")
    setup = push.setup(planner())
    calibration = surprise_calibration_of(push.task, push.document)
    server = Server(
        setup, ServeConfig(port=0, execute=1), Goals(None, setup), monitor=lambda: Monitor(setup, calibration)
    )
    env = forearm.make_env("push")
    seen, info = env.reset(seed=3)
    encoded: list[int] = []
    encode = type(setup.model).encode
    monkeypatch.setattr(type(setup.model), "encode", lambda model, of: encoded.append(len(of)) or encode(model, of))
    with running(server), Client(server.url) as client:
        said = [client.infer({"pixels": seen["pixels"], "proprio": seen["proprio"], "goal": info["goal"]})["surprise"]]
        assert sum(encoded) == 2, "the goal and the frame"
        for step in range(16):
            command = {"past": np.zeros((1, 4)), "elapsed_steps": 1}
            pixels = seen["pixels"] if step < 10 else seen["pixels"][::-1].copy()
            said.append(client.infer({"pixels": pixels, "proprio": seen["proprio"], **command})["surprise"])
        with pytest.raises(ServerError, match=r"joint readings: shape \(3,\), expected \(15,\)"):
            client.infer({"pixels": pixels, "proprio": np.zeros(3), **command})
        assert client.plan(pixels, proprio=seen["proprio"], elapsed_steps=4).surprise["reason"].startswith("a gap of")
        text = http(server, "/metrics")[1]
    env.close()
    assert said[0]["p"] is None and said[10]["p"] > 0.001 and not said[10]["alarm"]
    assert any(each["alarm"] and each["part"] == "camera" for each in said[11:15])
    assert "forearm_surprises_total 1.0" in text and "forearm_watched_total 18.0" in text
