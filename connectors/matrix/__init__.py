"""Matrix: what is said in the rooms that an account has joined, on any homeserver."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from connectors.matrix.events import (
    DECISION,
    MESSAGE,
    draft,
    found,
    quoted,
)
from connectors.matrix.reading import Reading
from hub.connector import (
    Api,
    Bearer,
    Connector,
    Cursor,
    Endpoint,
    Http,
    OpaqueToken,
    Page,
    SecretStr,
    SourceMisbehaved,
)

# What a server has forgotten it calls an invalid argument:
# https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3sync
_TOKENS = OpaqueToken(frozenset({400}))


class Matrix(Connector):
    """Messages of Matrix rooms as one account sees them (Synapse, Dendrite, any homeserver).

    One signal per message, named by its event id. An edit by its author is a revision of it, a
    redaction deletes it. Rooms that anyone may join are internal; all others, by invitation or
    direct, are restricted. Encrypted rooms are not read: the hub holds no keys, and asks for
    readable events only. A redacted *edit* no longer says which message it belonged to, so that
    text stays until the message itself is edited again or redacted.

    Attributes: channel, channel_id (of the room), type (msgtype), mentions (user ids).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({MESSAGE, DECISION})
    every: ClassVar[timedelta] = timedelta(seconds=15)
    sign_in: ClassVar[str] = "An access token of an account that has joined the rooms."
    scopes: ClassVar[tuple[str, ...]] = ("membership of each room",)
    limits: ClassVar[str] = (
        "What the homeserver's administrator has set. Encrypted rooms are not read, nor what was "
        "said before the account may see it."
    )

    url: str
    """The homeserver: https://matrix.example.org"""
    token: SecretStr
    """An access token of the account that has joined the rooms."""
    rooms: frozenset[str] = frozenset()
    """Ids (`!abc:example.org`) or aliases (`#sales:example.org`); none: every joined room."""
    since: AwareDatetime | None = None
    """Where the first sync of a room begins; None reads all that the account may see."""
    decision_marker: Annotated[str, Field(min_length=1)] = "#decision"
    """A message that holds this is a decision."""

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/_matrix/client/v3", Bearer(self.token))

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        wanted, unknown = await self._wanted(api)
        reading = Reading(api, cursor, wanted, self.since)
        pages = _TOKENS.pages(
            reading.begin,
            reading.ask,
            read=lambda event: draft(
                event, reading.batch, reading.place.rooms, self.decision_marker
            ),
        )
        try:
            async for page in pages:
                yield page
        except (LookupError, TypeError, AttributeError) as error:
            raise SourceMisbehaved(f"This is no answer of Matrix: {error!r}") from error
        if absent := unknown | ((wanted or set()) - reading.place.rooms.keys()):
            raise SourceMisbehaved(
                f"The account is not in {', '.join(sorted(absent))}; its other rooms were read",
                "Invite it and join, or correct `rooms`",
            )

    async def _wanted(self, api: Api) -> tuple[set[str] | None, set[str]]:
        """Find the rooms' ids, and the aliases that none has. An upgraded room keeps its alias."""
        if not self.rooms:
            return None, set()
        aliases = {room for room in self.rooms if room.startswith("#")}
        known = {alias: await found(api, f"/directory/room/{quoted(alias)}") for alias in aliases}
        ids = {answer["room_id"] for answer in known.values() if answer}
        return ids | (self.rooms - aliases), {alias for alias in aliases if not known[alias]}
