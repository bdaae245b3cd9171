"""What vanishes while it is young is told as deleted; what is there never is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.connector import (
    Batch,
    Classification,
    Cursor,
    Draft,
    IdWatermark,
    NewestFirst,
    Page,
    Recent,
    Status,
    streams,
)
from hub.connector.cursors.recent import Ask
from hub.connector.drafts import Reader
from hub.signals import Json

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
WITHIN = timedelta(seconds=10)
Record = dict[str, Any]


def draft(record: Record) -> Draft:
    return Draft(
        kind="content.comment",
        external_id=f"comment/{record['id']}",
        revision="1",
        revised_at=record["at"],
        occurred_at=record["at"],
        title=record["title"],
        classification=Classification.RESTRICTED,
        thread="post/1",
    )


def name(record: Record) -> str:
    return str(record["id"])


def at(record: Record) -> datetime:
    time: datetime = record["at"]
    return time


@dataclass
class Wall:
    """A list that shows what is there, forward by ids or backward by time, and tells no more."""

    size: int = 2
    records: dict[int, Record] = field(default_factory=dict)
    gone: dict[int, Record] = field(default_factory=dict)
    clock: datetime = START

    def write(self, seconds: int) -> int:
        self.clock += timedelta(seconds=seconds)
        number = len(self.records) + len(self.gone) + 1
        self.records[number] = {"id": number, "at": self.clock, "title": f"Comment {number}"}
        return number

    def delete(self, number: int) -> None:
        if number in self.records:
            self.gone[number] = self.records.pop(number)

    async def after(self, number: str | None) -> Batch:
        due = sorted(one for one in self.records if one > int(number or 0))
        page = [self.records[one] for one in due[: self.size]]
        return Batch(page, len(due) > self.size or None)

    async def down(self, since: datetime | None, until: datetime | None, place: Json) -> Batch:
        del since  # as an API that knows no lower bound
        due = sorted(self.records, reverse=True)
        if isinstance(place, int):
            due = [one for one in due if one < place]
        page = [self.records[one] for one in due[: self.size]]
        page = [one for one in page if until is None or one["at"] <= until]
        return Batch(page, page[-1]["id"] if len(due) > self.size and page else None)

    def by_ids(self, cursor: Cursor, recent: Recent) -> AsyncIterator[Page]:
        def walk(place: Cursor, ask: Ask, read: Reader) -> AsyncIterator[Page]:
            return IdWatermark().pages(place, ask, name, read=read)

        def again(first: str, oldest: datetime) -> Cursor:
            del oldest
            return {"after": str(int(first) - 1)}

        return recent.pages(cursor, self.after, walk, name=name, at=at, read=draft, again=again)

    def by_time(self, cursor: Cursor, recent: Recent) -> AsyncIterator[Page]:
        def walk(place: Cursor, ask: Ask, read: Reader) -> AsyncIterator[Page]:
            return NewestFirst(recent.within).pages(place, ask, at, read=read)

        return recent.pages(cursor, self.down, walk, name=name, at=at, read=draft)


@dataclass
class Poll:
    """Polls as the hub does, and keeps what it would: the newest revision of each signal."""

    wall: Wall
    way: str
    recent: Recent = field(default_factory=lambda: Recent(WITHIN))
    cursor: Cursor = field(default_factory=dict)
    stored: set[tuple[str, str]] = field(default_factory=set)
    current: dict[str, Draft] = field(default_factory=dict)

    async def poll(self, stop_after: int = 1000) -> list[Draft]:
        fresh: list[Draft] = []
        pull: Any = getattr(self.wall, self.way)(self.cursor, self.recent)
        async with aclosing(pull) as pages:
            async for page in pages:
                self.cursor = page.cursor
                for one in page.drafts:
                    if (one.external_id, one.revision) not in self.stored:
                        self.stored.add((one.external_id, one.revision))
                        self.current[one.external_id] = one
                        fresh.append(one)
                stop_after -= 1
                if not stop_after:
                    break
        return fresh

    def watched(self) -> int:
        known = self.cursor["known"]
        return len(known) if isinstance(known, dict) else 0

    def deleted(self) -> set[int]:
        gone = (one for one in self.current.values() if one.status is Status.DELETED)
        return {int(one.external_id.removeprefix("comment/")) for one in gone}


ways = st.sampled_from(["by_ids", "by_time"])
# Write after so many seconds (0 to 4), delete one (negative), or poll so many pages (10 and more).
happenings = st.lists(st.integers(-12, 14).filter(bool), max_size=40)


@settings(max_examples=150, deadline=None)
@given(way=ways, what=happenings, size=st.integers(1, 4))
def test_the_young_that_vanish_are_deleted_and_nothing_else_is(
    way: str, what: list[int], size: int
) -> None:
    wall = Wall(size)
    poll = Poll(wall, way)

    async def run() -> None:
        for one in what:
            if one < 0:
                wall.delete(-one)
            elif one < 10:
                wall.write(one % 5)
            else:
                await poll.poll(one - 9)
            assert poll.deleted() <= wall.gone.keys()
        await poll.poll()  # to the end of a walk that may have begun before a deletion
        await poll.poll()

    asyncio.run(run())
    told = {one for one in wall.gone if f"comment/{one}" in poll.current}
    young = {one for one in told if wall.gone[one]["at"] > wall.clock - WITHIN}
    assert young <= poll.deleted() <= wall.gone.keys()
    assert {f"comment/{one}" for one in wall.records} <= poll.current.keys()


@pytest.mark.parametrize("way", ["by_ids", "by_time"])
async def test_a_deletion_repeats_who_may_see_it_and_no_text(way: str) -> None:
    wall = Wall()
    poll = Poll(wall, way)
    for _ in range(3):
        wall.write(1)
    await poll.poll()
    wall.delete(2)
    [gone] = await poll.poll()
    assert (gone.external_id, gone.kind, gone.thread) == ("comment/2", "content.comment", "post/1")
    assert gone.classification is Classification.RESTRICTED
    assert "Comment" not in gone.model_dump_json()
    assert await poll.poll() == []


@pytest.mark.parametrize("way", ["by_ids", "by_time"])
async def test_what_comes_back_is_told_once_more(way: str) -> None:
    wall = Wall()
    poll = Poll(wall, way)
    for _ in range(3):
        wall.write(1)
    await poll.poll()
    lost, wall.records = wall.records, {}
    assert {one.status for one in await poll.poll()} == {Status.DELETED}
    wall.records = lost
    back = await poll.poll()
    assert sorted(one.title for one in back) == ["Comment 1", "Comment 2", "Comment 3"]
    assert await poll.poll() == []


@pytest.mark.parametrize("way", ["by_ids", "by_time"])
async def test_of_a_busy_list_the_cursor_keeps_only_the_youngest(way: str) -> None:
    wall = Wall(size=50)
    poll = Poll(wall, way, Recent(timedelta(days=1), most=7))
    for _ in range(500):
        wall.write(1)
    while await poll.poll(1):
        assert poll.watched() <= 14
    await poll.poll()
    assert poll.watched() == 7
    wall.delete(499)
    wall.delete(1)
    await poll.poll()
    assert poll.deleted() == {499}


async def test_one_that_cannot_be_told_from_others_keeps_all_from_being_called_gone() -> None:
    wall = Wall()
    poll = Poll(wall, "by_time")
    for _ in range(3):
        wall.write(1)
    await poll.poll()
    wall.delete(1)
    del wall.records[2]["title"]  # it cannot be read, and is still there
    await poll.poll()
    assert poll.deleted() == {1}
    time = wall.records[2].pop("at")
    wall.delete(3)
    await poll.poll()
    assert poll.deleted() == {1}
    wall.records[2] |= {"at": time, "title": "Comment 2"}
    await poll.poll()
    assert poll.deleted() == {1, 3}


async def test_a_stream_that_looks_again_each_time_does_not_starve_the_next() -> None:
    first, second = Wall(1), Wall(1)
    for _ in range(5):
        first.write(1)
        second.write(1)
    recent, told = Recent(WITHIN), set[str]()
    cursor: Cursor = {}
    for _ in range(30):  # the process dies after each page
        pulls = {
            "first": lambda part: first.by_ids(part, recent),
            "second": lambda part: second.by_time(part, recent),
        }
        pages: Any = streams(cursor, pulls)
        async with aclosing(pages):
            page = await anext(pages)
        cursor = page.cursor
        told |= {one.external_id for one in page.drafts}
        assert not any(one.status is Status.DELETED for one in page.drafts)
    assert cursor.keys() >= {"first", "second"}
    assert len(told) == 5


async def test_the_last_page_of_streams_says_that_it_is_the_last() -> None:
    wall = Wall()
    wall.write(1)
    pages = [
        page async for page in streams({}, {"one": lambda part: wall.by_ids(part, Recent(WITHIN))})
    ]
    assert [page.more for page in pages] == [False]
    assert [draft.external_id for page in pages for draft in page.drafts] == ["comment/1"]
