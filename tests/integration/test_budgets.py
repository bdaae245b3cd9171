"""A source's rate budget holds across processes, whoever makes the calls."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.connector import Bearer, Http, SecretStr
from hub.errors import RateLimited
from hub.http import Clients
from hub.store import Store, open_store
from hub.store.budgets import SharedBudget, unexpired
from hub.store.tables import BudgetRow
from tests.running import migrated

CALLS, PERIOD = 20, timedelta(seconds=0.75)


@pytest.fixture(autouse=True)
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.budgets.HOLD", 0.25)


async def test_no_window_holds_more_calls_than_allowed_by_all_together(database_url: str) -> None:
    url = await migrated(database_url)
    made: list[float] = []

    async def caller(budget: SharedBudget) -> None:
        while time.monotonic() < until:
            await budget.take()
            made.append(time.monotonic())

    async with open_store(url) as one, open_store(url) as other:
        budgets = [SharedBudget(store, "account", CALLS, PERIOD) for store in (one, one, other)]
        until = time.monotonic() + 3
        async with asyncio.TaskGroup() as tasks:
            for budget in budgets:
                for _ in range(4):
                    tasks.create_task(caller(budget))
    made.sort()
    window = PERIOD.total_seconds()
    busiest = max(sum(at <= then < at + window for then in made) for at in made)
    assert busiest <= CALLS
    # It is used, too: each period and the second that what was taken is held for gives one load.
    assert len(made) >= CALLS * 2, made


async def test_a_budget_goes_on_where_another_process_left_it(database_url: str) -> None:
    url = await migrated(database_url)
    async with open_store(url) as store:
        for _ in range(CALLS):
            await SharedBudget(store, "account", CALLS, PERIOD).take()
    async with open_store(url) as store:
        began = time.monotonic()
        await SharedBudget(store, "other", CALLS, PERIOD).take()
        assert time.monotonic() - began < 1
        await SharedBudget(store, "account", CALLS, PERIOD).take()
        assert time.monotonic() - began >= 0.5


async def taken(store: Store) -> list[tuple[float, int]]:
    async with store.read() as connection:
        spent = await connection.scalar(select(col(BudgetRow.calls)))
    return [(at, calls) for at, calls in spent or ()]


async def test_who_calls_now_and_then_wastes_little(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.budgets.HOLD", 0.1)
    async with open_store(await migrated(database_url)) as store:
        budget = SharedBudget(store, "account", 1000, timedelta(minutes=1))
        for _ in range(20):
            await budget.take()
            await asyncio.sleep(0.12)
        spent = await taken(store)
    assert sum(calls for _, calls in spent) <= 40


async def test_who_calls_much_asks_the_database_less(database_url: str) -> None:
    async with open_store(await migrated(database_url)) as store:
        budget = SharedBudget(store, "account", 1000, timedelta(minutes=1))
        for _ in range(200):
            await budget.take()
        spent = await taken(store)
    assert len(spent) < 40, spent


async def test_a_pause_holds_for_all_processes_and_over_a_restart(database_url: str) -> None:
    url = await migrated(database_url)
    async with open_store(url) as one, open_store(url) as other:
        here, there = (SharedBudget(store, "account", CALLS, PERIOD) for store in (one, other))
        for budget in (here, there):
            await budget.take()  # so each holds some calls that it took
        await here.pause(timedelta(hours=1))
        await here.pause(timedelta(seconds=1))  # a shorter one does not end it
        with pytest.raises(RateLimited, match="its limit is reached, for 3600 s more") as caught:
            await here.take()
        assert caught.value.retry_after is not None
        await asyncio.sleep(0.3)  # what it held is lost by now
        with pytest.raises(RateLimited):
            await there.take()
        await SharedBudget(other, "another account", CALLS, PERIOD).take()
    async with open_store(url) as store:
        with pytest.raises(RateLimited):
            await SharedBudget(store, "account", CALLS, PERIOD).take()


async def test_a_short_pause_is_waited_for(database_url: str) -> None:
    async with open_store(await migrated(database_url)) as store:
        budget = SharedBudget(store, "account", CALLS, PERIOD)
        began = time.monotonic()
        await budget.pause(timedelta(seconds=0.5))
        await budget.take()
        assert 0.5 <= time.monotonic() - began < 5


async def test_the_busy_do_not_starve_who_asks_now_and_then(database_url: str) -> None:
    """Four callers of another process take all they get; one here wants one call at a time."""
    url = await migrated(database_url)
    waits: list[float] = []

    async def busy(budget: SharedBudget) -> None:
        while time.monotonic() < until:
            await budget.take()

    async with open_store(url) as one, open_store(url) as other:
        greedy, modest = (SharedBudget(store, "account", CALLS, PERIOD) for store in (one, other))
        until = time.monotonic() + 6
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(busy(greedy))
            while time.monotonic() < until - 1:
                began = time.monotonic()
                await modest.take()
                waits.append(time.monotonic() - began)
                await asyncio.sleep(0.2)
    window = PERIOD.total_seconds() + 0.25
    assert max(waits) < 4 * window, waits
    assert len(waits) >= 3


def test_what_a_fast_clock_wrote_does_not_hold_others_up_for_longer() -> None:
    assert unexpired([(900.0, 5), (940.0, 1), (4600.0, 2)], at=1000.0, kept=61.0) == [
        (940.0, 1),
        (1000.0, 2),
    ]


async def test_an_account_has_one_budget_and_its_name_tells_no_secret() -> None:
    named: list[str] = []

    class Never:
        def __init__(self, name: str, calls: int) -> None:
            named.append(name)
            assert calls == 60

        async def take(self) -> None:
            raise AssertionError

        async def pause(self, wait: timedelta) -> None:
            raise AssertionError(wait)

    async with Clients(budgets=Never) as clients:
        for token in ("secret-a", "secret-a", "secret-b"):
            clients.api(Http("https://a.example", Bearer(SecretStr(token)), per_minute=60))
    async with Clients(budgets=Never) as clients:
        clients.api(Http("https://a.example", Bearer(SecretStr("secret-a")), per_minute=60))
    a, b, again = named
    assert a == again != b
    assert "secret" not in "".join(named)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SharedBudget(Store("sqlite://"), "account", 0)
