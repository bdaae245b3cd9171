"""A hub that reads one real source: `hub serve` in a process of its own, asked as others ask it."""

import asyncio
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.engines import free_port
from tests.live.systems import TAIL_LINES
from tests.running import until

HUB = Path(sys.executable).with_name("hub")
PATIENCE = 60  # seconds until what happened at a source must be shown
START_SECONDS, STOP_SECONDS = 60, 30

_SIGNALS = """
query ($after: String) {
  signals(filter: {sources: ["live"]}, first: 25, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node {
      id externalId kind title summary body status classification severity department url labels
      attributes thread revision author { name } owner { name } account { name }
      history(first: 40) { edges { node { type title status revision } } }
    } }
  }
}
"""
_SOURCE = 'query { source(name: "live") { state lastError lastSuccessAt } }'


@dataclass(slots=True)
class Reader:
    """The hub as its roles see it."""

    folder: Path
    environment: Mapping[str, str]
    client: httpx2.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return self.folder / "hub.log"

    def command(self, *arguments: str) -> str:
        """Run a command of the hub's and give what it printed."""
        return subprocess.run(
            [HUB, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()

    async def ask(self, query: str, role: str, **variables: Any) -> Any:
        """Ask the public API with a key of this role, or an administrator's."""
        if role not in self.keys:
            right = ["--admin"] if role == "admin" else ["--role", role]
            self.keys[role] = self.command("keys", "create", "--name", role, *right)
        answer = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.keys[role]}"},
        )
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def signals(self, role: str = "sales") -> dict[str, Any]:
        """Every signal of the source that this role may see, by the source's id."""
        found: dict[str, Any] = {}
        after, more = None, True
        while more:
            page = (await self.ask(_SIGNALS, role, after=after))["signals"]
            found |= {edge["node"]["externalId"]: edge["node"] for edge in page["edges"]}
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found

    async def shows(self, external_id: str, role: str = "sales", **wanted: Any) -> Any:
        """Wait until the signal is as wanted; the failure tells how it was at last."""
        seen: Any = None

        async def check() -> Any:
            nonlocal seen
            seen = (await self.signals(role)).get(external_id)
            fits = seen and all(seen[name] == value for name, value in wanted.items())
            return seen if fits else None

        try:
            return await until(check, within=PATIENCE)
        except AssertionError:
            source = (await self.ask(_SOURCE, "admin"))["source"]
            raise AssertionError(
                f"{external_id} is not as wanted {wanted}: {seen}; the source: {source}"
            ) from None

    async def state(self, wanted: str) -> Any:
        """Wait until the source's state is as wanted."""

        async def check() -> Any:
            source = (await self.ask(_SOURCE, "admin"))["source"]
            return source if source["state"] == wanted else None

        return await until(check, within=PATIENCE)

    def keeps(self, words: str) -> list[str]:
        """Search every row of every table, as stored, for words that should be gone."""
        with closing(sqlite3.connect(self.folder / "hub.db")) as database:
            return [line for line in database.iterdump() if words in line]


@asynccontextmanager
async def reading(
    folder: Path, source: str, secret: Mapping[str, str], more: str = ""
) -> AsyncGenerator[Reader]:
    """Run a hub whose hub.toml holds this source, on the database in `folder`."""
    (folder / "hub.toml").write_text(f'[sources.live]\nevery = "1s"\n{source}\n{more}\n')
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "HUB_DATABASE": f"sqlite:///{folder / 'hub.db'}",
        "HUB_CONFIG": str(folder / "hub.toml"),
        "HUB_SECRET_KEY": secrets.token_urlsafe(32),
        "HUB_PORT": str(port),
        **secret,
    }
    async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        hub = Reader(folder, environment, client)
        hub.command("migrate")
        with hub.log.open("wb") as out:
            serving = await asyncio.create_subprocess_exec(
                HUB, "serve", cwd=folder, env=environment, stdout=out, stderr=out
            )
        try:
            await until(lambda: _is_ready(serving, client), within=START_SECONDS)
            yield hub
            serving.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(serving.wait(), STOP_SECONDS) == 0
            assert "Traceback" not in hub.log.read_text()
        except BaseException as failure:
            said = hub.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            failure.add_note("\n".join(["The hub's log:", *said]))
            raise
        finally:
            if serving.returncode is None:
                serving.kill()
                await serving.wait()


async def _is_ready(serving: asyncio.subprocess.Process, client: httpx2.AsyncClient) -> bool:
    if serving.returncode is not None:
        raise RuntimeError(f"hub serve ended with {serving.returncode}")
    try:
        return (await client.get("/readyz")).is_success
    except httpx2.TransportError:
        return False
