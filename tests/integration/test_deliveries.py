"""Webhooks: signed, schema-true, retried on schedule, guarded, and none in another's way."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub.deliver import RETRIES, next_attempt_in
from hub.errors import ConfigError
from hub.settings import Settings
from hub.signing import new_secret
from hub.store import open_store
from hub.store.attempts import attempts
from hub.store.deliveries import DeliveryState, deliveries
from hub.web.app import make_app
from tests.ledger import Book, ledger_config
from tests.running import SECRET as HUB_SECRET
from tests.running import Running, migrated, running, until
from tests.servers import serve

SECRET = new_secret()
OUTCOMES = """
{ feed(role: "sales") { edges { node { title relevance(role: "sales") { outcome } } } } }
"""


class Receiver:
    """A real receiver: keeps what came, answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Response] = []
        self.hang = False
        self.app = Starlette(routes=[Route("/hook", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        if self.hang:
            await asyncio.sleep(300)
        return self.answers.pop(0) if self.answers else Response(status_code=204)


def endpoint(url: str, name: str = "bot", role: str = "sales", **more: Any) -> str:
    lines = [f"[endpoints.{name}]", f'role = "{role}"', f'url = "{url}/hook"']
    lines += [f'secret = "{SECRET}"', *(f"{k} = {json.dumps(v)}" for k, v in more.items())]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def delivering(
    database_url: str, receiver: Receiver, book: Book, more: str = "", **options: Any
) -> AsyncGenerator[Running]:
    async with serve(receiver.app) as url, serve(book.app) as vendor:
        config = ledger_config(vendor, toml=endpoint(url, **options) + more)
        async with running(database_url, config) as hub:
            yield hub


async def test_a_won_deal_reaches_the_receiver_signed(database_url: str) -> None:
    receiver, book = Receiver(), Book()
    async with delivering(database_url, receiver, book) as hub:
        book.write("Acme buys", "deal/1")
        await until(lambda: len(receiver.got) == 1)
        headers, body = receiver.got[0]
        Webhook(SECRET).verify(body, headers)
        message = HTTPMessage(headers=headers, body=body)
        event = from_structured_event(message)
        found = await hub.ask("{ changes { edges { node { seq signal { id title } } } } }")
        change = found["changes"]["edges"][0]["node"]
        assert event.get_id() == f"{change['signal']['id']}.{change['seq']}"
        assert event.get_type() == "io.teamsignals.sales.deal.won.v1"
        assert event.get_source() == "/sources/ledger"
        assert event.get_subject() == change["signal"]["id"]
        assert event.get_extension("sequence") == str(change["seq"])
        data = json.loads(body)["data"]
        assert (data["title"], data["account"]["name"]) == ("Acme buys", "Acme")
        assert data["role"] == "sales"
        assert data["relevance"]["score"] > 0.5
        assert data["relevance"]["reasons"]


async def test_a_change_of_the_signal_is_another_event(tmp_path: Any) -> None:
    receiver, book = Receiver(), Book()
    async with delivering(f"sqlite:///{tmp_path}/hub.db", receiver, book, select="id title"):
        book.write("Acme buys", "deal/1")
        await until(lambda: len(receiver.got) == 1)
        book.write("Acme buys more", "deal/1")
        await until(lambda: len(receiver.got) == 2)
        first, second = (json.loads(body) for _, body in receiver.got)
        assert first["subject"] == second["subject"]
        assert int(second["sequence"]) > int(first["sequence"])
        assert set(second["data"]) == {"id", "title", "role", "relevance"}
        ids = {headers["webhook-id"] for headers, _ in receiver.got}
        assert len(ids) == 2


async def test_history_is_not_delivered(tmp_path: Any) -> None:
    receiver, book = Receiver(), Book()
    book.write("Old news", "deal/1")
    async with serve(receiver.app) as url, serve(book.app) as vendor:
        later = datetime.now(UTC) + timedelta(seconds=1)
        config = ledger_config(vendor, toml=endpoint(url), notify_after=later)
        async with running(f"sqlite:///{tmp_path}/hub.db", config) as hub:
            query = OUTCOMES
            edges = await until(lambda: _edges(hub, query))
            assert edges[0]["node"]["relevance"]["outcome"] == "HISTORY"
            await asyncio.sleep(1.1)
            book.write("News", "deal/2")
            await until(lambda: len(receiver.got) == 1)
            assert json.loads(receiver.got[0][1])["data"]["title"] == "News"


async def _edges(hub: Running, query: str) -> Any:
    return (await hub.ask(query))["feed"]["edges"]


async def test_failures_are_retried_under_the_same_id_and_others_go_on(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    receiver, book, other = Receiver(), Book(), Receiver()
    receiver.answers = [Response("busy", 503, {"Retry-After": "7"})]
    async with serve(other.app) as second:
        more = endpoint(second, "other")
        async with delivering(url, receiver, book, more):
            book.write("Acme buys", "deal/1")
            await until(lambda: len(receiver.got) == 1 and len(other.got) == 1)
            await until(lambda: len(receiver.got) == 2, within=20)
        ids = {headers["webhook-id"] for headers, _ in receiver.got}
        assert len(ids) == 1
        Webhook(SECRET).verify(receiver.got[1][1], receiver.got[1][0])
        async with open_store(url) as store, store.read() as connection:
            [bot, _] = sorted(await deliveries(connection), key=lambda one: one.endpoint)
            assert (bot.state, bot.attempt) == (DeliveryState.DELIVERED, 2)
            tries = await attempts(connection, bot.id)
    assert [(one.status, one.response) for one in tries] == [(503, "busy"), (204, None)]
    assert tries[1].at - tries[0].at >= timedelta(seconds=6.9)


async def test_410_disables_the_endpoint(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    receiver, book = Receiver(), Book()
    receiver.answers = [Response(status_code=410)]
    async with delivering(url, receiver, book):
        book.write("One", "deal/1")
        await until(lambda: len(receiver.got) == 1)
        book.write("Two", "deal/2")
        await asyncio.sleep(1)
        assert len(receiver.got) == 1
    async with open_store(url) as store, store.read() as connection:
        states = {one.state for one in await deliveries(connection)}
    assert states == {DeliveryState.DEAD, DeliveryState.PENDING}


async def test_a_disabled_endpoint_works_again_once_it_is_mended(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    gone, mended, book = Receiver(), Receiver(), Book()
    gone.answers = [Response(status_code=410)]
    async with delivering(url, gone, book):
        book.write("One", "deal/1")
        await until(lambda: len(gone.got) == 1)
        book.write("Two", "deal/2")
        await asyncio.sleep(0.6)
    async with delivering(url, mended, book):
        await until(lambda: len(mended.got) == 1)
    assert json.loads(mended.got[0][1])["data"]["title"] == "Two"


async def test_what_cannot_be_rendered_fails_like_any_attempt(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    receiver, book = Receiver(), Book()
    select = 'id relevance(role: "support") { score }'
    async with delivering(url, receiver, book, select=select):
        book.write("One", "deal/1")

        async def tried() -> Any:
            async with open_store(url) as store, store.read() as connection:
                found = await deliveries(connection)
                return found and await attempts(connection, found[0].id)

        [one] = await until(tried)
    assert receiver.got == []
    assert "the selection of bot failed: You have no role named 'support'" in (one.error or "")


async def test_a_hanging_endpoint_delays_nobody(tmp_path: Any) -> None:
    receiver, book, other = Receiver(), Book(), Receiver()
    receiver.hang = True
    async with serve(other.app) as second:
        more = endpoint(second, "other")
        async with delivering(f"sqlite:///{tmp_path}/hub.db", receiver, book, more):
            for number in range(20):
                book.write(f"Deal {number}")
            await until(lambda: len(other.got) == 20, within=10)
            assert len(receiver.got) <= 4, "no more than so many under way to one endpoint"


async def test_a_redirect_is_a_failure_and_is_not_followed(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    receiver, book, elsewhere = Receiver(), Book(), Receiver()
    async with serve(elsewhere.app) as other:
        receiver.answers = [RedirectResponse(f"{other}/hook", 307)]
        async with delivering(url, receiver, book):
            book.write("One", "deal/1")
            await until(lambda: len(receiver.got) == 1)
            await asyncio.sleep(0.5)
    assert elsewhere.got == []
    async with open_store(url) as store, store.read() as connection:
        [one] = await deliveries(connection)
        [tried] = await attempts(connection, one.id)
    assert tried.status == 307
    assert "redirects" in (tried.error or "")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::]", "[::ffff:169.254.169.254]"]
)
async def test_metadata_and_link_local_are_never_called(tmp_path: Any, host: str) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    book = Book()
    async with serve(book.app) as vendor:
        config = ledger_config(vendor, toml=endpoint(f"http://{host}"))
        async with running(url, config):
            book.write("One", "deal/1")

            async def tried() -> Any:
                async with open_store(url) as store, store.read() as connection:
                    found = await deliveries(connection)
                    return found and await attempts(connection, found[0].id)

            [one] = await until(tried)
    assert one.status is None
    assert one.error


async def test_a_role_receives_nothing_that_it_may_not_see(tmp_path: Any) -> None:
    receiver, book = Receiver(), Book()
    options: dict[str, Any] = {"role": "community", "min_score": 0.0}
    async with delivering(f"sqlite:///{tmp_path}/hub.db", receiver, book, **options):
        book.write("A deal is none of its business", "deal/1")
        book.write("A release is", "rel/1", kind="product.release")
        await until(lambda: len(receiver.got) == 1)
        await asyncio.sleep(0.5)
        assert [json.loads(body)["data"]["title"] for _, body in receiver.got] == ["A release is"]


def test_attempts_follow_the_schedule() -> None:
    for attempt, wait in enumerate(RETRIES, 1):
        for _ in range(50):
            given = next_attempt_in(attempt, None)
            assert given is not None
            assert wait * 0.8 <= given <= wait * 1.2
    assert next_attempt_in(len(RETRIES) + 1, None) is None
    assert next_attempt_in(1, timedelta(hours=3)) == timedelta(hours=3)
    assert next_attempt_in(1, timedelta(days=9)) == timedelta(hours=24)


async def test_a_selection_that_the_schema_lacks_stops_the_start(tmp_path: Any) -> None:
    url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    config = ledger_config(toml=endpoint("http://127.0.0.1:1", select="id nonsense"))
    app = make_app(Settings(database=url, secret_key=HUB_SECRET), config)
    with pytest.raises(ConfigError, match=r"endpoints\.bot\.select: Cannot query field 'nonsense'"):
        async with app.router.lifespan_context(app):
            pass
