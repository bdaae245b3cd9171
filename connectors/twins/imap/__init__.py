"""A mailbox on an IMAP server, as far as reading it goes: `server.py` says what it answers."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from connectors import twins
from connectors.twins import Allowed, Excuse, Fault, moment
from connectors.twins.imap.server import PASSWORD, RFC, USER, Kept, Session, Shelf

__all__ = ["PASSWORD", "USER", "Twin"]


class Twin(twins.Twin):
    """A mailbox.

    Emit takes: subject, text, html, from, to, id (Message-ID), references, in_reply_to, list_id,
    files (names), folder, at, raw (a whole message, as Latin-1).
    """

    connector: ClassVar[str] = "imap"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.GONE: Excuse(
            "A message that leaves a folder was deleted, filed away or expired by its owner, and a "
            "client that is not connected is told none of it: a conversation is not unsaid by that",
            f"{RFC}#section-7.4.1",
        ),
        Fault.EMPTY_PAGE: Excuse("A search has one answer, not pages", f"{RFC}#section-7.2.5"),
        Fault.OTHER_HOST: Excuse("No answer holds a link", f"{RFC}#section-7"),
        Fault.PUSH: Excuse(
            "IMAP tells of new messages only on a connection that is held", f"{RFC}#section-7"
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[str, Shelf] = {"INBOX": Shelf()}
        self.asked: list[str] = []
        self.fault: Fault | None = None
        self.tells_next = True
        self._sessions: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self.turn: int | None = None
        self.read_to = 0
        self.recorded: Mapping[str, str] | None = None
        self.offers: tuple[str, ...] = ("IMAP4rev1", "AUTH=PLAIN", "AUTH=XOAUTH2")

    def table(self) -> tuple[Allowed, ...]:
        return ()

    def settings(self, url: str) -> dict[str, Any]:
        at = urlsplit(url)
        return {
            "host": at.hostname,
            "port": at.port,
            "tls": "none",
            "user": USER,
            "password": PASSWORD,
            "page": min(self.page, 200),
        }

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        shelf = self.folders.setdefault(record.get("folder", "INBOX"), Shelf())
        at = moment(record)
        content = record["raw"].encode("latin-1") if "raw" in record else _written(record, at)
        shelf.kept.append(Kept(shelf.next, at, content))
        shelf.next += 1
        told = BytesHeaderParser().parsebytes(content)
        return {"uid": shelf.next - 1, "id": str(told["message-id"]), "subject": told["subject"]}

    def create(self, number: int, at: datetime) -> str:
        self.emit(
            {
                "id": f"{number}@acme.example",
                "subject": f"Question {number}",
                "text": f"What about {number}?",
                "at": at.isoformat(),
            }
        )
        return f"thread/{number}@acme.example"

    def edit(self, number: int, at: datetime) -> None:
        """Answer: what is said by mail is not changed."""
        answers = sum(b"Answer to" in one.content for one in self.folders["INBOX"].kept)
        self.emit(
            {
                "id": f"{number}.{answers}@hub.example",
                "references": [f"{number}@acme.example"],
                "subject": f"Re: Question {number}",
                "text": f"Answer to {number}",
                "at": at.isoformat(),
            }
        )

    def forget(self) -> None:
        """Give all messages new numbers, as a server does that was restored from a backup."""
        for shelf in self.folders.values():
            shelf.validity += 1
            shelf.kept = [
                Kept(number, one.received, one.content)
                for number, one in enumerate(shelf.kept, start=1)
            ]
            shelf.next = len(shelf.kept) + 1
        self.read_to = 0

    def play(self, fault: Fault | None) -> None:
        self.fault = fault
        if fault is Fault.DRIFT:  # at first there are other fields, then some known ones are away
            self.turn = -1 if self.turn is None else self.turn + 1

    def replay(self, exchanges: Sequence[Mapping[str, Any]]) -> None:
        self.recorded = {f"{one['method']} {one['path']}": one["text"] for one in exchanges}

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        server = await asyncio.start_server(self._session, "127.0.0.1", 0, limit=1 << 20)
        async with server:
            port = server.sockets[0].getsockname()[1]
            try:
                yield f"imap://127.0.0.1:{port}"
            finally:
                for writer in self._sessions.values():
                    writer.transport.abort()
                await asyncio.gather(*self._sessions)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions[task] = writer
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # it has gone
                await Session(self, reader, writer).run()
        finally:
            del self._sessions[task]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _written(record: Mapping[str, Any], at: datetime) -> bytes:
    message = EmailMessage()
    message["From"] = record.get("from", "Jane Doe <jane@acme.example>")
    message["To"] = record.get("to", f"The hub <{USER}>")
    message["Subject"] = record.get("subject", "A question")
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{record.get('id') or f'{uuid.uuid4()}@acme.example'}>"
    if refers := record.get("references"):
        message["References"] = " ".join(f"<{one}>" for one in refers)
    if answered := record.get("in_reply_to"):
        message["In-Reply-To"] = f"<{answered}>"
    if listed := record.get("list_id"):
        message["List-Id"] = listed
        message["List-Unsubscribe"] = "<https://news.example/out>"
    message.set_content(record.get("text", "What do you think?"))
    if "html" in record:
        message.add_alternative(record["html"], subtype="html")
    for name in record.get("files", ()):
        message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename=name)
    return message.as_bytes(policy=policy.SMTP)
