"""`forearm mcp`: tools for agents, until the client goes or somebody ends it."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console

from forearm.cli.models import task_of
from forearm.common.files import place
from forearm.common.parallel import import_modules
from forearm.common.reading import here
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import check_simulator
from forearm.settings import compose as settings


def main(overrides: Sequence[str]) -> int:
    """Serve; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("mcp", overrides)
    import_modules(chosen["use"])
    try:
        import mcp  # noqa: F401
    except ModuleNotFoundError:
        raise ForearmError("tools for agents need more packages: pip install 'forearm[mcp]'") from None
    import torch

    from forearm import envs
    from forearm.agent.loaded_model import LoadedModel
    from forearm.control.robots.robot import Robot
    from forearm.serve.config import ServeConfig, read_token
    from forearm.serve.mcp.bounds import Bounds
    from forearm.serve.mcp.server import AgentServer
    from forearm.serve.mcp.workplace import Workplace

    stdio = chosen["transport"] == "stdio"
    size = chosen["max_message_kib"] << 10
    alike = {item.name: chosen[item.name] for item in fields(Bounds) if item.name in chosen.values}
    bounds = Bounds(**alike, max_message_bytes=size)
    tls: dict[str, Any] = {
        name: None if chosen[name] is None else place(chosen[name]) for name in ("tls_cert", "tls_key")
    }
    config = ServeConfig(
        host=chosen["host"], port=chosen["port"], token=None if stdio else read_token(chosen["token_file"]),
        max_clients=chosen["max_clients"], max_message_bytes=size, **tls,
    )  # fmt: skip
    task = task_of(chosen)
    check_simulator(task["name"], "forearm mcp")
    loaded = LoadedModel(task)
    setup = loaded.setup(chosen.one("planner"))
    robot = Robot(chosen.one("robot"))
    torch.set_num_threads(1)

    def workplace() -> Workplace:
        envs.working_backend()
        env = envs.make(task["name"], task["camera"], task["resolution"])
        return Workplace(
            loaded, setup, env, robot, bounds, goals=None if chosen["goals"] is None else here(chosen["goals"]),
            seed=chosen["seed"], episode=chosen["episode"], check_goals=bool(chosen["check_goals"]),
        )  # fmt: skip

    server = AgentServer(workplace, bounds)
    console = Console(stderr=True)  # the standard output is the client's
    try:
        if stdio:
            server.run("stdio")
        else:
            from forearm.serve.mcp.http import serve

            serve(server, config, lambda url: console.print(f"tools for {task['name']} at {url}", soft_wrap=True))
    finally:
        server.close()
    return 0
