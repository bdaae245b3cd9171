"""How fast one core judges signals for the six roles."""

from itertools import islice

from hub.config import read_config
from hub.connector import Draft
from hub.kinds import kind_info
from hub.route import Router
from hub.signals import Account, Origin, Person, Signal, new_id
from tests.bench.drafts import PAGE, START, pages
from tests.bench.measured import Clock, Result, median, rounded, spread

SIGNALS = 5_000


def bench_routing(runs: int, signals: int = SIGNALS) -> Result:
    roles = read_config("", {}).roles
    written = [
        _signal(page.source, draft)
        for page in islice(pages(), signals // PAGE)
        for draft in page.drafts
    ]
    speeds: list[float] = []
    sent = 0
    for _ in range(runs):
        router = Router(roles)  # without what it remembers of the run before
        sent = 0
        with (clock := Clock()):
            for signal in written:
                for relevance in router.audience(signal, START):
                    sent += relevance.outcome == "sent"
        speeds.append(len(written) * len(roles) / clock.cost.cpu)
    return Result(
        name="routing",
        value=rounded(median(speeds)),
        unit="decisions/s",
        runs=runs,
        detail={
            "range": spread(speeds),
            "us_per_signal": rounded(1e6 * len(roles) / median(speeds)),
            "roles": len(roles),
            "signals": len(written),
            "sent": rounded(sent / (len(written) * len(roles))),
        },
    )


def _signal(source: str, draft: Draft) -> Signal:
    """Make the signal that the pipeline makes of a new record, without a database."""
    info = kind_info(draft.kind)
    return Signal(
        id=new_id(),
        source=source,
        external_id=draft.external_id,
        revision=draft.revision,
        kind=draft.kind,
        department=info.department,
        title=draft.title,
        summary=draft.summary,
        body=draft.body,
        url=draft.url,
        origin=Origin.POLL,
        occurred_at=draft.occurred_at,
        received_at=draft.revised_at,
        updated_at=draft.revised_at,
        revised_at=draft.revised_at,
        severity=info.severity if draft.severity is None else draft.severity,
        status=draft.status,
        classification=draft.classification,
        sentiment=draft.sentiment,
        account=Account(draft.account.domain or "", draft.account.name) if draft.account else None,
        author=Person(draft.author.name, draft.author.name) if draft.author else None,
        owner=Person(draft.owner.name, draft.owner.name) if draft.owner else None,
        labels=draft.labels,
        attributes=draft.attributes,
        thread=draft.thread,
    )
