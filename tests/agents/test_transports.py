"""The protocol's own client, in another process than the server, over both transports."""

import asyncio
import base64
import io
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from .conftest import ENVIRONMENT, TOKEN, command

GOAL = {"object": [0.5, 0.1]}
STILL = [[0.0, 0.0, 0.0, 0.0]] * 4


def over_stdio(talk: Callable[[Client], Awaitable[None]]) -> None:
    async def life() -> None:
        server = StdioServerParameters(command=sys.executable, args=command(), env=ENVIRONMENT)
        async with Client(stdio_client(server)) as client:
            await talk(client)

    asyncio.run(life())


def over_http(url: str, talk: Callable[[Client], Awaitable[None]], mode: str = "auto") -> None:
    async def life() -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            await talk(client)

    asyncio.run(life())


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content[0]
    return answer


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return str(answer.content[0].text)  # type: ignore[union-attr]


def frames(answer: Any) -> list[np.ndarray]:
    images = [part for part in answer.content if part.type == "image"]
    assert {image.mime_type for image in images} <= {"image/png"}
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image.data)))) for image in images]


def test_an_agent_looks_plans_imagines_and_compares_but_does_not_move() -> None:
    async def talk(client: Client) -> None:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"describe", "look", "plan", "imagine", "compare_plans", "surprise"}
        told = (await ask(client, "describe")).structured_content
        assert told["task"] == "push" and told["action_names"] == ["dx", "dy", "dz", "gripper"]
        assert told["places"] == ["object", "tool"] and told["motion_allowed"] is False
        seen = await ask(client, "look")
        assert frames(seen)[0].shape == (64, 64, 3)
        planned = await ask(client, "plan", goal=GOAL)
        actions = planned.structured_content["plan"]["actions"]
        assert len(frames(planned)) == 1 + len(actions) // 2
        imagined = await ask(client, "imagine", actions=actions, goal=GOAL)
        assert len(frames(imagined)) == len(actions) // 2
        assert len(imagined.structured_content["distances"]) == 1 + len(actions) // 2
        compared = await ask(client, "compare_plans", plans=[actions, [[0.0] * 4] * len(actions)], goal="task")
        costs = compared.structured_content["costs"]
        assert compared.structured_content["best"] == int(np.argmin(costs))
        sent = next(part.data for part in seen.content if part.type == "image")
        assert (await ask(client, "plan", goal=sent)).structured_content["plan"]["actions"]
        assert "allow_motion=true" in await refused(client, "execute", actions=STILL)
        assert "allow_motion=true" in await refused(client, "surprise")
        assert np.array_equal(frames(await ask(client, "look"))[0], frames(seen)[0])

    over_stdio(talk)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_moves_and_is_told_how_far_it_is(url: str, mode: str) -> None:
    async def talk(client: Client) -> None:
        assert "execute" in {tool.name for tool in (await client.list_tools()).tools}
        before = (await ask(client, "look")).structured_content["positions_m"]["ee_position"]
        news: list[tuple[float, float | None, str | None]] = []

        async def told(done: float, total: float | None, what: str | None) -> None:
            news.append((done, total, what))

        away = 0.5 if before[1] < 0 else -0.5
        rows = [[0.0, away, 0.0, 0.0]] * 4
        answer = await client.call_tool("execute", {"actions": rows}, progress_callback=told)
        assert answer.structured_content is not None and answer.structured_content["status"] == "ended"
        assert abs(answer.structured_content["positions_m"]["ee_position"][1] - before[1]) > 0.03
        assert [done for done, _, what in news if what == "moving"][-1] == 4
        found = (await ask(client, "surprise", steps=4)).structured_content
        assert len(found["errors"]) == 2 and found["surprised"] is False

    over_http(url, talk, mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_motion_that_is_cancelled_ends_at_rest(url: str, mode: str) -> None:
    async def talk(client: Client) -> None:
        before = (await ask(client, "look")).structured_content["steps_done"]
        scope = anyio.CancelScope()

        async def told(done: float, total: float | None, what: str | None) -> None:
            if what == "moving" and done >= 2:
                scope.cancel()

        with scope:
            await client.call_tool("execute", {"actions": [[0.1, 0.0, 0.0, 0.0]] * 100}, progress_callback=told)
        assert scope.cancelled_caught
        after = (await ask(client, "look")).structured_content
        assert 0 < after["steps_done"] - before < 100
        again = (await ask(client, "look")).structured_content
        assert again == after

    over_http(url, talk, mode)


def test_what_is_out_of_bounds_moves_nothing(url: str) -> None:
    async def talk(client: Client) -> None:
        before = frames(await ask(client, "look"))[0]
        for actions, said in (
            ([[3.0, 0.0, 0.0, 0.0]] * 2, "commands lie between -1 and 1"),
            ([[0.0, 0.0, 0.0]] * 2, "rows of 4 numbers"),
            ([[0.0] * 4] * 3, "give a multiple"),
            ([[0.0] * 4] * 102, "at most 100 in a call"),
            ([], "rows of 4 numbers"),
        ):
            assert said in await refused(client, "execute", actions=actions)
        assert "outside the workspace" in await refused(client, "plan", goal={"object": [0.5, 0.9]})
        assert "is not known: give a name (task)" in await refused(client, "plan", goal="nobody")
        assert (
            await refused(client, "plan") == "arguments of plan: goal: Field required; list_tools tells what it takes"
        )
        assert np.array_equal(frames(await ask(client, "look"))[0], before)

    over_http(url, talk)


def test_a_flood_is_refused_and_the_server_goes_on(url: str) -> None:
    async def talk(client: Client) -> None:
        asked = [client.call_tool("plan", {"goal": GOAL}) for _ in range(12)]
        answers = await asyncio.gather(*asked)
        told = [answer.content[0].text for answer in answers if answer.is_error]  # type: ignore[union-attr]
        assert told and all("wait for an answer" in text for text in told)
        assert not all(answer.is_error for answer in answers)
        with pytest.raises(Exception):  # whatever the client makes of 413
            await client.call_tool("plan", {"goal": "A" * 200_000})
        assert not (await client.call_tool("look", {})).is_error

    over_http(url, talk)


def test_strangers_and_pages_of_a_browser_stay_outside(url: str) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx2.post(url, json={}).status_code == 401
    assert "Authorization: Bearer TOKEN" in httpx2.post(url, json={}).text
    assert httpx2.post(url, json={}, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx2.post(url, json={}, headers={**right, "Origin": "http://localhost"}).status_code == 403
    assert httpx2.post(url, content="A" * 200_000, headers=right).status_code == 413
