"""The server: who may connect, what a visitor without a websocket sees, and how it ends."""

import asyncio
import http
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, serve

from forearm.agent.sensor_fit import SensorFit
from forearm.common.durations import in_steps
from forearm.common.engine.luggage import sha256_of
from forearm.common.engine.versions import here
from forearm.common.version import VERSION
from forearm.control.plan_source import past_steps
from forearm.serve.config import Replica, ServeConfig
from forearm.serve.connection import Connection
from forearm.serve.goals import Goals
from forearm.serve.metrics import Metrics
from forearm.serve.request import PROTOCOL, RequestShape
from forearm.serve.session import Session

if TYPE_CHECKING:
    from websockets.http11 import Request as Handshake
    from websockets.http11 import Response

    from forearm.agent.camera_check import Views
    from forearm.agent.setup import PlanningSetup
    from forearm.surprise.monitor import Monitor

logger = logging.getLogger(__name__)


class Server:
    """Plans for whoever connects, one `Session` each.

    Args:
        setup: what plans.
        config: where and how to listen.
        goals: goal frames that can be asked for by name.
        views: what goals should look like; None: any goal of the right size is taken.
        monitor: makes what says how surprising a client's frames are; None: nobody watches.
        replica: which of several processes this is that listen at one port; None: it is alone.
    """

    def __init__(
        self,
        setup: "PlanningSetup",
        config: ServeConfig,
        goals: Goals,
        views: "Views | None" = None,
        monitor: "Callable[[], Monitor] | None" = None,
        replica: Replica | None = None,
    ) -> None:
        self.setup, self.config, self.goals, self.views = setup, config, goals, views
        self._monitor, self._replica = monitor, replica
        self.metrics = Metrics(None if replica is None else replica.counters)
        self.port = config.port
        model = setup.model.config
        self._horizon = int(setup.planner_config["horizon"])
        assert setup.actions is not None
        self._execute = min(in_steps("execute", config.execute, setup.actions.period), self._horizon)
        absolute = setup.model.absolute
        readings = int(model.proprio_dim) if absolute is None else absolute.readings
        names = setup.fit.names if isinstance(setup.fit, SensorFit) else ()
        self._shape = RequestShape(0 if names else int(model.resolution), int(model.action_dim), readings, names)
        self._listener: Listener | None = None
        self._executor = ThreadPoolExecutor(config.workers, thread_name_prefix="forearm-plan")
        self._clients = 0
        self._connections: dict[Connection, asyncio.Task[Any]] = {}
        self._ending = False

    @property
    def url(self) -> str:
        """What clients connect to."""
        return self.config.url("ws", self.port)

    @property
    def sockets(self) -> list[Any]:
        """On which it listens."""
        return [] if self._listener is None else list(self._listener.sockets)

    @property
    def metadata(self) -> dict[str, Any]:
        """The first message that a client gets."""
        setup, model = self.setup, self.setup.model.config
        assert setup.actions is not None
        return {
            "server": "forearm",
            "version": VERSION,
            "protocol": PROTOCOL,
            "task": str(setup.task["name"]),
            "checkpoint": setup.checkpoint.fingerprint,
            "planner": setup.planner_name,
            "horizon": self._horizon,
            "execute": self._execute,
            "control_period": setup.actions.period,
            "action_dim": self._shape.action_dim,
            "action_names": list(setup.document.get("action_names") or []),
            "action_units": setup.action_units or [],
            "action_low": setup.actions.low.tolist(),
            "action_high": setup.actions.high.tolist(),
            "action_step": [] if setup.actions.step is None else setup.actions.step.tolist(),
            "resolution": self._shape.resolution,
            "cameras": list(setup.fit.cameras),
            "recorded_sizes": [list(size) for size in setup.fit.recorded],
            "proprio_dim": self._shape.proprio_dim,
            **({"sensors": list(self._shape.sensors)} if self._shape.sensors else {}),
            "ahead_steps": int(model.frameskip),
            "past_steps": past_steps(setup),
            "goals": self.goals.names,
            "max_message_bytes": self.config.max_message_bytes,
            **({} if self._replica is None else {"replica": self._replica.number}),
        }

    @property
    def identity(self) -> str:
        """Hash of what answers depend on: the model, the planner, the goals and forearm itself."""
        metadata = {**self.metadata, "replica": None}
        said = json.dumps([here(), metadata, self.setup.planner_config, self.config.seed], default=str, sort_keys=True)
        goals = {name: self.goals[name].tobytes() for name in self.goals.names}
        return sha256_of(["", *goals], [said.encode(), *goals.values()])

    async def start(self) -> None:
        """Begin to listen; raises OSError if the address is taken, ForearmError for TLS files that cannot be used."""
        config = self.config
        self._listener = await serve(
            self._client,
            config.host,
            config.port,
            ssl=config.tls(),
            compression=None,
            # A page in somebody's browser may reach loopback too, and names where it is from: nothing that does may in.
            origins=[None],
            process_request=self._visit,
            max_size=config.max_message_bytes,
            max_queue=4,
            open_timeout=10.0,
            close_timeout=5.0,
            ping_interval=20.0,
            ping_timeout=20.0,
            server_header=None,
            reuse_port=self._replica is not None or None,
        )
        self.metrics.replicas.set(1)
        if self._replica is not None and self._replica.again:
            self.metrics.restarts.inc()
        self.port = self.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Answer the requests that are being worked on, tell every client that we are going away, and end."""
        self._ending = True
        tasks = list(self._connections.values())
        for connection in self._connections:
            connection.finish()
        if tasks:
            await asyncio.wait(tasks, timeout=self.config.send_timeout)
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._executor.shutdown(cancel_futures=True))

    async def _client(self, socket: ServerConnection) -> None:
        """One client, from its metadata frame to its end."""
        if self._ending:
            await socket.close(1001, "the server ends")
            return
        if self._clients >= self.config.max_clients:
            self.metrics.connections.labels("too_many").inc()
            await socket.close(1013, f"{self._clients} clients are connected already: try again later")
            return
        self._clients += 1
        self.metrics.connections.labels("accepted").inc()
        self.metrics.clients.inc()
        connection = None
        try:
            monitor = None if self._monitor is None else self._monitor()
            session = Session(self.setup, self.goals, self._execute, self.config.seed, self.views, monitor)
            connection = Connection(socket, session, self._shape, self.config, self._executor, self.metrics)
            task = asyncio.current_task()
            assert task is not None
            self._connections[connection] = task
            await connection.serve(self.metadata)
        finally:
            if connection is not None:
                self._connections.pop(connection, None)
            self._clients -= 1
            self.metrics.clients.dec()

    def _visit(self, connection: ServerConnection, request: "Handshake") -> "Response | None":
        """Health and metrics for whoever asks by plain HTTP; everybody else must show the token."""
        # Before version 17 websockets itself hung up on other methods, and requests had none.
        method = getattr(request, "method", "GET")
        if method != "GET":
            answer = connection.respond(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here\n")
            answer.headers["Allow"] = "GET"
            if method == "HEAD":
                answer.body = b""
            return answer
        path = request.path.partition("?")[0]
        if path == "/healthz":
            if self._ending:
                return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "ending\n")
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        # Bytes that are not ASCII reach us as lone surrogates.
        shown = [value.encode("utf-8", "surrogateescape") for value in request.headers.get_all("Authorization")]
        if not self.config.trusts(shown):
            self.metrics.connections.labels("unauthorized").inc()
            answer = connection.respond(
                http.HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Api-Key TOKEN\n"
            )
            answer.headers["WWW-Authenticate"] = "Api-Key"
            return answer
        if path == "/metrics":
            answer = connection.respond(http.HTTPStatus.OK, self.metrics.text().decode())
            del answer.headers["Content-Type"]
            answer.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
            return answer
        if path != "/":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "nothing here: connect a websocket to /\n")
        return None
