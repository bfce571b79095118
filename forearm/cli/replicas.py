"""`forearm serve replicas=N`: the process that looks after the replicas, and each of them."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from forearm.cli.main import USER_ERROR
from forearm.cli.server import config_of, log, say_ending, say_where, server_of, told_to_stop
from forearm.common.parallel import import_modules
from forearm.errors import debugging, user_message
from forearm.serve.config import Replica, ServeConfig
from forearm.serve.replicas import BEAT, Replicas, claimed, gone_first
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.serve.server import Server

PROGRAM = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given.pop('path'); "
    "from forearm.cli.replicas import replica; sys.exit(replica(**given))"
)
"""A replica, with the modules of the process that starts it."""

logger = logging.getLogger(__name__)


def several(chosen: settings.Settings, config: ServeConfig, words: Sequence[str]) -> None:
    """Look after the replicas that `words` describe until SIGINT or SIGTERM; raises as `Replicas` and `claimed` do."""
    count, console = chosen["replicas"], Console()

    def command(number: int, counters: Path, again: bool) -> list[str]:
        given = {"words": list(words), "port": port, "number": number, "counters": str(counters), "again": again}
        return [sys.executable, "-c", PROGRAM, json.dumps({**given, "path": sys.path})]

    def ready() -> None:
        say_where(console, chosen.one("task")["name"], config.url("ws", port), f"{count} replicas; ")

    async def life() -> None:
        told = told_to_stop()

        async def tell() -> None:
            await told.wait()
            say_ending(console)

        telling = asyncio.create_task(tell())
        await Replicas(command, count, config.send_timeout).run(told, ready)
        await telling

    log()
    with claimed(config.host, config.port) as port:
        asyncio.run(life())


def replica(words: Sequence[str], port: int, number: int, counters: str, again: bool) -> int:
    """The life of a replica, which `Replicas` starts and tells what to do; returns the exit code."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is for people

    def tell(**said: object) -> None:
        channel.write(f"{json.dumps(said)}\n")
        channel.flush()

    try:
        chosen = settings.load("serve", words)
        import_modules(chosen["use"])
        config = replace(config_of(chosen), port=port)
        server = server_of(chosen, config, Replica(number, Path(counters), again))
        log(f"replica {number}: ")
        tell(same=server.identity)
        if sys.stdin.readline():
            asyncio.run(_until_told(server, lambda: tell(listening=True), lambda: tell(alive=True)))
    except Exception as error:
        message = None if debugging() else user_message(error)
        if message is None:
            raise
        tell(failed=message)
        return USER_ERROR
    return 0


async def _until_told(server: "Server", listening: Callable[[], None], alive: Callable[[], None]) -> None:
    """Serve until a signal, or until the process is gone that looks after this one; `alive` is called meanwhile."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT)
            alive()

    told, loop = told_to_stop(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), told.set)
    await server.start()
    with gone_first(server.sockets):
        logger.info("process %d listens", os.getpid())
        listening()
        beating = asyncio.create_task(beat())
        await told.wait()
    loop.remove_reader(sys.stdin.fileno())
    await server.stop()
    beating.cancel()
