"""Lists of signals, by any filter in any order: both engines give what a plain list gives."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from hub.graphql.filters import SignalFilter
from hub.kinds import Department, Family, Severity, kinds_of
from hub.signals import Account, Classification, Origin, Signal, Status
from hub.store import Store, open_store
from hub.store.migrate import migrate
from hub.store.pages import Order, Window, falls, signals_page
from hub.store.rows import read_row, signal_rows
from hub.store.signals import save
from hub.store.stats import count_signals
from hub.store.tables import AccountRow
from tests.conftest import new_database
from tests.engines import Postgres
from tests.prepared import write_migrated

KINDS = ["sales.deal.won", "sales.deal.lost", "sales_x.y", "support.ticket.opened", "x.own"]
KINDS += ["sales", "sales-x.y", "salesx", "Sales.deal.won"]  # none is below sales
PATTERNS = [*KINDS, "*", "sales.*", "sales.deal.*", "s%.*", "sales_.*", "none.*"]
SOURCES = ["crm", "chat", "mail"]
ACCOUNTS = ["a1", "A2", "é3"]
LABELS = ["vip", "it's", 'q"uote', "back\\slash", "ünï", ""]
TIMES = [datetime(2026, 11, day, tzinfo=UTC) + timedelta(microseconds=day % 3) for day in (1, 2, 3)]
# What is searched for, and which of the titles say it.
TITLES = ["Alpha beta", "Beta, gamma!", "gamma ALPHA beta", "Delta"]
SAID: dict[str, set[str]] = {
    "alpha": {TITLES[0], TITLES[2]},
    "bet": {TITLES[0], TITLES[1], TITLES[2]},
    '"alpha beta"': {TITLES[0], TITLES[2]},
    '"beta gamma"': {TITLES[1]},
    "gamma alph*": {TITLES[2]},
    "nobody": set(),
}


def made(number: int) -> Signal:
    """Make one of a mix in which every value meets every other, and many times are the same."""
    return Signal(
        # Of equals the order is that of bytes: the digits, then Z, then a, then what is not ASCII.
        id=f"{'0Zaé'[number % 4]}{number:03}",
        source=SOURCES[number // 2 % 3],
        external_id=str(number),
        revision="1",
        kind=KINDS[number % 9],
        department=list(Department)[number // 3 % 4],
        title=TITLES[number // 5 % 4],
        summary="",
        body=None,
        url=None,
        origin=Origin.POLL,
        occurred_at=TIMES[number // 7 % 3],
        received_at=TIMES[0],
        updated_at=TIMES[number // 11 % 3],
        revised_at=TIMES[0],
        severity=Severity(number // 4 % 5),
        status=list(Status)[number // 6 % 4],
        classification=Classification.INTERNAL,
        sentiment=None,
        account=None if number % 4 == 3 else Account(ACCOUNTS[number % 3], "An account"),
        author=None,
        owner=None,
        labels=tuple(dict.fromkeys((LABELS[number % 6], LABELS[number // 6 % 6])))[: number % 3],
        attributes={},
        thread=None,
    )


EVERY = [made(number) for number in range(60)]


def several(values: Sequence[Any]) -> st.SearchStrategy[list[Any] | None]:
    return st.none() | st.lists(st.sampled_from(values), max_size=3)


leaves = st.builds(
    SignalFilter,
    kinds=several(PATTERNS),
    families=several(list(Family)),
    departments=several(list(Department)[:5]),
    sources=several([*SOURCES, "none"]),
    accounts=several([*ACCOUNTS, "none"]),
    labels=several([*LABELS, "none"]),
    all_labels=several(LABELS),
    statuses=several(list(Status)),
    min_severity=st.none() | st.sampled_from(Severity),
    max_severity=st.none() | st.sampled_from(Severity),
    occurred_after=st.none() | st.sampled_from(TIMES),
    occurred_before=st.none() | st.sampled_from(TIMES),
    text=st.none() | st.sampled_from(list(SAID)),
)


def sparse(given: SignalFilter, kept: set[str]) -> SignalFilter:
    """Leave all but some parts out: with all of them hardly anything fits."""
    return replace(given, **{name: None for name in vars(given) if name not in kept})


parts = ["kinds", "families", "departments", "sources", "accounts", "labels", "all_labels"]
parts += ["statuses", "min_severity", "max_severity", "occurred_after", "occurred_before", "text"]
leaf = st.builds(sparse, leaves, st.sets(st.sampled_from(parts), max_size=2))
filters = st.recursive(
    leaf,
    lambda inner: st.builds(
        lambda own, both, either, without: replace(own, and_=both, or_=either, not_=without),
        leaf,
        st.none() | st.lists(inner, max_size=2),
        st.none() | st.lists(inner, max_size=2),
        st.none() | inner,
    ),
    max_leaves=5,
)


def fits(given: SignalFilter, one: Signal) -> bool:  # noqa: C901, PLR0911, PLR0912 - a line a part
    """Judge as the API's descriptions say, in the plainest way."""
    if given.kinds is not None and not any(is_of(one.kind, of) for of in given.kinds):
        return False
    if given.families is not None and family(one.kind) not in given.families:
        return False
    account = one.account.id if one.account else None
    for wanted, value in (
        (given.departments, one.department),
        (given.sources, one.source),
        (given.accounts, account),
        (given.statuses, one.status),
    ):
        if wanted is not None and value not in wanted:
            return False
    if given.labels is not None and not set(given.labels) & set(one.labels):
        return False
    if given.all_labels is not None and not set(given.all_labels) <= set(one.labels):
        return False
    if given.min_severity is not None and one.severity < given.min_severity:
        return False
    if given.max_severity is not None and one.severity > given.max_severity:
        return False
    if given.occurred_after is not None and one.occurred_at < given.occurred_after:
        return False
    if given.occurred_before is not None and one.occurred_at >= given.occurred_before:
        return False
    if given.text is not None and one.title not in SAID[given.text]:
        return False
    if given.and_ is not None and not all(fits(part, one) for part in given.and_):
        return False
    if given.or_ is not None and not any(fits(part, one) for part in given.or_):
        return False
    return given.not_ is None or not fits(given.not_, one)


def is_of(kind: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    return kind.startswith(pattern[:-1]) if pattern.endswith(".*") else kind == pattern


def family(kind: str) -> Family:
    return next((one for one in Family if kind in kinds_of(one)), Family.GENERIC)


def in_order(order: Order) -> list[Signal]:
    keys: dict[Order, Any] = {
        Order.UPDATED: lambda one: (one.updated_at, one.id.encode()),
        Order.SEVERITY: lambda one: (one.severity, one.occurred_at, one.id.encode()),
    }
    by_time = lambda one: (one.occurred_at, one.id.encode())  # noqa: E731
    return sorted(EVERY, key=keys.get(order, by_time), reverse=falls(order))


@dataclass(slots=True)
class Engines:
    runner: asyncio.Runner
    stores: list[Store]


@pytest.fixture(scope="module")
def engines(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Generator[Engines]:
    """Fill both engines once, in a loop that Hypothesis can drive."""
    file = tmp_path_factory.mktemp("lists") / "hub.db"
    write_migrated(file)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        stores = runner.run(opened(stack, file, postgres))
        yield Engines(runner, stores)
        runner.run(stack.aclose())


async def opened(stack: AsyncExitStack, file: Path, postgres: Postgres) -> list[Store]:
    url = await stack.enter_async_context(new_database(postgres))
    stores = [
        await stack.enter_async_context(open_store(one)) for one in (f"sqlite:///{file}", url)
    ]
    for store in stores:
        await fill(store)
    return stores


async def fill(store: Store) -> None:
    await migrate(store)
    async with store.write() as connection:
        rows = [
            {"id": id_, "name": "An account", "words": " an account", "created_at": TIMES[0]}
            for id_ in ACCOUNTS
        ]
        await connection.execute(insert(AccountRow), rows)
        await save(connection, EVERY, [])


async def walked(
    store: Store, asked: SignalFilter, order: Order, size: int, *, back: bool
) -> list[Signal]:
    """Read a whole list page by page, forward or backward."""
    condition = asked.condition(lambda one: one)
    found: list[Signal] = []
    window = Window(size, backward=back)
    while True:
        page = await signal_rows(store, condition, order, window)
        given = [read_row(row) for _, row in page.items]
        found = given + found if back else found + given
        more = page.has_previous if back else page.has_next
        if not more:
            return found
        assert len(given) == size
        key = tuple(page.items[0 if back else -1][0])
        times = [datetime.fromisoformat(one) if is_time(one) else one for one in key]
        at = tuple(times)
        window = replace(window, before=at) if back else replace(window, after=at)


def is_time(part: object) -> bool:
    return isinstance(part, str) and part.endswith("+00:00")


@settings(max_examples=60, deadline=None)
@given(
    asked=filters,
    order=st.sampled_from([one for one in Order if one is not Order.RELEVANCE]),
    size=st.sampled_from([7, 20, 100]),
    back=st.booleans(),
)
def test_both_engines_give_what_a_plain_list_gives(
    engines: Engines, asked: SignalFilter, order: Order, size: int, back: bool
) -> None:
    wanted = [one for one in in_order(order) if fits(asked, one)]

    async def ask(store: Store) -> None:
        found = await walked(store, asked, order, size, back=back)
        assert [one.id for one in found] == [one.id for one in wanted]
        assert found == wanted
        condition = asked.condition(lambda one: one)
        async with store.read() as connection:
            assert await count_signals(connection, condition) == len(wanted)
            page = await signals_page(connection, condition, order, Window(size, backward=back))
        assert [one for _, one in page.items] == (wanted[-size:] if back else wanted[:size])

    for store in engines.stores:
        engines.runner.run(ask(store))


def test_the_filters_let_something_through() -> None:
    """Say so if the mix above were such that all lists are empty."""
    for asked in (
        SignalFilter(kinds=["sales.*"], min_severity=Severity.HIGH),
        SignalFilter(labels=['q"uote'], text="bet"),
        SignalFilter(not_=SignalFilter(sources=["crm"])),
    ):
        assert 2 < sum(fits(asked, one) for one in EVERY) < len(EVERY)
