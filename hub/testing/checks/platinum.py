"""Platinum: what went is known to be gone, push and poll are one, and real payloads are read."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import get_args

from pydantic import SecretStr

from hub.connector import Accepted, Draft, Page, Pushed, now
from hub.connector.clock import moved
from hub.errors import PushRefused
from hub.ingest import Reading, ingest
from hub.signals import Status
from hub.testing.checks.bronze import RECORDS
from hub.testing.faults import Call, Fault
from hub.testing.recorded import recordings_of
from hub.testing.stage import Failed, Stage, expect

_SIGNS_IN = re.compile("auth|cookie|key|secret|signature|token")
OVER = frozenset({Status.DELETED, Status.RESOLVED})


async def gone(stage: Stage) -> str:
    """Expect: what is deleted, or is there no more, is over; the rest is as it was."""
    names = stage.create_many(RECORDS)
    await stage.expect_all_once()
    before = await stage.signals()
    stage.delete(2, names[1])
    await stage.poll_until_known()
    signals, how = await stage.signals(), ""
    if signals[names[1]].status not in OVER and _can_push(stage):
        await _push(stage, 2)
        signals, how = await stage.signals(), ", told by a push"
    status = signals[names[1]].status
    expect(status in OVER, f"it is still {status.value}")
    others = [name for name in names if name != names[1]]
    changed = [name for name in others if signals[name].revision != before[name].revision]
    expect(not changed, f"others changed with it: {', '.join(changed)}")
    report = await stage.poll_well()
    expect(not report.signals, "it is told again and again")
    return f"{status.value}{how}"


def _can_push(stage: Stage) -> bool:
    try:
        stage.twin.push(2)
    except NotImplementedError:
        return False
    return Fault.PUSH not in stage.twin.excused


async def push(stage: Stage) -> str:
    """Expect: a push brings what a poll would have brought, and the other then knows it."""
    [first] = stage.create_many(1)
    await _push(stage, 1)
    expect(first in await stage.signals(), "the push was taken and brought nothing")
    await stage.expect_all_once()
    second = stage.create(2)
    await stage.expect_all_once()
    again = await _push(stage, 2)
    expect(not again, f"{again} signals of a push about what was known")
    stage.edit(2, second)
    await _push(stage, 2)
    await stage.expect_all_once()
    return "one signal, whichever came first"


async def _push(stage: Stage, number: int) -> int:
    """Send what the vendor would send of a record, and count the signals that come of it."""
    source = stage.source()
    call = stage.twin.push(number)
    request = pushed(stage.twin.pushed_to, call)
    try:
        verdict = source.connector.verify(request)
    except PushRefused as error:
        raise Failed(f"it refuses what the vendor signed: {error}") from error
    expect(isinstance(verdict, Accepted), "it replies to news as to a challenge")
    _refuses_others(stage, request)
    found = source.connector.read(replace(request, headers=_kept(request.headers)))
    drafts = [one for one in found if isinstance(one, Draft)]
    expect(len(drafts) == len(found), "a push that the vendor would send cannot be read whole")
    reading = Reading(stage.name, notify_after=(await stage.standing()).notify_after)
    done = await ingest(stage.house.store, reading, Page(drafts, {}), stage.house.plan)
    if isinstance(verdict, Accepted) and verdict.poll is not None:
        return (await stage.poll_well()).signals
    return len(done.signals)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave out what signs a request in, as the hub does when it stores one."""
    return {name: value for name, value in headers.items() if not _SIGNS_IN.search(name)}


def pushed(url: str, call: Call) -> Pushed:
    headers = {name.lower(): value for name, value in call.headers.items()}
    url = f"{url}?{call.query}" if call.query else url
    return Pushed(call.method, url, headers, call.body, now())


def _refuses_others(stage: Stage, request: Pushed) -> None:
    """Whoever has not the secret is refused: so with every secret another."""
    settings = {**stage.twin.settings(stage.url), **stage.given}
    for name, about in stage.connector.model_fields.items():
        if SecretStr in (about.annotation, *get_args(about.annotation)) and settings.get(name):
            settings[name] = SecretStr("d2hvZXZlci1oYXMtbm90LXRoZS1zZWNyZXQtaXMtcmVmdXNlZA==")
    try:
        stage.connector.model_validate(settings).verify(request)
    except PushRefused:
        return
    raise Failed("it takes a push that is signed with another secret")


async def recorded(stage: Stage) -> str:
    """Expect: answers of the real system are read whole: nothing is set aside."""
    recordings = recordings_of(stage.twin, stage.kind)
    if not recordings:
        raise Failed("no payloads of the real system lie beside the twin, in recorded/")
    said = []
    for recording in recordings:
        if stage.speaks_http:
            stage.house.front.app = recording.app(stage.url)
        else:
            stage.twin.replay([one.model_dump() for one in recording.exchanges])
        stage.given = recording.settings
        with moved(recording.at - now() if recording.at else timedelta()):
            await stage.start_over()
            came = await stage.poll_until_known(soon=recording.at is not None)
        if bad := await stage.bad():
            raise Failed(f"of {recording.source}: {bad[0].reason}")
        expect(
            came == recording.signals,
            f"of {recording.source}: {came} signals, not {recording.signals}",
        )
        said.append(f"{came} signals of {recording.source}")
    return "; ".join(said)
