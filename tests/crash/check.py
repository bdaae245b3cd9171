"""Compares what the sources said with what the hub keeps and what its endpoints got."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from hub.config import HUB_SOURCE
from hub.signals import ChangeType, Classification, Status
from hub.store import Store
from hub.store.deliveries import DeliveryState
from hub.store.tables import (
    ChangeRow,
    DeliveryRow,
    QuarantineRow,
    RevisionRow,
    SignalRow,
    SourceRow,
    table,
)
from tests.crash.receiver import Got, Receiver
from tests.crash.truth import CANARY, Listener, Said, Truth

LOGS = frozenset({"ledger"})  # sources that hand out every revision


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything the hub has stored."""

    signals: Sequence[Any]
    revisions: Sequence[Any]
    changes: Sequence[Any]
    deliveries: Sequence[Any]
    sources: Sequence[Any]
    quarantine: Sequence[Any]
    sound: str


async def kept(store: Store) -> Kept:
    async def rows(row: Any) -> Sequence[Any]:
        return (await connection.execute(select(table(row)))).all()

    async with store.read() as connection:
        sound = "ok"
        if store.is_sqlite:
            sound = str(await connection.scalar(text("PRAGMA integrity_check")))
        return Kept(
            await rows(SignalRow),
            await rows(RevisionRow),
            sorted(await rows(ChangeRow), key=lambda row: row.seq),
            await rows(DeliveryRow),
            await rows(SourceRow),
            await rows(QuarantineRow),
            sound,
        )


def differences(truth: Truth, hub: Kept, receivers: Sequence[Receiver]) -> list[str]:
    """Say everything that is not as it was promised."""
    return [
        *_signals(truth, hub),
        *_revisions(truth, hub),
        *_log(truth, hub),
        *(line for one in receivers for line in _received(truth, hub, one)),
        *_left_over(truth, hub),
    ]


def _signals(truth: Truth, hub: Kept) -> Iterator[str]:
    """Every record is a signal, once, as it was last."""
    stored: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in hub.signals:
        if row.source == HUB_SOURCE:
            continue  # what it says of itself
        stored[row.source, row.external_id].append(row)
    newest = truth.newest()
    for key in newest.keys() - stored.keys():
        yield f"lost: {key} is no signal"
    for key in stored.keys() - newest.keys():
        yield f"invented: no source said {key}"
    for key in newest.keys() & stored.keys():
        said, rows = newest[key], stored[key]
        if len(rows) > 1:
            yield f"twice: {key} is {len(rows)} signals"
        row = rows[0]
        is_ = (row.revision, row.title, row.status, row.classification)
        wanted = (said.revision, said.shown, said.status, said.classification)
        if is_ != wanted:
            yield f"stale: {key} is {is_}, and was last {wanted}"
        if said.status is not Status.DELETED and row.kind != said.kind:
            yield f"stale: {key} is {row.kind}, and was last {said.kind}"


def _revisions(truth: Truth, hub: Kept) -> Iterator[str]:
    """Every revision that was handed out is stored, once."""
    stored: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in hub.revisions:
        stored[row.source, row.external_id, row.revision] += 1
    said = truth.revisions()
    for key in said.keys() - stored.keys():
        if key[0] in LOGS:
            yield f"lost: the revision {key}"
    for key, times in stored.items():
        if key not in said and key[0] != HUB_SOURCE:
            yield f"invented: the revision {key}"
        if times > 1:
            yield f"twice: the revision {key}"


def _log(truth: Truth, hub: Kept) -> Iterator[str]:
    """One line for each revision, numbered without a gap; late ones, and only they, are history."""
    numbers = [row.seq for row in hub.changes]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the log's numbers have gaps: {len(numbers)} up to {max(numbers, default=0)}"
    if len(hub.changes) != len(hub.revisions):
        yield f"the log has {len(hub.changes)} lines for {len(hub.revisions)} revisions"
    latest: dict[str, Said] = {}
    for row, said in _said(truth, hub):
        before = latest.get(row.signal_id)
        is_late = before is not None and before.revised_at > said.revised_at
        if (row.type == ChangeType.HISTORY) != is_late:
            yield f"the line {row.seq} of {said.record} is {row.type}, late: {is_late}"
        if (row.type == ChangeType.CREATED) != (before is None):
            yield f"the line {row.seq} of {said.record} is {row.type}, first: {before is None}"
        if not is_late:
            latest[row.signal_id] = said


def _received(truth: Truth, hub: Kept, receiver: Receiver) -> Iterator[str]:
    """Each change that matters here came, always under one id; nothing else did."""
    changes = {row.seq: (row, said) for row, said in _said(truth, hub)}
    withdrawn = {row.seq for row in hub.deliveries if row.state == DeliveryState.WITHDRAWN}
    lines = {row.seq for row in hub.changes}
    sent = {row.id: row.seq for row in hub.deliveries}
    ear = _Ear(receiver.listener, truth.newest(), truth.revisions(), withdrawn)
    name, got = receiver.listener.name, receiver.by_change()
    yield from (f"{name} got what was not signed rightly: {why}" for why in receiver.forged)
    for seq, came in got.items():
        ids = {one.id for one in came}
        if len(ids) > 1:
            yield f"{name} got the change {seq} under {len(ids)} ids"
        if any(sent.get(id_) != seq for id_ in ids):
            yield f"{name} got the change {seq} under {ids}, which are no deliveries of it"
        if seq not in lines:
            yield f"{name} got a change {seq} that the log does not have"
    for seq, (row, said) in changes.items():
        came = got.get(seq, [])
        if ear.must_have(row, said) and not any(one.taken for one in came):
            yield f"{name} never got the change {seq} of {said.record}"
        for one in came:
            for wrong in ear.wrong(row, said, one):
                yield f"{name} got the change {seq} of {said.record}, {wrong}"


@dataclass(frozen=True, slots=True)
class _Ear:
    """What one listener must have been told, and how."""

    listener: Listener
    newest: Mapping[tuple[str, str], Said]
    revisions: Mapping[tuple[str, str, str], Said]
    withdrawn: AbstractSet[int]

    def _is_for_it(self, row: Any, said: Said) -> bool:
        """Say whether it hears of a change: late ones and unheard deletions are nobody's."""
        if row.type == ChangeType.HISTORY:
            return False
        unheard = row.type == ChangeType.CREATED and said.status is Status.DELETED
        return not unheard and self.listener.hears(said)

    def must_have(self, row: Any, said: Said) -> bool:
        """Say whether it must have got a change: what is hidden since may have been withdrawn."""
        is_hidden = not self.listener.may_see(self.newest[said.source, said.record])
        return self._is_for_it(row, said) and not (is_hidden and row.seq in self.withdrawn)

    def wrong(self, row: Any, said: Said, got: Got) -> Iterator[str]:
        """Say what is wrong with what came: it shows the signal as it was then or is by now."""
        if not self._is_for_it(row, said):
            yield "which is not for it"
        if (got.subject, got.data["externalId"]) != (row.signal_id, said.record):
            yield "with another signal in it"
        shown = self.revisions.get((said.source, said.record, got.data["revision"]))
        if shown is None or shown.revised_at < said.revised_at:
            yield f"as an older revision: {got.data['revision']}"
        elif got.data["title"] != shown.shown:
            yield f"with other words: {got.data['title']}"
        if CANARY.encode() in got.body and self.listener.most < Classification.CONFIDENTIAL:
            yield f"which told it a secret: {got.data['title']}"


def _left_over(truth: Truth, hub: Kept) -> Iterator[str]:
    """Nothing is held, due or broken; what could not be read is kept to be looked at."""
    if hub.sound != "ok":
        yield f"the database is damaged: {hub.sound}"
    for row in hub.sources:
        if row.lease is not None or row.lease_until is not None:
            yield f"the source {row.name} is still leased until {row.lease_until}"
        if row.last_error is not None:
            yield f"the source {row.name} fails: {row.last_error}"
    done = {DeliveryState.DELIVERED, DeliveryState.WITHDRAWN}
    for row in hub.deliveries:
        if row.state not in done or row.lease_until is not None:
            yield f"the delivery {row.id} of {row.seq} is {row.state}, lease {row.lease_until}"
    bad = {(source, record): 1 for source, records in truth.bad.items() for record in records}
    held = {(row.source, row.external_id): row.seen for row in hub.quarantine}
    if held != bad:
        yield f"quarantined, and how often seen: {held}; unreadable were {sorted(bad)}"


def _said(truth: Truth, hub: Kept) -> Iterator[tuple[Any, Said]]:
    """Give each line of the log with what the source had said."""
    said = truth.revisions()
    revisions = {row.id: (row.source, row.external_id, row.revision) for row in hub.revisions}
    for row in hub.changes:
        key = revisions.get(row.revision_id)
        if key in said:
            yield row, said[key]
