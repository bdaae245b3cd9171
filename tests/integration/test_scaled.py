"""Many processes on PostgreSQL and Redis: two that serve, two that work."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection

from hub.signals import now
from hub.store import open_store
from hub.store.deliveries import DeliveryState, deliveries
from hub.store.keys import add_key, new_key
from hub.store.sources import standings
from tests.cli import Folder, Serving
from tests.engines import Valkey
from tests.running import hear, migrated, say, until
from tests.servers import serve

pytestmark = pytest.mark.long

FEED = 'subscription { feed(role: "desk") { ... on FeedCreated { signal { title } } } }'
PUBLISH = """mutation ($title: String!) {
  publishSignal(input: {kind: "team.idea", title: $title}) { __typename }
}"""


@dataclass
class World:
    """What the hub reads and tells: a feed, and a desk that takes webhooks."""

    articles: list[str] = field(default_factory=list)
    told: dict[str, list[str]] = field(default_factory=dict)  # title -> webhook ids
    reading: int = 0
    most_reading: int = 0
    answers_after: float = 0.0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/feed", self.feed),
                Route("/desk", self.desk, methods=["POST"]),
            ]
        )

    async def feed(self, request: Request) -> Response:
        del request
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        await asyncio.sleep(0.3)
        self.reading -= 1
        at = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        items = "".join(
            f"<item><title>{one}</title><guid>{one}</guid><pubDate>{at}</pubDate></item>"
            for one in self.articles
        )
        return Response(
            f'<rss version="2.0"><channel><title>Press</title>{items}</channel></rss>',
            media_type="application/rss+xml",
        )

    async def desk(self, request: Request) -> Response:
        title = (await request.json())["data"]["title"]
        self.told.setdefault(title, []).append(request.headers["webhook-id"])
        await asyncio.sleep(self.answers_after)
        return Response()


@dataclass
class Hub:
    """The processes, and somebody who publishes at the first and listens at the second."""

    folder: Folder
    world: World
    database: str
    key: str
    stack: AsyncExitStack

    async def start(self, command: str) -> Serving:
        return await self.stack.enter_async_context(self.folder.serving(command=command))

    async def publish(self, web: Serving, title: str) -> None:
        async with httpx2.AsyncClient(timeout=30) as client:
            answer = await client.post(
                f"{web.url}/graphql",
                json={"query": PUBLISH, "variables": {"title": title}},
                headers={"Authorization": f"Bearer {self.key}"},
            )
        assert "errors" not in answer.json(), answer.json()

    @asynccontextmanager
    async def feed(self, web: Serving) -> AsyncGenerator[ClientConnection]:
        async with websockets.connect(
            web.url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ) as socket:
            await say(socket, type="connection_init", payload={"authorization": self.key})
            assert (await hear(socket))["type"] == "connection_ack"
            await say(socket, type="subscribe", id="1", payload={"query": FEED})
            await asyncio.sleep(0.3)
            yield socket

    async def latencies(self, at: Serving, socket: ClientConnection, title: str) -> Any:
        """Publish; give the seconds until it is on the other process's screen, and at the desk."""
        began = time.monotonic()
        await self.publish(at, title)
        while await _title(socket) != title:
            pass
        seen = time.monotonic() - began
        await until(lambda: title in self.world.told, within=20)
        return seen, time.monotonic() - began


async def _title(socket: ClientConnection) -> str | None:
    message = await hear(socket, within=20)
    assert message["type"] == "next", message
    event = message["payload"]["data"]["feed"]
    return str(event["signal"]["title"]) if event else None


@pytest.fixture
def redis() -> Generator[Valkey]:
    """Give a Redis that this test may stop."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
async def hub(postgres_url: str, redis: Valkey, tmp_path: Path) -> AsyncGenerator[Hub]:
    """Give a migrated database and a configuration; the processes are the test's to start."""
    world = World()
    async with serve(world.app()) as url, AsyncExitStack() as stack:
        environment = {
            "HUB_SECRET_KEY": "k" * 40,
            "HUB_DATABASE": await migrated(postgres_url),
            "HUB_REDIS": redis.url,
            "HUB_LOG_LEVEL": "INFO",
            "DESK_SECRET": "whsec_aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8=",
        }
        folder = Folder(tmp_path, environment)
        folder.write(f"""
            [sources.press]
            connector = "rss"
            url = "{url}/feed"
            every = "1s"
            [roles.desk]
            threshold = 0.1
            [roles.desk.interests.kinds]
            "*" = 1.0
            "hub.*" = 0
            [endpoints.desk]
            role = "desk"
            url = "{url}/desk"
            secret = "${{DESK_SECRET}}"
        """)
        key = new_key()
        async with open_store(postgres_url) as store, store.write() as connection:
            await add_key(connection, key, name="me", roles=["desk"], at=now())
        yield Hub(folder, world, postgres_url, key, stack)


async def test_what_one_process_learns_others_show_and_tell_with_redis_or_later_without(
    hub: Hub, redis: Valkey
) -> None:
    webs = [await hub.start("serve"), await hub.start("serve")]
    workers = [await hub.start("worker"), await hub.start("worker")]
    assert [one.line.split(" is at ")[0] for one in (*webs, *workers)] == [
        "Team Signals Hub", "Team Signals Hub", "A worker", "A worker",
    ]  # fmt: skip
    async with hub.feed(webs[1]) as socket:
        await hub.latencies(webs[0], socket, "first")  # whatever is slow once
        seen, told = await hub.latencies(webs[0], socket, "with Redis")
        assert seen < 0.8  # a hint; a look without one would be due after a second
        assert told < 2  # a wake-up; the sweep would come within five seconds

        redis.kill()
        hub.world.articles.append("Acme in the news")
        for number in range(3):
            seen, told = await hub.latencies(webs[0], socket, f"without Redis {number}")
            assert seen < 5
            assert told < 10
        await until(lambda: "Acme in the news" in hub.world.told)

        redis.start()
        await until(lambda: _is_quick(hub, webs[0], socket), within=30)
    assert all(len(set(ids)) == 1 for ids in hub.world.told.values())
    assert hub.world.most_reading == 1  # two workers, and never both at one source
    for process in (*workers, *webs):
        done = await process.stop(signal.SIGTERM)
        assert done.code == 0, done
        assert "Traceback" not in done.err, done.err


async def _is_quick(hub: Hub, web: Serving, socket: ClientConnection) -> bool:
    seen, told = await hub.latencies(web, socket, f"again {time.monotonic()}")
    return bool(seen < 0.8 and told < 2)


async def test_a_worker_that_ends_finishes_what_is_quick_and_gives_back_the_rest(hub: Hub) -> None:
    web, worker = await hub.start("serve"), await hub.start("worker")
    hub.world.answers_after = 2
    await hub.publish(web, "quick")
    await until(lambda: "quick" in hub.world.told)
    began = time.monotonic()
    done = await worker.stop(signal.SIGTERM)
    assert done.code == 0, done
    assert time.monotonic() - began < 10
    assert await _states(hub) == [DeliveryState.DELIVERED]

    worker = await hub.start("worker")
    hub.world.answers_after = 60
    await hub.publish(web, "slow")
    await until(lambda: "slow" in hub.world.told)
    began = time.monotonic()
    done = await worker.stop(signal.SIGTERM)
    assert done.code == 0, done
    assert time.monotonic() - began < 10
    assert await _leases(hub) == [None]

    hub.world.answers_after = 0
    began = time.monotonic()
    await hub.start("worker")
    await until(lambda: len(hub.world.told["slow"]) == 2)  # at once: no lease is waited for
    assert len(set(hub.world.told["slow"])) == 1  # the same webhook-id
    await until(lambda: _all_delivered(hub))


async def _states(hub: Hub) -> list[DeliveryState]:
    async with open_store(hub.database) as store, store.read() as connection:
        return [one.state for one in await deliveries(connection)]


async def _all_delivered(hub: Hub) -> bool:
    return set(await _states(hub)) == {DeliveryState.DELIVERED}


async def _leases(hub: Hub) -> list[datetime | None]:
    async with open_store(hub.database) as store, store.read() as connection:
        return [one.lease_until for one in await standings(connection, "press")]


async def test_a_worker_is_refused_where_one_process_does_all(folder: Folder) -> None:
    await folder.hub("migrate")
    (await folder.hub("worker")).said(2, "HUB_REDIS is not set", "hub serve")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, {"HUB_SECRET_KEY": "k" * 40})
    folder.write("")
    return folder
