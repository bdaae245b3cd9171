"""The instruments of the process, written for Prometheus.

A label names a source, an endpoint, a route or one of a few words: never what a signal says. What
the database knows is not counted here: it is read when Prometheus asks, so that every process
tells the same (`State`).
"""

from collections import Counter as Tally
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from hub import __version__
from hub.tallies import Counts, Durations

# They would be a second series for every counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_BRIEF = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds
_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 300)


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(name, help_, labels, registry=REGISTRY)


def _gauge(name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(name, help_, labels, registry=REGISTRY)


def _seconds(name: str, help_: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(name, help_, labels, buckets=buckets, registry=REGISTRY)


class Tallied(Collector):
    """Writes what was counted or timed with every request."""

    def __init__(self, name: str, help_: str, told: Counts | Durations) -> None:
        self.name, self.help, self.told = name, help_, told
        REGISTRY.register(self)

    def collect(self) -> Iterator[Metric]:
        if isinstance(self.told, Counts):
            counter = CounterMetricFamily(self.name, self.help, labels=self.told.names)
            for values, many in self.told:
                counter.add_metric(values, many)
            yield counter
        else:
            histogram = HistogramMetricFamily(self.name, self.help, labels=[self.told.name])
            for value, times in self.told:
                buckets = [(floatToGoString(most), upto) for most, upto in times.up_to()]  # type: ignore[no-untyped-call]
                histogram.add_metric([value], buckets, times.total)
            yield histogram


def _counts(name: str, help_: str, *labels: str) -> Counts:
    counts = Counts(*labels)
    Tallied(name, help_, counts)
    return counts


def _durations(name: str, help_: str, label: str) -> Durations:
    durations = Durations(label, _BRIEF)
    Tallied(name, help_, durations)
    return durations


Info("hub_build", "The version that runs.", registry=REGISTRY).info({"version": __version__})

polls = _counter(
    "hub_polls_total",
    "Polls that ended; outcome: ok, or the error that ended it.",
    "source",
    "outcome",
)
poll_seconds = _seconds("hub_poll_seconds", "How long a poll took.", "source", buckets=_LONG)
pages = _counter("hub_pages_total", "Pages stored; a page without news is not.", "source")
page_seconds = _seconds(
    "hub_page_seconds", "How long it took to store a page with all that follows.", buckets=_BRIEF
)
signals = _counter(
    "hub_signals_ingested_total",
    "Versions of signals stored; type: as in the log of changes.",
    "source",
    "type",
)
seen_before = _counter(
    "hub_drafts_seen_before_total", "Drafts of a version that the hub had already.", "source"
)
quarantined = _counter(
    "hub_quarantined_total", "Records that could not be read and were put aside.", "source"
)
pushes = _counter(
    "hub_pushes_total",
    "Requests that came to /push; outcome: stored, known (delivered before), answered (a "
    "challenge), refused (not signed by the vendor), invalid. Without a source: nobody takes it.",
    "source",
    "outcome",
)
pushes_read = _counter(
    "hub_pushes_read_total",
    "Stored pushes that were read; outcome: read, unreadable (put aside).",
    "source",
    "outcome",
)
deliveries = _counter(
    "hub_deliveries_total",
    "Attempts that ended; outcome: delivered, failed (tried again), dead, withdrawn.",
    "endpoint",
    "outcome",
)
delivery_seconds = _seconds(
    "hub_delivery_seconds", "How long an attempt took.", "endpoint", buckets=_LONG
)
leases_lost = _counter(
    "hub_leases_lost_total",
    "Work that another worker had taken over; work: poll, delivery, push.",
    "work",
)
subscribers = _gauge("hub_subscribers", "Subscriptions that follow the log here.")
overtaken = _counter(
    "hub_subscribers_overtaken_total",
    "Times that a subscriber fell behind and read the log for itself.",
)
requests = _counts(
    "hub_http_requests_total", "HTTP requests answered.", "route", "method", "status"
)
request_seconds = _durations("hub_http_request_seconds", "How long until an answer began.", "route")
sockets = _gauge("hub_sockets", "WebSockets that are open.")
operations = _counts(
    "hub_graphql_operations_total",
    "GraphQL operations that ended, a delivery's selection among them; "
    "outcome: ok, refused, unavailable, failed.",
    "type",
    "outcome",
)
operation_seconds = _durations(
    "hub_graphql_operation_seconds",
    "How long a query or mutation took.",
    "type",
)
answers = _counts(
    "hub_graphql_answers_total",
    "Answers to queries that may be kept; outcome: kept, made.",
    "outcome",
)
store_failures = _counter(
    "hub_database_failures_total", "Times that the database could not be used."
)
redis_up = _gauge("hub_redis_up", "1 while Redis answers this process; use: bus, jobs.", "use")


def count_page(source: str, types: Iterable[str], known: int, bad: int) -> None:
    """Count what a page brought, once it is committed."""
    pages.labels(source).inc()
    for type_, many in Tally(types).items():
        signals.labels(source, type_).inc(many)
    seen_before.labels(source).inc(known)
    quarantined.labels(source).inc(bad)


class State(NamedTuple):
    """A gauge whose value the database knows."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


DATABASE_UP = State("hub_database_up", "1 when the database answered; else what follows is absent.")
SOURCE_UP = State(
    "hub_source_up", "1 when the last poll worked; absent before the first.", ("source",)
)
SOURCE_FAILURES = State("hub_source_failures", "Polls in a row that failed.", ("source",))
SOURCE_SUCCESS = State(
    "hub_source_last_success_timestamp_seconds", "When a poll last worked.", ("source",)
)
SOURCE_PROBLEM = State(
    "hub_source_config_rejected",
    "1 while a newer configuration of the source is not in force.",
    ("source",),
)
POLL_LAG = State(
    "hub_poll_lag_seconds", "How long a due poll has waited for a worker.", ("source",)
)
PUSH_LAG = State(
    "hub_push_lag_seconds",
    "How long the oldest push has waited to be read; absent where none waits.",
    ("source",),
)
QUEUE = State(
    "hub_delivery_queue",
    "Deliveries, counted to 10,000 (the dead: of all endpoints); state: due, "
    "leased, later, held (endpoint disabled or not declared), dead.",
    ("endpoint", "state"),
)
DELIVERY_LAG = State(
    "hub_delivery_lag_seconds", "How long the oldest due delivery has waited.", ("endpoint",)
)
CHORE_LAG = State("hub_chore_lag_seconds", "How long a due chore has waited.", ("chore",))
LOG_HEAD = State("hub_log_head", "The newest number in the log of changes.")
STREAM_LAG = State(
    "hub_stream_lag_changes", "Changes that this process has not handed to its subscribers yet."
)
STATES = (
    DATABASE_UP,
    SOURCE_UP,
    SOURCE_FAILURES,
    SOURCE_SUCCESS,
    SOURCE_PROBLEM,
    POLL_LAG,
    PUSH_LAG,
    QUEUE,
    DELIVERY_LAG,
    CHORE_LAG,
    LOG_HEAD,
    STREAM_LAG,
)


class Sample(NamedTuple):
    """What the database says of one gauge. Labels are in the gauge's order."""

    state: State
    value: float
    labels: tuple[str, ...] = ()


@contextmanager
def timed(histogram: Histogram) -> Generator[None]:
    """Observe how long a block takes, whether it ends well or not."""
    began = perf_counter()
    try:
        yield
    finally:
        histogram.observe(perf_counter() - began)


def written(samples: Iterable[Sample], accept: str) -> tuple[bytes, str]:
    """Write all instruments and what the database said; give the text and its media type."""
    encode, media = choose_encoder(accept)
    return encode(_All(samples)), media


class _All(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = tuple(samples)

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
        for state in STATES:
            family = GaugeMetricFamily(state.name, state.help, labels=state.labels)
            for sample in self._samples:
                if sample.state is state:
                    family.add_metric(sample.labels, sample.value)
            yield family
