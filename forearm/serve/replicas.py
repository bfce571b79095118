"""Several servers behind one port: started together, begun again when they die or hang, and ended together.

Each is a process that listens at the same address with SO_REUSEPORT, and the kernel hands every connection to one of
them. A connection is a session, so what a session remembers is where its requests go. When a process dies, the kernel
takes it out: whoever was connected connects again, and reaches another.
"""

import asyncio
import json
import logging
import os
import platform
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError

TRIES = 3
"""How often in a row a replica may be lost soon after its start, before it is given up."""
SOON = 60.0
"""s."""
BEAT = 5.0
"""s between the signs of life of a replica that listens."""
HANGS = 30.0
"""s without one, after which it is taken to hang, and killed."""
STARTS = 600.0
"""s that a replica has to load its model, which may come from far away, and once more to listen."""
CHANGED = "the model, the goals or forearm itself have changed since the server began: start the server anew"
_PATIENCE = 20.0
"""s, beyond the time for replies to be taken, that replicas have to end in their own way."""
_HIGHEST = 1 << 16
"""Number of an open file, where the system has no limit so low."""
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

logger = logging.getLogger(__name__)
Command = Callable[[int, Path, bool], Sequence[str]]
"""The words that start replica `number`, with the folder of counters, and whether it takes the place of another."""


@contextmanager
def claimed(host: str, port: int) -> Iterator[int]:
    """The port, a free one for 0, is kept inside for replicas of this user.

    Raises `ForearmError` where the system cannot spread connections, and for an address that cannot be had.
    """
    if platform.system() != "Linux" or not hasattr(socket, "SO_REUSEPORT"):
        raise ForearmError(
            "replicas= needs SO_REUSEPORT as Linux has it, which spreads connections: leave it out, and put a load "
            "balancer in front of several servers"
        )
    with ExitStack() as held:
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                taken = held.enter_context(socket.socket(family, kind, protocol))
                if family == socket.AF_INET6:
                    taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind((address[0], port, *address[2:]))
                # Only now, so that another server's replicas are not joined by mistake.
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                port = taken.getsockname()[1]
        except OSError as error:
            raise ForearmError(f"host={host}, port={port}: {error.strerror}; choose another") from None
        yield port


@contextmanager
def gone_first(sockets: Sequence[Any]) -> Iterator[None]:
    """If the process is killed inside, nobody reaches these sockets any more before its connections end.

    The kernel closes what it had open from the highest number down. Whoever is cut off connects again at once, and
    would else wait for the dead one.
    """
    import fcntl
    import resource

    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _HIGHEST) - len(sockets)
    held = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, highest) for each in sockets]
    try:
        yield
    finally:
        for number in held:
            os.close(number)


class Replicas:
    """Keeps so many replicas alive.

    A replica is a process that says what it serves, `{"same": ...}`, waits for a line on its standard input, listens,
    and says `{"listening": true}`, and a line every `BEAT` s from then on; or, of what a user can mend,
    `{"failed": ...}`. It ends when told by SIGTERM, or when its standard input does.

    Args:
        command: starts one.
        count: how many.
        patience: s that they have to end.
    """

    def __init__(self, command: Command, count: int, patience: float) -> None:
        self._command, self._count, self._patience = command, count, patience + _PATIENCE
        self._alive: dict[int, asyncio.subprocess.Process] = {}
        self._same: Any = None
        self._prepared: set[int] = set()
        self._listening: set[int] = set()
        self._go = asyncio.Event()
        self._ending = False

    async def run(self, told: asyncio.Event, ready: Callable[[], None]) -> None:
        """Keep them until `told`; `ready` is called once all listen. They have ended when this returns or raises.

        Raises `ForearmError` where one cannot be started to begin with, and where all were given up.
        """
        with tempfile.TemporaryDirectory(prefix="forearm-serve-") as counters:
            keepers = {
                asyncio.create_task(self._keep(number, Path(counters), ready)) for number in range(1, self._count + 1)
            }
            stop = asyncio.create_task(told.wait())
            kept: set[asyncio.Task[Any]] = set(keepers)
            try:
                while kept and not stop.done():
                    ended, _ = await asyncio.wait({*kept, stop}, return_when=asyncio.FIRST_COMPLETED)
                    kept -= ended
                    for each in ended:
                        each.result()
                if not stop.done():
                    raise ForearmError("no replica is left, see above: the server ends")
            finally:
                stop.cancel()
                await self._end(keepers)

    async def _end(self, keepers: set["asyncio.Task[None]"]) -> None:
        """Tell all to end, and see to it."""
        self._ending = True
        self._go.set()
        for process in self._alive.values():
            _terminate(process)
        _, late = await asyncio.wait(keepers, timeout=self._patience)
        if late:
            logger.warning("replicas that have not ended after %g s are killed", self._patience)
        for process in self._alive.values():
            with suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, number: int, counters: Path, ready: Callable[[], None]) -> None:
        """Start a replica, and another when it dies or hangs; returns when it is given up, or when all end."""
        from prometheus_client.multiprocess import mark_process_dead

        clock = asyncio.get_running_loop().time
        losses, again = 0, False
        while not self._ending:
            process = await asyncio.create_subprocess_exec(
                *self._command(number, counters, again),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, _VARIABLE: str(counters)},
                start_new_session=True,  # Ctrl-C is for us to pass on
            )
            self._alive[number] = process
            try:
                if self._ending:
                    _terminate(process)
                why = await self._begun(number, process, ready)
                began = None if why else clock()
                if began is not None and await _hangs(process):
                    why = f"it showed no sign of life for {HANGS:g} s"
                    process.kill()
                ended = f"it {_ended(await process.wait())}"
            finally:
                del self._alive[number]
                mark_process_dead(process.pid, str(counters))
            if self._ending:
                return
            why = why or ended
            if began is None and not again:
                raise ForearmError(why)
            losses = 1 if began is not None and clock() - began >= SOON else losses + 1
            again = True
            if losses == TRIES:
                logger.error("replica %d is given up, lost %d times in a row: %s", number, losses, why)
                return
            logger.warning("replica %d (process %d) is started again: %s", number, process.pid, why)

    async def _begun(self, number: int, process: asyncio.subprocess.Process, ready: Callable[[], None]) -> str | None:
        """See a new process to where it listens; says what keeps it from it, if anything does."""
        try:
            return await self._seen_in(number, process, ready)
        except asyncio.TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            return f"it hung before it listened, for {STARTS:g} s"

    async def _seen_in(self, number: int, process: asyncio.subprocess.Process, ready: Callable[[], None]) -> str | None:
        """As `_begun`; raises `asyncio.TimeoutError` where a process says nothing for too long."""
        assert process.stdin is not None and process.stdout is not None
        said = await asyncio.wait_for(_said(process.stdout), STARTS)
        if "same" in said:
            self._same = self._same or said["same"]
            if said["same"] != self._same:
                _terminate(process)
                return CHANGED
            self._prepared.add(number)
            if len(self._prepared) == self._count:
                self._go.set()
            await self._go.wait()
            process.stdin.write(b"go\n")
            said = await asyncio.wait_for(_said(process.stdout), STARTS)
        if "failed" in said:
            return str(said["failed"])
        if "listening" not in said:
            return f"it {_ended(await process.wait())} before it listened"
        if number not in self._listening:
            self._listening.add(number)
            if len(self._listening) == self._count:
                ready()
        return None


def _terminate(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()


async def _said(stream: asyncio.StreamReader) -> dict[str, Any]:
    """The next thing that a replica says; nothing where it has ended."""
    with suppress(ValueError):
        return dict(json.loads(await stream.readline()))
    return {}


async def _hangs(process: asyncio.subprocess.Process) -> bool:
    """Wait as long as a replica says something; whether it has fallen silent without having ended."""
    assert process.stdout is not None
    # The second time is short: what it said while this process itself was stopped waits to be read.
    patience = HANGS, min(HANGS, 1.0)
    while True:
        for seconds in patience:
            try:
                said = await asyncio.wait_for(process.stdout.readline(), seconds)
                break
            except asyncio.TimeoutError:
                continue
        else:
            return True
        if not said:
            return False


def _ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed (often for want of memory)"
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
