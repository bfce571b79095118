"""An agent that consults a world model before it moves: it pushes a puck to three places, one after the other.

Two processes. One is a server of tools, as `forearm mcp` is, with a simulated arm and a world model. The other, this
one, is the agent: a script in the place of a language model, which talks to the server with the official client. For
each place it asks for several plans, imagines what each would lead to, and executes the beginning of the most promising
one if that leads nearer. After each motion it asks whether what happened is a surprise, and stops if it is.

    python examples/sorting_agent.py                    # three places
    python examples/sorting_agent.py --taken-after 4    # somebody takes the puck away after 4 s of motion
"""

import argparse
import asyncio
import os
import sys
from typing import Any

from forearm import envs

PLACES = ([0.50, 0.08], [0.55, -0.02], [0.47, -0.08])  # m
NEAR = 0.04  # m
ASKED = 3  # plans to choose from
DONE, STOPPED, GAVE_UP = 0, 1, 3


class World(envs.ArmEnv):
    """The task `push`, in which somebody may take the puck away."""

    taken_after, moved = float("inf"), 0.0

    def servo(self, joints: Any, opening: float, seconds: float) -> None:
        """Move; once the arm has moved for long enough, the puck lies far below the table."""
        self.moved += seconds
        if self.moved >= self.taken_after:
            self.data.joint("object").qpos[:3] = [0.5, 0.0, -3.0]
            self.data.joint("object").qvel[:] = 0.0
        super().servo(joints, opening, seconds)


def world(taken_after: float, seed: int) -> None:
    """The server: what `forearm mcp task=push allow_motion=true` does, with a world of one's own."""
    import forearm
    from forearm.control import load_robot
    from forearm.serve.mcp.bounds import Bounds
    from forearm.serve.mcp.server import AgentServer
    from forearm.serve.mcp.workplace import Workplace

    loaded, bounds = forearm.load("push"), Bounds(allow_motion=True, calls_per_minute=1000)

    def workplace() -> Workplace:
        env = World("push", loaded.task["camera"], loaded.resolution)
        env.taken_after = taken_after
        return Workplace(loaded, loaded.setup(), env, load_robot("panda"), bounds, seed=seed)

    server = AgentServer(workplace, bounds)
    try:
        server.run("stdio")
    finally:
        server.close()


class Agent:
    """Decides by what the tools tell it."""

    def __init__(self, client: Any, most: int) -> None:
        self.client, self.most, self.plans = client, most, 0

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers; a refusal ends the program with what it says."""
        answer = await self.client.call_tool(tool, arguments)
        if answer.is_error:
            raise SystemExit(answer.content[0].text)
        return answer.structured_content

    async def most_promising(self, goal: dict[str, list[float]]) -> tuple[list[list[float]], float]:
        """The commands, out of several plans, imagined to lead nearest, and how much nearer: 1 is all the way."""
        found: tuple[list[list[float]], float] = ([], float("-inf"))
        for _ in range(ASKED):
            self.plans += 1
            plan = (await self.ask("plan", goal=goal, seed=self.plans))["plan"]
            imagined = await self.ask("imagine", actions=plan["actions"], goal=goal)
            now, *_, end = imagined["distances"]
            if 1 - end / now > found[1]:
                found = plan["actions"], 1 - end / now
        return found

    async def bring(self, place: list[float]) -> int:
        """Push the puck to a place in m."""
        goal = {"object": place}
        for move in range(self.most):
            where = (await self.ask("look"))["positions_m"]["object_position"]
            apart = sum((a - b) ** 2 for a, b in zip(where, place, strict=False)) ** 0.5
            if apart <= NEAR:
                print(f"{place}: there after {move} moves, {1000 * apart:.0f} mm off", flush=True)
                return DONE
            actions, nearer = await self.most_promising(goal)
            if nearer <= 0:
                print(f"{place}: no plan is imagined to lead nearer; trying others", flush=True)
                continue
            await self.ask("execute", actions=actions[: max(4, len(actions) // 2)])
            surprise = await self.ask("surprise")
            if surprise["surprised"]:
                worst = max(surprise["errors"]) / surprise["usual"]
                print(f"{place}: stopped by a surprise, {worst:.1f} times what is usual", flush=True)
                return STOPPED
        print(f"{place}: not reached in {self.most} moves", flush=True)
        return GAVE_UP


async def sort(places: int, most: int, taken_after: float, seed: int) -> int:
    """Start the server, and push the puck to each place in turn."""
    from mcp import StdioServerParameters
    from mcp.client.client import Client
    from mcp.client.stdio import stdio_client

    words = [__file__, "--world", "--taken-after", str(taken_after), "--seed", str(seed)]
    server = StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        agent = Agent(client, most)
        print((await agent.ask("describe"))["description"], flush=True)
        for place in PLACES[:places]:
            if (outcome := await agent.bring(place)) != DONE:
                return outcome
    return DONE


def main() -> int:
    """0: all places were reached; 1: stopped by a surprise; 3: a place was not reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--places", type=int, default=len(PLACES), help="how many of the places")
    parser.add_argument("--most", type=int, default=20, help="moves for each")
    parser.add_argument("--taken-after", type=float, default=float("inf"), help="s of motion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.world:
        world(options.taken_after, options.seed)
        return DONE
    return asyncio.run(sort(options.places, options.most, options.taken_after, options.seed))


if __name__ == "__main__":
    sys.exit(main())
