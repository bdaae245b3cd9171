"""WordPress: posts by their changes, comments by their dates, and what is no longer there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from connectors.twins.wordpress import Twin
from connectors.wordpress import WordPress
from hub.connector import AuthFailed, Classification, Draft, PersonRef, Status
from tests.connectors.polling import Poller, polling
from tests.servers import serve

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat()


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return source.current


def gone(source: Poller) -> set[str]:
    return {one.external_id for one in source.current.values() if one.status is Status.DELETED}


async def test_a_post_tells_what_is_said_by_whom_and_where() -> None:
    content = "<p>Meet us in Darmstadt &amp; online.</p><ul><li>14 April</li></ul>"
    post = {"title": "Acme &#8211; <em>live</em>", "content": content, "author": "Kim Berg"}
    found = await read(post | {"categories": ["Events"], "tags": ["pycon"], "at": ago(hours=1)})
    draft = found["post/1"]
    assert draft.kind == "content.post"
    assert draft.title == "Acme \u2013 live"
    assert draft.body == "Meet us in Darmstadt & online.\n\n- 14 April"
    assert draft.author == PersonRef(name="Kim Berg")
    assert (draft.labels, draft.thread) == (("Events", "pycon"), "post/1")
    assert draft.url == "https://blog.example/post-1/"
    assert draft.occurred_at == draft.revised_at == NOW - timedelta(hours=1)
    assert draft.classification is Classification.PUBLIC
    facts = {"categories": ["Events"], "tags": ["pycon"], "format": "standard"}
    assert draft.attributes == facts


async def test_a_comment_belongs_to_its_post() -> None:
    post = {"title": "Acme &amp; you", "at": ago(hours=2)}
    words = {"post": 1, "comment": "Tom & Jerry <3 it", "parent": 4, "author": "Jo"}
    found = await read(post, words | {"at": ago(hours=1)})
    draft = found["comment/1"]
    assert (draft.kind, draft.title) == ("content.comment", "Tom & Jerry <3 it")
    assert draft.summary == "On Acme & you"
    assert draft.author == PersonRef(name="Jo")
    assert draft.thread == found["post/1"].thread
    assert draft.attributes == {"post": "Acme & you", "parent": 4, "type": "comment"}
    assert draft.classification is Classification.PUBLIC


async def test_what_not_everybody_may_see_is_restricted() -> None:
    posts: list[dict[str, Any]] = [
        {"status": "private", "at": ago(hours=3)},
        {"fields": {"content": {"rendered": "", "protected": True}}, "at": ago(hours=3)},
        {"status": "draft", "at": ago(hours=3)},
        {"at": ago(hours=3)},
    ]
    said: list[dict[str, Any]] = [
        {"post": number, "comment": "Psst", "at": ago(hours=1)} for number in (1, 4)
    ]
    found = await read(*posts, *said, private=True)
    shown = {name: draft.classification for name, draft in found.items()}
    assert shown == {
        "post/1": Classification.RESTRICTED,
        "post/2": Classification.RESTRICTED,
        "post/4": Classification.PUBLIC,
        "comment/1": Classification.RESTRICTED,
        "comment/2": Classification.PUBLIC,
    }
    found = await read(*posts, *said, internal=True)
    assert found["comment/1"].classification is Classification.RESTRICTED
    assert found["comment/2"].classification is Classification.INTERNAL
    assert found.keys() == shown.keys() - {"post/1"}


async def test_without_a_user_only_what_is_published_is_asked_for() -> None:
    posts = ({"at": ago(hours=3)}, {"status": "private", "at": ago(hours=3)})
    found = await read(*posts, {"post": 1, "comment": "Hi"}, user=None, password=None)
    assert found.keys() == {"post/1", "comment/1"}


async def test_an_edit_of_an_old_post_is_a_revision() -> None:
    twin = Twin()
    twin.emit({"title": "First", "at": ago(days=300)})
    async with polling(twin) as source:
        [first] = await source.fresh()
        before = source.cursor
        assert await source.poll()
        assert (source.cursor, len(source.stored)) == (before, 1)
        twin.emit({"post": 1, "title": "Second", "at": ago(hours=1)})
        await source.poll()
        second = source.current["post/1"]
    assert second.title == "Second"
    assert second.occurred_at == first.occurred_at
    assert second.revised_at == NOW - timedelta(hours=1)
    assert len(source.stored) == 2


async def test_two_edits_within_one_second_are_two_revisions() -> None:
    twin = Twin()
    async with polling(twin) as source:
        for title in ("First", "Second", "Third"):
            twin.emit({"post": 1 if twin.posts else None, "title": title, "at": ago(hours=1)})
            await source.poll()
            assert source.current["post/1"].title == title
        assert len(source.stored) == 3


async def test_an_edit_in_the_hour_that_comes_twice_is_read() -> None:
    twin = Twin(zone="America/New_York")  # summer time ended on 1 November 2026, at 06:00 UTC
    twin.emit({"title": "Half past one", "at": "2026-11-01T05:30:00+00:00"})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"title": "Ten past one, later", "at": "2026-11-01T06:10:00+00:00"})
        await source.poll()
        assert source.current.keys() == {"post/1", "post/2"}
        assert source.current["post/2"].occurred_at == datetime(2026, 11, 1, 6, 10, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Asia/Kolkata", "UTC"])
async def test_times_are_compared_in_the_zone_of_the_site(zone: str) -> None:
    twin = Twin(zone=zone)
    async with polling(twin) as source:
        for hours in range(9, 0, -1):
            twin.emit({"at": ago(hours=hours)})
            twin.emit({"post": 1, "comment": f"{hours} to go", "at": ago(hours=hours)})
            await source.poll()
        assert len(source.current) == 18
        assert source.current["post/9"].occurred_at == NOW - timedelta(hours=1)


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=90)])
async def test_a_post_in_the_trash_is_withdrawn_however_old(age: timedelta) -> None:
    twin = Twin()
    twin.emit({"title": "Salaries", "at": (NOW - age).isoformat()})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"post": 1, "status": "trash", "at": NOW.isoformat()})
        await source.poll()
        assert gone(source) == {"post/1"}
        assert "Salaries" not in source.current["post/1"].model_dump_json()
        assert len(source.stored) == 2


@pytest.mark.parametrize("who", [{}, {"user": None, "password": None}])
@pytest.mark.parametrize("how", [{"delete": True}, {"status": "private"}, {"status": "draft"}])
async def test_a_young_post_that_vanishes_is_withdrawn(
    who: dict[str, Any], how: dict[str, Any]
) -> None:
    twin = Twin(page=2)
    for number in range(5):
        twin.emit({"at": ago(days=number)})
    async with polling(twin, **who) as source:
        await source.poll()
        twin.emit({"post": 2, **how, "at": NOW.isoformat()})
        await source.poll()
        assert gone(source) == {"post/2"}


async def test_comments_are_looked_at_again_while_they_are_young() -> None:
    twin = Twin()
    twin.emit({"at": ago(days=20)})
    late = twin.emit({"post": 1, "comment": "Late", "status": "hold", "at": ago(hours=30)})
    for number in range(4):
        twin.emit({"post": 1, "comment": f"Number {number}", "at": ago(hours=4 - number)})
    async with polling(twin) as source:
        await source.poll()
        assert "comment/1" not in source.current
        late["status"] = "approved"  # a day after it was written
        twin.emit({"edit": 3, "comment": "Number one, corrected"})
        twin.emit({"edit": 4, "delete": True})
        twin.emit({"edit": 5, "status": "spam"})
        await source.poll()
    assert source.current["comment/1"].title == "Late"
    assert source.current["comment/3"].title == "Number one, corrected"
    assert gone(source) == {"comment/4", "comment/5"}


async def test_a_comment_that_is_again_as_it_was_is_shown_so() -> None:
    twin = Twin()
    twin.emit({"at": ago(days=1)})
    twin.emit({"post": 1, "comment": "First thought", "at": ago(hours=1)})
    async with polling(twin) as source:
        await source.poll()
        for said in ("Second thought", "First thought"):
            twin.emit({"edit": 1, "comment": said})
            await source.poll()
            assert source.current["comment/1"].title == said
        twin.comments[1]["status"] = "hold"
        await source.poll()
        assert gone(source) == {"comment/1"}
        twin.comments[1]["status"] = "approved"
        await source.poll()
        twin.emit({"edit": 1, "comment": "Edited after that"})
        assert [draft.title for draft in await source.fresh()].count("Edited after that") == 1
        assert source.current["comment/1"].title == "Edited after that"
        assert not [one for one in await source.fresh() if one.external_id == "comment/1"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(7):
        twin.emit({"at": ago(days=2)})  # one second: the times are tied
        twin.emit({"post": 1, "comment": f"Number {number}", "at": ago(days=1)})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 14
    async with polling(twin) as source:
        for _ in range(60):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == len(source.stored) == 14


async def test_a_change_while_pages_are_turned_hides_no_post() -> None:
    twin = Twin(page=2)
    for number in range(9):
        twin.emit({"at": ago(hours=9 - number)})
    async with polling(twin, comments=False) as source:
        await source.poll(stop_after=1)
        twin.emit({"post": 1, "title": "Moved to the end", "at": NOW.isoformat()})
        await source.poll()
        assert len(source.current) == 9
        assert source.current["post/1"].title == "Moved to the end"


async def test_a_page_past_the_end_of_a_list_that_shrank_is_no_trouble() -> None:
    twin = Twin(page=2)
    for number in range(9):
        twin.emit({"at": ago(days=3)})
        twin.emit({"post": 1, "comment": f"Number {number}", "at": ago(days=1)})
    async with polling(twin) as source:
        await source.poll()
        await source.poll(stop_after=3)
        for number in range(2, 10):
            twin.emit({"post": number, "delete": True})
            twin.emit({"edit": number, "delete": True})
        await source.poll()
        await source.poll()
        assert {"post/1", "comment/1"} == source.current.keys() - gone(source)


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("link", "excerpt", "format", "_embedded", "meta"))
    post = {"fields": nulls | {"blocks_v9": [None]}, "title": "", "at": ago(hours=2)}
    said = {"post": 1, "comment": "", "fields": {"author_name": "", "type": None, "link": None}}
    found = await read(post, said)
    assert (found["post/1"].title, found["post/1"].author) == ("Post 1", None)
    assert found["comment/1"].author is None
    found = await read({"author": ""})
    assert found["post/1"].author is None, "whose author may not be seen"


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(5):
        twin.emit({"at": ago(days=5 - number)})
    twin.posts[2]["modified_gmt"] = "yesterday"
    twin.posts[3]["title"] = None
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"post/1", "post/4", "post/5"}
        assert {bad.external_id for bad in source.bad} == {"2", "3"}
        twin.emit({"post": 4, "delete": True})
        await source.poll()
        assert gone(source) == {"post/4"}


async def test_the_first_sync_begins_where_it_is_told() -> None:
    posts = [{"at": ago(days=9)}, {"at": ago(days=1)}]
    said = [{"post": 2, "comment": "Hi", "at": ago(days=days)} for days in (9, 1)]
    found = await read(*posts, *said, since=NOW - timedelta(days=2))
    assert found.keys() == {"post/2", "comment/2"}


async def test_a_wrong_password_stops_the_source_though_wordpress_speaks_of_a_parameter() -> None:
    async with polling(Twin(), password="stolen word") as source:
        with pytest.raises(AuthFailed, match="not currently logged in") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


def test_a_user_has_a_password_and_only_a_user_sees_private_posts() -> None:
    for settings in ({"user": "hub"}, {"password": "word"}, {"private": True}):
        with pytest.raises(ValidationError):
            WordPress.model_validate({"url": "https://blog.example"} | settings)


@pytest.mark.parametrize(
    "query",
    ["per_page=101", "orderby=random", "modified_since=2026-05-04", "page=0", "status=deleted"],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    async with (
        serve(twin.app) as url,
        httpx2.AsyncClient(auth=(twin.user, twin.password)) as client,
    ):
        answer = await client.get(f"{url}/wp-json/wp/v2/posts?{query}")
        assert answer.status_code == 400
        past = await client.get(f"{url}/wp-json/wp/v2/posts?page=2")
        assert past.json()["code"] == "rest_post_invalid_page_number"
