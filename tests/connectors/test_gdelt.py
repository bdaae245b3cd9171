"""GDELT: 250 articles an answer, no pages, refusals in sentences, one request in five seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.gdelt import Gdelt
from connectors.twins.gdelt import Twin
from hub.connector import Classification, Draft, Http, RateLimited, SourceMisbehaved
from tests.connectors.polling import polling
from tests.servers import serve

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat()


async def read(*records: dict[str, Any], **settings: Any) -> list[Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return list(source.current.values())


async def test_an_article_tells_its_title_and_outlet() -> None:
    told = {"title": "Acme &amp; you : it works", "domain": "news.example", "language": "German"}
    [draft] = await read(told | {"country": "Austria", "at": ago(hours=1)})
    assert draft.kind == "brand.coverage"
    assert draft.title == "Acme & you : it works"
    assert draft.url == draft.external_id == "https://news.example/articles/1"
    assert draft.occurred_at == draft.revised_at == NOW - timedelta(hours=1)
    assert draft.classification is Classification.PUBLIC
    assert draft.sentiment is None
    assert draft.attributes == {
        "outlet": "news.example",
        "language": "German",
        "country": "Austria",
        "image": "https://news.example/images/1.jpg",
    }


@pytest.mark.parametrize(
    ("tone", "sentiment"), [(0, 0.0), (-2.5, -0.25), ("4", 0.4), (31.2, 1.0), (-99, -1.0)]
)
async def test_a_tone_is_the_sentiment(tone: Any, sentiment: float) -> None:
    [draft] = await read({"title": "Acme", "tone": tone, "at": ago(hours=1)})
    assert draft.sentiment == sentiment
    assert draft.attributes["tone"] == tone


async def test_more_articles_than_an_answer_holds_are_asked_for_by_time() -> None:
    twin = Twin()
    for number in range(900):
        twin.emit({"title": f"Acme {number}", "at": ago(minutes=15 * (number // 100))})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 900
        for number in range(600):
            twin.emit({"title": f"Acme, new {number}", "at": ago(seconds=number)})
        await source.poll(stop_after=1)  # the process dies, and begins again
        await source.poll()
        assert len(source.current) == 1500


async def test_more_in_one_second_than_an_answer_holds_is_said_and_not_dropped() -> None:
    twin = Twin()
    for number in range(251):
        twin.emit({"title": f"Acme {number}", "at": ago(hours=1)})
    async with polling(twin) as source:
        with pytest.raises(SourceMisbehaved, match="250 records at"):
            await source.poll()


async def test_what_gdelt_finds_late_is_read_and_the_rest_is_known() -> None:
    twin = Twin()
    twin.emit({"title": "Acme, first", "at": ago(minutes=10)})
    async with polling(twin) as source:
        await source.poll()
        before = source.cursor
        await source.poll()
        assert (source.cursor, len(source.stored)) == (before, 1)
        twin.emit({"title": "Acme, late", "at": ago(minutes=70)})
        await source.poll()
        assert {draft.title for draft in source.current.values()} == {"Acme, first", "Acme, late"}


async def test_another_title_is_a_revision() -> None:
    twin = Twin()
    article = twin.emit({"title": "Acme loses", "at": ago(minutes=30)})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"edit": article["url"], "title": "Acme wins"})
        await source.poll()
    assert source.current[article["url"]].title == "Acme wins"
    assert len(source.stored) == 2


async def test_no_article_at_all_is_an_answer() -> None:
    assert await read() == []
    assert await read({"title": "Globex"}) == []


@pytest.mark.parametrize(
    ("query", "words"), [("ab", "too short or too long"), ('""', "too short or too long")]
)
async def test_a_refusal_in_a_sentence_is_told_in_its_words(query: str, words: str) -> None:
    async with polling(Twin(), queries=[query]) as source:
        with pytest.raises(SourceMisbehaved, match=words):
            await source.poll()


async def test_whoever_asks_too_soon_is_limited_and_goes_on_later() -> None:
    for pause, hasty in ((0, 1), (0.7, 0)):
        twin = Twin(pause=timedelta(seconds=0.6))
        for name in ("Acme", "Globex", "Initech"):
            twin.emit({"title": name, "at": ago(hours=1)})
        async with polling(twin, queries=["Acme", "Globex", "Initech"], pause=pause) as source:
            if hasty:
                with pytest.raises(RateLimited, match="one every 5 seconds"):
                    await source.poll()
                assert source.current.keys(), "what was read before is kept"
            else:
                await source.poll()
                assert len(source.current) == 3
        assert twin.hasty == hasty


def test_five_seconds_lie_between_two_requests() -> None:
    endpoint = Gdelt(queries=("Acme",)).endpoint()
    assert isinstance(endpoint, Http)
    assert endpoint.pause == timedelta(seconds=5)


async def test_more_than_three_months_back_is_not_asked_for() -> None:
    twin = Twin()
    twin.emit({"title": "Acme", "at": ago(days=80)})
    async with polling(twin, since="2020-01-01T00:00:00Z") as source:
        await source.poll()
        assert len(source.current) == 1
    async with polling(twin) as source:
        await source.poll()
        assert source.current == {}, "by default a first sync reads a week"


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("domain", "language", "sourcecountry", "socialimage", "url_mobile"))
    [draft] = await read({"title": "Acme", "fields": nulls | {"persons_v9": [None], "tone": None}})
    assert (draft.attributes, draft.sentiment) == ({}, None)


async def test_a_bad_record_is_set_aside_and_its_answer_goes_on() -> None:
    twin = Twin()
    articles = [twin.emit({"title": "Acme", "at": ago(hours=number)}) for number in range(4)]
    articles[1]["url"] = "javascript:alert(1)"
    articles[2]["tone"] = "very good"
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {articles[0]["url"], articles[3]["url"]}
        assert len(source.bad) == 2


async def test_an_address_that_is_too_long_is_named_by_its_hash() -> None:
    [draft] = await read({"title": "Acme", "url": f"https://news.example/{'a' * 600}"})
    assert len(draft.external_id) == 64
    assert draft.url is not None
    assert len(draft.url) > 600


@pytest.mark.parametrize(
    "query",
    [
        "query=acme&mode=artlist&format=json&maxrecords=251",
        "query=acme&mode=artlist&format=json&startdatetime=2026-05-04",
        "query=acme&format=json",
        "query=acme&mode=artlist&format=json&page=2",
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    async with serve(Twin().app) as url, httpx2.AsyncClient() as client:
        assert (await client.get(f"{url}/api/v2/doc/doc?{query}")).status_code == 400
