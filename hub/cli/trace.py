"""`hub trace`: the recorded journey of one signal."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.signals import Relevance, Signal
    from hub.store import Store
    from hub.store.attempts import Attempt
    from hub.store.deliveries import Delivery
    from hub.store.log import Change
    from hub.store.pushes import Push

CANDIDATES = 10  # shown when a prefix is not unique
LINES = 500  # of the log, read at a time


@dataclass(frozen=True, slots=True)
class Journey:
    """What the hub recorded about one signal. `seq`: the change that was asked for, if one was."""

    signal: "Signal"
    revisions: Sequence[Mapping[str, Any]]
    changes: "Sequence[Change]"
    audience: "Sequence[Relevance]"
    deliveries: "Sequence[tuple[Delivery, Sequence[Attempt]]]"
    pushes: "Sequence[Push]"
    seq: int | None = None


def trace(
    signal: Annotated[
        str, typer.Argument(help="Its id or the start of it, an event's id (id.seq), a webhook-id.")
    ],
    json: AsJson = False,
) -> None:
    """Tell the journey of one signal, and why.

    What was read and when, who should hear of it for which reasons, where it was sent.
    """
    settings = prepare.settings()
    journey = prepare.run(_journey(settings, signal))
    if json:
        as_json(_facts(journey))
        return
    from hub.cli.story import tell

    tell(journey)


async def _journey(settings: "Settings", asked: str) -> Journey:
    from hub.access import Always
    from hub.store.attempts import attempts
    from hub.store.deliveries import deliveries
    from hub.store.pushes import pushes_of
    from hub.store.relevance import relevance_of
    from hub.store.signals import by_ids, revisions_of

    asked, _, number = asked.strip().partition(".")
    async with prepare.store(settings) as store:
        id_, seq = await _find(store, asked.lower())
        seq = _seq(number) or seq
        async with store.read() as connection:
            signal = (await by_ids(connection, [id_], Always()))[id_]
            sent = [
                one for one in await deliveries(connection, signal_id=id_) if seq in {None, one.seq}
            ]
            return Journey(
                signal=signal,
                revisions=await revisions_of(connection, id_),
                changes=await _changes(store, id_),
                audience=(await relevance_of(connection, [id_])).get(id_, []),
                deliveries=[(one, await attempts(connection, one.id)) for one in sent],
                pushes=await pushes_of(connection, signal.source, signal.external_id),
                seq=seq,
            )


async def _find(store: "Store", prefix: str) -> tuple[str, int | None]:
    """Find the one signal whose id begins so, or the one that a webhook-id told of.

    Raises Refused.
    """
    from hub.errors import Code, Refused
    from hub.store.deliveries import deliveries
    from hub.store.signals import ids_starting

    if not prefix:
        raise Refused(
            Code.INVALID, "an empty id names no signal", "Give an id, or the start of one"
        )
    async with store.read() as connection:
        found = await ids_starting(connection, prefix, CANDIDATES + 1)
        sent = await deliveries(connection, ids=[prefix])
    if sent:
        return sent[0].signal_id, sent[0].seq
    if not found:
        raise Refused(
            Code.NOT_FOUND,
            f"no signal has an id that begins with {prefix!r}",
            "Copy the id from GraphQL, the dashboard or a webhook",
        )
    if len(found) > 1:
        more = ", ..." if len(found) > CANDIDATES else ""
        raise Refused(
            Code.INVALID,
            f"several signals have ids that begin with {prefix!r}",
            f"Give more letters: {', '.join(found[:CANDIDATES])}{more}",
        )
    return found[0], None


def _seq(number: str) -> int | None:
    from hub.errors import Code, Refused

    if not number:
        return None
    if not (number.isascii() and number.isdigit()):
        raise Refused(Code.INVALID, f"{number!r} is no seq", "An event's id is <signal>.<seq>")
    return int(number)


async def _changes(store: "Store", id_: str) -> "list[Change]":
    from hub.store.pages import Window, history_page

    changes: list[Change] = []
    after = None
    while True:
        async with store.read() as connection:
            page = await history_page(connection, id_, Window(LINES, after=after))
        changes += [change for _, change in page.items]
        if not page.has_next:
            return changes
        after = page.items[-1][0]


def _facts(journey: Journey) -> dict[str, Any]:
    """Write the journey for programs."""
    signal = asdict(journey.signal)
    signal["severity"] = journey.signal.severity.name.lower()
    signal["classification"] = journey.signal.classification.name.lower()
    return {
        "signal": signal,
        "revisions": journey.revisions,
        "changes": journey.changes,
        "pushes": [
            {
                "id": one.id,
                "delivery": one.delivery,
                "received_at": one.event.received_at,
                "state": one.state,
            }
            for one in journey.pushes
        ],
        "roles": [
            {
                "role": one.role,
                "outcome": one.outcome,
                "score": one.score,
                "reasons": [asdict(reason) for reason in one.reasons],
            }
            for one in journey.audience
        ],
        "deliveries": [
            {
                **asdict(delivery),
                "event_id": f"{delivery.signal_id}.{delivery.seq}",
                "attempts": [asdict(one) for one in tries],
            }
            for delivery, tries in journey.deliveries
        ],
    }
