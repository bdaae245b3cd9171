"""Slack: newest-first windows, threads, edits and deletions, through every way a poll can break."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.slack import Slack
from connectors.twins.slack import Twin
from hub.connector import (
    AuthFailed,
    Classification,
    RateLimited,
    SourceMisbehaved,
    Status,
)
from hub.connector.clock import moved
from hub.http import Clients
from tests.connectors.polling import Poller, poller, polling
from tests.examples import examples
from tests.servers import serve

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ALWAYS = {"threads_every": timedelta(0)}


def _at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def _place(source: Poller) -> dict[str, Any]:
    """Look at where the first channel stands."""
    cursor: Any = source.cursor
    return dict(next(iter(cursor["channels"].values())))


def _texts(source: Poller) -> dict[str, str | None]:
    return {
        name.partition("/")[2]: draft.body
        for name, draft in source.current.items()
        if draft.status is not Status.DELETED
    }


def _said(twin: Twin) -> dict[str, str | None]:
    return {
        ts: message["text"]
        for messages in twin.messages.values()
        for ts, message in messages.items()
        if message.get("subtype") != "tombstone"
    }


async def test_a_message_becomes_a_signal_with_all_it_says() -> None:
    twin = Twin()
    said = twin.emit({"user": "Jane Doe", "text": "First line\nand more", "at": _at(0.714899)})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    channel, ts = said["channel"], said["ts"]
    assert ts == "1777896000.714899"
    assert draft.kind == "chat.message"
    assert draft.external_id == draft.thread == f"{channel}/{ts}"
    assert draft.revision == ts
    assert draft.occurred_at == draft.revised_at == NOON + timedelta(microseconds=714899)
    assert draft.title == "First line"
    assert draft.body == "First line\nand more"
    assert draft.url == f"https://acme.slack.example/archives/{channel}/p1777896000714899"
    assert draft.labels == ("general",)
    assert draft.author is not None
    assert (draft.author.name, draft.author.email) == ("Jane Doe", "jane.doe@acme.example")
    assert draft.author.handle == said["user"]
    assert draft.classification is Classification.INTERNAL
    assert draft.status is Status.INFORMATION


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Decision: we ship", "chat.decision"),
        (":decision: we ship", "chat.decision"),
        ("*DECISION:* we ship", "chat.decision"),
        ("No decision: we wait", "chat.message"),
        ("Beschluss: wir liefern", "chat.message"),
    ],
)
async def test_a_marker_makes_a_decision(text: str, kind: str) -> None:
    twin = Twin()
    twin.emit({"text": text})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.kind == kind


async def test_markers_are_a_setting() -> None:
    twin = Twin()
    twin.emit({"text": "Beschluss: wir liefern"})
    async with polling(twin, decision_markers=("beschluss:",)) as source:
        [draft] = await source.fresh()
    assert draft.kind == "chat.decision"


async def test_what_slack_writes_in_brackets_is_read_as_people_see_it() -> None:
    twin = Twin()
    jane = twin.emit({"user": "Jane Doe", "text": "x"})["user"]
    twin.emit(
        {
            "text": f"<@{jane}> in <#C012AB3CD|sales> says: <https://x.example/a|the plan> &amp; "
            "<https://x.example|x.example> &lt;b&gt; <!here> <!subteam^S1|@ops> <@U404> "
            "<mailto:a@x.example|a@x.example>"
        }
    )
    async with polling(twin) as source:
        drafts = await source.fresh()
    assert drafts[-1].body == (
        "@Jane Doe in #sales says: the plan (https://x.example/a) & "
        "https://x.example <b> @here @ops @U404 mailto:a@x.example"
    )


async def test_a_file_without_words_is_titled_by_its_name() -> None:
    twin = Twin()
    twin.emit({"text": "", "files": [{"name": "plan.pdf"}, {"name": None}]})
    twin.emit({"text": " \n "})
    async with polling(twin) as source:
        drafts = await source.fresh()
    assert [draft.title for draft in drafts] == ["plan.pdf", "A message without text"]


async def test_the_noise_is_left_out_by_a_documented_rule() -> None:
    twin = Twin()
    twin.emit({"text": "joined", "subtype": "channel_join"})
    twin.emit({"text": "left", "subtype": "channel_leave"})
    twin.emit({"text": "deploy done", "bot_id": "B01", "username": "deployer"})
    twin.emit({"text": "waves", "subtype": "me_message"})
    async with serve(twin.app) as url, Clients() as clients:
        people = poller(twin, url, clients)
        everything = poller(twin, url, clients, bots=True, skip=())
        assert [draft.body for draft in await people.fresh()] == ["waves"]
        drafts = await everything.fresh()
    assert [draft.body for draft in drafts] == ["joined", "left", "deploy done", "waves"]
    assert drafts[2].author is not None
    assert drafts[2].author.name == "deployer"


async def test_private_channels_and_direct_messages_are_restricted() -> None:
    twin = Twin()
    twin.emit({"channel": "general", "text": "open"})
    twin.emit({"channel": "board", "text": "closed", "private": True})
    direct = twin.emit({"channel": "@Mei Lin", "user": "Jane Doe", "text": "secret"})["channel"]
    async with polling(twin, channels=("general", "#board", direct)) as source:
        drafts = {draft.body: draft for draft in await source.fresh()}
        assert drafts["open"].classification is Classification.INTERNAL
        assert drafts["closed"].classification is Classification.RESTRICTED
        assert drafts["secret"].classification is Classification.RESTRICTED
        assert drafts["secret"].labels == ("Mei Lin",)
        # A channel that is made private is so from its next message on.
        twin.emit({"channel": "general", "text": "now closed", "private": True})
        [draft] = await source.fresh()
    assert draft.classification is Classification.RESTRICTED


async def test_nothing_new_moves_nothing_and_asks_for_no_names() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
        cursor = source.cursor
        twin.asked.clear()
        assert await source.fresh() == []
        assert source.cursor == cursor
    assert [request.partition("?")[0] for request in twin.asked] == ["conversations.history"]


async def test_only_what_is_new_is_told() -> None:
    twin = Twin()
    async with polling(twin) as source:
        for number in range(3):
            twin.emit({"text": str(number)})
            twin.emit({"text": f"{number}b"})
            assert [draft.body for draft in await source.fresh()] == [str(number), f"{number}b"]


async def test_every_message_of_many_pages_is_read() -> None:
    twin = Twin(page=3)
    for number in range(20):
        twin.emit({"text": str(number), "at": _at(number / 1_000_000)})
    for number in range(5):
        twin.emit({"channel": f"c{number}", "user": f"Person {number}", "text": "hi"})
    async with polling(twin) as source:
        pages = await source.poll()
        assert _texts(source) == _said(twin)
        assert len(pages) > 7
        for page in pages:
            times = [draft.occurred_at for draft in page.drafts]
            assert times == sorted(times)
        authors = {draft.author.name for draft in source.drafts if draft.author}
    assert {f"Person {number}" for number in range(5)} <= authors


async def test_messages_at_the_same_moment_are_told_apart() -> None:
    twin = Twin(page=2)
    for number in range(5):
        twin.emit({"text": str(number), "at": _at(0)})
    async with polling(twin, look_back=timedelta(0)) as source:
        await source.poll()
        twin.emit({"text": "5", "at": _at(0)})
        await source.poll()
        assert _texts(source) == _said(twin)
    assert len(source.stored) == 6


async def test_a_thread_is_read_with_its_parent() -> None:
    twin = Twin(page=3)
    parent = twin.emit({"text": "Who comes?", "at": _at(0)})
    for number in range(7):
        twin.emit({"text": f"+{number}", "thread_ts": parent["ts"], "at": _at(number + 1)})
    twin.emit({"text": "Another subject", "at": _at(60)})
    async with polling(twin) as source:
        drafts = await source.fresh()
        assert _texts(source) == _said(twin)
        assert len(drafts) == len(source.stored) == 9
        thread = f"{parent['channel']}/{parent['ts']}"
        replies = [draft for draft in drafts if draft.thread == thread]
        assert [draft.body for draft in replies] == ["Who comes?", *(f"+{n}" for n in range(7))]
        assert replies[1].url is not None
        assert f"?thread_ts={parent['ts']}&cid={parent['channel']}" in replies[1].url
        twin.emit({"text": "late", "thread_ts": parent["ts"], "at": _at(70)})
        [late] = await source.fresh()
    assert (late.body, late.thread) == ("late", thread)


async def test_a_reply_to_an_old_message_is_found_by_the_deeper_look() -> None:
    twin = Twin()
    parent = twin.emit({"text": "Old", "at": _at(-86_400)})
    twin.emit({"text": "New", "at": _at(0)})
    async with serve(twin.app) as url, Clients() as clients:
        patient, eager = poller(twin, url, clients), poller(twin, url, clients, **ALWAYS)
        await patient.poll()
        await eager.poll()
        twin.emit({"text": "reply", "thread_ts": parent["ts"], "at": _at(1)})
        twin.asked.clear()
        assert [draft.body for draft in await eager.fresh()] == ["reply"]
        three_days_before = (NOON - timedelta(days=3)).timestamp()
        assert f"oldest={three_days_before:.6f}" in twin.asked[0]
        assert await patient.fresh() == []
        eleven = datetime.now(UTC) - timedelta(minutes=11)
        cursor: Any = patient.cursor
        cursor["channels"][parent["channel"]]["deep"] = eleven.isoformat()
        assert [draft.body for draft in await patient.fresh()] == ["reply"]


async def test_a_reply_that_is_shown_in_the_channel_too_is_one_signal() -> None:
    twin = Twin()
    parent = twin.emit({"text": "Question", "at": _at(0)})
    shown = {"thread_ts": parent["ts"], "subtype": "thread_broadcast"}
    reply = twin.emit({"text": "Answer", "at": _at(1), **shown})
    async with polling(twin, **ALWAYS) as source:
        drafts = await source.fresh()
        assert len(drafts) == 2
        assert drafts[1].thread == f"{parent['channel']}/{parent['ts']}"
        twin.emit({"delete": reply["ts"]})
        [gone] = await source.fresh()
    assert (gone.external_id, gone.status) == (drafts[1].external_id, Status.DELETED)


@pytest.mark.parametrize("is_reply", [False, True], ids=["message", "reply"])
async def test_an_edit_is_a_new_revision(is_reply: bool) -> None:
    twin = Twin()
    first = twin.emit({"text": "Prise is 5", "at": _at(0)})
    if is_reply:
        first = twin.emit({"text": "Prise is 5", "thread_ts": first["ts"], "at": _at(1)})
    async with polling(twin, **ALWAYS) as source:
        await source.poll()
        edited = twin.emit({"edit": first["ts"], "text": "Decision: price is 5", "at": _at(9)})
        [draft] = await source.fresh()
        assert await source.fresh() == []
    assert draft.external_id == f"{first['channel']}/{first['ts']}"
    assert draft.revision == edited["edited"]["ts"]
    assert draft.revised_at == NOON + timedelta(seconds=9)
    assert draft.kind == "chat.decision"
    assert source.current[draft.external_id] is draft


@pytest.mark.parametrize("is_reply", [False, True], ids=["message", "reply"])
async def test_a_deletion_is_told_once_and_keeps_its_place(is_reply: bool) -> None:
    twin = Twin()
    parent = first = twin.emit({"text": "Decision: buy", "private": True, "at": _at(0)})
    twin.emit({"text": "stays", "at": _at(2)})
    if is_reply:
        first = twin.emit({"text": "Decision: buy", "thread_ts": first["ts"], "at": _at(1)})
    async with polling(twin) as source:
        await source.poll()
        # Replies of a thread in which nothing happens are not asked for, and not forgotten.
        assert await source.fresh() == []
        twin.emit({"delete": first["ts"], "at": _at(9)})
        [draft] = await source.fresh()
        assert await source.fresh() == []
    assert draft.status is Status.DELETED
    assert draft.kind == "chat.decision"
    assert draft.external_id == f"{first['channel']}/{first['ts']}"
    assert draft.thread == f"{parent['channel']}/{parent['ts']}"
    assert draft.classification is Classification.RESTRICTED
    assert "buy" not in draft.model_dump_json()
    assert source.current[draft.external_id] is draft
    assert _texts(source) == _said(twin)


async def test_a_deleted_parent_leaves_its_replies() -> None:
    twin = Twin()
    parent = twin.emit({"text": "Question", "at": _at(0)})
    twin.emit({"text": "Answer", "thread_ts": parent["ts"], "at": _at(1)})
    async with polling(twin, **ALWAYS) as source:
        await source.poll()
        twin.emit({"delete": parent["ts"]})
        [draft] = await source.fresh()
        assert draft.external_id == f"{parent['channel']}/{parent['ts']}"
        assert draft.status is Status.DELETED
        twin.emit({"text": "Another", "thread_ts": parent["ts"], "at": _at(2)})
        assert [draft.body for draft in await source.fresh()] == ["Another"]
        assert _texts(source) == _said(twin)


@pytest.mark.parametrize("age", [0, 7200], ids=["young", "old"])
async def test_a_thread_that_is_deleted_whole_takes_its_replies_along(age: int) -> None:
    """Reply first, then parent: of such a thread nothing is left to be asked for."""
    twin = Twin()
    parent = twin.emit({"text": "Question", "at": _at(-age)})
    reply = twin.emit({"text": "Answer", "thread_ts": parent["ts"], "at": _at(1)})
    twin.emit({"text": "Another subject", "at": _at(2)})
    async with polling(twin, **ALWAYS) as source:
        await source.poll()
        twin.emit({"delete": reply["ts"]})
        twin.emit({"delete": parent["ts"]})
        gone = await source.fresh()
        assert f"{reply['channel']}/{reply['ts']}" in {draft.external_id for draft in gone}
        assert {draft.status for draft in gone} == {Status.DELETED}
        assert await source.fresh() == []
    assert len(gone) == (1 if age else 2)


async def test_what_is_older_than_the_look_back_is_left_as_it_was() -> None:
    twin = Twin()
    old = twin.emit({"text": "Old", "at": _at(-7200)})
    twin.emit({"text": "New", "at": _at(0)})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"delete": old["ts"]})
        assert await source.fresh() == []


async def test_an_old_message_is_seen_to_be_edited_by_the_deeper_look() -> None:
    twin = Twin()
    old = twin.emit({"text": "Old", "at": _at(-7200)})
    twin.emit({"text": "New", "at": _at(0)})
    async with polling(twin, **ALWAYS) as source:
        await source.poll()
        twin.emit({"edit": old["ts"], "text": "Better", "at": _at(1)})
        await source.poll()
        assert _texts(source) == _said(twin)


async def test_the_cursor_holds_no_more_than_it_needs() -> None:
    """Also while years are read for the first time, and of threads that have fallen silent."""
    twin = Twin(page=2)
    for number in range(60):
        said = twin.emit({"at": _at(number * 7200)})
        for reply in range(2):
            twin.emit({"at": _at(number * 7200 + reply + 1), "thread_ts": said["ts"]})
    async with polling(twin) as source:
        for page in await source.poll():
            cursor: Any = page.cursor
            for place in cursor["channels"].values():
                assert len(place.get("window", {}).get("seen", ())) <= 4
                assert len(place.get("window", {}).get("todo", ())) <= 2
                assert len(place["threads"]) <= 36
        assert _texts(source) == _said(twin)
        twin.emit({"at": _at(70 * 7200)})
        await source.poll()
    place = _place(source)
    assert len(place["known"]) == 1
    assert len(place["threads"]) == 25
    assert "window" not in place


def _eventful(page: int) -> Twin:
    twin = Twin(page=page)
    for number in range(11):
        said = twin.emit({"text": f"m{number}", "at": _at(number * 60)})
        for reply in range(number % 3):
            at = _at(number * 60 + reply + 1)
            twin.emit({"text": f"m{number}r{reply}", "thread_ts": said["ts"], "at": at})
    twin.emit({"channel": "sales", "text": "Sold", "at": _at(1)})
    return twin


@pytest.mark.parametrize("stop_after", [1, 2, 3])
async def test_a_crash_in_the_middle_of_a_window_loses_nothing(stop_after: int) -> None:
    """New messages, edits and deletions come between the crashes, above the window in progress."""
    twin = _eventful(page=2)
    async with polling(twin, **ALWAYS) as source:
        for number in range(6):
            await source.poll(stop_after=stop_after)
            twin.emit({"text": f"new {number}", "at": _at(1000 + number)})
        first = min(twin.messages[twin.emit({"text": "last", "at": _at(1100)})["channel"]])
        twin.emit({"edit": first, "text": "edited", "at": _at(1200)})
        await source.poll()
        await source.poll()
        assert _texts(source) == _said(twin)
        twin.emit({"delete": first})
        await source.poll(stop_after=1)
        await source.poll()
        assert _texts(source) == _said(twin)


async def test_resuming_from_any_page_ends_the_same() -> None:
    twin = _eventful(page=2)
    async with serve(twin.app) as url, Clients() as clients:
        whole = poller(twin, url, clients, **ALWAYS)
        pages = await whole.poll()
        assert _texts(whole) == _said(twin)
        for number, page in enumerate(pages):
            rest = poller(twin, url, clients, **ALWAYS)
            rest.cursor = json.loads(json.dumps(page.cursor))
            await rest.poll()
            before = {draft.external_id for one in pages[: number + 1] for draft in one.drafts}
            assert before | set(rest.current) == set(whole.current)
            assert all(whole.current[name] == draft for name, draft in rest.current.items())


async def test_a_window_that_failed_while_being_told_is_told_later() -> None:
    """The names could not be read: what was seen by then must not count as known."""
    twin = _eventful(page=50)
    async with polling(twin) as source:
        # history of the first channel, then auth.test: refused; the second channel is all right.
        twin.refusals = ["", "internal_error"]
        twin.refuse = _refusing(twin, "auth.test")  # type: ignore[method-assign]
        with pytest.raises(SourceMisbehaved, match="internal_error"):
            await source.poll()
        twin.refusals = []
        await source.poll()
        assert _texts(source) == _said(twin)


def _refusing(twin: Twin, method: str) -> Any:
    """Refuse one call of this method."""
    left = [method]
    usual = twin.refuse

    def refuse(request: Request) -> Response | None:
        if left and request.url.path.endswith(left[0]):
            left.clear()
            return JSONResponse({"ok": False, "error": "internal_error"})
        twin.refusals = []
        return usual(request)

    return refuse


async def test_one_closed_channel_does_not_silence_the_others() -> None:
    twin = Twin()
    twin.emit({"channel": "closed", "text": "1"})
    twin.emit({"channel": "open", "text": "2"})
    for channel in twin.channels.values():
        channel["is_member"] = channel["name"] != "closed"
    async with polling(twin, channels=("closed", "open", "nowhere", "C404404404")) as source:
        with pytest.raises(SourceMisbehaved, match="C404404404: Slack says channel_not_found"):
            await source.poll()
        assert [draft.body for draft in source.drafts] == ["2"]
        for channel in twin.channels.values():
            channel["is_member"] = True
        with pytest.raises(SourceMisbehaved):
            await source.poll()
        assert [draft.body for draft in source.drafts] == ["2", "1"]


async def test_a_renamed_channel_is_still_read() -> None:
    twin = Twin()
    said = twin.emit({"channel": "launch", "text": "1"})
    async with polling(twin) as source:
        await source.poll()
        twin.channels[said["channel"]]["name"] = "launched"
        twin.emit({"channel": said["channel"], "text": "2"})
        [draft] = await source.fresh()
    assert (draft.body, draft.labels) == ("2", ("launched",))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("invalid_auth", AuthFailed),
        ("token_revoked", AuthFailed),
        ("account_inactive", AuthFailed),
        ("ratelimited", RateLimited),
        ("fatal_error", SourceMisbehaved),
    ],
)
async def test_a_refusal_in_a_200_is_an_error(error: str, raised: type[Exception]) -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        twin.refusals = [error]
        with pytest.raises(raised, match=error):
            await source.poll()
        assert source.cursor == {}
        with moved(timedelta(minutes=1)):  # a limit holds for the whole account, and ends
            assert len(await source.fresh()) == 1


async def test_a_429_says_how_long_to_wait() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        twin.refusals = ["ratelimited"]
        with pytest.raises(RateLimited) as caught:
            await source.poll()
    assert caught.value.retry_after == timedelta(seconds=30)


async def test_a_wrong_token_and_one_that_is_kept_secret() -> None:
    twin = Twin()
    async with polling(twin, token="xoxb-wrong") as source:
        assert "xoxb-wrong" not in repr(source.connector)
        with pytest.raises(AuthFailed, match="invalid_auth") as caught:
            await source.poll()
    assert "xoxb-wrong" not in str(caught.value)


def test_no_channel_is_no_source() -> None:
    with pytest.raises(ValidationError):
        Slack.model_validate({"token": "t", "channels": []})


async def test_since_is_the_oldest_that_is_read() -> None:
    twin = Twin()
    twin.emit({"text": "before", "at": _at(-1)})
    twin.emit({"text": "after", "at": _at(1)})
    async with polling(twin, since=NOON) as source:
        assert [draft.body for draft in await source.fresh()] == ["after"]
        assert await source.fresh() == []


async def _answering(*messages: Any, **more: Any) -> Poller:
    """Poll once from a server that shows these messages."""
    answers: dict[str, Any] = {
        "auth.test": {"url": "https://acme.slack.example/"},
        "users.list": {
            "members": [
                {"id": "U1", "name": "jane", "profile": None},
                {"id": "U2", "real_name": "egon", "profile": {"real_name": "Egon Spengler"}},
            ]
        },
        "conversations.info": {"channel": {"id": "C012AB3CD", "name": "general"}},
        "conversations.history": {"messages": [*messages], "has_more": False},
    } | more

    async def answer(request: Request) -> Response:
        method = request.path_params["method"]
        return JSONResponse({"ok": True, "warning": "new", **answers[method]})

    app = Starlette(routes=[Route("/api/{method}", answer)])
    async with serve(app) as url, Clients() as clients:
        given = {"token": "t", "channels": ["C012AB3CD"], "url": f"{url}/api", "per_minute": 6000}
        source = Poller(Slack.model_validate(given), clients)
        await source.poll()
        await source.poll()
    return source


async def test_bad_records_are_set_aside_and_unknown_fields_ignored() -> None:
    good = {"ts": "1777896000.000100", "user": "U1", "text": "Good", "blocks": [{}], "new": 1}
    odd: Any = {"ts": "1777896000.000200", "user": "U1", "text": {"not": "text"}}
    bad: list[Any] = ["nonsense", None, {"text": "no ts"}, {"ts": 1777896000.1}, {"ts": "soon"}]
    source = await _answering(good, odd, *bad)
    [draft] = source.drafts
    assert draft.body == "Good"
    assert draft.author is not None
    assert draft.author.name == "jane"
    # A channel that does not say that it is public is none.
    assert draft.classification is Classification.RESTRICTED
    assert [entry.raw for entry in source.bad].count(odd) == 1
    assert [entry.raw for entry in source.bad].count("nonsense") == 2


async def test_people_of_other_companies_and_nulls_are_read() -> None:
    guest = {
        "ts": "1777896000.000300",
        "user": "U9",
        "text": "Hi",
        "user_profile": {"real_name": "Guest"},
        "edited": None,
        "files": None,
        "reply_count": None,
        "latest_reply": None,
    }
    egon = guest | {"ts": "1777896000.000500", "user": "U2", "text": "Hello <@U2>"}
    silent = {"ts": "1777896000.000400", "text": None, "user": None}
    source = await _answering(guest, silent, egon)
    assert source.bad == []
    by_title = {draft.title: draft.author for draft in source.drafts}
    assert by_title["A message without text"] is None
    author = by_title["Hello @Egon Spengler"]
    assert author is not None
    assert author.name == "Egon Spengler"
    author = by_title["Hi"]
    assert author is not None
    assert (author.name, author.handle) == ("Guest", "U9")


async def test_a_page_that_comes_again_and_again_is_an_error() -> None:
    said = {"ts": "1777896000.000100", "user": "U1", "text": "Good"}
    people = {"members": [], "response_metadata": {"next_cursor": "bmV4dA=="}}
    with pytest.raises(SourceMisbehaved, match=r"users\.list sends the same page again and again"):
        await _answering(said, **{"users.list": people})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "reply", "edit", "delete", "poll", "crash"]), st.integers(0, 8)
    ),
    max_size=25,
)


@examples(10)
@given(steps=STEPS, deep=st.booleans())
async def test_however_the_polls_fall_the_end_is_the_same(
    steps: list[tuple[str, int]], *, deep: bool
) -> None:
    """Everything happens within the look back; a crash is a poll that dies after its first page."""
    every = timedelta(0) if deep else timedelta(minutes=10)
    twin = Twin(page=2)
    twin.emit({"text": "first", "at": _at(0)})
    async with serve(twin.app) as url, Clients() as clients:
        often, once = (poller(twin, url, clients, threads_every=every) for _ in range(2))
        for number, (step, choice) in enumerate(steps, start=1):
            [said] = twin.messages.values()
            alive = [ts for ts, one in said.items() if one.get("subtype") != "tombstone"]
            tops = [ts for ts in alive if "thread_ts" not in said[ts]]
            text, at = f"text {number}", _at(number)
            if step in {"poll", "crash"}:
                await often.poll(stop_after=1 if step == "crash" else None)
            elif step == "say":
                twin.emit({"text": text, "at": at})
            elif step == "reply" and tops:
                twin.emit({"text": text, "at": at, "thread_ts": tops[choice % len(tops)]})
            elif step in {"edit", "delete"} and alive:
                twin.emit({step: alive[choice % len(alive)], "text": text, "at": at})
        # The first poll may only finish a walk that was cut off; the second looks deep.
        await often.poll()
        cursor: Any = often.cursor
        for place in cursor["channels"].values():
            place["deep"] = NOON.isoformat()
        await often.poll()
        await once.poll()
        assert _texts(once) == _said(twin)
        assert _texts(often) == _said(twin)
        gone = {name for name, draft in often.current.items() if draft.status is Status.DELETED}
        assert gone.isdisjoint(once.current)
        for name, draft in once.current.items():
            assert often.current[name] == draft


@pytest.mark.parametrize("record", [{}, {"title": "Something"}, {"text": "More of it"}])
async def test_the_twin_makes_up_what_is_missing(record: dict[str, str]) -> None:
    twin = Twin()
    async with serve(twin.app) as url, Clients() as clients, httpx2.AsyncClient() as browser:
        made = (await browser.post(f"{url}/_demo/emit", json=record)).json()
        [draft] = await poller(twin, url, clients).fresh()
        assert draft.external_id == f"{made['channel']}/{made['ts']}"
        assert draft.body == made["text"]
        assert record.get("title", record.get("text", made["text"])) == made["text"]
        wrong = await browser.post(f"{url}/_demo/emit", json={"channel": "C404404404"})
        assert wrong.status_code == 400
        headers = {"Authorization": "Bearer xoxb-twin"}
        asked = await browser.get(f"{url}/api/users.list?nonsense=1", headers=headers)
        assert asked.status_code == 400


async def test_the_twin_holds_to_the_bounds_that_slack_documents() -> None:
    twin = Twin()
    times = [twin.emit({"at": _at(number)})["ts"] for number in range(5)]
    channel = next(iter(twin.channels))
    headers = {"Authorization": "Bearer xoxb-twin"}
    async with serve(twin.app) as url, httpx2.AsyncClient(base_url=url, headers=headers) as client:

        async def history(**params: Any) -> Any:
            params = {"channel": channel, **params}
            return (await client.get("/api/conversations.history", params=params)).json()

        async def shown(**params: Any) -> list[int]:
            answer = await history(**params)
            return [times.index(message["ts"]) for message in answer["messages"]]

        assert await shown() == [4, 3, 2, 1, 0]
        assert await shown(oldest=times[1], latest=times[3]) == [2]
        assert await shown(oldest=times[1], latest=times[3], inclusive="true") == [3, 2, 1]
        page = await history(limit=2)
        assert page["has_more"]
        cursor = page["response_metadata"]["next_cursor"]
        assert await shown(limit=2, cursor=cursor) == [2, 1]
        assert (await history(cursor="bm9uc2Vuc2U6MQ=="))["error"] == "invalid_cursor"
        assert (await client.get("/api/users.list", headers={"Authorization": ""})).json() == {
            "ok": False,
            "error": "not_authed",
        }
