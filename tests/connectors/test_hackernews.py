"""Hacker News: a search that gives a thousand hits at most, read whole and filtered here."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.twins.hackernews import Twin
from hub.connector import Classification, Draft, PersonRef, SourceMisbehaved, Status
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


async def test_a_story_tells_its_title_and_where_it_leads() -> None:
    title, link = "Acme & you: <T> for everyone", "https://example.org/acme"
    told = {"title": title, "url": link, "by": "pg", "points": 12, "text": "<p>We <i>did</i> it."}
    [draft] = await read(told | {"at": ago(hours=1)})
    assert draft.kind == "brand.mention"
    assert (draft.title, draft.body) == (title, "We did it.")
    assert draft.occurred_at == NOW - timedelta(hours=1)
    assert draft.url == f"https://news.ycombinator.com/item?id={draft.external_id}"
    assert draft.author == PersonRef(name="pg", handle="pg")
    assert draft.attributes == {"link": link, "points": 12}
    assert draft.classification is Classification.PUBLIC
    assert draft.thread == draft.external_id


async def test_a_comment_is_in_the_thread_of_its_story() -> None:
    twin = Twin()
    story = twin.emit({"title": "Dashboards", "url": None, "at": ago(hours=2)})
    said = "Is Acme's <T> good?\n\nAsking for a friend"
    twin.emit({"story": story["objectID"], "text": said, "at": ago(hours=1)})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.title, draft.body) == ("Is Acme's <T> good?", said)
    assert (draft.summary, draft.thread) == ("On Dashboards", story["objectID"])
    assert draft.attributes == {"story": "Dashboards"}
    async with polling(twin, comments=False) as source:
        assert await source.fresh() == []


@pytest.mark.parametrize(
    ("words", "title", "is_found"),
    [
        ("Acme", "ACME raises money", True),
        ("Acme", "Why acme.com is down", True),
        ("Acme", "Acmeology explained", False),  # the search looks for beginnings of words
        ("Acme", "How to cure acne", False),  # and forgives typing errors
        ("Acme Robotics", "Robotics at Acme", True),
        ("Acme Robotics", "Acme robots", False),
        ('"Acme Robotics"', "Robotics at Acme Robotics", True),
        ('"Acme Robotics"', "Robotics at Acme", False),
        ("C++", "C++ at work", True),
    ],
)
async def test_only_what_holds_the_words_is_a_signal(
    words: str, title: str, is_found: bool
) -> None:
    drafts = await read({"title": title, "url": None, "at": ago(hours=1)}, searches=[words])
    assert bool(drafts) is is_found


async def test_a_story_is_read_when_it_has_points_enough() -> None:
    twin = Twin()
    story = twin.emit({"title": "Acme", "url": None, "at": ago(hours=3)})
    comment = twin.emit({"story": story["objectID"], "text": "Acme!", "at": ago(hours=2)})
    async with polling(twin, min_points=10) as source:
        await source.poll()
        assert source.current.keys() == {comment["objectID"]}
        story["points"] = 10
        await source.poll()
        assert source.current.keys() == {comment["objectID"], story["objectID"]}
        story["points"] = 300
        await source.poll()
        assert len(source.stored) == 2, "points are no new version"


async def test_more_than_a_thousand_hits_are_read_slice_by_slice() -> None:
    twin = Twin()
    for number in range(2300):
        twin.emit({"title": f"Acme {number}", "url": None, "at": ago(minutes=(2300 - number) // 2)})
    async with polling(twin, since=NOW - timedelta(days=9)) as source:
        await source.poll()
        assert len(source.current) == 2300


async def test_more_hits_in_one_second_than_are_given_are_said_and_not_dropped() -> None:
    twin = Twin()
    for _ in range(1001):
        twin.emit({"title": "Acme", "at": ago(hours=1)})
    async with polling(twin) as source:
        with pytest.raises(SourceMisbehaved, match="cannot be asked for"):
            await source.poll()


async def test_an_edit_and_a_deletion_are_noticed_while_an_item_is_young() -> None:
    twin = Twin()
    items = [twin.emit({"title": f"Acme {day}", "at": ago(hours=12 * day)}) for day in range(5)]
    async with polling(twin, since=NOW - timedelta(days=9)) as source:
        await source.poll()
        assert len(source.current) == 5
        twin.emit({"edit": items[1]["objectID"], "text": "Acme 1, corrected"})
        for gone in (items[0], items[4]):
            twin.emit({"delete": gone["objectID"]})
        await source.poll()
        await source.poll()
        current = source.current
    assert current[items[1]["objectID"]].title == "Acme 1, corrected"
    assert current[items[0]["objectID"]].status is Status.DELETED
    assert current[items[4]["objectID"]].status is Status.INFORMATION  # two days old
    assert len(source.stored) == 7


async def test_each_search_keeps_its_own_place() -> None:
    twin = Twin()
    twin.emit({"title": "Acme", "url": None, "at": ago(hours=3)})
    twin.emit({"title": "Globex", "url": None, "at": ago(hours=2)})
    async with polling(twin, searches=["Acme"]) as source:
        await source.poll()
        cursor = source.cursor
    async with polling(twin, searches=["Acme", "Globex"]) as source:
        source.cursor = cursor  # a search was added to hub.toml
        await source.poll()
        assert {draft.title for draft in source.current.values()} == {"Acme", "Globex"}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for _ in range(7):
        twin.emit({"title": "Acme", "at": ago(hours=1)})  # one second: the times are tied
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 7
    async with polling(twin) as source:
        for _ in range(20):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 7
        assert not any(draft.status is Status.DELETED for draft in source.drafts)


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("url", "points", "num_comments", "story_id", "story_text", "_tags"))
    twin = Twin()
    item = twin.emit({"title": "Acme", "at": ago(hours=1)})
    item |= nulls | {"author": "", "_highlightResult": [None], "_tags": ["story"]}
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.author, draft.body, draft.attributes) == (None, None, {})
    assert draft.thread == draft.external_id


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    items = [twin.emit({"title": "Acme", "at": ago(hours=number)}) for number in range(1, 5)]
    items[1]["title"] = ["Acme"]
    items[2]["author"] = {"name": "Robin"}
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {items[0]["objectID"], items[3]["objectID"]}
        assert len(source.bad) == 2


@pytest.mark.parametrize(
    "query",
    [
        "numericFilters=points>10",
        "hitsPerPage=1001",
        "tags=story;comment",
        "numericFilters=created_at_i>yesterday",
        "sort=date",
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    async with serve(Twin().app) as url, httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/api/v1/search_by_date?query=acme&{query}")
        assert answer.status_code == 400
