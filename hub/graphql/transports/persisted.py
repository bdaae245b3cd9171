"""Documents that are named instead of sent: registered ones, and those whose hash is known.

A hash whose text a client has sent before is found in the memory of this process
(https://www.apollographql.com/docs/apollo-server/performance/apq): where it is not, the client
sends the text again. What is registered is in the database, and the same for all processes.
"""

import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from hub.errors import Code, Refused
from hub.graphql.documents import Document, Documents
from hub.graphql.transports.requests import Asked
from hub.store import Store
from hub.store.documents import HASHED, NAME, digest, text_of_digest, text_of_name

FRESH_SECONDS: Final = 5.0  # how long a look-up holds: what is removed works no longer than this
REMEMBERED: Final = 1024
MOST_LETTERS: Final = 4 * 1024 * 1024

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Persisted:
    """Finds the document that is asked for. `own`: texts of the hub's own pages, by their hash.

    `takes`: any document, or only registered ones; `log` takes any, and tells of the others once.
    """

    store: Store
    documents: Documents
    takes: Literal["any", "log", "registered"] = "any"
    own: Mapping[str, str] = field(default_factory=dict)
    fresh: float = FRESH_SECONDS
    most_letters: int = MOST_LETTERS
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)
    _letters: int = 0
    _told: set[str] = field(default_factory=set)

    @property
    def only_registered(self) -> bool:
        return self.takes == "registered"

    async def read(self, asked: Asked) -> Document:
        """Give the document that is asked for. Raises Refused, StoreUnavailable."""
        if asked.document_id is not None:
            return self.documents.read(await self._identified(asked))
        if asked.digest is not None:
            return await self._hashed(asked, asked.digest)
        if self.only_registered:
            return self.documents.read(await self._registered(digest(asked.query)))
        return await self._sent(asked.query)

    def until(self, asked: Asked) -> float:
        """Say when the document that was just read has to be looked up again, by monotonic()."""
        if asked.document_id is None and asked.digest is None and self.takes == "any":
            return math.inf
        id_ = asked.document_id or f"{HASHED}{asked.digest or digest(asked.query)}"
        hashed = id_.removeprefix(HASHED)
        if (held := self._known.get(id_)) is not None:
            return held[0]
        own = hashed in self.own
        sent = not self.only_registered and self.documents.named(hashed) is not None
        told = self.takes == "log" and hashed in self._told
        return math.inf if own or sent or told else 0.0

    async def _identified(self, asked: Asked) -> str:
        id_ = asked.document_id
        assert id_ is not None
        if asked.query or asked.digest is not None:
            raise Refused(
                Code.INVALID,
                "documentId came with query or extensions.persistedQuery",
                "Send one of them: a document is sent or named",
            )
        hashed = id_.removeprefix(HASHED)
        if hashed != id_ and _DIGEST.fullmatch(hashed):
            known = None if self.only_registered else self.documents.named(hashed)
            return known.text if known is not None else await self._registered(hashed)
        if not NAME.fullmatch(id_):
            raise Refused(
                Code.INVALID,
                "documentId is neither a name nor a hash",
                f"Send the name of a registered document, or {HASHED} and 64 hexadecimal digits",
            )
        text = await self._found(id_)
        if text is None:
            raise _unregistered(id_, f"No document is registered as {id_!r}")
        return text

    async def _hashed(self, asked: Asked, hashed: str) -> Document:
        """Take Apollo's automatic persisted queries."""
        if not _DIGEST.fullmatch(hashed):
            raise Refused(
                Code.INVALID, "sha256Hash is no SHA-256", "Send 64 hexadecimal digits in lower case"
            )
        if asked.query and digest(asked.query) != hashed:
            raise Refused(
                Code.INVALID,
                "sha256Hash is not the SHA-256 of query",
                "Hash the very text that is sent, as UTF-8",
            )
        if self.only_registered:
            return self.documents.read(await self._registered(hashed))
        if asked.query:
            document = await self._sent(asked.query)
            self.documents.name(document, hashed)
            return document
        if (known := self.documents.named(hashed)) is not None:
            return known
        text = await self._found(f"{HASHED}{hashed}")
        if text is None:
            # Clients compare the whole message, so what to do stands beside it.
            advice = {"suggestion": "Send query along with its sha256Hash, once"}
            raise Refused(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound", facts=advice)
        return self.documents.read(text)

    async def _sent(self, text: str) -> Document:
        document = self.documents.read(text)
        if self.takes == "log" and not document.errors:
            await self._log(document)
        return document

    async def _log(self, document: Document) -> None:
        """Tell once of what only registered documents would refuse."""
        hashed = digest(document.text)
        if hashed in self._told or hashed in self.own:
            return
        if await self._found(id_ := f"{HASHED}{hashed}") is not None:
            return
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told.add(hashed)
        names = [name for name, _ in document.operations if name]
        logger.warning("a document is not registered", extra={"document": id_, "operations": names})

    async def _registered(self, hashed: str) -> str:
        if (own := self.own.get(hashed)) is not None:
            return own
        text = await self._found(id_ := f"{HASHED}{hashed}")
        if text is None:
            only = "Only registered documents are executed here, and this is none"
            none = "No document is registered with this hash"
            raise _unregistered(id_, only if self.only_registered else none)
        return text

    async def _found(self, id_: str) -> str | None:
        """Look up what is registered, remembering it for a few seconds."""
        clock = time.monotonic()
        if (held := self._known.get(id_)) and held[0] > clock:
            return held[1]
        async with self.store.read() as connection:
            hashed = id_.removeprefix(HASHED)
            find = text_of_name if hashed == id_ else text_of_digest
            text = await find(connection, hashed)
        self._forget(id_)
        if text is not None:  # what is not there may be registered the next moment
            if len(self._known) >= REMEMBERED or self._letters + len(text) > self.most_letters:
                self._known.clear()
                self._letters = 0
            self._known[id_] = (clock + self.fresh, text)
            self._letters += len(text)
        return text

    def _forget(self, id_: str) -> None:
        if (held := self._known.pop(id_, None)) is not None:
            self._letters -= len(held[1])


def by_digest(texts: Iterable[str]) -> Mapping[str, str]:
    return {digest(text): text for text in texts}


def _unregistered(id_: str, message: str) -> Refused:
    return Refused(
        Code.DOCUMENT_NOT_REGISTERED,
        message,
        "Have an administrator register it: hub documents add",
        {"documentId": id_},
    )
