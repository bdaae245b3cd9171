"""A whole hub on loopback: real HTTP, real database, keys for every role."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import websockets
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection

from hub.config import Config, read_config
from hub.settings import Settings
from hub.signals import now
from hub.store import open_store
from hub.store.keys import add_key, new_key
from hub.web.app import make_app
from tests.prepared import prepare
from tests.servers import serve

SECRET = "s" * 40
ROLES = ("sales", "support", "product", "community", "executive", "everyone")


@dataclass(slots=True)
class Running:
    """A hub that runs. `keys`: one per role, and `admin`."""

    url: str
    keys: dict[str, str]
    app: Starlette
    client: httpx2.AsyncClient

    async def ask(self, query: str, role: str = "sales", **variables: Any) -> Any:
        """Ask as a role and expect no errors."""
        body = await self.reply(query, role, **variables)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def reply(self, query: str, role: str = "sales", **variables: Any) -> Any:
        answer = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.keys[role]}"},
        )
        return answer.json()

    @asynccontextmanager
    async def socket(self, role: str | None = "sales") -> AsyncGenerator[ClientConnection]:
        """Open a WebSocket, signed in unless `role` is None."""
        async with websockets.connect(
            self.url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            compression=None,
        ) as socket:
            if role is not None:
                key = f"Bearer {self.keys[role]}"
                await say(socket, type="connection_init", payload={"authorization": key})
                assert (await hear(socket))["type"] == "connection_ack"
            yield socket


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection, within: float = 10) -> Any:
    async with asyncio.timeout(within):
        return json.loads(await socket.recv())


async def migrated(database_url: str) -> str:
    await prepare(database_url)
    return database_url


@asynccontextmanager
async def running(
    database_url: str, config: Config | None = None, *, file: Path | None = None, **settings: Any
) -> AsyncGenerator[Running]:
    """Migrate, make keys, start the hub; stop it at the end. `file`: a hub.toml for `config`."""
    keys = {role: new_key() for role in (*ROLES, "admin")}
    await prepare(database_url)
    async with open_store(database_url) as store, store.write() as connection:
        for role in ROLES:
            await add_key(connection, keys[role], name=role, roles=[role], at=now())
        await add_key(connection, keys["admin"], name="admin", roles=[], scopes=["admin"], at=now())
    # Tests ask as often as they like; those of the limits set them.
    limits = {"max_requests": 1_000_000}
    options: dict[str, Any] = {"database": database_url, "secret_key": SECRET, **limits, **settings}
    if file is None:
        config = config or read_config("", {})
    else:
        options["config"] = file
    app = make_app(Settings(**options), config)
    async with serve(app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        yield Running(url, keys, app, client)


async def until(check: Callable[[], Awaitable[Any]] | Callable[[], Any], within: float = 15) -> Any:
    """Wait until a check is truthy and give what it gave; fail with its last answer."""
    last: Any = None
    try:
        async with asyncio.timeout(within):
            while True:
                last = check()
                if asyncio.iscoroutine(last):
                    last = await last
                if last:
                    return last
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within} s; last: {last!r}") from None
