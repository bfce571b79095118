"""What a server counts, as Prometheus reads it (text exposition format 0.0.4)."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Upper ends of the histograms' buckets, s."""


class Metrics:
    """Counters, gauges and histograms of one server, apart from those of the program around it. Thread-safe.

    Args:
        shared: folder in which several processes count together, in files as `prometheus_client` keeps them where
            `PROMETHEUS_MULTIPROC_DIR` names it; None: this process counts alone.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._registry, self._shared = CollectorRegistry(), shared
        self.clients = self._gauge("clients", "Clients that are connected.")
        self.replicas = self._gauge("replicas", "Server processes that listen.")
        self.restarts = self._counter("replica_restarts", "Replicas that took the place of one that died.")
        self.connections = self._counter("connections", "Connections, by what became of them.", ["outcome"])
        self.requests = self._counter("requests", "Requests, by outcome.", ["outcome"])
        self.received = self._counter("received_bytes", "Bytes of messages received.")
        self.sent = self._counter("sent_bytes", "Bytes of messages sent.")
        self.watched = self._counter("watched", "Requests whose newest frame was watched for surprise.")
        self.surprises = self._counter("surprises", "Alarms of surprise that began.")
        self.planned = self._histogram("plan", "Time to see and plan, without waiting.")
        self.waited = self._histogram("queue", "Time a request waited for its turn.")

    def value(self, name: str, **labels: str) -> float:
        """The present value of one sample; 0 for what was never counted."""
        return self._registry.get_sample_value(name, labels) or 0.0

    def text(self) -> bytes:
        """Everything, for a scraper: of all processes together, and of those that died all but the gauges."""
        if self._shared is None:
            return generate_latest(self)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(self._shared))
        return generate_latest(together)

    def collect(self) -> Iterator[Metric]:
        """All but when each of them was first counted, which would double their number."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"forearm_{name}", words, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, name: str, words: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"forearm_{name}_total", words, labels or (), registry=self._registry)

    def _histogram(self, name: str, words: str) -> Histogram:
        return Histogram(f"forearm_{name}_seconds", words, buckets=BUCKETS, registry=self._registry)
