"""A hub under load, watched from outside: is it ready, and does what is said arrive, how late."""

import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.crash.planted import Crash
from tests.crash.processes import Running
from tests.crash.stage import Stage
from tests.running import until

HEALTH = "{ sources { name state lastError failures lagSeconds } }"
BETWEEN = 0.2  # seconds from one write to the next: a load that leaves nothing in line
AT_ITS_OWN_PACE = Crash(quick=False)


@dataclass(frozen=True, slots=True)
class Watched:
    """A hub that runs on its own settings, and a client of its doors."""

    around: Stage
    running: Running
    client: httpx2.AsyncClient

    async def probe(self) -> httpx2.Response:
        return await self.client.get("/readyz")

    async def unready_within(self, seconds: float) -> httpx2.Response:
        """Wait for something else than 200 of /readyz, which keeps an answer for a second."""

        async def refused() -> httpx2.Response | None:
            answer = await self.probe()
            return None if answer.status_code == 200 else answer

        answer: httpx2.Response = await until(refused, seconds)
        return answer

    async def ask(self, query: str) -> httpx2.Response:
        return await self.client.post("/graphql", json={"query": query})

    async def sources(self) -> dict[str, Any]:
        answer = (await self.ask(HEALTH)).json()
        return {one["name"]: one for one in answer["data"]["sources"]}

    async def ready_within(self, seconds: float) -> float:
        """Wait for 200 of /readyz and give the seconds."""
        began = time.monotonic()

        async def ready() -> bool:
            return (await self.probe()).status_code == 200

        await until(ready, seconds)
        return time.monotonic() - began

    async def lag(self, within: float) -> float:
        """Say something at the ledger; give the seconds until its endpoint has it."""
        ledger, [everything, *_] = self.around.sources.ledger, self.around.receivers
        title = f"Lag {len(ledger.book.records)}"
        seen, began = len(everything.got), time.monotonic()
        ledger.say_once(title)
        await until(
            lambda: any(one.data["title"] == title for one in everything.got[seen:]), within
        )
        return time.monotonic() - began


@asynccontextmanager
async def watched(around: Stage, *words: str) -> AsyncGenerator[Watched]:
    """Run `hub serve` while the sources write, and give what watches it."""
    key = await around.home.run("keys", "create", "--name", "watch", "--role", "all", "--admin")
    headers = {"Authorization": f"Bearer {key.strip()}"}
    around.sources.left, around.sources.between = math.inf, BETWEEN
    async with around.home.running("serve", "--port", "0", *words, crash=AT_ITS_OWN_PACE) as hub:
        await hub.ready()
        assert hub.url is not None
        async with httpx2.AsyncClient(base_url=hub.url, headers=headers, timeout=20) as client:
            yield Watched(around, hub, client)


async def ends_well(around: Stage, hub: Running) -> None:
    """Expect that all is read and sent, the hub ends in peace, and nothing is lost or twice."""
    assert await around.quiet() is not None, around.home.log[-2000:]
    await hub.stop()
    _, found = await around.compare()
    assert found == []
    assert len(around.truth.said) > 10, "it was no load"
