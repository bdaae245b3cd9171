"""A hub under load, watched from outside: is it ready, and does what is said arrive, how late."""

import math
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.crash.planted import Crash
from tests.crash.processes import Running
from tests.crash.stage import Stage
from tests.running import until

HEALTH = "{ sources { name state lastError failures lagSeconds } }"
PUBLISH = """
mutation { publishSignal(input: { kind: "team.idea", title: "%s" }) { __typename } }
"""
BETWEEN = 0.2  # seconds from one write to the next: a load that leaves nothing in line
AT_ITS_OWN_PACE = Crash(quick=False)


@dataclass(frozen=True, slots=True)
class Watched:
    """A hub that runs on its own settings, and a client of its doors."""

    around: Stage
    running: list[Running]
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
        ledger = self.around.sources.ledger
        title = f"Lag {len(ledger.book.records)}"
        ledger.say_once(title)
        return await self._arrives(title, "all", within)

    async def publish_lag(self, within: float) -> float:
        """Publish something at the web's door; give the seconds until a worker has sent it."""
        title = f"Post {time.monotonic()}"
        answer = await self.ask(PUBLISH % title)
        assert answer.json()["data"]["publishSignal"]["__typename"] == "PublishSignalSuccess"
        return await self._arrives(title, "posts", within)

    async def _arrives(self, title: str, listener: str, within: float) -> float:
        [receiver] = [one for one in self.around.receivers if one.listener.name == listener]
        began = time.monotonic()

        def came() -> bool:
            return any(one.data["title"] == title for one in reversed(receiver.got))

        await until(came, within)
        return time.monotonic() - began

    async def ends_well(self) -> None:
        """Expect that all is read and sent, every process ends in peace, and nothing is lost."""
        around = self.around
        assert await around.quiet() is not None, around.home.log[-2000:]
        for one in self.running:
            await one.stop()
        _, found = await around.compare()
        assert found == [], "\n".join([*found, around.home.log[-8000:]])
        assert len(around.truth.said) > 10, "it was no load"


@asynccontextmanager
async def watched(around: Stage, workers: int = 0) -> AsyncGenerator[Watched]:
    """Run a hub at its own pace under load, and give what watches it."""
    key = await around.home.run("keys", "create", "--name", "watch", "--role", "all", "--admin")
    headers = {"Authorization": f"Bearer {key.strip()}"}
    around.sources.left, around.sources.between = math.inf, BETWEEN
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(
                around.home.running(command, "--port", "0", crash=AT_ITS_OWN_PACE)
            )
            for command in ("serve", *["worker"] * workers)
        ]
        for one in running:
            await one.ready()
        assert running[0].url is not None
        client = httpx2.AsyncClient(base_url=running[0].url, headers=headers, timeout=20)
        yield Watched(around, running, await stack.enter_async_context(client))
