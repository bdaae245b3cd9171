"""The journey of one signal, told to a person."""

from datetime import timedelta

from hub.cli.terminal import NOTHING, heading, moment, plain, say, span, table
from hub.cli.trace import Journey
from hub.kinds import Severity
from hub.signals import ChangeType, Facts, Signal, now
from hub.store.attempts import Attempt
from hub.store.deliveries import Delivery, DeliveryState
from hub.store.log import Change


def tell(journey: Journey) -> None:
    _tell_signal(journey.signal)
    heading("What was read (times are UTC)")
    _tell_changes(journey)
    if journey.pushes:
        heading("What was pushed of it (kept as long as raw records)")
        table(
            ["received", "delivery"],
            [[moment(one.event.received_at), plain(one.delivery)] for one in journey.pushes],
            whole={"received"},
        )
    heading("Who should hear of it")
    _tell_audience(journey)
    heading("Where it went" if journey.seq is None else f"Where change {journey.seq} went")
    _tell_deliveries(journey)


def _tell_signal(signal: Signal) -> None:
    say(signal.title, "bold")
    happened = signal.severity.name.lower(), signal.status.value
    about = [signal.kind, *happened, signal.classification.name.lower()]
    if signal.account:
        about.append(signal.account.name)
    say(" · ".join(about))
    if signal.summary:
        say(signal.summary)
    say()
    facts = [
        ("id", signal.id),
        ("source", f"{signal.source}: {signal.external_id}"),
        ("occurred", moment(signal.occurred_at)),
        ("url", signal.url),
    ]
    for name, value in facts:
        if value:
            say(f"{name:<9} {value}")


def _tell_changes(journey: Journey) -> None:
    """List the lines of the log, each with the revision that it is about."""
    revisions = {one["id"]: one for one in journey.revisions}
    rows: list[list[object]] = []
    for change in journey.changes:
        revision = revisions.pop(change.revision_id or "", None)
        rows.append(
            [
                change.seq,
                moment(change.at),
                _what(change),
                revision["revision"] if revision else None,
                moment(revision["revised_at"]) if revision else None,
            ]
        )
    # The log ends before the revisions do: lines are kept for a shorter time.
    older: list[list[object]] = [
        [None, moment(one["received_at"]), "no longer in the log", one["revision"],
         moment(one["revised_at"])]
        for one in revisions.values()
    ]  # fmt: skip
    table(
        ["seq", "received", "what changed", "revision", "at the source"],
        [*older, *rows],
        numbers={"seq"},
        whole={"seq", "received", "at the source"},
    )


def _what(change: Change) -> str:
    """Say what a line of the log changed."""
    match change.type:
        case ChangeType.CREATED:
            return "created"
        case ChangeType.DELETED:
            return "deleted at its source"
        case ChangeType.HISTORY:
            return "came late: joined the history"
        case ChangeType.EXPIRED:
            return "expired: no longer kept"
        case ChangeType.UPDATED:
            return _difference(change.was, change.now) or "text or attributes"


def _difference(was: Facts | None, is_: Facts) -> str:
    if was is None:
        return ""
    parts = []
    for name in ("kind", "department", "status", "account", "author"):
        before, after = getattr(was, name), getattr(is_, name)
        if before != after and name in {"account", "author"}:
            parts.append(f"another {name}")
        elif before != after:
            parts.append(f"{name} {before} → {after}")
    if was.severity != is_.severity:
        before, after = (Severity(one.severity).name.lower() for one in (was, is_))
        parts.append(f"severity {before} → {after}")
    if was.classification != is_.classification:
        parts.append("classification")
    if was.labels != is_.labels:
        parts.append("labels")
    return ", ".join(parts)


def _tell_audience(journey: Journey) -> None:
    table(
        ["role", "score", "decision", "because"],
        [
            [
                one.role,
                f"{one.score:.2f}",
                one.outcome,
                ", ".join(f"{reason.weight:+.2f} {reason.evidence}" for reason in one.reasons),
            ]
            for one in journey.audience
        ],
        numbers={"score"},
        whole={"role", "score", "decision"},
    )


def _tell_deliveries(journey: Journey) -> None:
    if not journey.deliveries:
        say("nowhere: no endpoint asked for it")
    for delivery, attempts in journey.deliveries:
        ended = _ended(delivery, len(attempts))
        say(f"{delivery.endpoint} ({delivery.role}), change {delivery.seq}: {ended}")
        say(f"  webhook-id {delivery.id}", "dim")
        if attempts:
            table(
                ["try", "at", "answer", "took", "error"],
                [_attempt(one) for one in attempts],
                numbers={"try", "answer", "took"},
                whole={"try", "at", "answer", "took"},
                indent=2,
            )


def _ended(delivery: Delivery, tries: int) -> str:
    match delivery.state:
        case DeliveryState.PENDING if not delivery.attempt:
            return "on its way"
        case DeliveryState.PENDING:
            wait = delivery.next_attempt_at - now()
            when = f"in {span(wait)}" if wait > timedelta(0) else "now"
            return f"not taken yet, next try {when}"
        case DeliveryState.DELIVERED:
            return "delivered at the first try" if tries == 1 else f"delivered at try {tries}"
        case DeliveryState.DEAD:
            return f"given up after {tries} tries"
        case DeliveryState.WITHDRAWN:
            return "withdrawn: the role may not see the signal any more"


def _attempt(one: Attempt) -> list[object]:
    took = f"{one.latency_ms:.0f} ms" if one.latency_ms is not None else NOTHING
    return [one.attempt, moment(one.at), one.status, took, plain(one.error or "")]
