"""The stock client of openpi, as it comes from PyPI, against this server."""

import numpy as np
import pytest

from .conftest import HORIZON, Serving, frame

policies = pytest.importorskip("openpi_client.websocket_client_policy", reason="run scripts/setup.sh dev")


def test_it_gets_metadata_and_chunks(serving: Serving) -> None:
    server = serving()
    policy = policies.WebsocketClientPolicy("127.0.0.1", server.port)
    assert policy.get_server_metadata()["server"] == "forearm"
    for number in range(3):
        reply = policy.infer({"observation/image": frame(number), "prompt": "left"})
        assert reply["actions"].shape == (HORIZON, 4)
        assert reply["policy_timing"]["infer_ms"] > 0 and reply["server_timing"]["infer_ms"] > 0
        assert ("prev_total_ms" in reply["server_timing"]) == (number > 0)
    policy.reset()


def test_its_broker_hands_out_one_action_at_a_time(serving: Serving) -> None:
    brokers = pytest.importorskip("openpi_client.action_chunk_broker")
    policy = policies.WebsocketClientPolicy(f"ws://127.0.0.1:{serving().port}")
    execute = policy.get_server_metadata()["execute"]
    broker = brokers.ActionChunkBroker(policy, action_horizon=execute)
    first = [broker.infer({"pixels": frame(), "goal": "left", "want_plan": True}) for _ in range(execute)]
    assert all(reply["actions"].shape == (4,) for reply in first)
    assert np.allclose([reply["actions"] for reply in first], first[0]["plan"]["actions"][:execute])
    broker.reset()


def test_an_error_reaches_it_as_one(serving: Serving) -> None:
    policy = policies.WebsocketClientPolicy("127.0.0.1", serving().port)
    with pytest.raises(RuntimeError, match="expected uint8"):
        policy.infer({"observation/image": np.zeros((3, 3)), "prompt": "left"})
    assert policy.infer({"observation/image": frame(), "prompt": "left"})["actions"].shape == (HORIZON, 4)


def test_its_key_is_our_token(serving: Serving) -> None:
    server = serving(token="a token of some length")
    with pytest.raises(Exception, match="401"):
        policies.WebsocketClientPolicy("127.0.0.1", server.port)
    policy = policies.WebsocketClientPolicy("127.0.0.1", server.port, api_key="a token of some length")
    assert policy.infer({"observation/image": frame(), "prompt": "left"})["actions"].shape == (HORIZON, 4)
