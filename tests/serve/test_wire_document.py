"""docs/wire.md says what goes over the wire, byte by byte."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.serve.request import KNOWN, PROTOCOL
from forearm.serve.server import Server
from forearm.serve.wire import DTYPES, pack, unpack

from .conftest import Serving, frame

DOCUMENT = (Path(__file__).parents[2] / "docs/wire.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)\n```\n+```hex\n(.*?)\n```", DOCUMENT, re.S | re.M)
NAMES = {"zeros": np.zeros, "array": np.array, "float32": np.float32}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b) and type(a) is type(b)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize(("written", "dump"), EXAMPLES)
def test_an_example_is_its_bytes_and_back(written: str, dump: str) -> None:
    message = eval(written, {"__builtins__": {}}, {**NAMES, "True": True})
    # Bytes stand at the left, their meaning after at least three spaces.
    pairs = [re.split(r" {3,}", line.strip())[0] for line in dump.splitlines()]
    data = bytes.fromhex(" ".join(pairs))
    assert pack(message) == data
    assert same(unpack(data), message)


def test_every_field_that_is_read_is_documented() -> None:
    request = DOCUMENT.partition("## Request")[2].partition("## Reply")[0]
    assert {name for name in KNOWN if f"`{name}`" not in request} == set()
    messages = DOCUMENT.partition("## Messages")[2]
    assert all(name.replace("|", "\\|") in messages for name in DTYPES)
    assert DOCUMENT.startswith(f"# The wire: version {PROTOCOL}")


def test_metadata_and_replies_hold_what_is_documented(serving: Serving) -> None:
    from forearm.serve.client import Client

    server: Server = serving()
    with Client(server.url) as client:
        client.infer({"pixels": frame(), "goal": "left"})
        reply = client.infer({"pixels": frame(), "want_plan": True, "request_id": "x", "protocol": 1})
        for heading, found in (("## Metadata", client.metadata), ("## Reply", reply)):
            table = DOCUMENT.partition(heading)[2].partition("\n\n|")[2].partition("\n\n")[0]
            keys = {
                key
                for row in table.splitlines()
                for key in re.findall(r"`(\w+)`", row.split("|")[0 if row.startswith(" key") else 1])
            }
            assert keys - {"surprise", "replica", "sensors"} == set(found), heading  # which others add
        for timing in ("policy_timing", "server_timing"):
            row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{timing}`"))
            assert set(re.findall(r"`(\w+_ms)`", row)) == set(reply[timing])
