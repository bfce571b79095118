"""A server in a thread of this process, for tests, notebooks and robots that plan on their own computer."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forearm.serve.server import Server


@contextmanager
def running(server: "Server") -> Iterator["Server"]:
    """`server` listens inside, and has ended cleanly after; raises what `Server.start` raises."""
    started = threading.Event()
    failure: list[BaseException] = []
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def life() -> None:
        try:
            await server.start()
        except BaseException as error:
            failure.append(error)
            return
        finally:
            started.set()
        await end.wait()
        await server.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(life(),), name="forearm-serve", daemon=True)
    thread.start()
    started.wait()
    try:
        if failure:
            raise failure[0]
        yield server
    finally:
        if not failure:
            loop.call_soon_threadsafe(end.set)
        thread.join(timeout=30.0)
        loop.close()
