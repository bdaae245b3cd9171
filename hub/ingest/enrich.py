"""Makes signals of drafts: the account and people they are about, department, severity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from hub import traces
from hub.connector import AccountRef, Draft, PersonRef
from hub.ingest.normalize import Reading
from hub.kinds import kind_info
from hub.signals import Account, ChangeType, Person, Signal, Status, new_id
from hub.store import Connection
from hub.store.forgotten import forgotten
from hub.store.identities import Named, know_accounts, know_people

FORGOTTEN_TITLE = "Written by somebody who was forgotten"


@dataclass(frozen=True, slots=True)
class Version:
    """A new revision: the signal it makes, the one it replaces, and the draft it came as.

    A late, older revision (HISTORY) leaves `signal` as it is kept.
    """

    type: ChangeType
    signal: Signal
    was: Signal | None
    draft: Draft
    revision_id: str


@traces.step
async def enrich(
    connection: Connection,
    drafts: Sequence[Draft],
    known: Mapping[str, Signal],
    reading: Reading,
    at: datetime,
) -> list[Version]:
    """Make a version of each draft, oldest revision of a record first."""
    drafts = [_late(draft, known.get(draft.external_id)) for draft in drafts]
    drafts = await _without_the_forgotten(connection, drafts, known, reading.source)
    accounts = await know_accounts(
        connection, [_account(one.account) for one in _openest(drafts) if one.account], at
    )
    people = _people(drafts, reading.source)
    humans = await know_people(connection, list(people.values()), at)
    current = dict(known)
    versions: list[Version] = []
    # A stable sort: of two revisions with one time the later received is the newer.
    for draft in sorted(drafts, key=lambda draft: draft.revised_at):
        was = current.get(draft.external_id)
        if was is not None and was.revised_at > draft.revised_at:
            versions.append(Version(ChangeType.HISTORY, was, was, draft, new_id()))
            continue
        about = _about(draft, accounts, people, humans)
        signal = _signal(draft, was, reading, at, about)
        type_ = (
            ChangeType.CREATED
            if was is None
            else ChangeType.DELETED
            if signal.status is Status.DELETED
            else ChangeType.UPDATED
        )
        versions.append(Version(type_, signal, was, draft, new_id()))
        current[draft.external_id] = signal
    return versions


def _openest(drafts: Sequence[Draft]) -> list[Draft]:
    """Put the least secret first: what a signal for few eyes calls somebody names nobody else."""
    return sorted(drafts, key=lambda draft: draft.classification)


def _people(drafts: Sequence[Draft], source: str) -> dict[int, Named]:
    """Give each author and owner as who is to be known, by the identity of the reference."""
    return {
        id(ref): _person(ref, source) for one in drafts for ref in (one.author, one.owner) if ref
    }


About: TypeAlias = tuple[Account | None, Person | None, Person | None]


def _about(
    draft: Draft,
    accounts: Mapping[str, str],
    people: Mapping[int, Named],
    humans: Mapping[str, str],
) -> About:
    """Name the account, the author and the owner of a draft as the hub knows them."""

    def person(ref: PersonRef | None) -> Person | None:
        return Person(humans[people[id(ref)].keys[0]], ref.name) if ref else None

    ref = draft.account
    account = Account(accounts[_account(ref).keys[0]], ref.name) if ref else None
    return account, person(draft.author), person(draft.owner)


def _signal(
    draft: Draft,
    was: Signal | None,
    reading: Reading,
    at: datetime,
    about: About,
) -> Signal:
    info = kind_info(draft.kind)
    account, author, owner = about
    return Signal(
        id=was.id if was else new_id(),
        source=reading.source,
        external_id=draft.external_id,
        revision=draft.revision,
        kind=draft.kind,
        department=draft.department or info.department,
        title=draft.title,
        summary=draft.summary,
        body=draft.body,
        url=draft.url,
        origin=was.origin if was else reading.origin,
        occurred_at=draft.occurred_at,
        received_at=was.received_at if was else at,
        updated_at=at,
        revised_at=draft.revised_at,
        severity=info.severity if draft.severity is None else draft.severity,
        status=draft.status,
        classification=draft.classification,
        sentiment=draft.sentiment,
        account=account,
        author=author,
        owner=owner,
        labels=draft.labels,
        attributes=draft.attributes,
        thread=draft.thread,
    )


def _late(draft: Draft, kept: Signal | None) -> Draft:
    """Keep no words of an old revision once the record is gone at its source."""
    if kept is None or kept.status is not Status.DELETED or kept.revised_at <= draft.revised_at:
        return draft
    return wordless(draft, kept.title)


async def _without_the_forgotten(
    connection: Connection, drafts: Sequence[Draft], known: Mapping[str, Signal], source: str
) -> list[Draft]:
    """Leave out people who are to be forgotten, and the words of what they wrote.

    A record whose author was forgotten stays without words until somebody else wrote it.
    """
    people = _people(drafts, source)
    listed = await forgotten(connection, {key for one in people.values() for key in one.keys})
    gone = {id_ for id_, one in people.items() if not listed.isdisjoint(one.keys)}

    def one(draft: Draft) -> Draft:
        was = known.get(draft.external_id)
        owner = None if id(draft.owner) in gone else draft.owner
        orphan = draft.author is None and was is not None and was.title == FORGOTTEN_TITLE
        if id(draft.author) in gone or (orphan and draft.status is not Status.DELETED):
            bare = wordless(draft, FORGOTTEN_TITLE)
            return bare.model_copy(update={"account": draft.account, "owner": owner})
        return draft if owner is draft.owner else draft.model_copy(update={"owner": owner})

    return [one(draft) for draft in drafts]


def wordless(draft: Draft, title: str) -> Draft:
    """Leave of a draft that there was something, when, where and of which kind."""
    nothing: dict[str, Any] = {"summary": "", "body": None, "attributes": {}, "labels": ()}
    nobody = {"account": None, "author": None, "owner": None}
    elsewhere = {"url": None, "thread": None, "sentiment": None}
    return draft.model_copy(update={"title": title, **nothing, **nobody, **elsewhere})


def _account(ref: AccountRef) -> Named:
    name = f"name:{ref.name.strip().casefold()}"
    if ref.domain:
        return Named(ref.name, (f"domain:{ref.domain.strip().lower().removeprefix('www.')}", name))
    return Named(ref.name, (name,))


def person_keys(ref: PersonRef, source: str) -> tuple[str, ...]:
    """Say by what a person is recognised, from the surest key to the weakest."""
    return _person(ref, source).keys


def _person(ref: PersonRef, source: str) -> Named:
    keys = [f"email:{ref.email.strip().lower()}"] if ref.email else []
    if ref.handle:
        keys.append(f"handle:{source}:{ref.handle.strip().casefold()}")
    # A name alone makes two people one only within a source.
    return Named(ref.name, tuple(keys) or (f"name:{source}:{ref.name.strip().casefold()}",))
