"""A plan source behind a socket: lets a controller plan with a server, through this client or openpi's."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from forearm.control.plan_source import Observation, PlanRequest
from forearm.errors import InputError
from forearm.serve.request import EARLIER
from forearm.world_model.data.incoming import FrameFit

logger = logging.getLogger(__name__)

SAME = ("task", "resolution", "action_dim", "control_period", "ahead_steps", "past_steps")
"""What must not change when a server comes back."""


class RemotePlanSource:
    """Plans with a server, and connects again when it was gone.

    Args:
        connect: makes a connected client: `forearm.serve.Client`, or `openpi_client`'s `WebsocketClientPolicy`.

    Raises whatever `connect` raises, where the server cannot be reached to begin with.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._client: Any = connect()
        metadata = _metadata(self._client)
        side = int(metadata["resolution"])
        if metadata.get("sensors"):
            raise InputError("the server's model sees sensors and no frames: ask it yourself, forearm.serve.Client")
        self.metadata = metadata
        self.frame_shape: tuple[int, ...] = (side, side, 3)
        self.fit = FrameFit(
            (side, side), [tuple(size) for size in metadata.get("recorded_sizes", ())], metadata.get("cameras", ())
        )
        self.ahead_steps = int(metadata["ahead_steps"])
        self.past_steps = int(metadata["past_steps"])
        period = metadata.get("control_period")
        self.period: float | None = None if period is None else float(period)
        self._goal: Any = None
        self._told = False
        # As many as a request may bring along, and as far back as the model looks.
        self._seen: deque[tuple[float, Observation]] = deque(maxlen=EARLIER + 1)
        self._closest = self.past_steps * (self.period or 0.0) / (EARLIER - 1)
        self._new = 0
        self._planned = False

    def begin(self, goal: Any) -> None:
        """See `PlanSource`; `goal` is a frame, or a name that the server knows."""
        self._goal, self._told, self._planned = goal, False, False
        self._seen.clear()
        self._new = 0

    def see(self, time: float, observation: Observation) -> None:
        """See `PlanSource`; frames go to the server with the next request for a plan."""
        if self._seen and time <= self._seen[-1][0]:
            return
        if len(self._seen) > 1 and self._seen[-1][0] - self._seen[-2][0] < self._closest:
            self._seen.pop()  # frames come faster than a request could take them: the last but one makes room
            self._new = max(0, self._new - 1)
        self._seen.append((time, observation))
        self._new = min(self._new + 1, len(self._seen))

    def plan(self, plan_request: PlanRequest) -> Any:
        """See `PlanSource`. What comes back has `actions` and the server's timings.

        Raises what the client raises; the next call connects anew and tells the server everything again.
        """
        if not self._seen:
            raise RuntimeError("nothing to plan from: see(time, observation) first")
        if self._client is None:
            self._client = self._connected_again()
            self._told = False
        frames = list(self._seen) if not self._told else list(self._seen)[len(self._seen) - max(1, self._new) :]
        time, newest = frames[-1]
        request: dict[str, Any] = {
            "pixels": newest["pixels"], "time": time, "committed": plan_request.committed, "past": plan_request.past,
            "elapsed_steps": plan_request.elapsed_steps if self._told else 0,
        }  # fmt: skip
        if newest.get("proprio") is not None:
            request["proprio"] = np.asarray(newest["proprio"])
        if len(frames) > 1:
            request["earlier_pixels"] = np.stack([frame["pixels"] for _, frame in frames[:-1]])
            request["earlier_times"] = np.array([moment for moment, _ in frames[:-1]])
            if newest.get("proprio") is not None:
                request["earlier_proprio"] = np.stack([np.asarray(frame["proprio"]) for _, frame in frames[:-1]])
        if plan_request.deadline_ms is not None:
            request["deadline_ms"] = plan_request.deadline_ms
        if not self._told:
            request |= {"goal": self._goal, "reset": True}
        try:
            reply = self._client.infer(request)
        except Exception:
            # Refused or lost: either way the server's idea of the episode may not be ours any more.
            self._drop()
            raise
        self._told, self._new = True, 0
        return RemotePlan(np.asarray(reply["actions"], np.float64), dict(reply.get("server_timing", {})))

    def _connected_again(self) -> Any:
        client = self._connect()
        metadata = _metadata(client)
        for name in SAME:
            if metadata.get(name) != self.metadata.get(name):
                self._client = client
                self._drop()
                raise InputError(
                    f"another server has come back: its {name} is {metadata.get(name)!r}, but was "
                    f"{self.metadata.get(name)!r}"
                )
        return client

    def close(self) -> None:
        """End the connection."""
        self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        for closing in (getattr(client, "close", None), getattr(getattr(client, "_ws", None), "close", None)):
            if closing is not None:
                try:
                    closing()
                except Exception as error:  # it is gone already
                    logger.debug("closing a lost connection: %s", error)
                return


class RemotePlan:
    """What a server sent: actions (H, A), and timings in ms."""

    def __init__(self, actions: np.ndarray, timings_ms: dict[str, float]) -> None:
        self.actions, self.timings_ms = actions, timings_ms


def _metadata(client: Any) -> dict[str, Any]:
    found = getattr(client, "metadata", None)
    if found is None:
        found = client.get_server_metadata()
    missing = [name for name in ("resolution", "ahead_steps", "past_steps") if name not in found]
    if missing:
        raise InputError(f"the server's metadata lack {', '.join(missing)}: is it a forearm server?")
    return dict(found)
