"""Mail and newsletters: every conversation in the folders of a mailbox, read and never touched."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from textwrap import shorten
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from hub.connector import (
    BadRecord,
    Basic,
    Bearer,
    Classification,
    ClientCredentials,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Folder,
    Header,
    Imap,
    Letter,
    Mail,
    Mailbox,
    Page,
    PersonRef,
    RefreshToken,
    SecretStr,
    WayIn,
    customer,
    read_heading,
    read_letter,
    streams,
)

_THREAD = "mail.thread"
_SPAN = 20_000  # UIDs of one search: its answer is one line, and clients bound lines
_DAY = timedelta(days=1)
_MOST = 50  # names in a list
_STEPS = 20  # from an answer to what it answers, where the answer does not tell the first


class Mails(Connector):
    """Conversations by mail, newsletters among them, from the folders of one mailbox.

    One signal per conversation, found by References and In-Reply-To; where an answer has neither,
    by subject and participants. Each message is a new revision of it: the signal shows the newest.
    Nothing in the mailbox changes, no message is marked as read. A message that is deleted or
    moved away later changes nothing here either: see the retention of the hub.

    Attributes: message_id, participants (addresses), folder, answers (messages before this one,
    as far as it tells), list and list_name (of newsletters and mailing lists), attachments (their
    names; the files stay where they are), size (bytes), cut (of a message of more than 1 MiB only
    its start was read).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_THREAD})
    every: ClassVar[timedelta] = timedelta(minutes=2)
    sign_in: ClassVar[str] = (
        "User and password, best one made for this app alone; or OAuth2, by XOAUTH2."
    )
    scopes: ClassVar[tuple[str, ...]] = ("read access to the folders (IMAP rights l and r)",)
    limits: ClassVar[str] = (
        "One connection for each poll. Of a message of more than 1 MiB the start is read, and the "
        "names of its attachments."
    )

    host: str
    user: str
    password: SecretStr | None = None
    """Gmail, Yahoo, iCloud and others want an app password here, not that of the account."""
    oauth: WayIn | None = None
    """OAuth2 in place of the password: as `auth` of the connector `rest`. For Gmail and Microsoft
    365 a `refresh_token`, with the scope of IMAP."""
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """993, or 143 without implicit TLS."""
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    folders: Annotated[tuple[str, ...], Field(min_length=1)] = ("INBOX",)
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads every message there is."""
    customers: dict[str, str] = Field(default_factory=dict)
    """Whose domain it is: `{"acme.example" = "Acme"}`. A conversation with them is about them."""
    page: Annotated[int, Field(gt=0, le=200)] = 25
    """Messages that are read and stored at once."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.password is None) == (self.oauth is None):
            raise ValueError("either password or oauth is needed")
        if self.oauth is not None and isinstance(self.oauth.auth(), Basic | Header):
            raise ValueError("a mailbox takes a bearer token or OAuth2 here")
        return self

    def endpoint(self) -> Endpoint:
        auth = self.oauth.auth() if self.oauth else self.password
        assert isinstance(auth, SecretStr | Bearer | ClientCredentials | RefreshToken)
        return Imap(self.host, self.user, auth, self.tls, self.port)

    async def pull(self, api: Mailbox, cursor: Cursor) -> AsyncIterator[Page]:
        folders = {name: partial(self._folder, api, name) for name in self.folders}
        async for page in streams(cursor, folders):
            yield page

    async def _folder(self, box: Mailbox, name: str, cursor: Cursor) -> AsyncIterator[Page]:
        validity, seen, more = cursor.get("validity"), int(str(cursor.get("uid", 0))), True
        while more:
            # Opened for each page: in between another folder may have been.
            folder = await box.examine(name)
            if folder.validity != validity:  # every UID is another message now: from the start
                validity, seen = folder.validity, 0
            uids, seen, more = await self._next(box, folder, seen)
            mails = {mail.uid: mail for mail in await box.fetch(uids)}
            if self.since is not None:  # the server's SINCE knows days only
                mails = {uid: one for uid, one in mails.items() if one.received_at >= self.since}
            yield await self._page(box, name, mails, {"validity": validity, "uid": seen}, more)

    async def _next(
        self, box: Mailbox, folder: Folder, seen: int
    ) -> tuple[Sequence[int], int, bool]:
        """Find the next messages: their UIDs, how far all is read with them, and if more follow."""
        day = (self.since - timedelta(days=1)).date() if self.since else None
        end = seen
        found: Sequence[int] = ()
        while not found and (folder.next is None or end + 1 < folder.next):
            last = None if folder.next is None else min(end + _SPAN, folder.next - 1)
            found = await box.search(end + 1, last, since=day)
            end = last or max(found, default=end)
            if last is None:
                break
        if len(found) > self.page:
            return found[: self.page], found[self.page - 1], True
        return found, end, folder.next is not None and end + 1 < folder.next

    async def _page(
        self, box: Mailbox, folder: str, mails: Mapping[int, Mail], cursor: Cursor, more: bool
    ) -> Page:
        drafts: dict[int, Draft | BadRecord] = {}
        for uid, mail in mails.items():
            try:
                letter = read_letter(mail.content)
            except BadRecord as error:
                drafts[uid] = error
            else:
                root = await self._root(box, letter, uid)
                drafts[uid] = self._draft(mail, letter, folder, root)

        def read(record: Mapping[str, Any]) -> Draft:
            if isinstance(draft := drafts[record["uid"]], BadRecord):
                raise draft
            return draft

        records = [
            {"id": f"{folder}/{uid}", "uid": uid, "starts": one.content[:2000].decode("latin-1")}
            for uid, one in mails.items()
        ]
        return Page.read(records, read, cursor, more=more)

    async def _root(self, box: Mailbox, letter: Letter, uid: int, steps: int = _STEPS) -> str:
        """Find the first message of a conversation, in the mailbox where this one does not tell."""
        if letter.refers:
            return letter.refers[0]
        if letter.answers and steps:
            found = await box.search(1, header=("Message-ID", f"<{letter.answers}>"))
            for mail in await box.fetch(found[:1], headings=True):
                return await self._root(box, read_heading(mail.content), mail.uid, steps - 1)
            return letter.answers
        if letter.is_answer and letter.subject and steps:
            found = await box.search(1, uid - 1, header=("Subject", letter.subject))
            for mail in reversed(await box.fetch(found[-5:], headings=True)):
                before = read_heading(mail.content)
                among = before.participants & letter.participants
                if before.subject.casefold() == letter.subject.casefold() and len(among) > 1:
                    return await self._root(box, before, mail.uid, steps - 1)
        return letter.id

    def _draft(self, mail: Mail, letter: Letter, folder: str, root: str) -> Draft:
        sent, received = letter.sent_at, mail.received_at
        author = letter.authors[0] if letter.authors else None
        facts = {
            "message_id": letter.id,
            "participants": sorted(letter.participants)[:_MOST],
            "folder": folder,
            "answers": len(letter.refers) or None,
            "list": letter.list and letter.list[0],
            "list_name": letter.list and letter.list[1],
            "attachments": [*dict.fromkeys((*letter.files, *mail.files))][:_MOST],
            "size": mail.size,
            "cut": not mail.whole,
        }
        key = root if len(root) <= 400 else hashlib.sha256(root.encode()).hexdigest()
        return Draft(
            kind=_THREAD,
            external_id=f"thread/{key}",
            revision=hashlib.sha256(letter.id.encode()).hexdigest()[:32],
            revised_at=received,  # by the server's clock: senders' clocks say anything
            occurred_at=sent if sent and sent.year > 1990 and sent < received + _DAY else received,
            title=letter.subject or f"Mail from {author[0] if author else 'nobody'}",
            summary=shorten(letter.fresh, 400, placeholder="…"),
            body=letter.text or None,
            classification=Classification.RESTRICTED,
            account=customer(
                self.customers, [address for _, address in (*letter.authors, *letter.others)]
            ),
            author=PersonRef(name=author[0][:300], email=author[1]) if author else None,
            labels=(letter.list[1] or letter.list[0],) if letter.list else (),
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=f"thread/{key}",
        )
