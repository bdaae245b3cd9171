"""Registered documents: GraphQL texts that are used by a name, or by their hash."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import Code, Refused
from hub.store.audit import Act, Actor, record
from hub.store.identities import insert_new
from hub.store.tables import DocumentRow, table

# A "custom document identifier" of GraphQL over HTTP, so it stands in an address as it is.
NAME: Final = re.compile(r"[A-Za-z0-9._~-]{1,100}")
HASHED: Final = "sha256:"  # what a hash is prefixed with where a name could stand

_DOCUMENTS = table(DocumentRow)
_COLUMNS = _DOCUMENTS.c


@dataclass(frozen=True, slots=True)
class Registered:
    name: str
    digest: str
    text: str
    at: datetime


def digest(text: str) -> str:
    """Give the SHA-256 of a text's UTF-8, as all protocols of persisted documents name it."""
    return sha256(text.encode()).hexdigest()


async def register(
    connection: AsyncConnection,
    texts: Mapping[str, str],
    at: datetime,
    by: Actor,
    *,
    replace: bool = False,
) -> list[str]:
    """Register texts by their names; give the names that were new, or got another text.

    `replace`: a name may get another text. Raises Refused(INVALID) for one that would without it:
    whoever uses the name asks for what it was. Names that have their text already stay as they are.
    """
    changed = []
    for name, text in sorted(texts.items()):
        after = {"digest": digest(text)}
        row = {"name": name, **after, "document": text, "at": at}
        new = insert_new(connection, DocumentRow).returning(_COLUMNS.name)
        if await connection.scalar(new, row) is not None:
            await record(connection, by, Act.DOCUMENT_REGISTERED, _subject(name), after=after)
            changed.append(name)
            continue
        was = await connection.scalar(
            select(_COLUMNS.digest).where(_COLUMNS.name == name).with_for_update()
        )
        if was == after["digest"]:
            continue
        if was is None:
            raise Refused(
                Code.INVALID, f"{name!r} was removed at the same moment", "Run the command again"
            )
        if not replace:
            raise Refused(
                Code.INVALID,
                f"another text is registered as {name!r}",
                "Choose another name; or, if nobody uses the old text any more, add --replace",
            )
        await connection.execute(update(_DOCUMENTS).where(_COLUMNS.name == name).values(row))
        before = {"digest": was}
        await record(
            connection, by, Act.DOCUMENT_REGISTERED, _subject(name), before=before, after=after
        )
        changed.append(name)
    return changed


async def remove(connection: AsyncConnection, name: str, by: Actor) -> bool:
    """Remove a document; False where none has this name."""
    gone = delete(_DOCUMENTS).where(_COLUMNS.name == name).returning(_COLUMNS.digest)
    was = await connection.scalar(gone)
    if was is None:
        return False
    before = {"digest": was}
    await record(connection, by, Act.DOCUMENT_REMOVED, _subject(name), before=before)
    return True


async def registered(connection: AsyncConnection) -> list[Registered]:
    """Read all documents, by name."""
    rows = await connection.execute(select(_DOCUMENTS).order_by(_COLUMNS.name))
    return [Registered(row.name, row.digest, row.document, row.at) for row in rows]


async def text_of_name(connection: AsyncConnection, name: str) -> str | None:
    found: str | None = await connection.scalar(
        select(_COLUMNS.document).where(_COLUMNS.name == name)
    )
    return found


async def text_of_digest(connection: AsyncConnection, wanted: str) -> str | None:
    found: str | None = await connection.scalar(
        select(_COLUMNS.document).where(_COLUMNS.digest == wanted).limit(1)
    )
    return found


def _subject(name: str) -> str:
    return f"document:{name}"
