"""Whatever is sent by a webhook, read by what hub.toml says alone."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field

from hub.connector import (
    MAPPED_KINDS,
    Accepted,
    Bad,
    Draft,
    Fields,
    JsonPath,
    Listener,
    Page,
    Pushed,
    Reply,
    SecretStr,
    SignedBy,
    Verdict,
    body_of,
)

_LONGEST = 1024  # letters of a challenge that are sent back


class Webhook(Listener):
    """JSON or a form, sent to `/push/<source>`: [docs/push.md](docs/push.md) walks through one."""

    kinds: ClassVar[frozenset[str]] = MAPPED_KINDS

    sign_in: ClassVar[str] = (
        "The sender signs in here: by HMAC, by Standard Webhooks, or with a token or a password."
    )
    limits: ClassVar[str] = "4 MiB a request. What was sent while the hub was away depends on it."
    freshness: ClassVar[str] = "As soon as it is sent."

    secret: SecretStr
    """What the sender signs with, or shows. Two, separated by a space, while one is replaced."""
    signed: Annotated[SignedBy, Field(examples=[{"by": "standard"}])]
    """How the sender shows that it has the secret."""
    fields: Fields
    """Where the fields of a signal are found."""
    records: JsonPath | None = None
    """Where the records are, if one request has several: `$.alerts`."""
    whole: bool = False
    """Map the whole request, `{headers, query, body}`, and not its body alone."""
    delivery: str | None = None
    """The header with the sender's id of the request, stored once; else the same content is."""
    echo: str | None = None
    """The parameter whose value is sent back, to a sender that tests the address: `challenge`."""

    def verify(self, request: Pushed) -> Verdict:
        if self.echo and (challenge := request.query.get(self.echo)):
            # Nobody has signed this: it is a text of the sender's own, and no browser runs it.
            return Reply(challenge[:_LONGEST].encode())
        self.signed.check(request, self.secret)
        return Accepted(request.headers.get(self.delivery.lower()) if self.delivery else None)

    def read(self, event: Pushed) -> Sequence[Draft | Bad]:
        said: Any = body_of(event)
        if self.whole:
            said = {"headers": dict(event.headers), "query": dict(event.query), "body": said}
        found = self.records.all(said) if self.records else [said]
        page = Page.read(found, partial(self.fields.draft, seen=event.received_at), {})
        return [*page.drafts, *page.bad]
