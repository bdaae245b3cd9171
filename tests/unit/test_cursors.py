"""Cursor families: whatever happens between two requests, each record is seen as it is in the end.

Polls are broken off after any page, as by a crash, and go on from the cursor that was stored.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.connector import (
    AuthFailed,
    Batch,
    Cursor,
    Delta,
    Draft,
    EventLog,
    IdWatermark,
    ModifiedSince,
    NewestFirst,
    OpaqueToken,
    Page,
    RateLimited,
    Seen,
    Snapshot,
    SourceMisbehaved,
    Status,
    now,
    streams,
)
from hub.connector.clock import moved
from hub.signals import Json

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
Record = dict[str, Any]
Pull = Callable[[Cursor], AsyncIterator[Page]]


def draft(record: Record) -> Draft:
    return Draft(
        kind="content.post",
        external_id=str(record["id"]),
        revision=str(record["version"]),
        revised_at=record["at"],
        occurred_at=record["at"],
        title=f"Record {record['id']}",
    )


def changed(record: Record) -> datetime:
    at: datetime = record["at"]
    return at


@dataclass
class Vendor:
    """Records in memory; each request may be followed by changes, as in life."""

    size: int = 2
    records: dict[int, Record] = field(default_factory=dict)
    clock: datetime = START
    meanwhile: list[tuple[int, int]] = field(default_factory=list)
    asked: int = 0

    def write(self, number: int, seconds: int = 0) -> None:
        self.clock += timedelta(seconds=seconds)
        version = self.records.get(number, {"version": 0})["version"] + 1
        self.records[number] = {"id": number, "version": version, "at": self.clock}

    def between(self) -> None:
        self.asked += 1
        if self.meanwhile:
            self.write(*self.meanwhile.pop(0))

    def sorted(self) -> list[Record]:
        return sorted(self.records.values(), key=lambda one: (one["at"], one["id"]))

    async def by_offset(self, since: datetime | None, place: Json) -> Batch:
        """Answer a page of what changed since, by number of records: it shifts as they change."""
        due = [one for one in self.sorted() if since is None or one["at"] >= since]
        start = place if isinstance(place, int) else 0
        page = due[start : start + self.size]
        following = start + self.size if start + self.size < len(due) else None
        self.between()
        return Batch(page, following)

    async def by_key(self, since: datetime | None, place: Json) -> Batch:
        """Answer a page after the last record given, as a vendor's opaque cursor does."""
        due = [one for one in self.sorted() if since is None or one["at"] >= since]
        if isinstance(place, list):
            due = [one for one in due if [one["at"].isoformat(), one["id"]] > place]
        page = due[: self.size]
        last = [page[-1]["at"].isoformat(), page[-1]["id"]] if len(due) > self.size else None
        self.between()
        return Batch(page, last)


@dataclass
class Poll:
    """Polls with a cursor as the hub keeps it: that of the last page which was stored."""

    pull: Pull
    cursor: Cursor = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)

    async def poll(self, stop_after: int = 1000) -> list[Page]:
        read: list[Page] = []
        pull: Any = self.pull(self.cursor)
        async with aclosing(pull) as pages:
            async for page in pages:
                assert not (page.more and page.cursor == self.cursor), "the cursor did not move"
                self.cursor = page.cursor
                for one in page.drafts:
                    known = self.seen.get(one.external_id, 0)
                    self.seen[one.external_id] = max(known, int(one.revision))
                read.append(page)
                if len(read) >= stop_after:
                    break
        self.pages += read
        return read


def truth(vendor: Vendor) -> dict[str, int]:
    return {str(number): one["version"] for number, one in vendor.records.items()}


writes = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=14)
stops = st.lists(st.integers(1, 3), max_size=4)


@settings(max_examples=400, deadline=None)
@given(
    first=writes,
    meanwhile=writes,
    stops=stops,
    size=st.integers(1, 4),
    moving=st.booleans(),
    overlap=st.integers(0, 5),
)
def test_modified_since_misses_nothing_that_changes_while_it_is_read(
    first: list[tuple[int, int]],
    meanwhile: list[tuple[int, int]],
    stops: list[int],
    size: int,
    moving: bool,
    overlap: int,
) -> None:
    # Where pages move, one must hold more records than share a moment: see the family.
    vendor = Vendor(size + moving)
    for number, seconds in first:
        vendor.write(number, seconds + moving)
    # What changes in the moment in which it is read is left to `overlap`: so time passes here.
    vendor.meanwhile = [(number, max(seconds, 1)) for number, seconds in meanwhile]
    family = ModifiedSince(timedelta(seconds=overlap), moving=moving)
    ask = vendor.by_offset if moving else vendor.by_key
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        while vendor.meanwhile:
            await poll.poll()
        # A walk that was broken off ends; what changed meanwhile in the moment of its newest record
        # is found by the next, since its bound is inclusive.
        vendor.size = 100
        await poll.poll()
        await poll.poll()

    asyncio.run(run())
    assert poll.seen == truth(vendor)


async def test_pages_by_offset_lose_records_where_the_family_is_not_told_that_they_move() -> None:
    """The trap is real: without `moving` a record slips from an unread page to a read one."""

    async def seen(*, moving: bool) -> set[str]:
        vendor = Vendor(2)
        for number in range(1, 6):
            vendor.write(number, 1)
        vendor.meanwhile = [(1, 1)]
        family = ModifiedSince(timedelta(0), moving=moving)
        poll = Poll(lambda cursor: family.pages(cursor, vendor.by_offset, changed, read=draft))
        await poll.poll()
        return set(poll.seen)

    assert "3" not in await seen(moving=False)
    assert await seen(moving=True) == {"1", "2", "3", "4", "5"}


async def test_a_clock_ahead_of_ours_does_not_hold_a_walk_at_one_page() -> None:
    vendor = Vendor(2, clock=now() + timedelta(seconds=50))
    for number in range(1, 8):
        vendor.write(number, 1)
    family = ModifiedSince(moving=True)
    poll = Poll(lambda cursor: family.pages(cursor, vendor.by_offset, changed, read=draft))
    await poll.poll()
    assert set(poll.seen) == {str(number) for number in range(1, 8)}
    assert vendor.asked < 20
    vendor.clock = now()  # the clock is put right: what comes now is not behind the mark
    vendor.write(9)
    await poll.poll()
    assert "9" in poll.seen


async def test_what_the_index_shows_late_is_found_within_the_overlap_and_the_cursor_rests() -> None:
    vendor = Vendor(10)
    vendor.write(1)
    vendor.write(2, 60)
    late = vendor.records.pop(1) | {"at": START + timedelta(seconds=30)}
    family = ModifiedSince(timedelta(seconds=45))
    poll = Poll(lambda cursor: family.pages(cursor, vendor.by_key, changed, read=draft))
    await poll.poll()
    vendor.records[1] = late
    await poll.poll()
    assert poll.seen == {"1": 1, "2": 1}
    before = dict(poll.cursor)
    await poll.poll()
    assert poll.cursor == before


@pytest.mark.parametrize("moving", [False, True])
async def test_more_than_one_question_gives_is_asked_for_from_the_newest_seen(moving: bool) -> None:
    vendor = Vendor(2)
    for number in range(1, 12):
        vendor.write(number, 1)
    asked: list[tuple[datetime | None, Json]] = []

    async def ask(since: datetime | None, place: Json) -> Batch:
        asked.append((since, place))
        assert not isinstance(place, int) or place < 4, "the vendor refuses to page further"
        return await vendor.by_offset(since, place)

    family = ModifiedSince(timedelta(0), cap=4, moving=moving)
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft))
    await poll.poll()
    assert poll.seen == truth(vendor)


async def test_more_records_at_one_moment_than_can_be_asked_for_are_an_error_that_says_so() -> None:
    vendor = Vendor(2)
    for number in range(1, 9):
        vendor.write(number)
    family = ModifiedSince(timedelta(0), cap=4)
    poll = Poll(lambda cursor: family.pages(cursor, vendor.by_offset, changed, read=draft))
    with pytest.raises(SourceMisbehaved, match="4 records changed at 2026-05-04T09:00:00"):
        await poll.poll()


@settings(max_examples=200, deadline=None)
@given(
    first=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1)), max_size=24),
    meanwhile=writes,
    stops=stops,
    size=st.integers(1, 3),
    moving=st.booleans(),
)
def test_more_records_at_one_moment_than_one_may_page_through_are_read_by_their_names(
    first: list[tuple[int, int]],
    meanwhile: list[tuple[int, int]],
    stops: list[int],
    size: int,
    moving: bool,
) -> None:
    vendor = Vendor(size)
    for number, seconds in first:
        vendor.write(number, seconds)
    vendor.meanwhile = [(number, max(seconds, 1)) for number, seconds in meanwhile]
    most = size if moving else 2 * size  # one page past the first may be asked for, or none

    async def ask(since: datetime | None, place: Json) -> Batch:
        assert not isinstance(place, int) or place < most, "the vendor refuses to page further"
        return await vendor.by_offset(since, place)

    async def at(moment: datetime, place: Json) -> Batch:
        after = place if isinstance(place, int) else 0
        due = [one for one in vendor.sorted() if one["at"] == moment and one["id"] > after]
        page = due[:size]
        vendor.between()
        return Batch(page, page[-1]["id"] if len(due) > size else None)

    cap = None if moving else most
    family = ModifiedSince(timedelta(0), cap=cap, moving=moving, tick=timedelta(seconds=1))
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft, at=at))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        while vendor.meanwhile:
            await poll.poll()
        await poll.poll()
        await poll.poll()

    asyncio.run(run())
    if moving or not meanwhile:  # else what slips between pages is the trap that `moving` is for
        assert poll.seen == truth(vendor)


async def test_a_record_of_a_time_to_come_hides_none_of_today() -> None:
    vendor = Vendor(10)
    vendor.write(1)
    vendor.records[9] = {"id": 9, "version": 1, "at": datetime(2099, 1, 1, tzinfo=UTC)}
    family = ModifiedSince()
    poll = Poll(lambda cursor: family.pages(cursor, vendor.by_key, changed, read=draft))
    await poll.poll()
    vendor.clock = datetime.now(UTC)
    vendor.write(2)
    await poll.poll()
    assert poll.seen == truth(vendor)


async def test_a_page_that_is_kept_no_longer_is_read_again_and_one_just_given_is_an_error() -> None:
    vendor = Vendor(2)
    for number in range(1, 6):
        vendor.write(number, 1)
    kept = True

    async def ask(since: datetime | None, place: Json) -> Batch:
        if place is not None and not kept:
            raise SourceMisbehaved("400 Bad Request", status=400)
        return await vendor.by_key(since, place)

    poll = Poll(lambda cursor: ModifiedSince().pages(cursor, ask, changed, read=draft))
    await poll.poll(1)
    kept = False
    with pytest.raises(SourceMisbehaved, match="400"):
        await poll.poll()
    kept = True
    await poll.poll()
    assert poll.seen == truth(vendor)


async def test_a_place_that_stays_is_an_error_and_an_empty_page_with_a_next_one_is_not() -> None:
    async def stands(since: datetime | None, place: Json) -> Batch:
        del since, place
        return Batch([], "again")

    poll = Poll(lambda cursor: ModifiedSince().pages(cursor, stands, changed, read=draft))
    with pytest.raises(SourceMisbehaved, match="the next page is this page again"):
        await poll.poll()

    async def empty_first(since: datetime | None, place: Json) -> Batch:
        del since
        return Batch([{"id": 1, "version": 1, "at": START}]) if place else Batch([], "on")

    poll = Poll(lambda cursor: ModifiedSince().pages(cursor, empty_first, changed, read=draft))
    await poll.poll()
    assert poll.seen == {"1": 1}


@settings(max_examples=50, deadline=None)
@given(first=writes, later=writes, stops=stops, size=st.integers(1, 4), expire=st.booleans())
def test_a_token_resumes_after_every_page_and_its_expiry_reads_all_again(
    first: list[tuple[int, int]],
    later: list[tuple[int, int]],
    stops: list[int],
    size: int,
    expire: bool,
) -> None:
    vendor = Vendor()
    log: list[Record] = []
    generation = 0

    def write(number: int, seconds: int) -> None:
        vendor.write(number, seconds)
        log.append(vendor.records[number])

    async def ask(token: Json) -> Delta:
        made, _, place = str(token or f"{generation}/0").partition("/")
        if int(made) != generation:
            raise SourceMisbehaved("410 Gone", status=410)
        start = int(place)
        page = log[start : start + size]
        end = start + len(page)
        return Delta(page, f"{generation}/{end}", more=end < len(log))

    poll = Poll(lambda cursor: OpaqueToken().pages(cursor, ask, read=draft))

    async def run() -> None:
        nonlocal generation
        for one in first:
            write(*one)
        for stop in stops:
            await poll.poll(stop)
        for one in later:
            write(*one)
        generation += expire
        await poll.poll()
        await poll.poll()

    asyncio.run(run())
    assert poll.seen == truth(vendor)


@settings(max_examples=50, deadline=None)
@given(
    ids=st.lists(st.integers(1, 300), unique=True, max_size=20),
    split=st.integers(0, 20),
    stops=stops,
    size=st.integers(1, 5),
)
def test_ids_are_compared_as_numbers(
    ids: list[int], split: int, stops: list[int], size: int
) -> None:
    ordered = sorted(ids)
    there = ordered[:split]

    async def ask(after: str | None) -> Batch:
        due = [one for one in there if one > int(after or 0)]
        page = [{"id": str(one), "version": 1, "at": START} for one in reversed(due[:size])]
        return Batch(page, "more" if len(due) > size else None)

    def name(record: Record) -> str:
        return str(record["id"])

    poll = Poll(lambda cursor: IdWatermark().pages(cursor, ask, name, read=draft))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        await poll.poll()
        there.extend(ordered[split:])
        await poll.poll()

    asyncio.run(run())
    assert set(poll.seen) == {str(one) for one in ids}


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 59)), max_size=12),
    stops=stops,
    size=st.integers(1, 4),
    waits=st.lists(st.integers(0, 50), max_size=20),
)
def test_ids_that_are_committed_out_of_their_order_are_each_read_once(
    rows: list[tuple[int, int]], stops: list[int], size: int, waits: list[int]
) -> None:
    """Rows are numbered some seconds apart and show a while later; asking takes its time too."""
    begin = now()
    made: list[tuple[Record, datetime]] = []
    for number, (apart, hidden) in enumerate(rows, 1):
        at = (made[-1][0]["at"] if made else begin) + timedelta(seconds=apart)
        record: Record = {"id": number, "version": 1, "at": at}
        made.append((record, at + timedelta(seconds=hidden)))

    def name(record: Record) -> str:
        return str(record["id"])

    async def run() -> Poll:
        with ExitStack() as passing:

            async def ask(after: str | None) -> Batch:
                here = [one for one, shown in made if shown <= now()]
                due = [one for one in here if one["id"] > int(after or 0)]
                passing.enter_context(moved(timedelta(seconds=waits.pop() if waits else 1)))
                return Batch(due[:size], "more" if len(due) > size else None)

            family = IdWatermark(settling=timedelta(minutes=1))
            poll = Poll(lambda cursor: family.pages(cursor, ask, name, read=draft, at=changed))
            for stop in stops:
                await poll.poll(stop)
            passing.enter_context(moved(timedelta(minutes=20)))
            await poll.poll()
        return poll

    poll = asyncio.run(run())
    assert [*poll.seen] == [one.external_id for page in poll.pages for one in page.drafts]
    assert sorted(map(int, poll.seen)) == [*range(1, len(rows) + 1)]
    assert poll.cursor == ({"after": str(len(rows))} if rows else {}), "all is settled"


async def test_what_an_id_watermark_looks_up_it_looks_up_for_new_records_alone() -> None:
    looked_up: list[list[str]] = []
    records: list[Record] = [{"id": str(number), "version": 1, "at": now()} for number in (1, 2)]

    async def ask(after: str | None) -> Batch:
        return Batch([one for one in records if int(one["id"]) > int(after or 0)])

    async def complete(new: Sequence[Record]) -> Sequence[Record]:
        looked_up.append([one["id"] for one in new])
        return [{**one, "version": 7} for one in new]

    def name(record: Record) -> str:
        return str(record["id"])

    family = IdWatermark(settling=timedelta(minutes=1))
    poll = Poll(
        lambda cursor: family.pages(cursor, ask, name, read=draft, at=changed, complete=complete)
    )
    await poll.poll()
    assert poll.seen == {"1": 7, "2": 7}
    records.insert(0, {"id": "3", "version": 1, "at": now()})
    await poll.poll()
    await poll.poll()
    assert looked_up == [["1", "2"], ["3"]]
    assert poll.cursor == {"read": [1, 2, 3]}


async def test_more_that_brings_nothing_new_is_an_error() -> None:
    async def ask(after: str | None) -> Batch:
        del after
        return Batch([{"id": "5", "version": 1, "at": START}], "more")

    def name(record: Record) -> str:
        return str(record["id"])

    poll = Poll(lambda cursor: IdWatermark().pages(cursor, ask, name, read=draft))
    with pytest.raises(SourceMisbehaved, match="more is said to follow 5"):
        await poll.poll()


@settings(max_examples=400, deadline=None)
@given(
    first=writes,
    meanwhile=writes,
    stops=stops,
    size=st.integers(1, 4),
    bounded=st.booleans(),
    cap=st.sampled_from([None, 14]),
)
def test_newest_first_reads_the_whole_window_wherever_it_was_broken_off(
    first: list[tuple[int, int]],
    meanwhile: list[tuple[int, int]],
    stops: list[int],
    size: int,
    bounded: bool,
    cap: int | None,
) -> None:
    """Posts of which each is new: `bounded` APIs know a lower bound, the others do not."""
    apart = cap is not None  # no more share a moment than one question gives
    history = enumerate([*first, *meanwhile], 1)
    posts = [(number, seconds + apart) for number, (_, seconds) in history]
    vendor = Vendor(size, clock=now() - timedelta(hours=1))
    for post in posts[: len(first)]:
        vendor.write(*post)
    vendor.clock = now() + timedelta(minutes=10)
    vendor.meanwhile = posts[len(first) :]

    async def ask(since: datetime | None, until: datetime | None, place: Json) -> Batch:
        due = [
            one
            for one in reversed(vendor.sorted())
            if (since is None or not bounded or one["at"] >= since)
            and (until is None or one["at"] <= until)
        ][: cap or 1000]
        if isinstance(place, list):
            due = [one for one in due if [one["at"].isoformat(), one["id"]] < place]
        page = due[:size]
        last = [page[-1]["at"].isoformat(), page[-1]["id"]] if len(due) > size else None
        vendor.between()
        return Batch(page, last)

    family = NewestFirst(timedelta(0), cap=cap)
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        while vendor.meanwhile:
            await poll.poll()
        with moved(timedelta(hours=1)):
            await poll.poll()
            await poll.poll()  # the walk that was broken off, then what came above its top

    asyncio.run(run())
    assert poll.seen == truth(vendor)


@settings(max_examples=50, deadline=None)
@given(
    hours=st.lists(st.integers(0, 200), max_size=20),
    stops=stops,
    size=st.integers(1, 4),
    capped=st.booleans(),
)
def test_an_event_log_is_read_span_by_span(
    hours: list[int], stops: list[int], size: int, capped: bool
) -> None:
    now = datetime.now(UTC)
    events: list[Record] = [
        {"id": number, "version": 1, "at": now - timedelta(hours=passed, seconds=number * 5)}
        for number, passed in enumerate(hours)
    ]
    cap = max(size, 3) if capped else None

    async def ask(since: datetime, until: datetime, place: Json) -> Batch:
        assert until - since <= timedelta(days=1) + family.lag
        due = sorted((one for one in events if since <= one["at"] <= until), key=changed)
        start = place if isinstance(place, int) else 0
        assert cap is None or start < cap, "the vendor refuses to page further"
        following = start + size if start + size < len(due) else None
        return Batch(due[start : start + size], following)

    family = EventLog(span=timedelta(days=1), cap=cap)
    since = now - timedelta(hours=220)
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft, since=since))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        await poll.poll()
        # One that is written late, and one after a quiet time.
        events.append({"id": 98, "version": 1, "at": now - timedelta(seconds=90)})
        events.append({"id": 99, "version": 1, "at": datetime.now(UTC)})
        await poll.poll()
        rests = dict(poll.cursor)
        await poll.poll()
        assert poll.cursor == rests

    asyncio.run(run())
    assert set(poll.seen) == {str(one["id"]) for one in events}


async def test_a_first_sync_ends_with_no_short_span_after_which_late_events_were_lost() -> None:
    began = datetime.now(UTC) - timedelta(days=3)
    spans: list[timedelta] = []
    events: list[Record] = [{"id": 1, "version": 1, "at": began + timedelta(days=2, hours=23.9)}]

    async def ask(since: datetime, until: datetime, _: Json) -> Batch:
        spans.append(until - since)
        return Batch([one for one in events if since <= one["at"] <= until])

    family = EventLog(span=timedelta(days=1))
    poll = Poll(lambda cursor: family.pages(cursor, ask, changed, read=draft, since=began))
    await poll.poll()
    assert min(spans) >= timedelta(days=1)
    events.append({"id": 2, "version": 1, "at": events[0]["at"]})
    await poll.poll()
    assert set(poll.seen) == {"1", "2"}


async def test_a_snapshot_tells_what_is_new_what_changed_and_what_is_gone_once() -> None:
    there: dict[str, str] = {"a": "1", "b": "1"}
    asked: list[Mapping[str, Json]] = []

    async def ask(validators: Mapping[str, Json]) -> Seen | None:
        asked.append(validators)
        tag = repr(sorted(there.items()))
        if validators.get("etag") == tag:
            return None
        return Seen([{"key": key, "state": state} for key, state in there.items()], {"etag": tag})

    def read(record: Record, rounds: int) -> Draft:
        return Draft(
            kind="ops.incident.triggered",
            external_id=record["key"],
            revision=f"{record['state']}/{rounds}",
            revised_at=START,
            occurred_at=START,
            title=record["key"],
            status=Status.RESOLVED if record["state"] == "gone" else Status.OPEN,
        )

    def pull(cursor: Cursor) -> AsyncIterator[Page]:
        return Snapshot().pages(
            cursor,
            ask,
            key=lambda record: record["key"],
            version=lambda record: record["state"],
            read=read,
            gone=lambda key, _: {"key": key, "state": "gone"},
        )

    cursor: Cursor = {}

    async def poll() -> list[str]:
        nonlocal cursor
        pages = [page async for page in pull(cursor)]
        cursor = pages[-1].cursor
        return [f"{one.external_id}={one.revision}" for page in pages for one in page.drafts]

    assert await poll() == ["a=1/1", "b=1/1"]
    assert await poll() == []
    del there["a"]
    assert await poll() == ["a=gone/2"]
    there["a"] = "1"
    assert await poll() == ["a=1/3"], "it came back looking as before: it is told as new"
    there["b"] = "2"
    assert await poll() == ["b=2/4"]
    there["b"] = "odd"
    assert [one["etag"] for one in asked[1:] if one] != []


async def test_what_never_was_a_signal_does_not_end_as_one() -> None:
    there: list[Record] = [{"key": "bad"}, {"no": "key"}]

    async def ask(_: Mapping[str, Json]) -> Seen:
        return Seen(list(there))

    def read(record: Record, _: int) -> Draft:
        return draft(record)  # has no id: it cannot be read

    def pull(cursor: Cursor) -> AsyncIterator[Page]:
        return Snapshot().pages(
            cursor,
            ask,
            key=lambda record: record["key"],
            version=lambda _: "1",
            read=read,
            gone=lambda key, _: {"id": key, "version": "1", "at": START},
        )

    [page] = [page async for page in pull({})]
    assert [bad.reason for bad in page.bad] == ["the field 'id' is missing"] * 2
    there.clear()
    [page] = [page async for page in pull(page.cursor)]
    assert not page.drafts


def stream(vendor: Vendor, family: ModifiedSince, name: str = "") -> Pull:
    def read(record: Record) -> Draft:
        return draft(record | {"id": f"{name}{record['id']}"})

    return lambda cursor: family.pages(cursor, vendor.by_key, changed, read=read)


@settings(max_examples=30, deadline=None)
@given(first=writes, second=writes, stops=stops, overlap=st.integers(0, 5))
def test_streams_take_turns_and_each_keeps_its_own_place(
    first: list[tuple[int, int]], second: list[tuple[int, int]], stops: list[int], overlap: int
) -> None:
    vendors = {"a": Vendor(1), "b": Vendor(2)}
    for name, history in (("a", first), ("b", second)):
        for write in history:
            vendors[name].write(*write)
    family = ModifiedSince(timedelta(seconds=overlap))
    pulls = {name: stream(vendor, family, name) for name, vendor in vendors.items()}
    poll = Poll(lambda cursor: streams(cursor, pulls))

    async def run() -> None:
        for stop in stops:
            await poll.poll(stop)
        await poll.poll()
        for vendor in vendors.values():
            vendor.size = 100
        pages = await poll.poll()
        assert len(pages) <= 1, "what is told twice joins one page: no cursor stands between two"

    asyncio.run(run())
    expected = {
        f"{name}{number}": one["version"]
        for name, vendor in vendors.items()
        for number, one in vendor.records.items()
    }
    assert poll.seen == expected


async def test_a_busy_stream_does_not_starve_a_small_one() -> None:
    busy, small = Vendor(1), Vendor(1)
    for number in range(1, 30):
        busy.write(number, 1)
    small.write(1)
    family = ModifiedSince()
    poll = Poll(
        lambda cursor: streams(
            cursor, {"busy": stream(busy, family, "busy"), "small": stream(small, family, "small")}
        )
    )
    await poll.poll(2)
    assert "small1" in poll.seen


@pytest.mark.parametrize(
    ("error", "told", "others"),
    [
        (AuthFailed("403 Forbidden"), SourceMisbehaved, True),
        (SourceMisbehaved("404 Not Found"), SourceMisbehaved, True),
        (RateLimited("429", timedelta(seconds=9)), RateLimited, False),
    ],
)
async def test_a_stream_that_fails_stops_the_others_only_where_the_account_is_at_its_limit(
    error: Exception, told: type[Exception], others: bool
) -> None:
    async def fails(since: datetime | None, place: Json) -> Batch:
        del since, place
        raise error

    vendor = Vendor(1)
    for number in range(1, 5):
        vendor.write(number, 1)
    family = ModifiedSince()
    poll = Poll(
        lambda cursor: streams(
            cursor,
            {
                "bad": lambda part: family.pages(part, fails, changed, read=draft),
                "good": stream(vendor, family),
            },
        )
    )
    with pytest.raises(told):
        await poll.poll()
    assert (poll.seen == truth(vendor)) is others


async def test_where_no_stream_may_be_read_the_sign_in_is_wrong() -> None:
    async def fails(since: datetime | None, place: Json) -> Batch:
        del since, place
        raise AuthFailed("401 Unauthorized")

    def pull(cursor: Cursor) -> AsyncIterator[Page]:
        return ModifiedSince().pages(cursor, fails, changed, read=draft)

    poll = Poll(lambda cursor: streams(cursor, {"a": pull, "b": pull}))
    with pytest.raises(AuthFailed):
        await poll.poll()
