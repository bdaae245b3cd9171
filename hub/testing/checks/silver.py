"""Silver: it goes on where it stopped, sees edits, knows what it has seen, and can be refused."""

from datetime import timedelta

from hub.errors import AuthFailed, RateLimited, SourceError, SourceUnavailable
from hub.store.sources import State
from hub.testing.checks.bronze import RECORDS
from hub.testing.faults import Fault, No
from hub.testing.stage import Stage, expect
from hub.testing.troubles import refusing

ASKED_TO_WAIT = 90  # seconds


async def crash(stage: Stage) -> str:
    """Expect: polls that die before and after a page lose nothing and bring nothing twice."""
    stage.create_many(RECORDS)
    deaths = 0
    for after in range(RECORDS + 1):
        deaths += await stage.die(after % 2)
    await stage.expect_all_once()
    expect(deaths, "no poll asked for anything")
    return f"{deaths} polls died"


async def again(stage: Stage) -> str:
    """Expect: what is read again from the start is known."""
    stage.create_many(RECORDS)
    await stage.expect_all_once()
    await stage.start_over()
    came = await stage.poll_until_known()
    expect(not came, f"{came} signals came from reading again what had not changed")
    await stage.expect_known_once()
    return f"{RECORDS} records, all known"


async def edit(stage: Stage) -> str:
    """Expect: an edit is one more version of the same signal."""
    names = stage.create_many(RECORDS)
    await stage.expect_all_once()
    before = await stage.signals()
    for number in (1, RECORDS):
        stage.edit(number, names[number - 1])
        await stage.expect_all_once()
    after = await stage.signals()
    for number in (1, RECORDS):
        name = names[number - 1]
        expect(_shown(before[name]) != _shown(after[name]), f"{name} shows nothing of its edit")
    return "the oldest and the newest record, one version more each"


async def token_expired(stage: Stage) -> str:
    """Expect: polling stops and people are told; after the repair it goes on where it stood."""
    return await _refused(stage, Fault.TOKEN_EXPIRED, stage.twin.denied(), AuthFailed)


async def limited(stage: Stage) -> str:
    """Expect: it waits for as long as the vendor asks."""
    said = await _refused(stage, Fault.LIMITED, stage.twin.limited(ASKED_TO_WAIT), RateLimited)
    return f"{said}, and waited the {ASKED_TO_WAIT} s"


async def broken(stage: Stage) -> str:
    """Expect: a server's error is no answer, whatever stands in it."""
    page = b"<html><h1>Oops</h1></html>"
    first, then = (No(status, page, {"content-type": "text/html"}) for status in (500, 503))
    return await _refused(stage, Fault.BROKEN, first, SourceUnavailable, then)


async def _refused(
    stage: Stage, fault: Fault, no: No, kind: type[SourceError], then: No | None = None
) -> str:
    """Refuse at once and then between two pages; both times nothing is lost."""
    first = len(stage.made) + 1
    for after, refusal in ((0, no), (1, then or no)):
        stage.create_many(RECORDS, first + after * RECORDS)
        with stage.playing(fault, refusing(refusal), after):
            report = await stage.poll()
        if after and report.error is None and report.pages <= 1:
            continue  # all came in one page: there is no between
        expect(report.error is not None, "it took the refusal for an answer")
        assert report.error is not None
        error = report.error
        expect(
            isinstance(error, kind),
            f"it raised {type(error).__name__}, not {kind.__name__}: {error}",
        )
        await _stands(stage, error)
        await stage.expect_all_once()
        standing = await stage.standing()
        expect(standing.state is State.OK, f"it is {standing.state} after the repair")
    return f"{kind.__name__}, at once and midway"


async def _stands(stage: Stage, error: SourceError) -> None:
    standing = await stage.standing()
    if isinstance(error, AuthFailed):
        expect(standing.state is State.AUTH_FAILED, f"the source is {standing.state}")
        expect(standing.next_poll_at is None, "polling goes on")
    elif isinstance(error, RateLimited) and stage.speaks_http:
        asked, waits = timedelta(seconds=ASKED_TO_WAIT), error.retry_after or timedelta(0)
        # Some name the second at which one may ask again, and one of them is over in between.
        near = abs(waits - asked) <= timedelta(seconds=2)
        expect(near, f"it was to wait {asked}, and waits {waits}")


def _shown(signal: object) -> tuple[object, ...]:
    names = ("title", "summary", "body", "status", "severity", "kind", "labels", "attributes")
    return tuple(getattr(signal, name) for name in names)
