"""The scaled hub behind the proxy of deploy/: a crash and a deploy under load, and nothing lost."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.graphql.relay import log_cursor
from hub.signals import ChangeType
from tests.crash.sources import PER_ROUND
from tests.crash.stage import Stage, stage
from tests.deploy.fleet import Fleet, fleet
from tests.deploy.followers import Follower
from tests.running import until

pytestmark = pytest.mark.deploy

ASK = {"query": "{ signals(first: 5) { edges { node { title } } } }"}


@asynccontextmanager
async def load(url: str, key: str) -> AsyncGenerator[Counter[str]]:
    """Ask without end, through the proxy; count the answers."""
    answers: Counter[str] = Counter()

    async def ask() -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            while True:
                try:
                    answer = await client.post(
                        "/graphql", json=ASK, headers={"Authorization": f"Bearer {key}"}
                    )
                    answers[str(answer.status_code)] += 1
                except httpx2.TransportError as error:
                    answers[type(error).__name__] += 1
                await asyncio.sleep(0.02)

    async with _beside(ask(), ask()):
        yield answers


@asynccontextmanager
async def _beside(*loops: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def changes(around: Stage) -> list[int]:
    """Give the numbers of the log's lines that followers are told."""
    hub, _ = await around.compare()
    return [row.seq for row in hub.changes if row.type != ChangeType.HISTORY]


async def test_a_crash_and_a_deploy_under_load_lose_nothing(
    haproxy: str, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with stage(postgres_url, folder=tmp_path, redis=redis_url) as around:
        # The load is one key's, and asks as fast as it is answered.
        around.home.settings["HUB_MAX_REQUESTS"] = "1000000"
        key = (await around.home.run("keys", "create", "--name", "follower", "--admin")).strip()
        async with fleet(around.home, haproxy) as hub:
            await _doors_are_kept(hub, key)
            followers = [Follower(hub.url, key, log_cursor(0)) for _ in range(4)]
            loops = [
                *(one.follow_by_socket() for one in followers[:2]),
                *(one.follow_by_events() for one in followers[2:]),
            ]
            async with _beside(*loops):
                around.sources.left += PER_ROUND
                async with around.writing(), load(hub.url, key) as answers:
                    await until(lambda: all(len(one.seen) > 10 for one in followers), within=60)
                    await _crash(around, hub, followers)
                    crashed = answers.copy()
                    for member in hub.members:
                        around.sources.left += PER_ROUND
                        await member.restart()
                deployed = answers - crashed
                assert await around.quiet() is not None
                told = await changes(around)
                await until(lambda: all(one.seen[-1] == told[-1] for one in followers), within=30)
            for member in hub.members:
                await member.end(signal.SIGTERM)
        _, differences = await around.compare()
    assert differences == []
    assert len(told) > 100
    for one in followers:
        assert one.seen == told, "each change once, in order"
        assert sum(one.ends.values()) >= 1, "it was cut off and came back"
    assert any(one.ends["1012"] for one in followers[:2]), [one.ends for one in followers]
    assert deployed["200"] > 50
    # A request may be cut off in the moment in which a web ends; it is never more than that.
    assert deployed.total() - deployed["200"] <= len(hub.webs), deployed


async def _doors_are_kept(hub: Fleet, key: str) -> None:
    async with httpx2.AsyncClient(base_url=hub.url, timeout=30) as client:
        asked = await client.post("/graphql", json=ASK, headers={"Authorization": f"Bearer {key}"})
        [edge] = asked.json()["data"]["signals"]["edges"]
        assert edge["node"]["title"] == "A new configuration is in force"
        for probe in ("/metrics", "/livez", "/readyz"):
            assert (await client.get(probe)).status_code == httpx2.codes.NOT_FOUND, probe
        for member in hub.members:
            ready = await client.get(f"http://{member.address}/readyz")
            assert ready.status_code == httpx2.codes.OK


async def _crash(around: Stage, hub: Fleet, followers: list[Follower]) -> None:
    """Kill a web: who was there goes on at the other one, at once."""
    seen = [len(one.seen) for one in followers]
    around.sources.left += PER_ROUND
    await hub.webs[0].end(signal.SIGKILL)
    await until(
        lambda: all(
            len(one.seen) > before + 5 for one, before in zip(followers, seen, strict=True)
        ),
        within=30,
    )
    await hub.webs[0].start()
