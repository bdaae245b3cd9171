"""Forgets a person: takes their words and their name out of everything that the hub keeps.

In short batches, each of which may be the last: whoever runs it again goes on, and finishes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.config import Config
from hub.forget.person import Person, known_as
from hub.ingest.enrich import FORGOTTEN_TITLE
from hub.route import Router, facts_of
from hub.signals import ChangeType, Signal
from hub.store import Connection, Store, log, search
from hub.store.audit import Act, Actor, operator, record
from hub.store.clock import clock
from hub.store.forgotten import remember_to_forget, who_came_back
from hub.store.people import (
    add_keys,
    find_people,
    remove_person,
    signals_after,
    signals_again,
    signals_of,
)
from hub.store.redact import redact
from hub.store.relevance import day_of, outcomes_of, save_relevance, scores_of
from hub.store.scrub import PLACES, Place, remove_account_keys, rewrite_row, rewritten, rows_after
from hub.store.signals import save
from hub.store.turns import alone

BATCH = 200


@dataclass(slots=True)
class Erased:
    """How much was touched: signals that lost their words, those that lost a name, other rows."""

    written: int = 0
    mentioned: int = 0
    elsewhere: int = 0
    kept_ids: int = 0  # a record's own id names the person: it stays, to know the record again


@dataclass(frozen=True, slots=True)
class Forgetting:
    """One person on the way out."""

    store: Store
    router: Router
    person: Person
    by: Actor = field(default_factory=lambda: operator("hub forget"))
    erased: Erased = field(default_factory=Erased)

    async def run(self) -> Erased:
        """Do it all. Raises StoreUnavailable; then it is run again."""
        person = self.person
        async with self.store.write() as connection:
            # First, and alone: pages that are being stored end before, and later ones know.
            await alone(connection)
            await remember_to_forget(connection, person.keys)
            subject = f"person:{person.id}" if person.id is not None else None
            await record(connection, self.by, Act.PERSON_FORGOTTEN, subject)
            if person.id is not None:
                # Whoever goes on after a crash must still know every name.
                await add_keys(connection, person.id, person.keys)
        if person.id is not None:
            while await self._written(person.id):
                pass
        await self._mentioned()
        for place in PLACES:
            await self._elsewhere(place)
        await self._account_keys()
        if person.id is not None:
            async with self.store.write() as connection:
                await alone(connection)
                await remove_person(connection, person.id)
        await self.store.forget_pages()
        return self.erased

    async def _written(self, id_: str) -> int:
        """Take the words out of some of what the person wrote, and the person out of the rest."""
        async with self.store.write() as connection:
            await alone(connection)
            found = await signals_of(connection, id_, BATCH)
            theirs = [one for one in found if one.author and one.author.id == id_]
            await redact(connection, theirs)
            await self._rewrite(connection, [(one, self._without(one)) for one in found])
        self.erased.written += len(theirs)
        self.erased.mentioned += len(found) - len(theirs)
        return len(found)

    async def _mentioned(self) -> None:
        place = ""
        while True:
            async with self.store.read() as connection:
                found = await signals_after(connection, place, BATCH)
            if not found:
                return
            place = found[-1].id
            self.erased.kept_ids += sum(self.person.is_named(one.external_id) for one in found)
            ids = [one.id for one in found if self._without(one) != one]
            if not ids:
                continue
            async with self.store.write() as connection:
                await alone(connection)
                now = await signals_again(connection, ids)
                await self._rewrite(connection, [(one, self._without(one)) for one in now])
            self.erased.mentioned += len(ids)

    def _without(self, signal: Signal) -> Signal:
        person = self.person
        if signal.owner and signal.owner.id == person.id:
            signal = replace(signal, owner=None)
        if signal.author and signal.author.id == person.id:
            return replace(
                signal, title=FORGOTTEN_TITLE, summary="", body=None, url=None, sentiment=None,
                author=None, labels=(), attributes={}, thread=None,
            )  # fmt: skip
        of_others = {part: person.without(getattr(signal, part)) for part in _TEXTS}
        links = {part: getattr(signal, part) for part in ("url", "thread")}
        kept = {part: v for part, v in links.items() if v is None or not person.is_named(v)}
        return replace(signal, **{"url": None, "thread": None, **of_others, **kept})

    async def _rewrite(
        self, connection: Connection, pairs: Sequence[tuple[Signal, Signal]]
    ) -> None:
        """Store signals anew, judge them by what is left, and tell the followers."""
        if not pairs:
            return
        at = await clock(connection)
        ids = [after.id for _, after in pairs]
        scores, sent = await scores_of(connection, ids), await outcomes_of(connection, ids)
        first = await log.take_numbers(connection, len(pairs))
        await search.owe(connection)
        await save(connection, [], [replace(after, updated_at=at) for _, after in pairs])
        judged = {
            after.id: [
                one.quiet(sent.get((after.id, one.role))) for one in self.router.audience(after)
            ]
            for _, after in pairs
        }
        await save_relevance(
            connection,
            [
                (after.id, day_of(after.occurred_at, after.received_at), seq, relevance)
                for seq, (_, after) in enumerate(pairs, first)
                for relevance in judged[after.id]
            ],
            replaced=ids,
        )
        await log.append(
            connection,
            [
                log.Change(
                    seq, after.id, None, ChangeType.UPDATED, at,
                    replace(facts_of(before, scores.get(before.id)), labels=None, author=None),
                    facts_of(after, {one.role: one.score for one in judged[after.id]}),
                )
                for seq, (before, after) in enumerate(pairs, first)
            ],
        )  # fmt: skip

    async def _elsewhere(self, place: Place) -> None:
        after: tuple[Any, ...] | None = None
        while True:
            async with self.store.read() as connection:
                rows = await rows_after(connection, place, after, BATCH)
            if not rows:
                return
            after = tuple(rows[-1][name] for name in place.key)
            touched = [
                row for row in rows if any(self._new(c, row) != row[c] for c in place.columns)
            ]
            if touched:
                async with self.store.write() as connection:
                    for row in touched:
                        self.erased.elsewhere += await rewrite_row(
                            connection, place, row, self._new
                        )

    def _new(self, column: str, row: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - a line a column
        """Say what is to stand in a column."""
        person, value = self.person, row[column]
        match column:
            case _ if value is None:
                return None
            case "person":
                return None if person.is_named(value) else value
            case "data" if value.get("author") and person.is_meant(value["author"], row["source"]):
                return {}  # they wrote this version
            case "data" if value.get("owner") and person.is_meant(value["owner"], row["source"]):
                return person.without({k: v for k, v in value.items() if k != "owner"})
            case "was" | "now":
                if person.id and value["author"] == person.id:
                    return {**value, "author": None, "labels": value["labels"] and []}
                return {**value, "labels": person.without(value["labels"])}
            case "body" if isinstance(value, bytes):
                return rewritten(value, person.without)
            case _:
                return person.without(value)

    async def _account_keys(self) -> None:
        place: str | None = ""
        while place is not None:
            async with self.store.write() as connection:
                place = await remove_account_keys(connection, self.person.is_named, place, BATCH)


_TEXTS = ("title", "summary", "body", "labels", "attributes")


async def forget_again(store: Store, config: Callable[[], Config]) -> list[Erased]:
    """Forget everybody who is on the list and here all the same, as after a backup came back."""
    async with store.read() as connection:
        back = await who_came_back(connection)
        known = [one for id_ in back for one in await find_people(connection, id_)]
    router = Router(config().roles) if known else Router({})
    return [await Forgetting(store, router, await known_as(store, one)).run() for one in known]
