"""What a server counts, as Prometheus reads it (text exposition format 0.0.4)."""

import threading
from bisect import bisect_left
from collections import Counter

BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Upper ends of the histograms' buckets, s."""

HELP = {
    "forearm_clients": ("gauge", "Clients that are connected."),
    "forearm_connections_total": ("counter", "Connections, by what became of them."),
    "forearm_requests_total": ("counter", "Requests, by outcome."),
    "forearm_received_bytes_total": ("counter", "Bytes of messages received."),
    "forearm_sent_bytes_total": ("counter", "Bytes of messages sent."),
    "forearm_plan_seconds": ("histogram", "Time to see and plan, without waiting."),
    "forearm_queue_seconds": ("histogram", "Time a request waited for its turn."),
}


class Metrics:
    """Counters, gauges and histograms of one server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Add to a counter or gauge; `label` is written as it is, such as `outcome="ok"`."""
        with self._lock:
            self._values[name, label] += by  # type: ignore[assignment]

    def observe(self, name: str, seconds: float) -> None:
        """Add one length of time to a histogram."""
        with self._lock:
            buckets = self._buckets.setdefault(name, [0] * (len(BUCKETS) + 1))
            buckets[bisect_left(BUCKETS, seconds)] += 1
            self._sums[name] += seconds  # type: ignore[assignment]

    def value(self, name: str, label: str = "") -> float:
        """The present value of a counter or gauge."""
        with self._lock:
            return self._values[name, label]

    def text(self) -> str:
        """Everything, for a scraper."""
        with self._lock:
            lines = []
            for name, (kind, words) in HELP.items():
                lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
                if kind == "histogram":
                    buckets, below = self._buckets.get(name, [0] * (len(BUCKETS) + 1)), 0
                    for bound, number in zip((*BUCKETS, "+Inf"), buckets, strict=True):
                        below += number
                        lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
                    lines += [f"{name}_sum {self._sums[name]:.6f}", f"{name}_count {below}"]
                    continue
                found = {label: value for (known, label), value in sorted(self._values.items()) if known == name}
                for label, value in (found or {"": 0}).items():
                    said = (
                        f"{int(value)}" if value == int(value) else repr(value)
                    )  # all its digits: rates are differences
                    lines.append(f"{name}{{{label}}} {said}" if label else f"{name} {said}")
            return "\n".join(lines) + "\n"
