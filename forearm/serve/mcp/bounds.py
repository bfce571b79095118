"""How much clients may ask, and how often."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forearm.common import checks
from forearm.errors import InputError
from forearm.settings.schema.commands import McpCommand

MINUTE = 60.0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """allow_motion: whether the arm may be moved. max_steps: commands in a call. max_plans: that a call compares.
    max_waiting: calls that may wait. calls_per_minute: of all clients. max_message_bytes: of a call's arguments.

    Raises InputError for values that cannot be.
    """

    allow_motion: bool = checks.setting(False, checks.flag)
    max_steps: int = checks.like(McpCommand, "max_steps")
    max_plans: int = checks.like(McpCommand, "max_plans")
    max_waiting: int = checks.like(McpCommand, "max_waiting")
    calls_per_minute: int = checks.like(McpCommand, "calls_per_minute")
    max_message_bytes: int = checks.setting(McpCommand.max_message_kib << 10, checks.integer, least=1)

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.settings(self)


class Door:
    """Lets calls in, or says why not, before anything is computed.

    Args:
        bounds: how many, and how large.
        clock: s.
    """

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds, self._clock = bounds, clock
        self._calls: deque[float] = deque(maxlen=bounds.calls_per_minute)
        self._inside = 0

    def enter(self, arguments: Mapping[str, Any]) -> None:
        """A call comes in, and must `leave`; raises InputError for one too many or too large, which must not."""
        bounds, now = self.bounds, self._clock()
        if len(self._calls) == bounds.calls_per_minute and now - self._calls[0] < MINUTE:
            wait = MINUTE - (now - self._calls[0])
            raise InputError(
                f"too many calls, {bounds.calls_per_minute} in a minute: wait {wait:.0f} s (calls_per_minute=)"
            )
        if self._inside > bounds.max_waiting:
            raise InputError(
                f"busy: {self._inside} calls are not answered yet; wait for an answer and ask again (max_waiting=)"
            )
        size = len(json.dumps(arguments))
        if size > bounds.max_message_bytes:
            raise InputError(
                f"the arguments take {size} bytes, at most {bounds.max_message_bytes} are taken: send fewer commands, "
                "or name a picture of the goals' folder (max_message_kib=)"
            )
        self._calls.append(now)
        self._inside += 1

    def leave(self) -> None:
        """A call that came in is answered."""
        self._inside -= 1
