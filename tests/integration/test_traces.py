"""One signal is one trace: from the poll that found it to the tool that was told."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub import traces
from hub.errors import SourceUnavailable
from hub.signals import now
from hub.store import open_store
from hub.store.keys import add_key, new_key
from tests.cli import Folder, Serving
from tests.ledger import TOKEN, Book, ledger_config
from tests.running import migrated, running, until
from tests.servers import serve

ENDPOINT = """
[endpoints.there]
role = "everyone"
url = "{url}/desk"
secret = "{secret}"
min_score = 0.0
[roles.everyone]
threshold = 0.0
"""
PIPELINE = {"normalize", "dedupe", "enrich", "score", "address"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORDS = "Zebra crossing"
PUBLISH = """mutation ($title: String!) {
  publishSignal(input: {kind: "team.idea", title: $title}) { __typename }
}"""


class Desk:
    """Takes webhooks, and keeps the trace each belongs to."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []  # title, traceparent
        self.app = Starlette(routes=[Route("/desk", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        title = (await request.json())["data"]["title"]
        self.told.append((title, request.headers.get("traceparent")))
        return Response(status_code=204)

    def trace_of(self, title: str) -> str | None:
        """Give the trace of the webhook with this title, once it has come."""
        return next(
            (parent.split("-")[1] for name, parent in self.told if name == title and parent), None
        )


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    with traces.tracing(SimpleSpanProcessor(exporter)):
        yield exporter


def by_name(spans: InMemorySpanExporter, trace: str) -> dict[str, ReadableSpan]:
    found = {}
    for span in spans.get_finished_spans():
        if span.context is not None and f"{span.context.trace_id:032x}" == trace:
            kind = "" if span.kind is None else span.kind.name.lower()
            found[f"{span.name} {kind}"] = span
    return found


async def test_a_signal_is_followed_from_its_poll_to_its_webhook(
    spans: InMemorySpanExporter, database_url: str
) -> None:
    book, desk = Book(), Desk()
    async with serve(book.app) as there, serve(desk.app) as url:
        config = ledger_config(there, toml=ENDPOINT.format(url=url, secret=SECRET))
        async with running(database_url, config) as hub:
            book.write(WORDS)
            trace = await until(lambda: desk.trace_of(WORDS))
            await until(lambda: "poll internal" in by_name(spans, trace))
            await until(lambda: "deliver consumer" in by_name(spans, trace))
            feed = "query Mine { viewer { name } }"
            asked = {
                "Authorization": f"Bearer {hub.keys['sales']}",
                "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            }
            body = {"query": feed, "operationName": "Mine"}
            await hub.client.post("/graphql", json=body, headers=asked)
    found = by_name(spans, trace)
    parents = {name: span.parent.span_id if span.parent else None for name, span in found.items()}
    ids = {name: span.context.span_id for name, span in found.items() if span.context}
    assert parents["poll internal"] is None
    assert parents["GET client"] == parents["ingest internal"] == ids["poll internal"]
    for step in PIPELINE:
        assert parents[f"{step} internal"] == ids["ingest internal"]
    assert parents["deliver consumer"] == ids["address internal"]
    assert parents["render internal"] == parents["POST client"] == ids["deliver consumer"]
    facts = dict(found["deliver consumer"].attributes or {})
    assert facts["hub.endpoint"] == "there"
    assert facts["hub.outcome"] == "delivered"
    assert (found["POST client"].attributes or {})["http.response.status_code"] == 204
    assert (found["poll internal"].attributes or {})["hub.signals"] == 1
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    for secret in (WORDS, TOKEN, SECRET[6:], hub.keys["sales"]):
        assert secret not in told
    theirs = by_name(spans, "a" * 32)["graphql server"]
    assert (theirs.attributes or {})["graphql.operation.name"] == "Mine"


async def test_what_fails_says_so_without_the_words_of_others(spans: InMemorySpanExporter) -> None:
    with traces.span("inner") as inner:
        inner.fail(SourceUnavailable("crm.example answered 500"))
    with pytest.raises(ValueError, match="Zebra"), traces.span("outer", source="crm"):
        raise ValueError(WORDS)
    inner_span, outer_span = spans.get_finished_spans()
    assert inner_span.status.description == "crm.example answered 500"
    assert outer_span.status.description == "ValueError"
    assert (outer_span.attributes or {})["error.type"] == "ValueError"
    assert not outer_span.events
    assert WORDS not in outer_span.to_json()


async def test_a_poll_that_fails_and_a_header_that_is_nonsense(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    book = Book()
    book.answer = JSONResponse({"message": f"no {TOKEN}"}, 500)
    database = f"sqlite:///{tmp_path}/hub.db"
    async with serve(book.app) as there, running(database, ledger_config(there)) as hub:

        def polls() -> list[ReadableSpan]:
            return [one for one in spans.get_finished_spans() if one.name == "poll"]

        await until(polls)
        headers = {"Authorization": f"Bearer {hub.keys['sales']}", "traceparent": "00-x-y-z"}
        answer = await hub.client.post("/graphql", json={"query": "{ a }"}, headers=headers)
        assert answer.status_code == 200
    assert (polls()[0].attributes or {})["error.type"] == "SourceUnavailable"
    assert "answered 500" in str(polls()[0].status.description)
    assert TOKEN not in "".join(one.to_json() for one in spans.get_finished_spans())


async def test_nothing_is_traced_and_nothing_sent_along_unless_it_is_asked_for(
    tmp_path: Path,
) -> None:
    book, desk = Book(), Desk()
    async with serve(book.app) as there, serve(desk.app) as url:
        config = ledger_config(there, toml=ENDPOINT.format(url=url, secret=SECRET))
        async with running(f"sqlite:///{tmp_path}/hub.db", config):
            book.write(WORDS)
            await until(lambda: desk.told)
    assert desk.told == [(WORDS, None)]
    assert traces.here() is None


def test_without_the_extra_it_says_how_to_get_it_and_goes_on(tmp_path: Path) -> None:
    program = """
import sys
import time
sys.modules["opentelemetry.sdk"] = sys.modules["opentelemetry"] = None
from hub import traces
from hub.logs import set_up_logs
set_up_logs("INFO", "text")
asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
with traces.sending(asked), traces.span("a") as span:
    span.tell(b=1)
    print("goes on", traces.here())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout == "goes on None\n"
    assert "team-signals-hub[traces]" in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_it_is_off_as_opentelemetry_says(environment: dict[str, str]) -> None:
    with traces.sending(environment):
        assert traces.here() is None
        with traces.span("nothing"):
            assert traces.here() is None


class Collector:
    """What an OTLP collector is sent: spans with the process that each came from."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, int]] = []  # trace, name, pid
        self.services: set[str] = set()
        self.app = Starlette(routes=[Route("/v1/traces", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        sent = ExportTraceServiceRequest.FromString(await request.body())
        for part in sent.resource_spans:
            about = {one.key: one.value for one in part.resource.attributes}
            self.services.add(about["service.name"].string_value)
            for scope in part.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        (span.trace_id.hex(), span.name, about["process.pid"].int_value)
                    )
        return Response(status_code=200)

    def of(self, trace: str) -> dict[str, int]:
        return {name: pid for its, name, pid in self.spans if its == trace}


@asynccontextmanager
async def processes(folder: Folder) -> AsyncGenerator[tuple[Serving, Serving]]:
    async with folder.serving() as web, folder.serving(command="worker") as worker:
        yield web, worker


@pytest.mark.processes
async def test_one_trace_goes_through_two_processes(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    key, desk, collector = new_key(), Desk(), Collector()
    async with open_store(await migrated(postgres_url)) as store, store.write() as connection:
        await add_key(connection, key, name="me", roles=["everyone"], scopes=["admin"], at=now())
    async with serve(desk.app) as url, serve(collector.app) as otlp:
        environment = {
            "HUB_SECRET_KEY": "k" * 40,
            "HUB_DATABASE": postgres_url,
            "HUB_REDIS": redis_url,
            "DESK_SECRET": SECRET,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_SERVICE_NAME": "our-hub",
        }
        folder = Folder(tmp_path, environment)
        (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={otlp}\n")
        folder.write(ENDPOINT.format(url=url, secret="${DESK_SECRET}"))
        async with processes(folder) as (web, worker), httpx2.AsyncClient(timeout=30) as client:
            answer = await client.post(
                f"{web.url}/graphql",
                json={"query": PUBLISH, "variables": {"title": WORDS}},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert "errors" not in answer.json(), answer.text
            trace = await until(lambda: desk.trace_of(WORDS))
            wanted = PIPELINE | {"graphql", "deliver", "render", "POST"}
            await until(lambda: wanted <= collector.of(trace).keys())
            at = collector.of(trace)
            assert {at["graphql"], at["address"]} == {web.process.pid}
            assert {at["deliver"], at["render"], at["POST"]} == {worker.process.pid}
            assert collector.services == {"our-hub"}


@pytest.mark.long
async def test_a_collector_that_is_away_does_not_keep_the_hub_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    began = time.monotonic()
    with traces.sending({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}), traces.span("a"):
        assert traces.here() is not None
    assert time.monotonic() - began < 8
    # In a process that goes on, as this one, what it says at last would be read in another test.
    [sending] = [one for one in threading.enumerate() if one.name == traces.LAST_SPANS]
    await asyncio.to_thread(sending.join, 60)
    assert not sending.is_alive()
