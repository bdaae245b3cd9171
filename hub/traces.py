"""Traces: one signal from the poll that found it to the answer of who was told.

OpenTelemetry, where it is installed (the extra `traces`) and asked for (`OTEL_*` variables);
elsewhere a span costs a look at one variable. A span holds ids, names and counts: no secrets, and
no signal's words.
"""

import logging
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

from hub import __version__
from hub.errors import HubError
from hub.hidden import hide, redact
from hub.logs import about

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
P = ParamSpec("P")
R = TypeVar("R")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
LAST = 2.0  # seconds that the last spans have to be sent when the process ends
LAST_SPANS = "last spans"  # the thread that sends them

# OpenTelemetry's own names for what other tools know; what is ours begins with `hub.`.
_NAMES = {
    "method": "http.request.method",
    "status": "http.response.status_code",
    "host": "server.address",
    "port": "server.port",
    "path": "url.path",
    "operation": "graphql.operation.type",
    "operation_name": "graphql.operation.name",
}

logger = logging.getLogger(__name__)


class Span:
    """One step that is under way; this one is told to nobody."""

    def tell(self, **facts: str | float | None) -> None:
        """Add facts that only became known meanwhile."""

    def fail(self, error: BaseException) -> None:
        """Say that the step failed, though its block ends in peace."""


class _Nowhere(Span, AbstractContextManager[Span]):
    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Telemetry:
    """What of OpenTelemetry is in use."""

    tracer: "trace.Tracer"
    propagator: "TraceContextTextMapPropagator"
    api: Any  # opentelemetry.trace


class _Told(Span):
    def __init__(self, span: "trace.Span", telemetry: _Telemetry) -> None:
        self._span = span
        self._api = telemetry.api

    def tell(self, **facts: str | float | None) -> None:
        self._span.set_attributes(_attributes(facts))

    def fail(self, error: BaseException) -> None:
        kind = type(error).__name__
        self._span.set_attribute("error.type", kind)
        # The words of other errors quote what they met.
        words = redact(str(error))[:500] if isinstance(error, HubError) else kind
        self._span.set_status(self._api.Status(self._api.StatusCode.ERROR, words))


_NOWHERE = _Nowhere()
_telemetry: _Telemetry | None = None


def span(
    name: str,
    kind: Kind = "internal",
    parent: str | None = None,
    **facts: str | float | None,
) -> AbstractContextManager[Span]:
    """Trace a block; `parent` is a traceparent from elsewhere, else it is part of what goes on."""
    return _NOWHERE if _telemetry is None else _told(_telemetry, name, kind, parent, facts)


def wanted() -> bool:
    """Say whether spans go anywhere."""
    return _telemetry is not None


def here() -> str | None:
    """Give the W3C traceparent of what goes on; None where nothing is traced."""
    if _telemetry is None:
        return None
    carrier: dict[str, str] = {}
    _telemetry.propagator.inject(carrier)
    return carrier.get("traceparent")


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make every call of a function a span with its name."""
    name = getattr(function, "__name__", "step")
    if iscoroutinefunction(function):

        @wraps(function)
        async def traced_later(*args: P.args, **kwargs: P.kwargs) -> Any:
            with span(name):
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", traced_later)

    @wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        with span(name):
            return function(*args, **kwargs)

    return traced


@contextmanager
def sending(environment: Mapping[str, str]) -> Generator[None]:
    """Send traces to where OTEL_EXPORTER_OTLP_ENDPOINT says, until the block ends."""
    if not _wanted(environment):
        yield
        return
    try:
        processor = _processor()
    except ModuleNotFoundError as error:
        logger.warning(
            "traces are asked for by OTEL_EXPORTER_OTLP_ENDPOINT, but are not installed: "
            "pip install 'team-signals-hub[traces]'",
            extra={"missing": error.name},
        )
        yield
        return
    asked = [environment[name] for name in PROTOCOLS if environment.get(name)]
    if asked and asked[0] != "http/protobuf":
        logger.warning("traces are sent as http/protobuf", extra={"asked": asked[0]})
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        for header in environment.get(name, "").split(","):
            hide(header.partition("=")[2].strip())
    with tracing(processor):
        yield


@contextmanager
def tracing(processor: "SpanProcessor") -> Generator[None]:
    """Trace within the block, and give every span that ended to the processor."""
    global _telemetry  # noqa: PLW0603 - one for the process, as logging is
    from opentelemetry import trace as api  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("hub", __version__)
    before = _telemetry
    _telemetry = _Telemetry(tracer, TraceContextTextMapPropagator(), api)
    try:
        yield
    finally:
        _telemetry = before
        # It would wait for a collector that is away longer than who stops us does.
        last = threading.Thread(target=provider.shutdown, name=LAST_SPANS, daemon=True)
        last.start()
        last.join(LAST)


def _wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    return exporter == "otlp" and any(environment.get(name) for name in ENDPOINTS)


def _processor() -> "SpanProcessor":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    return BatchSpanProcessor(OTLPSpanExporter())


def _resource() -> Any:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415

    ours: dict[str, str | int] = {"service.name": "team-signals-hub"}
    ours |= {"service.version": __version__, "process.pid": os.getpid()}
    # What the environment says of the service outranks what we would call it.
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


@contextmanager
def _told(
    telemetry: _Telemetry,
    name: str,
    kind: Kind,
    parent: str | None,
    facts: Mapping[str, str | float | None],
) -> Generator[Span]:
    api = telemetry.api
    context = telemetry.propagator.extract({"traceparent": parent}) if parent else None
    with telemetry.tracer.start_as_current_span(
        name,
        context=context,
        kind=api.SpanKind[kind.upper()],
        attributes=_attributes(facts),
        record_exception=False,  # it would send the traceback, words and all
        set_status_on_exception=False,
    ) as started:
        told = _Told(started, telemetry)
        with about(trace=f"{started.get_span_context().trace_id:032x}"):
            try:
                yield told
            except BaseException as error:
                told.fail(error)
                raise


def _attributes(facts: Mapping[str, str | float | None]) -> dict[str, str | float]:
    return {
        _NAMES.get(key, f"hub.{key}"): value for key, value in facts.items() if value is not None
    }
