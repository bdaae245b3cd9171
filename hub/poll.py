"""One poll of one source: pages in, each stored with its cursor, and the outcome said in words."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hub import metrics, traces
from hub.ahead import read_ahead
from hub.bus import Bus
from hub.config import HUB_SOURCE, SourceConfig
from hub.connector import Cursor, Draft, Opened, Page
from hub.errors import (
    AuthFailed,
    ConnectorFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
    StoreUnavailable,
)
from hub.hidden import redact
from hub.http import Clients
from hub.ingest import (
    Claim,
    Ingested,
    LeaseLost,
    Plan,
    Reading,
    announce,
    ingest,
    ingest_within,
)
from hub.jobs import Waker
from hub.lease import LEASE, Held
from hub.logs import about
from hub.opening import opened
from hub.pace import pace
from hub.signals import Origin, Status
from hub.store import Store
from hub.store.clock import clock
from hub.store.sources import Standing, State, prolong, settle

MOST_PAGES = 1000
LONGEST_POLL = 60.0  # seconds; then it goes on behind the others that are due
LONGEST_WAIT = timedelta(minutes=15)
TOLD_AFTER = 5  # failures in a row until people hear that a source is silent

# Asked for each page: roles and endpoints may change while a poll goes on.
CurrentPlan: TypeAlias = Callable[[], Plan]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What one poll brought."""

    pages: int = 0
    signals: int = 0
    seen_before: int = 0
    too_old: int = 0
    quarantined: int = 0
    error: SourceError | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Poller:
    """Everything a poll needs; one for the process."""

    store: Store
    clients: Clients
    bus: Bus
    waker: Waker
    _held: Held[str] = field(default_factory=lambda: Held(prolong))
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Let every poll under way end after the page it is at; what is left is due at once."""
        self._ending.set()

    async def poll(
        self,
        source: SourceConfig,
        standing: Standing,
        plan: CurrentPlan,
        report: Report | None = None,
    ) -> Report:
        """Read what is new at a claimed source and settle its row, whatever happens.

        An empty `report` that is passed in can be watched as it fills.
        Raises StoreUnavailable; then the source is still held, see `give_back`.
        """
        assert standing.lease is not None, "only a claimed source is polled"
        report = report or Report()
        timed = metrics.timed(metrics.poll_seconds.labels(source.name))
        said = about(source=source.name, lease=standing.lease)
        traced = traces.span("poll", source=source.name, connector=source.kind)
        with self._held.hold(source.name, standing.lease), timed, said, traced as spanned:
            try:
                await self._pages(source, standing, plan, report)
            except SourceError as error:
                report.error = error
            except StoreUnavailable:
                raise
            except asyncio.CancelledError:
                await self.give_back(standing)
                raise
            except Exception as error:
                # A connector's bug must not end the loop; the log has its traceback.
                logger.exception("a connector failed", extra={"source": source.name})
                report.error = ConnectorFailed(
                    f"the connector {source.kind} failed: {type(error).__name__}; the log has more"
                )
                report.error.__cause__ = error
            spanned.tell(pages=report.pages, signals=report.signals)
            if report.error is not None:
                spanned.fail(report.error)
            await self._settle(source, standing, plan, report)
        metrics.polls.labels(source.name, _outcome(report.error)).inc()
        return report

    async def give_back(self, standing: Standing) -> None:
        """Let another worker poll at once: this one does not, or was stopped."""
        assert standing.lease is not None
        async with self.store.write() as connection:
            due = {"next_poll_at": await clock(connection)}
            await settle(connection, standing.name, standing.lease, due)

    async def _pages(
        self, source: SourceConfig, standing: Standing, plan: CurrentPlan, report: Report
    ) -> None:
        reading = Reading(
            source.name,
            notify_after=standing.notify_after,
            classification=source.classification,
            department=source.department,
        )
        assert standing.lease is not None
        claim = Claim(standing.lease, LEASE)
        clock = asyncio.get_running_loop().time
        ends = clock() + LONGEST_POLL
        cursor: Any = standing.cursor
        stood = False
        async with (
            opened(source.connector.endpoint(), self.clients) as api,
            aclosing(_pull(source, api, cursor)) as pulled,
            aclosing(read_ahead(pulled)) as pages,
        ):
            async for page in pages:
                report.pages += 1
                if stood or (page.more and page.cursor == cursor):
                    raise SourceMisbehaved(
                        f"the cursor did not move between two pages of {source.name}"
                    )
                if page.drafts or page.bad or page.cursor != cursor:
                    traced = traces.span("ingest", page=report.pages, drafts=len(page.drafts))
                    with metrics.timed(metrics.page_seconds), traced:
                        done = await ingest(self.store, reading, page, plan(), claim=claim)
                    report.signals += len(done.signals)
                    report.seen_before += done.seen_before
                    report.too_old += done.too_old
                    report.quarantined += done.quarantined
                    await announce(done, self.bus, self.waker)
                stood = page.cursor == cursor
                cursor = page.cursor
                if report.pages >= MOST_PAGES or clock() >= ends or self._ending.is_set():
                    report.more = page.more
                    return

    async def _settle(
        self, source: SourceConfig, standing: Standing, plan: CurrentPlan, report: Report
    ) -> None:
        assert standing.lease is not None
        told: Ingested | None = None
        try:
            async with self.store.write() as connection:
                at = await clock(connection)
                outcome = after_poll(source, standing, report, at)
                # News are told in the same transaction: the next poll cannot know that they are
                # still to be told. And before: who has a source's row waits for nobody's numbers.
                if (draft := _news(source.name, standing, report, at)) is not None:
                    reading = Reading(HUB_SOURCE, origin=Origin.DERIVED)
                    told = await ingest_within(connection, reading, Page([draft], {}), plan(), at)
                if not await settle(connection, source.name, standing.lease, outcome):
                    raise LeaseLost(f"another worker took over {source.name}")  # noqa: TRY301
        except LeaseLost:
            metrics.leases_lost.labels("poll").inc()
            logger.warning("a poll was settled too late", extra={"source": source.name})
            return
        if told is not None:
            await announce(told, self.bus, self.waker)
        if report.error is not None and standing.last_error != outcome["last_error"]:
            facts = {"source": source.name, "error": str(report.error)}
            logger.warning("a source cannot be read", extra=facts)
        elif report.error is None and standing.failures:
            logger.info("a source works again", extra={"source": source.name})

    async def beat(self) -> None:
        """Keep the leases of the polls under way alive, until cancelled."""
        await self._held.beat(self.store)


def after_poll(
    source: SourceConfig, standing: Standing, report: Report, at: datetime
) -> dict[str, Any]:
    """Say what a source's row becomes: its state, its words, and when it is asked again."""
    error = report.error
    if error is None:
        brought = bool(report.signals or report.quarantined)
        pause = pace(source, standing, at, brought=brought)
        wait = timedelta(0) if report.more else _spread(pause)
        return {
            **({"brought_at": at} if brought else {}),
            "state": State.OK,
            "failures": 0,
            "last_success_at": at,
            "last_error": None,
            "last_error_at": None,
            "next_poll_at": at + wait,
        }
    failures = standing.failures + 1
    longest = max(LONGEST_WAIT, source.every)
    first = max(source.every, timedelta(seconds=1))
    wait = _spread(min(longest, first * 2 ** min(failures - 1, 20)))
    if isinstance(error, RateLimited) and error.retry_after is not None:
        # Never sooner than it is asked when all is well: some vendors say "retry after 0".
        wait = max(error.retry_after, _spread(first))
    stopped = isinstance(error, AuthFailed)
    return {
        "state": State.AUTH_FAILED if stopped else State.FAILING,
        "failures": failures,
        "last_error": redact(str(error)),
        "last_error_at": at,
        "next_poll_at": None if stopped else at + wait,
    }


def _pull(source: SourceConfig, api: Opened, cursor: Cursor) -> Any:
    return source.connector.pull(api, cursor)


def _outcome(error: SourceError | None) -> str:
    match error:
        case None:
            return "ok"
        case AuthFailed():
            return "auth_failed"
        case RateLimited():
            return "rate_limited"
        case SourceUnavailable():
            return "unavailable"
        case _:
            return "misbehaved"


def _spread(wait: timedelta) -> timedelta:
    """Vary a wait by a tenth, so that sources do not march in step."""
    return wait * random.uniform(0.9, 1.1)  # noqa: S311 - no secret hangs on it


def _news(name: str, standing: Standing, report: Report, at: datetime) -> Draft | None:
    """Make the signal about a source that stopped, fell silent or works again."""
    failures = standing.failures + 1
    if isinstance(report.error, AuthFailed):
        kind, title = "hub.source.auth_failed", f"{name} no longer lets the hub in"
    elif report.error is not None and failures == TOLD_AFTER:
        kind, title = "hub.source.silent", f"{name} has not answered {failures} times"
    elif report.error is None and (
        standing.state is State.AUTH_FAILED or standing.failures >= TOLD_AFTER
    ):
        kind, title = "hub.source.recovered", f"{name} can be read again"
    else:
        return None
    return Draft(
        kind=kind,
        external_id=f"source/{name}",
        revision=at.isoformat(),
        revised_at=at,
        occurred_at=at,
        title=title,
        summary=str(report.error or ""),
        status=Status.OPEN if report.error else Status.RESOLVED,
        attributes={"source_name": name},
    )
