"""Secrets and words are planted wherever the hub meets any; what the process writes is searched."""

import base64
import io
import json
import logging
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub.connector import Api, Cursor
from hub.logs import JsonLines
from hub.signals import now
from hub.store import open_store
from hub.store.keys import add_key, new_key
from tests.cli import Folder, in_this_process
from tests.ledger import TOKEN, Book, Ledger, ledger_config
from tests.running import hear, migrated, running, say, until
from tests.servers import serve

CANARY = "canary"
SIGNING = base64.b64encode(f"webhook-{CANARY}-signing".encode()).decode()
HUB_TOML = """
[roles.everyone]
threshold = 0.0

[sources.quotes]
connector = "alertmanager"
url = "{vendor}/json"
token = "${{QUOTES_TOKEN}}"
every = "1s"

[sources.shouts]
connector = "hubspot"
url = "{vendor}/text"
token = "${{SHOUTS_TOKEN}}"
every = "1s"

[sources.mumbles]
connector = "rss"
url = "{vendor}/garbage?token=${{MUMBLES_TOKEN}}"
every = "1s"

[sources.refuses]
connector = "alertmanager"
url = "http://127.0.0.1:1/none"
user = "me"
password = "${{REFUSES_PASSWORD}}"
every = "1s"

[sources.works]
connector = "alertmanager"
url = "{vendor}/works"
every = "1s"

[endpoints.there]
role = "everyone"
url = "{vendor}/hooks/services/T0000/B0000/hook-{canary}"
secret = "${{HOOK_SECRET}}"
min_score = 0.0
headers = {{ "X-Api-Key" = "${{HEADER_KEY}}" }}
"""
WORDS = "Zebra crossing at midnight"


def echo(request: Request) -> str:
    """Say back all that one must not: vendors do, in their error texts."""
    return f"cannot {request.url} with {dict(request.headers)}, {request.headers.raw!r}"


async def as_json(request: Request) -> Response:
    return JSONResponse({"message": echo(request), "errors": [echo(request)]}, 400)


async def as_text(request: Request) -> Response:
    return PlainTextResponse(f"<title>{echo(request)}</title>", 500)


async def as_garbage(request: Request) -> Response:
    return PlainTextResponse(f"<rss>{echo(request)}", 200)


async def alerts(request: Request) -> Response:
    del request
    alert = {
        "fingerprint": "f1",
        "labels": {"alertname": WORDS},
        "annotations": {"summary": WORDS, "description": WORDS},
        "startsAt": (at := datetime.now(UTC).isoformat()),
        "updatedAt": at,
        "status": {"state": "active"},
    }
    return JSONResponse([alert])


VENDOR = Starlette(
    routes=[
        Route("/json/{rest:path}", as_json),
        Route("/text/{rest:path}", as_text),
        Route("/garbage", as_garbage),
        Route("/works/api/v2/alerts", alerts),
        Route("/hooks/{rest:path}", as_text, methods=["POST"]),
    ]
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(
        tmp_path,
        {
            "HUB_SECRET_KEY": f"session-{CANARY}-" + "k" * 40,
            "HUB_METRICS_TOKEN": f"metrics-{CANARY}-1234",
            "HUB_LOG_LEVEL": "DEBUG",
            "REFUSES_PASSWORD": f"pass/word {CANARY} & more",
            "MUMBLES_TOKEN": f"rss-{CANARY}-1234",
            "HEADER_KEY": f"header-{CANARY}-1234",
            "HOOK_SECRET": f"whsec_{SIGNING}",
            "QUOTES_TOKEN": f"quotes-{CANARY}-1234",
            "SHOUTS_TOKEN": f"shouts-{CANARY}-1234",
            "ANOTHER_API_KEY": f"another-{CANARY}-1234",
        },
    )


@pytest.mark.processes
async def test_nothing_that_the_process_writes_holds_a_secret(folder: Folder) -> None:
    async with serve(VENDOR) as vendor, httpx2.AsyncClient(timeout=30) as client:
        folder.write(HUB_TOML.format(vendor=vendor, canary=CANARY))
        key, database = new_key(), await migrated(f"sqlite:///{folder.path}/hub.db")
        async with open_store(database) as store, store.write() as connection:
            await add_key(connection, key, name="me", roles=[], scopes=["admin"], at=now())
        async with folder.serving() as hub:
            wrong = f"hub_wrongkey{CANARY}5678"
            for one in (key, wrong):
                await client.post(
                    f"{hub.url}/graphql",
                    json={"query": "{ viewer { name } }"},
                    headers={"Authorization": f"Bearer {one}"},
                )
                query = f"{{ viewer {{ name }} }}&token={quote(one)}&key=query-{CANARY}"
                await client.get(f"{hub.url}/graphql?query={query}")
                await client.post(f"{hub.url}/session", json={"key": one})
                await client.get(f"{hub.url}/metrics", headers={"Authorization": f"Bearer {one}"})
            async with websockets.connect(
                hub.url.replace("http", "ws", 1) + f"/graphql?token={key}",
                subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            ) as ws:
                await say(ws, type="connection_init", payload={"authorization": key})
                await hear(ws)

            async def all_told() -> bool:
                answer = await client.post(
                    f"{hub.url}/graphql",
                    json={"query": "{ sources { name state lastError } }"},
                    headers={"Authorization": f"Bearer {key}"},
                )
                told = {one["name"]: one for one in answer.json()["data"]["sources"]}
                assert CANARY not in answer.text
                failing = ("quotes", "shouts", "mumbles", "refuses")
                works = told["works"]["state"] == "OK"
                return works and all(told[name]["lastError"] for name in failing)

            async def refused() -> str:
                token = folder.environment["HUB_METRICS_TOKEN"]
                headers = {"Authorization": f"Bearer {token}"}
                numbers = (await client.get(f"{hub.url}/metrics", headers=headers)).text
                return numbers if 'endpoint="there",outcome="failed"' in numbers else ""

            await until(all_told)
            numbers = await until(refused)
            done = await hub.stop(signal.SIGTERM)
    written = hub.line + done.out + done.err + numbers
    assert "a source cannot be read" in done.err
    assert "a delivery failed" in done.err
    assert "answered" in done.err  # DEBUG is on
    assert CANARY not in written, [x for x in written.splitlines() if CANARY in x]
    assert SIGNING not in written
    assert key[12:] not in written
    assert all(json.loads(line) for line in done.err.splitlines())


def test_a_command_that_ends_by_an_error_tells_no_secret_either(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.write("")
    url = f"postgresql://hub:db-{CANARY}-1234@127.0.0.1:1/hub"
    with in_this_process(folder, monkeypatch, capsys) as here:
        done = here("serve", "--port", "0", HUB_DATABASE=url)
    assert done.code
    assert "the database cannot be used" in done.err
    assert CANARY not in done.out + done.err


class Careless(Ledger):
    """Its bug tells its token, and quotes the record."""

    async def pull(self, api: Api, cursor: Cursor) -> Any:
        del cursor
        answer = await api.get("/records", after=0)
        if answer["records"]:
            title = answer["records"][0]["title"]
            raise ValueError(f"with {self.token.get_secret_value()}: {title!r} is no title")
        if False:
            yield


async def test_no_words_of_a_signal_are_written_at_info(tmp_path: Path) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(words=False))
    book = Book()

    async def refuse(request: Request) -> Response:
        assert WORDS.encode() in await request.body()
        return PlainTextResponse(await request.body(), 500)

    receiver = Starlette(routes=[Route("/", refuse, methods=["POST"])])
    logging.getLogger().addHandler(handler)
    logging.getLogger("hub").setLevel(logging.INFO)
    try:
        async with serve(book.app) as there, serve(receiver) as hook:
            toml = (
                f'[endpoints.there]\nrole = "sales"\nurl = "{hook}"\n'
                'secret = "whsec_c2VjcmV0c2VjcmV0"\nmin_score = 0.0\n'
            )
            config = ledger_config(there, there, toml=toml)
            careless = Careless(url=there)
            second = replace(config.sources["ledger2"], connector=careless)
            config = replace(config, sources={**config.sources, "ledger2": second})
            async with running(f"sqlite:///{tmp_path}/hub.db", config) as hub:
                book.write(WORDS, summary=WORDS, body=WORDS)
                said = ("a delivery failed", "a connector failed")
                await until(lambda: all(one in stream.getvalue() for one in said))
                feed = '{ feed(role: "sales", first: 1) { edges { node { title } } } }'
                assert WORDS in str(await hub.ask(feed))
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("hub").setLevel(logging.NOTSET)
    for word in ("Zebra", "crossing", "midnight"):
        assert word not in stream.getvalue()
    assert TOKEN not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failed = next(line for line in lines if line["message"] == "a delivery failed")
    assert {"delivery", "endpoint", "signal", "attempt", "error"} <= failed.keys()
    crashed = next(line for line in lines if line["message"] == "a connector failed")
    assert "with …: … is no title" in crashed["traceback"]
    assert crashed["source"] == "ledger2"
    assert crashed["lease"]


async def test_a_request_has_a_number_in_its_answer_and_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(words=False))
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        for given, kept in (("proxy-number-1", True), ("no", False), ("a b cdefgh", False)):
            headers = {"X-Request-ID": given}
            number = (await hub.client.get("/livez", headers=headers)).headers["x-request-id"]
            assert (number == given) is kept

        async def bug(_: Any) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(hub.app.state.sessions, "tell", bug)
        logging.getLogger("uvicorn.error").addHandler(handler)
        try:
            answer = await hub.client.get("/session", headers={"X-Request-ID": "number-of-mine"})
        finally:
            logging.getLogger("uvicorn.error").removeHandler(handler)
    assert answer.status_code == 500
    assert "number-of-mine" in answer.json()["error"]
    assert answer.headers["x-request-id"] == "number-of-mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    [line] = [json.loads(one) for one in stream.getvalue().splitlines()]
    assert line["request"] == "number-of-mine"
    assert "a bug" in line["traceback"]
