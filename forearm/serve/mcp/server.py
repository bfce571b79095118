"""The tools, as the Model Context Protocol has them; one call is worked on at a time."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent, Tool, ToolAnnotations
from PIL import Image
from pydantic import Field, ValidationError

from forearm.common.version import VERSION
from forearm.errors import user_message
from forearm.serve.mcp.bounds import Bounds, Door
from forearm.serve.mcp.job import Cancelled, Job, Told
from forearm.serve.mcp.workplace import Answer, Workplace

INSTRUCTIONS = (
    "A robot arm in a simulator, and a world model of it. Look first, then plan; consult imagine or compare_plans "
    "before you execute, and ask surprise afterwards: stop where it says surprised."
)
Rows = Annotated[
    list[list[float]], Field(description="Commands, one row a control step, within the limits that describe tells.")
]
Goal = Annotated[
    str | dict[str, list[float]],
    Field(
        description='Where to: places in m such as {"object": [0.5, 0.1]} or {"tool": [0.5, 0.1, 0.1]}; a name out of '
        "describe's goals, `task` for the scene's own; or a PNG in base64, of the frames' size."
    ),
]
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
MOVES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)


class AgentServer(MCPServer[Any]):
    """Answers what agents ask about one `Workplace`.

    Args:
        make: makes the workplace, in the thread that then owns it.
        bounds: how much may be asked, and whether the arm may move.

    Raises what `make` raises.
    """

    def __init__(self, make: Callable[[], Workplace], bounds: Bounds) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="forearm-agents")
        try:
            self._place = self._worker.submit(make).result()
        except BaseException:
            self._worker.shutdown()
            raise
        self._door, self._bounds = Door(bounds), bounds
        super().__init__("forearm", version=VERSION, instructions=INSTRUCTIONS, log_level="WARNING")
        for tool, kind in (
            (self.describe, READS), (self.look, READS), (self.plan, READS), (self.imagine, READS),
            (self.compare_plans, READS), (self.surprise, READS), (self.execute, MOVES),
        ):  # fmt: skip
            self.add_tool(tool, annotations=kind, structured_output=False)

    # -- the tools: their names, arguments and docstrings are what agents read ---------------------------------------

    async def describe(self, context: Context) -> CallToolResult:
        """The task, names and limits of commands, cameras, checkpoint, named goals, and what may be asked."""
        return await self._answer(context, self._place.describe)

    async def look(self, context: Context) -> CallToolResult:
        """The camera's present frame, and where things are, in m."""
        return await self._answer(context, self._place.look)

    async def plan(self, context: Context, goal: Goal, seed: int | None = None) -> CallToolResult:
        """A plan from the present frame to a goal: the plan document, the goal's frame, and frames imagined on the way.

        Nothing moves. `seed` is of the search.
        """
        return await self._answer(context, lambda job: self._place.plan(job, goal, seed))

    async def imagine(self, context: Context, actions: Rows, goal: Goal | None = None) -> CallToolResult:
        """What the world model expects commands to lead to: frames, times, and distances to a goal. Nothing moves.

        Distances begin with now's, and compare with each other only; lower is nearer.
        """
        return await self._answer(context, lambda job: self._place.imagine(job, actions, goal))

    async def compare_plans(
        self,
        context: Context,
        plans: Annotated[list[list[list[float]]], Field(description="Plans of one length, each rows of commands.")],
        goal: Goal,
    ) -> CallToolResult:
        """What each of several plans is expected to cost on the way to a goal, and which is best. Nothing moves."""
        return await self._answer(context, lambda job: self._place.compare_plans(job, plans, goal))

    async def surprise(self, context: Context, steps: int | None = None) -> CallToolResult:
        """Whether the last executed commands led to what was expected: errors of the prediction, step by step.

        `steps` asks about the last ones alone. Where `surprised` is true, look before you move again.
        """
        return await self._answer(context, lambda job: self._place.surprise(job, steps))

    async def execute(self, context: Context, actions: Rows) -> CallToolResult:
        """Move the simulated arm by these commands, within the robot's limits, from rest to rest."""
        return await self._answer(context, lambda job: self._place.execute(job, actions))

    # -- how they are answered ---------------------------------------------------------------------------------------

    async def list_tools(self) -> list[Tool]:
        """The tools that may be called."""
        return [tool for tool in await super().list_tools() if tool.name != "execute" or self._bounds.allow_motion]

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """See `MCPServer.call_tool`; a call too many, or too large, is refused before it is looked at."""
        try:
            self._door.enter(arguments)
        except Exception as error:
            raise _refusal(error) from None
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = (f"{'.'.join(map(str, each['loc'][:1]))}: {each['msg']}" for each in error.__cause__.errors())
            told = "; ".join(dict.fromkeys(wrong))
            raise ToolError(f"arguments of {name}: {told}; list_tools tells what it takes") from None
        finally:
            self._door.leave()

    async def _answer(self, context: Context, ask: Callable[[Job], Answer]) -> CallToolResult:
        """Have a question answered by the thread that owns the workplace; tell meanwhile how far it is."""
        loop, news = asyncio.get_running_loop(), asyncio.Queue[Told | None]()
        job = Job(lambda told: loop.call_soon_threadsafe(news.put_nowait, told))

        def work() -> Answer:
            job.step(0, 1, "begun")
            return ask(job)

        answer = loop.run_in_executor(self._worker, work)
        answer.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (told := await news.get()) is not None:
                await context.report_progress(*told)
            return _result(answer.result())
        except asyncio.CancelledError:
            job.cancel()
            with anyio.CancelScope(shield=True):  # an arm that moves comes to rest first
                await asyncio.wait([answer])
            answer.exception()
            raise
        except Cancelled:
            raise ToolError("cancelled") from None
        except Exception as error:
            raise _refusal(error) from error

    def close(self) -> None:
        """Free the simulator; what is worked on is finished first."""
        self._worker.submit(self._place.env.close).result()
        self._worker.shutdown()


def _refusal(error: Exception) -> Exception:
    """What a client is told; a defect of ours as it is, which the protocol's library hides and logs."""
    message = user_message(error)
    return error if message is None else ToolError(message)


def _result(answer: Answer) -> CallToolResult:
    content: list[Any] = [TextContent(type="text", text=json.dumps(answer.facts))]
    for caption, frame in answer.frames:
        content.append(TextContent(type="text", text=caption))
        content.append(ImageContent(type="image", data=_png(frame), mime_type="image/png"))
    facts: Mapping[str, Any] = answer.facts
    return CallToolResult(content=content, structured_content=dict(facts))


def _png(frame: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()
