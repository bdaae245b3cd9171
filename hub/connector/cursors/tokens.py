"""Family B: an opaque token that stands for a place (exports, delta links, sync tokens)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from hub.connector.cursors.batches import Delta, moved
from hub.connector.drafts import Cursor, Page, Reader
from hub.errors import SourceMisbehaved
from hub.signals import Json

Ask: TypeAlias = Callable[[Json], Awaitable[Delta]]


@dataclass(frozen=True, slots=True)
class OpaqueToken:
    """Hands the vendor's token back; where it is kept no longer, reads everything once more."""

    expired: frozenset[int] = frozenset({410})
    """The statuses by which this vendor says so."""

    async def pages(self, cursor: Cursor, ask: Ask, *, read: Reader) -> AsyncIterator[Page]:
        """Yield what follows the token. `ask` is given None at the very start."""
        token = cursor.get("token")
        begun_anew = token is None
        while True:
            try:
                delta = await ask(token)
            except SourceMisbehaved as error:
                # Also midway: a token may hold what was handed out long before. Once in a poll.
                if begun_anew or error.status not in self.expired:
                    raise
                token, begun_anew = None, True
                continue
            token = moved(token, delta.token) if delta.more else delta.token
            after: Cursor = {} if token is None else {"token": token}
            yield Page.read(delta.records, read, after, more=delta.more)
            if not delta.more:
                return
