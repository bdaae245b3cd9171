"""The client of mailboxes: at servers that misbehave, over TLS, within the rules of addresses."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.twins.imap import PASSWORD, USER, Twin
from connectors.twins.imap.server import Session
from hub import imap
from hub.connector import Imap
from hub.errors import (
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.hidden import redact
from hub.http import Clients
from hub.imap import client
from hub.imap.answers import files, messages, refusal
from tests.running import until
from tests.wire import AUTHORITY, Caller, listen

GREETING = b"* OK [CAPABILITY IMAP4rev1] hello\r\n"


async def at_home(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def endpoint(port: int, host: str = "api.test", **how: Any) -> Imap:
    given: dict[str, Any] = {"tls": "none", **how}
    return Imap(host, USER, SecretStr(PASSWORD), port=port, **given)


async def ask(port: int, **how: Any) -> None:
    async with (
        Clients(resolver=at_home) as clients,
        imap.mailbox(endpoint(port, **how), clients) as box,
    ):
        await box.examine("INBOX")


def answers(**said: bytes) -> Callable[[Caller], Awaitable[None]]:
    """Answer commands by their names; the greeting is one of them. Others are OK."""

    async def serve(caller: Caller) -> None:
        await caller.write(said.get("greeting", GREETING))
        while line := await caller.reader.readline():
            tag, name = line.split()[:2]
            given = said.get(name.decode().lower(), b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n")
            if given == b"hang":
                await caller.reader.read()
            await caller.write(given.replace(b"TAG", tag))
            if b"BYE" in given:
                return

    return serve


async def test_tls_with_a_company_authority() -> None:
    twin = Twin()
    twin.emit({"id": "1@a"})

    async def serve(caller: Caller) -> None:
        await Session(twin, caller.reader, caller.writer).run()

    async with listen(serve, tls=True, reads=False) as server:
        there = endpoint(server.port, tls="implicit")
        async with (
            Clients(ca_file=AUTHORITY, resolver=at_home) as clients,
            imap.mailbox(there, clients) as box,
        ):
            assert (await box.examine("INBOX")).next == 2
            [mail] = await box.fetch([1])
            assert mail.content.startswith(b"From: Jane Doe")
        assert server.server_name == "api.test"
        async with Clients(resolver=at_home) as clients:
            with pytest.raises(SourceUnavailable, match=r"api.test has a certificate that is not"):
                async with imap.mailbox(there, clients):
                    pass


async def test_a_server_without_starttls_gets_no_password() -> None:
    async with listen(answers(), reads=False) as server:
        with pytest.raises(SourceMisbehaved, match="offers no STARTTLS"):
            await ask(server.port, tls="starttls")


async def test_a_password_goes_to_no_public_address_unencrypted() -> None:
    async def public(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]

    async with Clients(resolver=public) as clients:
        with pytest.raises(SourceMisbehaved, match="no password is sent unencrypted"):
            async with imap.mailbox(endpoint(143), clients):
                pass


async def test_the_rules_of_addresses_are_those_of_http() -> None:
    async def metadata(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    async with Clients(resolver=metadata) as clients:
        with pytest.raises(SourceMisbehaved, match=r"is not called: 169.254.169.254 is a"):
            async with imap.mailbox(endpoint(993), clients):
                pass


async def test_a_name_that_nobody_knows() -> None:
    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async with Clients(resolver=nowhere) as clients:
        with pytest.raises(SourceUnavailable, match=r"api.test cannot be found by its name"):
            async with imap.mailbox(endpoint(993), clients):
                pass


async def test_nobody_listens() -> None:
    async with listen(answers(), reads=False) as server:
        port = server.port
    with pytest.raises(SourceUnavailable, match=r"api.test refuses connections"):
        await ask(port)


LARGE = b"* 1 FETCH (UID 1 BODY[] {99999999}\r\n"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ({"greeting": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, SourceMisbehaved, "api.test"),
        ({"greeting": b"* BYE too busy\r\n"}, SourceUnavailable, "too busy"),
        ({"greeting": b"* BYE [LIMIT] too many\r\n"}, RateLimited, "too many"),
        ({"login": b"TAG NO [UNAVAILABLE] later\r\n"}, SourceUnavailable, "later"),
        ({"login": b"TAG NO no\r\n"}, AuthFailed, "no"),
        ({"login": b"TAG NO [OVERQUOTA] bandwidth\r\n"}, RateLimited, "bandwidth"),
        ({"login": b"* BYE gone\r\n"}, SourceUnavailable, "gone"),
        ({"examine": b"TAG BAD what?\r\n"}, SourceMisbehaved, r"what\?"),
        ({"examine": b"TAG OK done\r\n"}, SourceMisbehaved, "no UIDVALIDITY"),
        ({"examine": b"* OK [UIDVALIDITY x] y\r\nTAG OK done\r\n"}, SourceMisbehaved, "as IMAP"),
        ({"examine": LARGE}, SourceMisbehaved, "a literal of 99999999 bytes"),
    ],
)
async def test_what_a_server_says_instead(
    said: dict[str, bytes], kind: type[SourceError], words: str
) -> None:
    async with listen(answers(**said), reads=False) as server:
        with pytest.raises(SourceError, match=words) as told:
            await ask(server.port)
    assert type(told.value) is kind, told.value
    assert PASSWORD not in str(told.value)
    assert PASSWORD not in redact(f"{PASSWORD} in a log")


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER", 0.2)
    for said in ({"greeting": b""}, {"examine": b"hang"}):
        async with listen(answers(**said), reads=False) as server:
            with pytest.raises(SourceUnavailable, match=r"api.test sent nothing for"):
                await ask(server.port)


async def test_a_server_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "COMMAND", 0.5)

    async def drip(caller: Caller) -> None:
        await caller.write(b"* OK ")
        while True:
            await caller.write(b"x")
            await asyncio.sleep(0.05)

    began = time.monotonic()
    async with listen(drip, reads=False) as server:
        with pytest.raises(SourceUnavailable):
            await ask(server.port)
    assert time.monotonic() - began < 5


async def test_a_poll_that_is_cancelled_leaves_no_connection() -> None:
    async with listen(answers(examine=b"hang"), reads=False) as server:
        asking = asyncio.ensure_future(ask(server.port))
        await until(lambda: server.open)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: not server.open)


async def test_searching() -> None:
    twin = Twin()
    for number in range(1, 4):
        twin.emit({"subject": f"Über {number}", "at": f"2026-05-0{number}T09:00:00+00:00"})
    async with (
        twin.serve() as url,
        Clients() as clients,
        imap.mailbox(endpoint(int(url.rpartition(":")[2]), host="127.0.0.1"), clients) as box,
    ):
        await box.examine("INBOX")
        assert await box.search(2) == [2, 3]
        assert await box.search(4) == [], "and not the last again"
        assert await box.search(1, 2) == [1, 2]
        assert await box.search(1, since=date(2026, 5, 3)) == [3]
        assert await box.search(1, header=("Subject", "Über 2")) == [2]
        assert await box.search(1, header=("Subject", 'q"uo\\te')) == []
        assert await box.fetch([]) == []


def test_values_in_parentheses() -> None:
    data = [
        (
            b'1 (UID 5 FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] {5}',
            b"a)\r\nb",
        ),
        b" RFC822.SIZE 5)",
        b"2 (FLAGS ())",
        (b"3 (BODY[HEADER.FIELDS (SUBJECT)]<0> {3}", b"Hi\n"),
        b' UID 6 X "quo\\"ted" Y NIL)',
    ]
    assert [*messages(data)] == [
        {
            "UID": b"5",
            "FLAGS": [b"\\Seen"],
            "INTERNALDATE": b"17-Jul-1996 02:44:25 -0700",
            "BODY[]": b"a)\r\nb",
            "RFC822.SIZE": b"5",
        },
        {"BODY[HEADER.FIELDS (SUBJECT)]<0>": b"Hi\n", "UID": b"6", "X": b'quo"ted', "Y": None},
    ]


@pytest.mark.parametrize("text", [b"1 (UID 5))", b'1 (UID "open'])
def test_an_answer_that_cannot_be_read(text: bytes) -> None:
    with pytest.raises(SourceMisbehaved, match="an answer of IMAP"):
        [*messages([text])]


def test_attachments_are_named_in_a_structure() -> None:
    structure = (
        b'1 (UID 1 BODYSTRUCTURE (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 9 1 NIL NIL NIL)'
        b'("IMAGE" "PNG" ("NAME" "a.png") NIL NIL "BASE64" 9 NIL'
        b' ("ATTACHMENT" ("FILENAME" "=?utf-8?q?=C3=9Cber.png?=")) NIL)'
        b'("IMAGE" "PNG" NIL NIL NIL "BASE64" 9 NIL'
        b' ("ATTACHMENT" ("FILENAME*" "utf-8\'\'%C3%9Cber.gif")) NIL) "MIXED" NIL NIL NIL))'
    )
    [one] = messages([structure])
    assert [*files(one["BODYSTRUCTURE"])] == ["Über.png", "Über.gif"]


def test_what_a_server_says_is_told_in_short() -> None:
    told = refusal("mail.test", b"  a\r\n" + b"long " * 200)
    assert str(told).startswith("mail.test answered: a long long")
    assert len(str(told)) < 250
