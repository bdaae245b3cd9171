"""Gold: every fault that its cursor family can meet."""

from datetime import timedelta

from hub.errors import (
    AuthFailed,
    ConnectorFailed,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.testing.checks.bronze import RECORDS
from hub.testing.faults import Fault, No
from hub.testing.front import Answered, Ask, Asked, Trouble
from hub.testing.stage import Failed, Stage, expect, where
from hub.testing.troubles import (
    breaking_off,
    cutting,
    drifting,
    linking,
    redirecting,
    refusing,
    repeating,
    swelling,
)

A_MINUTE = timedelta(minutes=1)
_NONE = timedelta(0)
DRIFTING = 12  # records that share out the fields that are made null
TURNS = range(0, 90, DRIFTING + 1)  # one more, so that lists of one record get another field too


async def forbidden(stage: Stage) -> str:
    """Expect: what it may not read is said, and read once it may."""
    stage.create_many(RECORDS)
    no = No(403, {"error": "forbidden", "message": "Your role may not read this"})
    with stage.playing(Fault.FORBIDDEN, refusing(no)):
        report = await stage.poll()
    expect(isinstance(report.error, (AuthFailed, SourceMisbehaved)), _got(report.error))
    _no_bug(report.error)
    await stage.expect_all_once()
    return f"{type(report.error).__name__}, then all was read"


async def short_pages(stage: Stage) -> str:
    """Expect: a page with fewer records than were asked for is not the last."""
    stage.twin.page = 1
    stage.create_many(RECORDS)
    await stage.expect_all_once()
    stage.twin.page = 3
    stage.create_many(RECORDS, RECORDS + 1)
    await stage.die(1)
    stage.twin.page = 2
    await stage.expect_all_once()
    return "pages of one, then of three and of two"


async def empty_page(stage: Stage) -> str:
    """Expect: an empty page that names another is not the last, already in the same poll."""
    for first in (1, RECORDS + 1):
        names = stage.create_many(RECORDS, first)
        stage.twin.blank()
        report = await stage.poll_well()
        while report.more:
            report = await stage.poll_well()
        known = await stage.signals(*names)
        expect(len(known) == RECORDS, f"the poll ended at it, with {len(known)} of {RECORDS} read")
        await stage.expect_all_once()
    return "at the first read and at a later one"


async def duplicate_page(stage: Stage) -> str:
    """Expect: a page that comes twice brings nothing twice, and costs no other."""
    stage.create_many(RECORDS)
    for _ in range(2):
        with stage.playing(Fault.DUPLICATE_PAGE, repeating(stage.twin)):
            report = await stage.poll()
        _no_bug(report.error)
    await stage.expect_all_once()
    return "nothing twice, nothing lost"


async def same_second(stage: Stage) -> str:
    """Expect: more changes in one moment than a page holds, and one more after they were read."""
    moment = stage.twin.now().replace(microsecond=0)
    first = [stage.create(number, moment) for number in range(1, RECORDS + 1)]
    await stage.poll_well(soon=True)
    stage.create(RECORDS + 1, moment)
    await stage.expect_all_once()
    if Fault.EDIT in stage.twin.excused:
        return f"{RECORDS} records, then one more in the same second"
    moment = stage.twin.now().replace(microsecond=0)
    for number, name in enumerate(first[:4], 1):
        stage.edit(number, name, moment)
    await stage.poll_well(soon=True)
    stage.edit(RECORDS, first[RECORDS - 1], moment)
    await stage.expect_all_once()
    return f"{RECORDS} records and edits, then one more of each in the same second"


async def clock_skew(stage: Stage) -> str:
    """Expect: the vendor's clock may go back by a minute, as when its servers differ."""
    stage.create(1)
    await stage.expect_all_once()
    for number, (skew, then) in enumerate(((_NONE, -A_MINUTE), (A_MINUTE, _NONE)), 1):
        stage.twin.skew = skew
        stage.create(2 * number)
        await stage.poll_well(soon=True)
        stage.twin.skew = then
        stage.create(2 * number + 1)
        await stage.poll_well(soon=True)
        await stage.expect_all_once()
    return "back from the right time, and back to it"


async def drift(stage: Stage) -> str:
    """Expect: what is unknown is passed over, and a null costs at most its own record."""
    names = stage.create_many(DRIFTING)
    stage.twin.page = DRIFTING
    with stage.playing(Fault.DRIFT, drifting(stage.twin, None)):
        await stage.expect_all_once()
    for turn in TURNS:
        await stage.start_over()
        with stage.playing(Fault.DRIFT, drifting(stage.twin, turn)):
            report = await stage.poll()
        _no_bug(report.error)
        expect(report.error is None, f"a null in one record stopped the poll: {report.error}")
        met = report.seen_before + report.signals + report.quarantined
        expect(met >= DRIFTING // 2, f"nulls in some records cost others: only {met} were met")
    await stage.start_over()
    await stage.poll_until_known(*names)
    return "unknown fields, and each field null in some record"


async def large_body(stage: Stage) -> str:
    """Expect: 10 MB are read or refused; 17 MB are refused; neither stops the source for good."""
    stage.create_many(RECORDS)
    with stage.playing(Fault.LARGE_BODY, swelling(10)):
        report = await stage.poll()
    _no_bug(report.error)
    expect(report.error is None or isinstance(report.error, SourceMisbehaved), _got(report.error))
    read = "read" if report.error is None else "refused"
    stage.create(RECORDS + 1)
    with stage.playing(Fault.LARGE_BODY, swelling(17)):
        report = await stage.poll()
    if stage.speaks_http:
        expect(isinstance(report.error, SourceMisbehaved), _got(report.error))
    _no_bug(report.error)
    await stage.expect_all_once()
    return f"10 MB were {read}, 17 MB refused"


async def cut_short(stage: Stage) -> str:
    """Half an answer is none, however it comes: nothing of it counts as gone."""
    stage.create_many(RECORDS)
    for trouble in (cutting, breaking_off):
        await _half(stage, trouble, 0)
    await stage.expect_all_once()
    for number, trouble in enumerate((cutting, breaking_off), RECORDS + 1):
        stage.create(number)
        await _half(stage, trouble, 0)
    stage.create_many(RECORDS, RECORDS + 3)
    await _half(stage, cutting, 1)
    await stage.expect_all_once()
    return "cut off and broken off"


async def _half(stage: Stage, trouble: Trouble, after: int) -> None:
    cut = False

    async def play(asked: Asked, ask: Ask) -> Answered:
        async def whole() -> Answered:
            nonlocal cut
            answered = await ask()
            cut = cut or bool(answered.body)
            return answered

        return await trouble(asked, whole)

    with stage.playing(Fault.CUT_SHORT, play, after):
        report = await stage.poll()
    # After a page there may be nothing more to ask for, or nothing that is new (304).
    if after and report.error is None and not (cut and report.pages > 1):
        return
    expect(isinstance(report.error, (SourceMisbehaved, SourceUnavailable)), _got(report.error))
    _no_bug(report.error)


async def other_host(stage: Stage) -> str:
    """Expect: no link and no redirect takes it, and the token, to another host."""
    house = stage.house
    house.decoy.asked.clear()
    stage.create_many(RECORDS)
    with stage.playing(Fault.OTHER_HOST, redirecting(house.decoy_url)):
        report = await stage.poll()
    expect(isinstance(report.error, SourceMisbehaved), _got(report.error))
    with stage.playing(Fault.OTHER_HOST, linking(stage.url, house.decoy_url)):
        report = await stage.poll()
    _no_bug(report.error)
    expect(not house.decoy.asked, "it followed to another host")
    await stage.expect_all_once()
    expect(not house.decoy.asked, "it remembered another host, and asked there")
    return "nobody was asked there"


async def cursor_expired(stage: Stage) -> str:
    """Expect: where the vendor forgot how far it was, it reads again, and nothing is lost."""
    stage.create_many(RECORDS)
    await stage.die(1)
    stage.twin.forget()
    await stage.expect_all_once()
    stage.twin.forget()
    stage.create(RECORDS + 1)
    await stage.expect_all_once()
    return "midway and later"


def _no_bug(error: Exception | None) -> None:
    if isinstance(error, ConnectorFailed):
        raise Failed(f"it broke: {where(error.__cause__)}")


def _got(error: Exception | None) -> str:
    return "nothing was said" if error is None else f"it raised {type(error).__name__}: {error}"
