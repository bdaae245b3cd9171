"""`/metrics` on a hub that polls, stores, delivers and is followed; and who may read it."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.web.watch import KEEP
from tests.ledger import Book, ledger_config
from tests.running import Running, hear, running, say, until
from tests.servers import serve

TOKEN = "the-scraper-may-read-this"
ENDPOINT = """
[endpoints.there]
role = "sales"
url = "{url}"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
min_score = 0.0
"""


class Numbers(dict[str, float]):
    """One scrape: `name{label=value}` with labels in order, or `name` alone -> value."""

    def __init__(self, body: str) -> None:
        for family in text_string_to_metric_families(body):
            for sample in family.samples:
                labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
                self[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value

    def __missing__(self, name: str) -> float:
        return 0


async def scrape(hub: Running) -> Numbers:
    answer = await hub.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return Numbers(answer.text)


@asynccontextmanager
async def hub_with(
    database_url: str, book: Book, status: int = 204, **settings: Any
) -> AsyncGenerator[Running]:
    async def take(_: Any) -> Response:
        return Response(status_code=status)

    receiver = Starlette(routes=[Route("/", take, methods=["POST"])])
    async with serve(book.app) as there, serve(receiver) as url:
        config = ledger_config(there, toml=ENDPOINT.format(url=url))
        async with running(database_url, config, metrics_token=TOKEN, **settings) as hub:
            yield hub


async def test_what_happened_is_counted(database_url: str) -> None:
    book = Book()
    async with hub_with(database_url, book) as hub:
        before = await scrape(hub)  # the process counts over the hubs of all tests
        for n in range(4):
            book.write(f"deal {n}")
        book.records[3]["at"] = "no time"

        async def rose(name: str, by: float) -> None:
            async def enough() -> bool:
                return (await scrape(hub))[name] - before[name] == by

            await until(enough)

        await rose("hub_signals_ingested_total{source=ledger,type=created}", 3)
        await rose("hub_quarantined_total{source=ledger}", 1)
        await rose("hub_deliveries_total{endpoint=there,outcome=delivered}", 3)
        await rose("hub_log_head", 3)  # read from the database, and at most a second old
        now = await scrape(hub)
        assert now["hub_polls_total{outcome=ok,source=ledger}"] > 0
        assert now["hub_poll_seconds_count{source=ledger}"] > 0
        assert now["hub_delivery_seconds_count{endpoint=there}"] >= 3
        assert now["hub_source_up{source=ledger}"] == 1
        assert now["hub_source_last_success_timestamp_seconds{source=ledger}"] > 1e9
        assert now["hub_database_up"] == 1
        assert now["hub_delivery_queue{endpoint=there,state=due}"] == 0
        assert now["hub_poll_lag_seconds{source=ledger}"] < 5
        assert now["hub_stream_lag_changes"] == 0


async def test_trouble_shows(database_url: str) -> None:
    book = Book()
    async with hub_with(database_url, book, status=500) as hub:
        before = await scrape(hub)
        book.write("one")

        async def waits() -> Any:
            now = await scrape(hub)
            failed = "hub_deliveries_total{endpoint=there,outcome=failed}"
            return (
                now[failed] > before[failed]
                and now["hub_delivery_queue{endpoint=there,state=later}"]
            )

        assert await until(waits) == 1
        book.answer = JSONResponse({"message": "out of order"}, 500)

        async def down() -> bool:
            now = await scrape(hub)
            return (
                now["hub_source_failures{source=ledger}"] >= 1
                and not now["hub_source_up{source=ledger}"]
            )

        await until(down)
        now = await scrape(hub)
        assert now["hub_polls_total{outcome=unavailable,source=ledger}"] > 0
        async with hub.app.state.runtime.store.write() as connection:
            await connection.execute(text("UPDATE endpoints SET disabled_at = created_at"))
            await connection.execute(text("UPDATE deliveries SET state = 'dead' WHERE seq = 0"))

        async def held() -> bool:
            return (await scrape(hub))["hub_delivery_queue{endpoint=there,state=held}"] == 1

        await until(held)


async def test_who_follows_is_counted(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", metrics_token=TOKEN) as hub:
        before = await scrape(hub)
        async with hub.socket() as socket:
            query = {"query": 'subscription { feed(role: "sales") { __typename } }'}
            await say(socket, id="1", type="subscribe", payload=query)

            async def follows() -> bool:
                now = await scrape(hub)
                return all(
                    now[name] == before[name] + 1 for name in ("hub_subscribers", "hub_sockets")
                )

            await until(follows)
            await say(socket, id="2", type="subscribe", payload={"query": "{ viewer { name } }"})
            assert (await hear(socket))["type"] == "next"

        async def gone() -> bool:
            now = await scrape(hub)
            return now["hub_subscribers"] == before["hub_subscribers"]

        await until(gone)
        now = await scrape(hub)
        name = "hub_graphql_operations_total{outcome=ok,type=subscription}"
        assert now[name] == before[name] + 1


async def test_requests_are_counted_by_route_and_never_by_path(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", metrics_token=TOKEN) as hub:
        await hub.client.get("/nowhere/secret-word")
        await hub.client.request("PROPFIND", "/livez")
        await hub.reply("{ nonsense }")
        answer = await hub.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        now = Numbers(answer.text)
        assert now["hub_http_requests_total{method=GET,route=other,status=404}"] > 0
        assert now["hub_http_requests_total{method=other,route=/livez,status=405}"] > 0
        assert now["hub_graphql_operations_total{outcome=refused,type=query}"] > 0
        assert "secret-word" not in answer.text
        assert "PROPFIND" not in answer.text


async def test_only_who_has_the_token_may_read(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", metrics_token=TOKEN) as hub:
        for key in ("x", TOKEN + "x", hub.keys["admin"], "é"):
            header = {b"Authorization": f"Bearer {key}".encode()}
            assert (await hub.client.get("/metrics", headers=header)).status_code == 401
        assert (await hub.client.get("/metrics")).status_code == 401
        assert (await hub.client.post("/metrics")).status_code == 405


async def test_without_a_token_nobody_may_read(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        for header in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer None"}):
            answer = await hub.client.get("/metrics", headers=header)
            assert answer.status_code == 403
            assert "HUB_METRICS_TOKEN" in answer.json()["error"]


@pytest.mark.parametrize("read", [text_string_to_metric_families, openmetrics])
async def test_both_of_prometheus_formats_are_well_formed(tmp_path: Any, read: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", metrics_token=TOKEN) as hub:
        wants = "application/openmetrics-text;version=1.0.0" if read is openmetrics else "*/*"
        header = {"Authorization": f"Bearer {TOKEN}", "Accept": wants}
        answer = await hub.client.get("/metrics", headers=header)
        names = {family.name for family in read(answer.text)}
        assert {"hub_polls", "hub_log_head", "hub_build"} <= {
            re.sub("_(total|info)$", "", n) for n in names
        }


async def test_the_numbers_come_while_the_database_hangs(postgres_url: str) -> None:
    async with running(postgres_url, metrics_token=TOKEN) as hub:
        store = hub.app.state.runtime.store
        async with store.write() as connection:
            await connection.execute(text("LOCK TABLE log_head IN ACCESS EXCLUSIVE MODE"))
            async with asyncio.timeout(10):
                answers = await asyncio.gather(
                    scrape(hub), scrape(hub), hub.client.get("/readyz"), hub.client.get("/livez")
                )
            assert answers[0]["hub_database_up"] == answers[1]["hub_database_up"] == 0
            assert "hub_log_head" not in answers[0]
            assert answers[2].status_code == 503
            assert "not answered" in answers[2].json()["why"]
            assert answers[3].status_code == 200

        async def well() -> bool:
            ready = await hub.client.get("/readyz")
            return ready.status_code == 200 and (await scrape(hub))["hub_database_up"] == 1

        await until(well)


async def test_the_probes_tell_of_stopping_and_of_a_loop_that_ended(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:

        async def status(path: str) -> tuple[int, int]:
            get, head = await hub.client.get(path), await hub.client.head(path)
            assert head.content == b""
            return get.status_code, head.status_code

        assert await status("/readyz") == await status("/livez") == (200, 200)
        ended = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        loops = hub.app.state.loops
        hub.app.state.loops = [*loops, ended]
        assert await status("/readyz") == await status("/livez") == (503, 503)
        hub.app.state.draining = True  # the loops end on purpose
        assert await status("/livez") == (200, 200)
        assert await status("/readyz") == (503, 503)
        hub.app.state.draining, hub.app.state.loops = False, loops


async def test_a_database_that_is_being_migrated_is_not_ready(database_url: str) -> None:
    async with running(database_url) as hub:
        async with hub.app.state.runtime.store.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

        async def told() -> bool:
            answer = await hub.client.get("/readyz")
            return answer.status_code == 503 and "hub migrate" in answer.json()["why"]

        await until(told)
        assert (await hub.client.get("/livez")).status_code == 200


async def test_a_process_works_on_when_the_schema_becomes_newer(database_url: str) -> None:
    async with running(database_url) as hub:
        async with hub.app.state.runtime.store.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await asyncio.sleep(KEEP)
        assert (await hub.client.get("/readyz")).status_code == 200
        assert (await hub.ask("{ viewer { name } }"))["viewer"]["name"] == "sales"
