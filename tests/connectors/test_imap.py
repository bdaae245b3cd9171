"""Mail and newsletters, against the twin's server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.imap import Mails
from connectors.twins import Fault
from connectors.twins.imap import PASSWORD, USER, Twin
from hub.connector import AuthFailed, Classification, Draft, SourceMisbehaved, SourceUnavailable
from hub.http import Clients
from hub.http.sign_in import LocalTokens
from tests.connectors.polling import Poller, polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
JANE, JOE = "Jane Doe <jane@acme.example>", "Joe <joe@hub.example>"


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    """Put messages into a new mailbox and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
    return source.current


async def test_a_message() -> None:
    read_as = await read(
        {
            "id": "1@acme.example",
            "subject": "The contract",
            "text": "Can you confirm the terms?\n",
            "files": ["Terms.pdf"],
            "at": NINE,
        },
        customers={"ACME.example": "Acme"},
    )
    (draft,) = read_as.values()
    assert (draft.kind, draft.external_id) == ("mail.thread", "thread/1@acme.example")
    assert (draft.title, draft.body) == ("The contract", "Can you confirm the terms?")
    assert draft.occurred_at == draft.revised_at == datetime.fromisoformat(NINE)
    assert draft.classification is Classification.RESTRICTED, "a mailbox is somebody's"
    assert draft.author is not None
    assert (draft.author.name, draft.author.email) == ("Jane Doe", "jane@acme.example")
    assert draft.account is not None
    assert (draft.account.name, draft.account.domain) == ("Acme", "acme.example")
    assert draft.attributes == {
        "message_id": "1@acme.example",
        "participants": [USER, "jane@acme.example"],
        "folder": "INBOX",
        "attachments": ["Terms.pdf"],
        "size": draft.attributes["size"],
    }


async def test_nothing_in_the_mailbox_changes() -> None:
    twin = Twin()
    twin.emit({})
    async with polling(twin) as source:
        await source.poll()
    assert {" ".join(one.split()[:2]) for one in twin.asked} == {
        "CAPABILITY",
        "AUTHENTICATE PLAIN",
        'EXAMINE "INBOX"',
        "UID SEARCH",
        "UID FETCH",
        "LOGOUT",
    }
    assert not [one for one in twin.asked if "BODY[" in one], "it would be marked as read"


async def test_a_conversation_is_one_signal_and_each_answer_a_revision() -> None:
    twin = Twin()
    twin.emit({"id": "1@a", "subject": "Terms", "text": "Can you?", "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        answer = {"id": "2@h", "from": JOE, "to": JANE, "references": ["1@a"]}
        twin.emit({**answer, "subject": "Re: Terms", "text": "We can.\n\n> Can you?\n"})
        twin.emit({"id": "3@a", "subject": "RE: AW: Terms", "references": ["1@a", "2@h"]})
        await source.poll()
    assert source.current.keys() == {"thread/1@a"}
    first, second, third = source.drafts
    assert len({one.revision for one in (first, second, third)}) == 3
    assert (second.title, second.summary) == ("Terms", "We can.")
    assert "> Can you?" in (second.body or "")
    assert second.author is not None
    assert second.author.email == "joe@hub.example"
    assert third.attributes["answers"] == 2


async def test_who_answers_an_answer_without_references_is_led_to_the_first() -> None:
    current = await read(
        {"id": "1@a"},
        {"id": "2@h", "in_reply_to": "1@a", "subject": "Re: A question"},
        {"id": "3@a", "in_reply_to": "2@h", "subject": "Re: A question"},
        {"id": "4@h", "in_reply_to": "3@a", "subject": "Re: A question"},
    )
    assert current.keys() == {"thread/1@a"}


async def test_an_answer_to_what_is_not_in_the_folder() -> None:
    current = await read({"id": "2@a", "in_reply_to": "sent@h", "subject": "Re: Our offer"})
    assert current.keys() == {"thread/sent@h"}


async def test_answers_that_go_round_end() -> None:
    current = await read({"id": "1@a", "in_reply_to": "2@a"}, {"id": "2@a", "in_reply_to": "1@a"})
    assert len(current) == 1 or len(current) == 2


@pytest.mark.parametrize(
    ("subject", "sender", "joins"),
    [
        ("AW: Prüfung der Verträge", JANE, True),
        ("Re: Re: prüfung der verträge", JANE, True),
        ("Re: Prüfung der Verträge", "Mallory <m@evil.example>", False),
        ("Re: Prüfung der Verträge 2", JANE, False),
        ("Prüfung der Verträge", JANE, False),
    ],
)
async def test_an_answer_that_refers_to_nothing_is_told_by_subject_and_participants(
    subject: str, sender: str, *, joins: bool
) -> None:
    current = await read(
        {"id": "1@a", "subject": "Prüfung der Verträge"},
        {"id": "2@a", "subject": subject, "from": sender},
    )
    assert current.keys() == ({"thread/1@a"} if joins else {"thread/1@a", "thread/2@a"})


async def test_a_message_without_an_id_keeps_the_one_it_is_given() -> None:
    raw = "From: a@b.example\r\nSubject: Hi\r\n\r\nHello\r\n"
    twin = Twin()
    twin.emit({"raw": raw, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        twin.forget()
        await source.poll()
    assert len(source.current) == len(source.stored) == 1


async def test_a_newsletter() -> None:
    (draft,) = (
        await read(
            {
                "list_id": '"The Weekly" <weekly.news.example>',
                "text": "Read it in your browser",
                "html": "<h1>News</h1><p>Prices &amp; terms</p>",
            }
        )
    ).values()
    assert draft.labels == ("The Weekly",)
    assert draft.attributes["list"] == "weekly.news.example"
    assert draft.body == "Read it in your browser"


async def test_folders_are_read_in_turn_whatever_their_names() -> None:
    twin = Twin()
    for number in range(3):
        twin.emit({"id": f"{number}@a"})
        twin.emit({"id": f"{number}@b", "folder": 'Kunden & "Übersicht"'})
    # https://www.rfc-editor.org/rfc/rfc3501#section-5.1.3
    twin.folders['Kunden &- "&ANw-bersicht"'] = twin.folders.pop('Kunden & "Übersicht"')
    twin.page = 2
    async with polling(twin, folders=["INBOX", 'Kunden & "Übersicht"']) as source:
        await source.poll()
        assert len(source.current) == 6
        assert await source.fresh() == []


async def test_a_folder_that_is_not_there_stops_no_other() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})
    async with polling(twin, folders=["Nowhere", "INBOX"]) as source:
        with pytest.raises(SourceMisbehaved, match=r"Nowhere: .*NONEXISTENT"):
            await source.poll()
    assert source.current.keys() == {"thread/1@a"}


async def test_after_the_last_message_nothing_is_read_again() -> None:
    """`n:*` names the last message, also where its UID is below n."""
    twin = Twin()
    twin.tells_next = False  # some servers
    twin.emit({"id": "1@a"})
    async with polling(twin) as source:
        await source.poll()
        await source.poll()
        assert [one for one in twin.asked if one.startswith("UID SEARCH")] == [
            "UID SEARCH UID 1:*",
            "UID SEARCH UID 2:*",
        ]
        assert len(source.drafts) == 1
        twin.emit({"id": "2@a"})
        assert len(await source.fresh()) == 1


async def test_a_crash_while_all_is_read_anew_loses_nothing() -> None:
    twin = Twin()
    twin.page = 2
    for number in range(6):
        twin.emit({"id": f"{number}@a"})
    async with polling(twin) as source:
        await source.poll()
        twin.folders["INBOX"].kept.pop(0)
        twin.forget()  # the UIDs that were read are those of other messages now
        twin.emit({"id": "new@a"})
        await source.poll(stop_after=1)
        assert "thread/new@a" not in source.current
        await source.poll()
    assert "thread/new@a" in source.current
    assert len(source.stored) == 7


async def test_a_wide_range_of_uids_is_searched_in_parts() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})
    twin.folders["INBOX"].next = 70_000
    twin.emit({"id": "2@a"})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 2
        assert source.cursor["INBOX"] == {"validity": 1, "uid": 70_000}
    searched = [one.split()[-1] for one in twin.asked if one.startswith("UID SEARCH")]
    assert searched == ["1:20000", "20001:40000", "40001:60000", "60001:70000"]


async def test_only_what_came_since() -> None:
    twin = Twin()
    start = datetime(2026, 5, 4, 12, tzinfo=UTC)
    for hours in (-48, -1, 1):
        twin.emit({"id": f"{hours}@a", "at": (start + timedelta(hours=hours)).isoformat()})
    async with polling(twin, since=start) as source:
        await source.poll()
    assert source.current.keys() == {"thread/1@a"}
    assert any("SINCE 3-May-2026" in one for one in twin.asked)


async def test_a_message_that_is_gone_before_it_is_read() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})
    twin.emit({"id": "2@a"})

    class Asked(list[str]):
        def append(self, command: str) -> None:
            if command.startswith("UID FETCH"):
                twin.folders["INBOX"].kept = twin.folders["INBOX"].kept[:1]
            super().append(command)

    twin.asked = Asked()
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"thread/1@a"}
        assert source.cursor["INBOX"] == {"validity": 1, "uid": 2}


async def test_of_a_large_message_the_start_is_read_and_attachments_are_named() -> None:
    raw = (
        "From: jane@acme.example\r\nMessage-ID: <1@a>\r\nSubject: Photos\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSee these.\r\n"
        '--b\r\nContent-Type: image/png; name="one.png"\r\n'
        "Content-Disposition: attachment\r\n\r\n"
        + "x"
        * 70
        * 20_000
        + "\r\n--b\r\nContent-Type: image/png\r\n"
        'Content-Disposition: attachment; filename="two.png"\r\n\r\nxx\r\n--b--\r\n'
    )
    (draft,) = (await read({"raw": raw})).values()
    assert draft.body == "See these."
    assert draft.attributes["cut"] is True
    assert draft.attributes["size"] == len(raw)
    assert draft.attributes["attachments"] == ["one.png", "two.png"]


async def test_a_senders_clock_decides_nothing() -> None:
    head = "From: a@b.example\r\nMessage-ID: <{}@b>\r\nDate: {}\r\n\r\nHello\r\n"
    ahead, ancient = "Fri, 4 May 2035 09:00:00 +0000", "Thu, 1 Jan 1970 00:00:00 +0000"
    current = await read(
        {"raw": head.format("1", ahead), "at": NINE},
        {"raw": head.format("2", ancient), "at": NINE},
        {"raw": head.format("3", "yesterday"), "at": NINE},
        {"raw": head.format("4", "Mon, 4 May 2026 10:30:00 +0200"), "at": NINE},
    )
    times = {key: draft.occurred_at.isoformat() for key, draft in current.items()}
    assert times.pop("thread/4@b") == "2026-05-04T08:30:00+00:00"
    assert set(times.values()) == {NINE}
    assert {draft.revised_at.isoformat() for draft in current.values()} == {NINE}


async def test_what_is_no_message_is_set_aside() -> None:
    twin = Twin()
    deep = "".join(
        f'Content-Type: multipart/mixed; boundary="{n}"\r\n\r\n--{n}\r\n' for n in range(3000)
    )
    twin.emit({"raw": f"Subject: Deep\r\n{deep}"})
    twin.emit({"id": "1@a"})
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"thread/1@a"}
    [bad] = source.bad
    assert bad.external_id == "INBOX/1"
    assert "not a message" in bad.reason


@pytest.mark.parametrize("offers", [("IMAP4rev1",), ("IMAP4rev1", "AUTH=PLAIN")])
async def test_a_password_that_is_wrong(offers: tuple[str, ...]) -> None:
    twin = Twin()
    twin.offers = offers
    twin.emit({"id": "1@a"})
    async with polling(twin, password="not right") as source:
        with pytest.raises(AuthFailed, match=r"AUTHENTICATIONFAILED.*Invalid credentials") as told:
            await source.poll()
    assert "not right" not in str(told.value)
    async with polling(twin) as source:
        assert len(await source.fresh()) == 1


async def test_a_password_of_any_characters() -> None:
    twin = Twin()
    async with polling(twin, password='pä"ss\\wörd') as source:
        with pytest.raises(AuthFailed, match="Invalid credentials"):
            await source.poll()
        twin.offers = ("IMAP4rev1",)  # LOGIN takes ASCII alone
        with pytest.raises(AuthFailed, match="only ASCII"):
            await source.poll()


async def test_a_server_that_takes_no_password_unencrypted() -> None:
    twin = Twin()
    twin.offers = ("IMAP4rev1", "LOGINDISABLED")
    async with polling(twin) as source:
        with pytest.raises(AuthFailed, match="not encrypted"):
            await source.poll()
    assert not any(one.startswith("LOGIN") and one != "LOGOUT" for one in twin.asked)


async def test_an_access_token() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})
    async with polling(twin, password=None, oauth={"bearer": PASSWORD}) as source:
        assert len(await source.fresh()) == 1
    async with polling(twin, password=None, oauth={"bearer": "expired"}) as source:
        with pytest.raises(AuthFailed, match="Invalid credentials"):
            await source.poll()


async def test_a_token_that_is_obtained_and_renewed_where_it_is_refused() -> None:
    given = ["no longer good", PASSWORD]

    async def token(request: Request) -> Response:
        assert b"grant_type=refresh_token" in await request.body()
        return JSONResponse({"access_token": given.pop(0), "expires_in": 3600})

    twin = Twin()
    twin.emit({"id": "1@a"})
    app = Starlette(routes=[Route("/token", token, methods=["POST"])])
    async with serve(app) as url:
        oauth = {"token_url": f"{url}/token", "client_id": "hub", "refresh_token": "first"}
        async with twin.serve() as address, Clients(tokens=LocalTokens()) as clients:
            given_by_twin = {**twin.settings(address), "password": None, "oauth": oauth}
            source = Mails.model_validate(given_by_twin)
            poller = Poller(source, clients)
            assert len(await poller.fresh()) == 1
            assert given == []
            await poller.poll()  # with the token that was kept


async def test_a_server_that_shuts_down_or_breaks_off() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})
    async with polling(twin) as source:
        for fault in (Fault.BROKEN, Fault.CUT_SHORT):
            twin.play(fault)
            with pytest.raises(SourceUnavailable):
                await source.poll()
        twin.play(None)
        assert len(await source.fresh()) == 1


def test_one_way_to_sign_in_is_asked_for() -> None:
    bearer = {"bearer": "t"}
    for given in ({}, {"password": "a", "oauth": bearer}):
        with pytest.raises(ValidationError, match="either password or oauth"):
            Mails.model_validate({"host": "h", "user": "u", **given})
    header = {"header": "X-Key", "value": "t"}
    with pytest.raises(ValidationError, match="takes a bearer token or OAuth2"):
        Mails.model_validate({"host": "h", "user": "u", "oauth": header})
