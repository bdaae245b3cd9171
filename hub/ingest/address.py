"""Writes what was decided: signals, their log lines, each role's feed, and what is to be sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from hub import traces
from hub.connector import Draft
from hub.ingest.score import Scored
from hub.kinds import kind_info, matches_kind
from hub.route import Router, facts_of
from hub.signals import ChangeType, Facts, Outcome, Relevance, Signal, Status
from hub.store import Connection, log
from hub.store.chores import RETENTION, hasten
from hub.store.deliveries import add_deliveries
from hub.store.redact import redact
from hub.store.relevance import day_of, save_relevance, scores_of
from hub.store.signals import save, save_revisions


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint as ingest sees it: which of its role's signals go there."""

    id: str
    kinds: frozenset[str]
    min_score: float

    def takes(self, signal: Signal, relevance: Relevance) -> bool:
        return relevance.score >= self.min_score and any(
            matches_kind(pattern, signal.kind) for pattern in self.kinds
        )


# How long a signal of (source, kind) is kept.
Keeps: TypeAlias = Callable[[str, str], timedelta]


@dataclass(frozen=True, slots=True)
class Plan:
    """One configuration, ready to be used: the judge, and each role's endpoints."""

    router: Router
    targets: Mapping[str, Sequence[Target]] = field(default_factory=dict)
    keeps: Keeps | None = None  # None: for ever


@traces.step
async def address(
    connection: Connection, scored: Sequence[Scored], plan: Plan, at: datetime
) -> tuple[tuple[str, ...], int | None]:
    """Store every version and its consequences; give (ids of deliveries, last seq).

    The numbers are taken as late as can be: other writers wait from there to the commit.
    """
    if not scored:
        return (), None
    versions = [one.version for one in scored]
    scores = await scores_of(connection, {v.was.id for v in versions if v.was})
    last = {
        one.version.signal.id: one for one in scored if one.version.type is not ChangeType.HISTORY
    }
    created = {v.signal.id for v in versions if v.type is ChangeType.CREATED}
    await save(
        connection,
        [one.version.signal for id_, one in last.items() if id_ in created],
        [one.version.signal for id_, one in last.items() if id_ not in created],
    )
    await save_revisions(
        connection,
        [(v.revision_id, v.signal.id, v.signal.source, v.draft) for v in versions],
        at,
    )
    gone = {
        id_: one.version.signal
        for id_, one in last.items()
        if one.version.signal.status is Status.DELETED
    }
    await redact(connection, list(gone.values()))

    first = await log.take_numbers(connection, len(scored))
    lines = _lines(scored, scores, plan, first, at)
    newest = {
        line.signal_id: line.seq for line in lines.changes if line.type is not ChangeType.HISTORY
    }
    await save_relevance(
        connection,
        [
            (id_, day, newest[id_], relevance)
            for id_, one in last.items()
            for day in [_day(one.version.signal)]
            for relevance in one.audience
        ],
        replaced=last.keys() - created,
    )
    sent = await add_deliveries(connection, lines.deliveries, at, traces.here())
    await log.append(
        connection, [_redacted(line) if line.signal_id in gone else line for line in lines.changes]
    )
    if gone:
        await hasten(connection, RETENTION)  # names that only these brought go, too
    return sent, lines.changes[-1].seq


@dataclass(frozen=True, slots=True)
class _Lines:
    """What the log says of a page, and what follows: (endpoint id, signal id, seq)."""

    changes: Sequence[log.Change]
    deliveries: Sequence[tuple[str, str, int]]


def _lines(
    scored: Sequence[Scored],
    scores: Mapping[str, Mapping[str, float]],
    plan: Plan,
    first: int,
    at: datetime,
) -> _Lines:
    """Give each version its number, and say what it was and is. Pure.

    `scores` are those stored so far; a second version in one page was what the first made it.
    """
    facts: dict[str, Facts] = {}
    changes: list[log.Change] = []
    deliveries: list[tuple[str, str, int]] = []
    for seq, one in enumerate(scored, first):
        version, signal = one.version, one.version.signal
        was = facts.get(signal.id) or (
            facts_of(version.was, scores.get(version.was.id, {})) if version.was else None
        )
        if version.type is ChangeType.HISTORY:
            assert was is not None, "only a kept signal has a late revision"
            is_ = _late(was, version.draft)
        else:
            is_ = facts[signal.id] = facts_of(signal, _scores(one.audience))
            deliveries += [
                (target.id, signal.id, seq)
                for relevance in one.audience
                if relevance.outcome is Outcome.SENT
                for target in plan.targets.get(relevance.role, ())
                if target.takes(signal, relevance)
            ]
        changes.append(log.Change(seq, signal.id, version.revision_id, version.type, at, was, is_))
    return _Lines(changes, deliveries)


def _day(signal: Signal) -> int:
    return day_of(signal.occurred_at, signal.received_at)


def _redacted(line: log.Change) -> log.Change:
    """Take the labels from a line about a signal that is gone at its source."""
    was = replace(line.was, labels=None) if line.was else None
    return replace(line, was=was, now=replace(line.now, labels=()))


def _late(was: Facts, draft: Draft) -> Facts:
    """Judge a late revision by what it said itself: it may have been more secret than today's."""
    info = kind_info(draft.kind)
    return replace(
        was,
        kind=draft.kind,
        department=draft.department or info.department,
        classification=int(draft.classification),
        severity=int(info.severity if draft.severity is None else draft.severity),
        status=draft.status,
        labels=draft.labels,
        scores={},
    )


def _scores(audience: Sequence[Relevance]) -> dict[str, float]:
    return {one.role: one.score for one in audience if one.outcome is not Outcome.NOT_PERMITTED}
