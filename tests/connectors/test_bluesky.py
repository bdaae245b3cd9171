"""Bluesky: notifications, searches and an account's own posts, newest first and looked at again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.twins.bluesky import Twin
from hub.connector import AuthFailed, Classification, Draft, PersonRef, RateLimited, Status
from tests.connectors.polling import Poller, polling
from tests.servers import serve

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat()


def gone(source: Poller) -> set[str]:
    return {one.external_id for one in source.current.values() if one.status is Status.DELETED}


async def read(*records: dict[str, Any], **settings: Any) -> list[Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return list(source.current.values())


async def test_a_mention_tells_who_says_what_and_where() -> None:
    features = [{"$type": "app.bsky.richtext.facet#tag", "tag": "dashboards"}, {"did": "did:plc:x"}]
    reply = {"root": {"uri": "at://root", "cid": "a"}, "parent": {"uri": "at://parent", "cid": "b"}}
    quote = {"$type": "app.bsky.embed.record", "record": {"uri": "at://quoted", "cid": "c"}}
    value = {"facets": [{"features": features}], "reply": reply, "embed": quote}
    words = "Acme <3\nsetup took five minutes"
    said = {"text": words, "from": "robin.example", "name": "Robin Weber", "value": value}
    [draft] = await read(said | {"at": ago(hours=1)})
    assert draft.kind == "brand.mention"
    assert (draft.title, draft.body) == ("Acme <3", words)
    assert draft.author == PersonRef(name="Robin Weber", handle="robin.example")
    assert draft.occurred_at == draft.revised_at == NOW - timedelta(hours=1)
    assert draft.external_id.startswith("at://did:plc:")
    assert draft.url is not None
    name = draft.external_id.rpartition("/")[2]
    assert draft.url == f"https://bsky.app/profile/robin.example/post/{name}"
    assert (draft.labels, draft.thread) == (("dashboards",), "at://root")
    assert draft.classification is Classification.PUBLIC
    assert draft.attributes == {
        "language": "en",
        "hashtags": ["dashboards"],
        "reply_to": "at://parent",
        "quotes": "at://quoted",
    }


async def test_a_post_that_names_us_and_is_found_by_a_search_is_one_signal() -> None:
    ours = {"text": "We at Acme say hello", "from": "acme.example"}
    other = {"text": "Acme is great", "reason": None}
    drafts = await read({"text": "Hello @acme"}, other, {"text": "Rain", "reason": "like"}, ours)
    assert sorted(draft.title for draft in drafts) == [
        "Acme is great",
        "Hello @acme",
        "We at Acme say hello",
    ]
    kinds = {draft.title: draft.kind for draft in drafts}
    assert kinds["We at Acme say hello"] == "content.post"
    assert kinds["Acme is great"] == "brand.mention"
    drafts = await read(other, ours, posts=False)
    assert [draft.title for draft in drafts] == ["Acme is great"]


@pytest.mark.parametrize("claimed", ["2099-01-01T00:00:00Z", "1985-10-26T01:21:00.123456789Z"])
async def test_a_time_that_an_author_made_up_moves_no_mark(claimed: str) -> None:
    twin = Twin()
    twin.emit({"text": "Acme, from another time", "created": claimed, "at": ago(hours=2)})
    async with polling(twin) as source:
        await source.poll()
        [strange] = source.current.values()
        assert strange.occurred_at <= NOW - timedelta(hours=2)
        twin.emit({"text": "Acme, now", "at": ago(hours=1)})
        assert "Acme, now" in {draft.title for draft in await source.fresh()}


async def test_a_search_is_read_to_its_end_though_its_cursor_does_not_lead_there() -> None:
    twin = Twin(deep=200)
    for number in range(650):
        twin.emit({"text": f"Acme {number}", "reason": None, "at": ago(minutes=650 - number)})
    async with polling(twin, mentions=False, posts=False) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 650


async def test_an_edit_is_a_revision_by_its_hash() -> None:
    twin = Twin()
    post = twin.emit({"text": "Acme is slow", "at": ago(hours=1)})
    async with polling(twin) as source:
        await source.poll()
        before = source.cursor
        await source.poll()
        assert (source.cursor, len(source.stored)) == (before, 1)
        twin.emit({"edit": post["uri"], "text": "Acme is fast"})
        await source.poll()
    assert source.current[post["uri"]].title == "Acme is fast"
    assert len(source.stored) == 2


async def test_a_deleted_post_is_withdrawn_wherever_it_was_seen() -> None:
    twin = Twin(page=2)
    posts = [twin.emit({"text": "Acme", "at": ago(hours=5 - number)}) for number in range(5)]
    said = [twin.emit({"text": "We", "from": "acme.example", "at": ago(hours=n)}) for n in (3, 2)]
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 7
        twin.emit({"delete": posts[3]["uri"]})
        twin.emit({"delete": said[1]["uri"]})
        await source.poll()
        assert gone(source) == {posts[3]["uri"], said[1]["uri"]}
        assert "Acme" not in source.current[posts[3]["uri"]].model_dump_json()


async def test_what_a_search_loses_for_a_while_is_not_called_deleted() -> None:
    twin = Twin()
    posts = [
        twin.emit({"text": f"Acme {n}", "reason": None, "at": ago(hours=n)}) for n in range(60)
    ]

    async with polling(twin, mentions=False, posts=False, look_back="P3D") as source:
        await source.poll()
        assert len(source.current) == 60
        twin.emit({"delete": posts[5]["uri"]})
        twin.losing = True
        await source.poll()
        assert gone(source) == {posts[5]["uri"]}
        twin.losing = False
        await source.poll()
        assert gone(source) == {posts[5]["uri"]}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(7):
        twin.emit({"text": f"Acme {number}", "at": ago(hours=1)})  # one second: they are tied
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 7
    async with polling(twin) as source:
        for _ in range(50):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 7
        assert not gone(source)


async def test_a_burst_above_a_walk_that_was_broken_off_hides_nothing_below_it() -> None:
    twin = Twin(page=2)
    for number in range(9):
        twin.emit({"text": f"Acme {number}", "at": ago(hours=20 - number)})
    async with polling(twin) as source:
        await source.poll(stop_after=2)
        for number in range(9):
            twin.emit({"text": f"Acme, later {number}", "at": ago(minutes=60 - number)})
        await source.poll()
        await source.poll()
        assert len(source.current) == 18


async def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    twin = Twin(page=2)
    for number in range(5):
        twin.emit({"text": "Rain", "at": ago(hours=number)})
    async with polling(twin, searches=[], posts=False) as source:
        twin.blank()
        await source.poll()
        assert len(source.current) == 5


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("langs", "reply", "embed", "facets", "tags"))
    [draft] = await read({"text": "", "value": nulls | {"poll_v9": [None]}, "name": None})
    assert (draft.title, draft.body) == ("A post by robin.example", None)
    assert draft.author == PersonRef(name="robin.example", handle="robin.example")


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    posts = [twin.emit({"text": "Rain", "at": ago(hours=number)}) for number in range(4)]
    posts[1]["value"]["createdAt"] = "yesterday"
    twin.notifications[2]["author"] = None
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {posts[0]["uri"], posts[3]["uri"]}
        assert len(source.bad) == 2


async def test_the_first_sync_begins_where_it_is_told() -> None:
    old, new = {"text": "Acme", "at": ago(days=3)}, {"text": "Acme", "at": ago(hours=3)}
    drafts = await read(old, new, old | {"from": "acme.example"}, since=NOW - timedelta(days=1))
    assert [draft.occurred_at for draft in drafts] == [NOW - timedelta(hours=3)]


async def test_a_session_is_renewed_and_begun_anew_where_that_fails() -> None:
    twin = Twin()
    twin.emit({"at": ago(hours=1)})
    async with polling(twin) as source:
        await source.poll()
        await source.poll()
        assert twin.signed_in == ["createSession"]
        twin.tokens.clear()
        await source.poll()
        assert twin.signed_in == ["createSession", "refreshSession"]
        twin.tokens.clear()
        twin.sessions.clear()
        await source.poll()
        assert twin.signed_in[2:] == ["createSession"]


async def test_a_wrong_password_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), password="stolen-word") as source:
        with pytest.raises(AuthFailed, match="Invalid identifier or password") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


async def test_the_end_of_the_window_is_waited_for_where_no_retry_after_is_said() -> None:
    no = Twin().limited(90)
    assert "retry-after" not in no.headers

    class Limited(Twin):
        def refuse(self, request: Request) -> Response | None:
            is_log_in = request.url.path.endswith("Session")
            return None if is_log_in else JSONResponse(no.body, no.status, headers=no.headers)

    async with polling(Limited(), searches=[], posts=False) as source:
        with pytest.raises(RateLimited) as limited:
            await source.poll()
        assert limited.value.retry_after is not None
        assert timedelta(seconds=80) < limited.value.retry_after <= timedelta(seconds=90)


@pytest.mark.parametrize(
    "path",
    [
        "app.bsky.notification.listNotifications?limit=101",
        "app.bsky.notification.listNotifications?reasons=mentions",
        "app.bsky.feed.searchPosts?sort=latest",
        "app.bsky.feed.searchPosts?q=acme&since=yesterday",
        "com.atproto.repo.listRecords?repo=acme.example&collection=app.bsky.feed.like",
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(path: str) -> None:
    twin = Twin(behind=True)
    async with serve(twin.app) as url, httpx2.AsyncClient(base_url=f"{url}/xrpc/") as client:
        assert (await client.get(path)).status_code == 400
