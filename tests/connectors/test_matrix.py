"""Matrix: what is said in rooms, edited and redacted, without a gap."""

from typing import Any

import pytest

from connectors.twins.matrix import Twin
from hub.connector import AuthFailed, Classification, Cursor, SourceMisbehaved, Status
from hub.http import Clients
from tests.connectors.polling import Poller, poller, polling
from tests.servers import serve

NINE, TEN = "2026-05-04T09:00:00+00:00", "2026-05-04T10:00:00+00:00"
_TEN_DAYS_BEFORE = "2026-04-24T09:00:00+00:00"


def texts(source: Poller) -> list[str]:
    """List what the hub would show now."""
    return [draft.title for draft in source.current.values()]


def place(source: Poller) -> Any:
    return source.cursor["token"]


async def test_a_message_tells_who_said_it_where() -> None:
    twin = Twin()
    said = "We won Acme.\nWhat decided it was the API."
    event = twin.emit({"text": said, "from": "Ann Archer", "at": NINE, "content": {
        "m.mentions": {"user_ids": ["@joe:matrix.example"]}}})  # fmt: skip
    async with polling(twin) as source:
        await source.poll()
    (draft,) = source.drafts
    assert draft.kind == "chat.message"
    assert draft.external_id == draft.revision == event["event_id"]
    assert draft.occurred_at == draft.revised_at
    assert draft.occurred_at.isoformat() == NINE
    assert (draft.title, draft.body, draft.summary) == ("We won Acme.", said, "In Sales wins")
    assert draft.status is Status.INFORMATION
    assert draft.author is not None
    assert (draft.author.name, draft.author.handle) == ("Ann Archer", "@ann:matrix.example")
    assert draft.url == "https://matrix.to/#/%211%3Amatrix.example/%245?via=matrix.example"
    assert draft.labels == ("Sales wins",)
    assert draft.attributes == {
        "channel": "Sales wins",
        "channel_id": "!1:matrix.example",
        "type": "m.text",
        "mentions": ["@joe:matrix.example"],
    }


@pytest.mark.parametrize(
    ("rule", "classification"),
    [
        ("public", Classification.INTERNAL),
        ("invite", Classification.RESTRICTED),
        ("restricted", Classification.RESTRICTED),
        ("knock", Classification.RESTRICTED),
    ],
)
async def test_only_a_room_that_anyone_may_join_is_for_everyone(
    rule: str, classification: Classification
) -> None:
    twin = Twin()
    twin.emit({"join_rule": rule})
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        assert source.drafts[0].classification is classification
        twin.emit({"join_rule": "invite"})
        twin.emit({})
        await source.poll()
    assert source.drafts[-1].classification is Classification.RESTRICTED


async def test_a_room_is_called_by_its_newest_name() -> None:
    twin = Twin()
    twin.emit({"room": "Old name"})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"room": "Old name", "name": "New name"})
        twin.emit({"room": "Old name"})
        await source.poll()
    assert [draft.labels for draft in source.drafts] == [("Old name",), ("New name",)]


async def test_an_edit_is_a_revision_and_a_redaction_takes_the_words() -> None:
    twin = Twin()
    first = twin.emit({"text": "48k a year", "at": NINE})["event_id"]
    async with polling(twin) as source:
        await source.poll()
        edited = twin.emit({"text": "52k a year", "edit": first, "at": TEN})
        await source.poll()
        draft = source.current[first]
        assert (draft.title, draft.body) == ("52k a year", "52k a year")
        assert draft.revision == edited["event_id"]
        assert (draft.occurred_at.isoformat(), draft.revised_at.isoformat()) == (NINE, TEN)
        twin.emit({"redact": first})
        await source.poll()
        assert source.current[first].status is Status.DELETED
        assert source.current[first].body is None
    assert [draft.external_id for draft in source.drafts] == [first] * 3


async def test_what_was_redacted_before_it_was_read_never_shows() -> None:
    twin = Twin()
    first = twin.emit({"text": "a secret"})["event_id"]
    twin.emit({"text": "* another secret", "edit": first})
    twin.emit({"redact": first})
    async with polling(twin) as source:
        await source.poll()
        assert not source.drafts
        lost = twin.emit({"text": "a secret"})["event_id"]
        twin.emit({"redact": lost})
        await source.poll()
    assert not source.bad
    assert [(one.status, one.body) for one in source.drafts] == [(Status.DELETED, None)]
    assert "secret" not in repr(source.drafts)


async def test_what_is_redacted_amid_the_first_reading_is_gone_though_the_token_is_forgotten() -> (
    None
):
    twin = Twin()
    first = twin.emit({"text": "a secret"})["event_id"]
    for number in range(150):
        twin.emit({"text": f"message {number}"})
    last = twin.emit({"text": "another"})["event_id"]
    async with polling(twin) as source:
        await source.poll(stop_after=1)
        assert last in source.current
        twin.emit({"redact": last})
        twin.emit({"redact": first})
        twin.epoch += 1
        await source.poll()
    assert source.current[last].status is Status.DELETED
    assert "a secret" not in repr(source.drafts)


async def test_nobody_edits_the_words_of_another_nor_an_edit() -> None:
    twin = Twin()
    mine = twin.emit({"text": "We won."})["event_id"]
    edit = twin.emit({"text": "We won!", "edit": mine})["event_id"]
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"text": "We lost.", "edit": mine, "from": "Eve Evil"})
        twin.emit({"text": "We lost.", "edit": edit})
        twin.emit({"text": "We lost.", "edit": "$unknown"})
        twin.emit({"text": "We lost.", "edit": mine, "room": "Elsewhere"})
        await source.poll()
    assert texts(source) == ["We won!"]
    assert not source.bad


async def test_a_redaction_from_another_room_takes_nothing() -> None:
    twin = Twin()
    said = twin.emit({"text": "It stays."})["event_id"]
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"redact": said, "room": "Elsewhere"})
        assert not await source.fresh()


async def test_reactions_and_encrypted_messages_are_no_signals() -> None:
    twin = Twin()
    said = twin.emit({"text": "Lunch?"})["event_id"]
    liked = twin.emit({"reaction": said})["event_id"]
    twin.emit({"encrypted": True})
    twin.emit({"redact": liked})
    async with polling(twin) as source:
        await source.poll()
    assert texts(source) == ["Lunch?"]
    assert not source.bad


async def test_a_thread_and_a_reply_belong_to_what_they_answer() -> None:
    twin = Twin()
    root = twin.emit({"text": "Who knows Acme?"})["event_id"]
    twin.emit({"text": "I do.", "thread": root, "reply": root})
    quoting = "> <@ann:matrix.example> Who knows Acme?\n> Anyone?\n\nAsk Joe."
    twin.emit({"text": quoting, "reply": root})
    async with polling(twin) as source:
        await source.poll()
    assert [(draft.title, draft.thread) for draft in source.drafts] == [
        ("Who knows Acme?", None),
        ("I do.", root),
        ("Ask Joe.", root),
    ]


async def test_a_marked_message_is_a_decision() -> None:
    twin = Twin()
    twin.emit({"text": "#Decision: we drop the old API"})
    twin.emit({"text": "DECIDED we keep it"})
    async with polling(twin) as source:
        await source.poll()
    assert [one.kind for one in source.drafts] == ["chat.decision", "chat.message"]
    async with polling(twin, decision_marker="decided") as source:
        await source.poll()
    assert [one.kind for one in source.drafts] == ["chat.message", "chat.decision"]


@pytest.mark.parametrize("size", [49, 50, 51, 150, 333])
async def test_a_gap_is_filled_page_by_page_and_survives_a_crash(size: int) -> None:
    twin = Twin()
    twin.emit({"text": "before", "at": NINE})
    async with serve(twin.app) as url, Clients() as clients:
        source = poller(twin, url, clients)
        await source.poll()
        cursor: Cursor = source.cursor
        wanted = [twin.emit({"text": f"message {n}"})["event_id"] for n in range(size)]
        pages = await source.poll()
        assert sorted(one.external_id for one in source.drafts[1:]) == sorted(wanted)
        for died in range(1, len(pages)):
            other = poller(twin, url, clients)
            other.cursor = cursor
            await other.poll(stop_after=died)
            late = twin.emit({"text": "said in the meantime"})["event_id"]
            await other.poll()
            assert other.current.keys() >= {*wanted, late}
            assert len(other.drafts) == len(other.current), "nothing is read twice"
            cursor, wanted = other.cursor, []


async def test_gaps_of_several_rooms_and_the_newest_edit_wins() -> None:
    twin = Twin()
    rooms = [f"Room {number}" for number in range(3)]
    for room in rooms:
        twin.emit({"room": room})
    async with polling(twin) as source:
        await source.poll()
        ids = [twin.emit({"room": room, "text": "draft", "at": NINE})["event_id"] for room in rooms]
        for room, event in zip(rooms, ids, strict=True):
            for number in range(120):
                twin.emit({"room": room, "text": f"{number}", "at": NINE})
            twin.emit({"room": room, "text": "final", "edit": event, "at": TEN})
        await source.poll()
    assert {source.current[event].title for event in ids} == {"final"}
    assert len(source.current) == 3 + 3 * 121


async def test_the_first_sync_begins_at_since_and_reads_all_without_it() -> None:
    twin = Twin()
    for number in range(130):
        twin.emit({"text": f"old {number}", "at": _TEN_DAYS_BEFORE})
    for number in range(130):
        twin.emit({"text": f"new {number}", "at": NINE})
    async with polling(twin, since=NINE) as source:
        await source.poll()
        assert sorted(texts(source)) == sorted(f"new {number}" for number in range(130))
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 260


async def test_a_token_that_the_server_has_forgotten_costs_nothing_but_reading_again() -> None:
    twin = Twin()
    twin.emit({"text": "kept"})
    lost = twin.emit({"text": "gone in the meantime"})["event_id"]
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"redact": lost})
        twin.emit({"text": "said in the meantime"})
        twin.epoch += 1
        await source.poll()
        assert texts(source) == ["kept", "A deleted message", "said in the meantime"]
        twin.emit({"text": "and after"})
        assert [one.title for one in await source.fresh()] == ["and after"]
        quiet = source.cursor
        assert not await source.fresh()
        assert source.cursor == quiet, "a quiet server costs the hub no write"


async def test_a_token_forgotten_amid_a_gap_leaves_none() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        for number in range(260):
            twin.emit({"text": f"message {number}"})
        await source.poll(stop_after=2)
        twin.epoch += 1
        await source.poll()
    assert len(source.current) == 261


async def test_the_place_of_a_gap_may_be_forgotten_while_the_token_is_not() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        for number in range(260):
            twin.emit({"text": f"message {number}"})
        await source.poll(stop_after=2)
        token: Any = source.cursor["token"]
        token["gaps"][0]["start"] = "from-an-earlier-life"
        twin.emit({"text": "said in the meantime"})
        await source.poll()
    assert len(source.current) == 262


async def test_a_quiet_server_with_a_gap_left_fills_it_at_once() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        for number in range(260):
            twin.emit({"text": f"message {number}"})
        await source.poll(stop_after=1)
        first, *_ = await source.poll()
        assert first.drafts
    assert len(source.current) == 261


async def test_the_place_as_version_0_1_0_wrote_it_is_gone_on_from() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        for number in range(120):
            twin.emit({"text": f"message {number}"})
        await source.poll(stop_after=1)
        source.cursor = place(source)
        await source.poll()
        assert len(source.current) == len(source.drafts) == 121


async def test_a_resync_reads_no_more_than_a_day_behind_what_is_complete() -> None:
    twin = Twin()
    twin.emit({"text": "long ago", "at": _TEN_DAYS_BEFORE})
    async with polling(twin) as source:
        await source.poll()
        twin.epoch += 1
        assert not await source.fresh()


async def test_a_room_that_is_joined_later_is_read_from_its_beginning() -> None:
    twin = Twin()
    for number in range(60):
        twin.emit({"room": "Later", "outside": True, "text": f"{number}"})
    twin.emit({"room": "At once", "text": "hello"})
    async with polling(twin) as source:
        await source.poll()
        assert texts(source) == ["hello"]
        twin.emit({"room": "Later", "join": True})
        await source.poll()
        assert len(source.current) == 61
        twin.emit({"room": "Later", "leave": True})
        twin.emit({"room": "Later", "text": "behind closed doors"})
        assert not await source.fresh()


async def test_a_room_that_is_left_amid_its_gap_does_not_stop_the_others() -> None:
    twin = Twin()
    twin.emit({"room": "Left"})
    twin.emit({"room": "Kept"})
    async with polling(twin) as source:
        await source.poll()
        for number in range(160):
            twin.emit({"room": "Left", "text": f"{number}"})
        await source.poll(stop_after=1)
        twin.emit({"room": "Left", "leave": True})
        twin.emit({"room": "Kept", "text": "still here"})
        assert [one.title for one in await source.fresh()] == ["still here"]
        assert place(source)["gaps"] == []


async def test_only_the_chosen_rooms_are_read_and_one_chosen_later_wholly() -> None:
    twin = Twin()
    twin.emit({"room": "Sales", "text": "sales", "alias": "#sales:matrix.example"})
    twin.emit({"room": "Sales", "text": "more sales"})
    for number in range(60):
        twin.emit({"room": "Board", "text": f"board {number}"})
    async with serve(twin.app) as url, Clients() as clients:
        source = poller(twin, url, clients, rooms=["#sales:matrix.example"])
        await source.poll()
        assert texts(source) == ["more sales"]
        other = poller(twin, url, clients, rooms=["#sales:matrix.example", "!2:matrix.example"])
        other.cursor = source.cursor
        await other.poll()
        assert len(other.current) == 60
        narrow = poller(twin, url, clients, rooms=["!2:matrix.example"])
        narrow.cursor = other.cursor
        twin.emit({"room": "Sales", "text": "not any more"})
        assert not await narrow.fresh()


async def test_a_room_that_the_account_is_not_in_is_told_and_the_others_are_read() -> None:
    twin = Twin()
    twin.emit({"text": "hello"})
    wanted = ["!1:matrix.example", "!9:matrix.example", "#nowhere:matrix.example"]
    async with polling(twin, rooms=wanted) as source:
        with pytest.raises(SourceMisbehaved, match=r"is not in .*#nowhere:matrix") as told:
            await source.poll()
        assert texts(source) == ["hello"]
    assert "!9:matrix.example" in str(told.value)
    assert "!1:matrix.example" not in str(told.value)


@pytest.mark.parametrize(
    "content",
    [{"body": None}, {"msgtype": "m.text", "body": 5}, {"m.relates_to": {"rel_type": "m.thread"}}],
)
async def test_a_message_that_cannot_be_read_is_set_aside(content: dict[str, Any]) -> None:
    twin = Twin()
    odd = twin.emit({"content": content})
    twin.emit({"text": "fine"})
    async with polling(twin) as source:
        await source.poll()
    assert texts(source) == ["fine"]
    assert [bad.external_id for bad in source.bad] == [odd["event_id"]]


async def test_a_wrong_token_stops_the_source() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed):
            await source.poll()
