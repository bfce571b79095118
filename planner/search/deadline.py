"""How long a plan has taken, and whether its deadline leaves time for more."""

from collections import deque
from collections.abc import Callable

import torch

from forearm.common import checks

RECENT = 4


class Stopwatch:
    """Adds up laps by name, and judges whether the deadline leaves time for one more iteration, and for `after` more
    evaluations that follow the search.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        encode_ms: float,
        deadline_ms: float | None,
        device: torch.device,
        after: int = 0,
    ) -> None:
        self.clock, self.deadline_ms, self.after = clock, deadline_ms, after
        self.encode_ms = checks.real("encode_ms", encode_ms, least=0.0)
        # Work queued on an accelerator must have been done before the time left can be judged.
        self.wait = deadline_ms is not None and device.type == "cuda"
        self.device = device
        self.started = self.last = self.iteration = clock()
        self.laps = {"rollout": 0.0, "select": 0.0}
        self.lengths: deque[float] = deque(maxlen=RECENT)  # seconds of the last iterations

    def lap(self, name: str) -> None:
        """Add the time since the last lap to `name`."""
        now = self.clock()
        self.laps[name] += now - self.last
        self.last = now

    def no_time_for_another(self) -> bool:
        """Called after each iteration: would another one, as long as the longest of the last few, miss the deadline?
        What follows the search is taken to be as long.
        """
        if self.deadline_ms is None:
            return False
        if self.wait:
            torch.cuda.synchronize(self.device)
        now = self.clock()
        self.lengths.append(now - self.iteration)
        self.iteration = now
        return self.encode_ms + 1e3 * (now - self.started + (1 + self.after) * max(self.lengths)) > self.deadline_ms

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds spent: `encode` (as told), `rollout` (model and cost), `select` (the rest),
        `total`.
        """
        laps = {name: 1e3 * seconds for name, seconds in self.laps.items()}
        return {"encode": self.encode_ms, **laps, "total": self.encode_ms + sum(laps.values())}
