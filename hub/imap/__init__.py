"""Mailboxes: the only user of the IMAP client, which blocks and so gets a thread for each poll.

Why the standard library's: docs/decisions/0015-mail-is-read-with-imaplib.md.
https://www.rfc-editor.org/rfc/rfc3501
"""

import asyncio
import contextlib
import imaplib
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from hub.connector import Bearer, Folder, Imap, Mail, SecretStr
from hub.errors import AuthFailed, SourceError, SourceMisbehaved, SourceUnavailable
from hub.hidden import hide
from hub.http import Clients
from hub.http.words import tls_words
from hub.imap.answers import files, messages, refusal
from hub.imap.client import ANSWER, Client, connect, folder_name, port_of, quoted

COMMAND = 120.0  # seconds for a whole answer, however steadily it drips
START = 1024 * 1024  # bytes of a message that are read; of a larger one this start
_AT_ONCE = 8 * START  # bytes of messages in one answer
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Result = TypeVar("Result")


@asynccontextmanager
async def mailbox(endpoint: Imap, clients: Clients) -> AsyncGenerator["ImapMailbox"]:
    """Connect, sign in, and sign out at the end of the block. Raises SourceError."""
    secure = endpoint.tls != "none"
    addresses = await clients.addresses(endpoint.host, port_of(endpoint), secure=secure)
    box = ImapMailbox(endpoint.host)
    try:
        await _open(box, endpoint, addresses, clients)
        yield box
        await box.sign_out()
    finally:
        box.close()


async def _open(
    box: "ImapMailbox", endpoint: Imap, addresses: Sequence[str], clients: Clients
) -> None:
    """Sign in, and where a token that was kept is refused once more with another."""

    async def enter(way_in: SecretStr | Bearer) -> None:
        await box.open(lambda: connect(endpoint, way_in, addresses, clients.trusted))

    match endpoint.auth:
        case SecretStr() as password:
            hide(password.get_secret_value())
            await enter(password)
        case Bearer(token):
            hide(token.get_secret_value())
            await enter(endpoint.auth)
        case auth:
            tokens = clients.signed_in(endpoint.host, auth)
            await tokens.ready()
            try:
                await enter(Bearer(SecretStr(tokens.access)))
            except AuthFailed:
                await tokens.renew()
                await enter(Bearer(SecretStr(tokens.access)))


class ImapMailbox:
    """Implements hub.connector.Mailbox. After an error it is of no more use."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._thread = ThreadPoolExecutor(1, "hub-imap")
        self._client: Client | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<ImapMailbox {self._host}>"

    async def examine(self, folder: str) -> Folder:
        def ask(client: Client) -> Folder:
            typ, data = client.select(folder_name(folder), readonly=True)
            if typ != "OK":
                raise refusal(self._host, f"{folder}: {_text(data)}")
            validity, following = (_number(client, name) for name in ("UIDVALIDITY", "UIDNEXT"))
            if validity is None:
                raise SourceMisbehaved(f"{self._host} gives the folder {folder} no UIDVALIDITY")
            return Folder(validity, following)

        return await self._ask(ask)

    async def search(
        self,
        first: int,
        last: int | None = None,
        *,
        since: date | None = None,
        header: tuple[str, str] | None = None,
    ) -> Sequence[int]:
        def ask(client: Client) -> list[int]:
            # Commands are capped by some servers and lines by imaplib: `last` keeps answers short.
            words = ["UID", f"{first}:{last or '*'}"]
            if since is not None:
                words += ["SINCE", f"{since.day}-{_MONTHS[since.month - 1]}-{since.year}"]
            if header is not None:
                name, text = header
                words += ["HEADER", name]
                if text.isascii() and text.isprintable():
                    words.append(quoted(text))
                else:
                    words = ["CHARSET", "UTF-8", *words]
                    client.literal = text.encode()  # sent behind the last word
            found = self._uid(client, "SEARCH", *words)
            uids = {int(uid) for line in found if line for uid in line.split()}
            # "n:*" names the last message even where its UID is below n.
            return sorted(uid for uid in uids if first <= uid <= (last or uid))

        return await self._ask(ask)

    async def fetch(self, uids: Sequence[int], *, headings: bool = False) -> Sequence[Mail]:
        part = "HEADER" if headings else ""
        about = {one["UID"]: one for one in await self._fetch(uids, "RFC822.SIZE INTERNALDATE")}
        read: list[Mail] = []
        for group in _groups(about):
            named: dict[int, tuple[str, ...]] = {}
            if large := [uid for uid in group if int(about[uid]["RFC822.SIZE"]) > START]:
                for one in await self._fetch(large, "BODYSTRUCTURE"):
                    named[one["UID"]] = tuple(dict.fromkeys(files(one.get("BODYSTRUCTURE"))))
            for one in await self._fetch(group, f"BODY.PEEK[{part}]<0.{START}>"):
                if content := next((one[key] for key in one if key.startswith("BODY[")), None):
                    facts, uid = about[one["UID"]], one["UID"]
                    size = int(facts["RFC822.SIZE"])
                    received = _received(facts["INTERNALDATE"])
                    # Some servers are wrong about the size: what is short has come whole.
                    whole = size <= START or len(content) < START
                    read.append(Mail(uid, size, received, content, whole, named.get(uid, ())))
        return sorted(read, key=lambda mail: mail.uid)

    async def open(self, connecting: Callable[[], Client]) -> None:
        def begin() -> None:
            self._client = connecting()
            if self._is_closed:  # nobody waited for it
                self._client.shutdown()

        await self._within(begin)

    async def sign_out(self) -> None:
        with contextlib.suppress(SourceError):  # all is read; and the connection ends anyway
            await self._ask(lambda client: client.logout())

    def close(self) -> None:
        """End the connection, also under a thread that waits at it."""
        self._is_closed = True
        if (client := self._client) is not None:
            with contextlib.suppress(OSError):  # it has ended already
                socket.socket.shutdown(client.sock, socket.SHUT_RDWR)
            # Closed in the thread: who reads there holds a lock.
            self._thread.submit(client.shutdown)
        self._thread.shutdown(wait=False)

    async def _fetch(self, uids: Sequence[int], items: str) -> list[dict[str, Any]]:
        def ask(client: Client) -> list[dict[str, Any]]:
            found = self._uid(client, "FETCH", ",".join(map(str, uids)), f"(UID {items})")
            answers = [{**one, "UID": int(one["UID"])} for one in messages(found)]
            return [one for one in answers if one["UID"] in uids and len(one) > 1]

        return await self._ask(ask) if uids else []

    def _uid(self, client: Client, command: str, *words: str) -> list[Any]:
        typ, data = client.uid(command, *words)
        if typ != "OK":
            raise refusal(self._host, f"{command}: {_text(data)}")
        return data

    async def _ask(self, function: Callable[[Client], Result]) -> Result:
        assert self._client is not None
        client = self._client
        return await self._within(lambda: function(client))

    async def _within(self, function: Callable[[], Result]) -> Result:
        """Run in the thread, and say in words what went wrong there."""
        try:
            async with asyncio.timeout(COMMAND):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, function)
        except imaplib.IMAP4.abort as error:
            said = refusal(self._host, error.args[0])
            if isinstance(said, SourceMisbehaved) and "unexpected" not in said.message:
                said = SourceUnavailable(f"{self._host} broke off: {error.args[0]}")
            raise said from None
        except imaplib.IMAP4.error as error:
            raise refusal(self._host, error.args[0]) from None
        except ssl.SSLError as error:
            raise SourceUnavailable(f"{self._host} {tls_words(error)}") from None
        except TimeoutError:
            raise SourceUnavailable(f"{self._host} sent nothing for {ANSWER:g} s") from None
        except OSError:
            raise SourceUnavailable(f"{self._host} broke off the connection") from None
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise SourceMisbehaved(f"{self._host} does not answer as IMAP: {error!r}") from None


def _groups(about: Mapping[int, Mapping[str, Any]]) -> Iterator[list[int]]:
    """Part messages so that one answer is of a size to be kept in memory."""
    group: list[int] = []
    total = 0
    for uid in sorted(about):
        size = min(int(about[uid]["RFC822.SIZE"]), START)
        if group and total + size > _AT_ONCE:
            yield group
            group, total = [], 0
        group.append(uid)
        total += size
    if group:
        yield group


def _number(client: Client, name: str) -> int | None:
    _, data = client.response(name)
    return int(data[0]) if data and data[0] else None


def _received(value: bytes) -> datetime:
    """Read "17-Jul-1996 02:44:25 -0700", which `date` in a message's header also may be."""
    return parsedate_to_datetime(value.decode().replace("-", " ", 2)).astimezone(UTC)


def _text(data: Sequence[Any]) -> str:
    return " ".join(part.decode(errors="replace") for part in data if isinstance(part, bytes))
