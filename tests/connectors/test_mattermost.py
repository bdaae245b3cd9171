"""Mattermost: what changed in channels since the last poll, and what its webhooks bring."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from connectors.mattermost import Mattermost
from connectors.twins import Call
from connectors.twins.mattermost import Twin
from hub.connector import (
    Accepted,
    AuthFailed,
    Classification,
    Draft,
    PersonRef,
    Pushed,
    PushRefused,
    SourceMisbehaved,
    Status,
)
from tests.connectors.polling import polling
from tests.servers import serve

NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def at(minutes: float) -> str:
    return (NINE + timedelta(minutes=minutes)).isoformat()


def pushed(call: Call) -> Pushed:
    return Pushed("POST", "https://hub.example/push/chat", call.headers, call.body, NINE)


async def read(*records: dict[str, Any], **settings: Any) -> list[Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return list(source.current.values())


async def test_a_post_tells_who_says_what_in_which_channel() -> None:
    [draft] = await read({"text": "We won *Globex*\nby the audit log", "at": at(0)})
    assert draft.kind == "chat.message"
    assert (draft.title, draft.body) == ("We won *Globex*", "We won *Globex*\nby the audit log")
    assert draft.author == PersonRef(name="Ann Archer", handle="ann")
    assert draft.occurred_at == draft.revised_at == NINE
    assert (draft.labels, draft.thread) == (("Sales",), draft.external_id)
    assert draft.url is not None
    assert draft.url.endswith(f"/_redirect/pl/{draft.external_id}")
    assert draft.classification is Classification.INTERNAL
    assert draft.attributes.keys() == {"channel", "channel_id"}


async def test_a_reply_shares_the_thread_and_does_not_change_its_root() -> None:
    twin = Twin()
    root = twin.emit({"text": "Who knows Globex?", "at": at(0)})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"text": "I do", "reply": root["id"], "at": at(5)})
        twin.emit({"react": root["id"], "at": at(6)})
        await source.poll()
    assert {draft.thread for draft in source.current.values()} == {root["id"]}
    assert len(source.stored) == 2


@pytest.mark.parametrize("text", ["Decision: we ship", "**decision:** we ship", "#decision ship"])
async def test_a_post_that_begins_so_is_a_decision(text: str) -> None:
    [draft] = await read({"text": text})
    assert draft.kind == "chat.decision"


@pytest.mark.parametrize("kind", ["P", "D", "G"])
async def test_what_is_said_in_private_is_restricted(kind: str) -> None:
    [draft] = await read({"channel": "board", "type": kind}, channels=["acme/board"])
    assert draft.classification is Classification.RESTRICTED


async def test_an_edit_and_a_deletion_come_however_old_the_post_is() -> None:
    twin = Twin()
    post = twin.emit({"text": "We won Globex", "at": at(0)})
    async with polling(twin) as source:
        for number in range(1, 4):
            twin.emit({"at": at(10_000 * number)})
            await source.poll()
        twin.emit({"edit": post["id"], "text": "We won Initech", "at": at(40_000)})
        await source.poll()
        edited = source.current[post["id"]]
        assert (edited.title, edited.occurred_at) == ("We won Initech", NINE)
        assert edited.revised_at == NINE + timedelta(minutes=40_000)
        twin.emit({"delete": post["id"], "at": at(50_000)})
        await source.poll()
        gone = source.current[post["id"]]
    assert (gone.status, gone.title, gone.body) == (Status.DELETED, "Deleted", None)
    assert "Initech" not in gone.model_dump_json()
    # The former text, which the server keeps as if it were a deleted post, is no signal.
    assert len(source.current) == 4


async def test_joining_and_bots_are_no_news() -> None:
    joined = {"fields": {"type": "system_join_channel"}}
    bot = {"text": "Build 7 failed", "fields": {"props": {"from_bot": "true"}}}
    hook = {"fields": {"props": {"from_webhook": "true", "override_username": "deploy"}}}
    assert await read(joined, bot, hook) == []
    assert len(await read(joined, bot, hook, bots=True)) == 2


async def test_where_too_many_changed_the_channel_is_read_whole() -> None:
    twin = Twin()
    first = twin.emit({"text": "Number 0", "at": at(0)})
    async with polling(twin) as source:
        await source.poll()
        for number in range(1, 1301):
            twin.emit({"text": f"Number {number}", "at": at(number)})
        twin.emit({"edit": first["id"], "text": "Number 0, corrected", "at": at(1400)})
        await source.poll()
        assert len(source.current) == 1301
        assert source.current[first["id"]].title == "Number 0, corrected"
        before = source.cursor
        assert len(await source.poll()) == 1
        assert source.cursor == before


async def test_channels_are_read_beside_each_other_and_one_that_is_closed_stops_none() -> None:
    twin = Twin()
    board = twin.channel("board")
    twin.emit({"channel": "board", "at": at(0)})
    twin.emit({"at": at(0)})
    async with polling(twin, channels=["acme/sales", "acme/nowhere", board["id"]]) as source:
        with pytest.raises(SourceMisbehaved, match="Channel does not exist"):
            await source.poll()
        assert len(source.current) == 2
        twin.emit({"at": at(1)})
        with pytest.raises(SourceMisbehaved, match="Channel does not exist"):
            await source.poll()
        assert len(source.current) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 7, 200])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for _ in range(7):
        twin.emit({"at": at(0)})  # one millisecond: the times are tied
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == len(source.stored) == 7
    async with polling(twin) as source:
        for _ in range(20):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 7


async def test_what_is_said_while_the_channel_is_walked_down_is_not_lost() -> None:
    twin = Twin(page=2)
    posts = [twin.emit({"at": at(number)}) for number in range(9)]
    async with polling(twin) as source:
        await source.poll(stop_after=2)
        twin.emit({"text": "New", "at": at(10)})
        twin.emit({"edit": posts[8]["id"], "text": "Edited", "at": at(10)})
        await source.poll()
        await source.poll()
    assert len(source.current) == 10
    assert source.current[posts[8]["id"]].title == "Edited"


async def test_the_first_sync_begins_where_it_is_told() -> None:
    records = [{"at": at(60 * number)} for number in range(9)]
    drafts = await read(*records, since=NINE + timedelta(hours=6))
    assert len(drafts) == 3


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(
        ("props", "type", "edit_at", "delete_at", "root_id", "file_ids", "user_id")
    )
    [draft] = await read({"text": "", "fields": nulls | {"remote_v9": [None]}})
    assert (draft.title, draft.author, draft.body) == ("A post without text", None, None)


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    posts = [twin.emit({"at": at(number)}) for number in range(4)]
    posts[1]["message"] = None
    posts[2]["file_ids"] = 7
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {posts[0]["id"], posts[3]["id"]}
        assert {bad.external_id for bad in source.bad} == {posts[1]["id"], posts[2]["id"]}


async def test_a_wrong_token_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Invalid or expired session") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize("kind", [JSON, FORM, f"{FORM}; charset=utf-8"])
async def test_a_webhook_and_a_poll_bring_one_signal(kind: str) -> None:
    twin = Twin()
    post = twin.emit({"text": "We won\nGlobex", "at": "2026-05-04T09:00:00.123+00:00"})
    async with polling(twin) as source:
        call = pushed(twin.hooked(post, kind))
        assert source.connector.verify(call) == Accepted(post["id"])
        [draft] = source.connector.read(call)
        [polled] = await source.fresh()
    assert (draft.external_id, draft.revision) == (polled.external_id, polled.revision)
    assert (draft.kind, draft.title, draft.body) == (polled.kind, polled.title, polled.body)
    assert draft.classification is Classification.INTERNAL
    assert abs(draft.revised_at - polled.revised_at) < timedelta(seconds=1)
    assert draft.thread is None, "a webhook does not tell it"


def test_a_webhook_with_another_token_or_of_another_channel_brings_nothing() -> None:
    twin = Twin()
    post = twin.emit({"text": "Psst"})
    ours = Mattermost.model_validate(twin.settings("https://chat.example"))
    with pytest.raises(PushRefused):
        ours.verify(pushed(Call(b"token=wrong&post_id=1", {"content-type": FORM})))
    with pytest.raises(PushRefused):
        ours.verify(pushed(Call(b"{", {"content-type": JSON})))
    other = ours.model_copy(update={"channels": ("acme/board",)})
    assert other.verify(pushed(twin.hooked(post))) == Accepted(post["id"])
    assert other.read(pushed(twin.hooked(post))) == []
    by_id = ours.model_copy(update={"channels": (post["channel_id"],)})
    assert len(by_id.read(pushed(twin.hooked(post)))) == 1


def test_a_channel_is_named_with_its_team_or_by_its_id() -> None:
    for name in ("town-square", "acme/sales/eu", "#sales"):
        with pytest.raises(ValidationError):
            Mattermost.model_validate({"url": "x", "token": "x", "channels": [name]})


@pytest.mark.parametrize(
    "query", ["since=0", "since=5&per_page=9", "per_page=201", "limit=9", "since=5&page=1"]
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    [channel] = twin.channels
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/api/v4/channels/{channel}/posts?{query}"
        answer = await client.get(path, headers={"Authorization": f"Bearer {twin.token}"})
        assert answer.status_code == 400
        assert (await client.get(path)).status_code == 401
