"""`forearm serve`: plans over a websocket, until it is told to stop."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from forearm.cli.server import config_of, log, say_ending, say_where, server_of, told_to_stop
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.serve.server import Server


def main(overrides: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("serve", overrides)
    import_modules(chosen["use"])
    try:
        import prometheus_client  # noqa: F401
        import websockets  # noqa: F401
    except ModuleNotFoundError:
        raise ForearmError("serving needs more packages: pip install 'forearm[serve]'") from None
    config = config_of(chosen)
    config.tls()
    if chosen["replicas"] > 1:
        from forearm.cli.replicas import several

        several(chosen, config, overrides)
        return 0
    server = server_of(chosen, config)
    log()
    asyncio.run(_until_told(server, Console()))
    return 0


async def _until_told(server: "Server", console: Console) -> None:
    told = told_to_stop()
    await server.start()
    say_where(console, server.setup.task["name"], server.url)
    await told.wait()
    say_ending(console)
    await server.stop()
