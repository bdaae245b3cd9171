"""How many calls an API still allows, counted in the database: by all processes together."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.connector.api import PATIENCE, at_limit
from hub.store.clock import clock
from hub.store.engine import Store
from hub.store.identities import insert_new
from hub.store.tables import BudgetRow

MINUTE = timedelta(minutes=1)
SHARE = 20  # the part of a budget that a busy process takes at once, to ask the database less often
HOLD = 1.0  # seconds that it may keep what it took

Calls = Sequence[Sequence[float]]  # (seconds since 1970, calls taken then)


class SharedBudget:
    """At most `calls` in any `period`, whoever makes them. Implements hub.connector.Budget.

    Calls are taken a few at a time and used within a second, or are lost: so that the window that
    the vendor counts in never holds more of them than the one here. Who uses up what it took takes
    twice as many the next time, who does not takes what it used: so little is lost.
    """

    def __init__(self, store: Store, name: str, calls: int, period: timedelta = MINUTE) -> None:
        if calls < 1:
            raise ValueError("a budget allows at least one call")
        self._store = store
        self._name = name
        self._calls = calls
        self._period = period.total_seconds()
        self._turn = asyncio.Lock()
        self._taken = 0
        self._held = 0
        self._until = 0.0
        self._paused = False

    async def take(self) -> None:
        clock = asyncio.get_running_loop().time
        async with self._turn:
            while self._held == 0 or clock() >= self._until:
                began = clock()
                async with self._store.write() as connection:
                    self._taken, wait = await self._take_some(connection)
                self._held, self._until = self._taken, began + HOLD
                if not self._held:
                    if self._paused and wait > PATIENCE.total_seconds():
                        raise at_limit(timedelta(seconds=wait))
                    await asyncio.sleep(wait)
            self._held -= 1

    async def pause(self, wait: timedelta) -> None:
        async with self._store.write() as connection:
            await _spent(connection, self._name)
            until = await clock(connection) + wait
            longer = or_(col(BudgetRow.paused_until).is_(None), col(BudgetRow.paused_until) < until)
            this = update(BudgetRow).where(col(BudgetRow.name) == self._name, longer)
            await connection.execute(this.values(paused_until=until))
        self._held = 0

    async def _take_some(self, connection: AsyncConnection) -> tuple[int, float]:
        at, kept = (await clock(connection)).timestamp(), self._period + HOLD
        calls, until = await _spent(connection, self._name)
        self._paused = until is not None and until.timestamp() > at
        if self._paused:
            return 0, until.timestamp() - at
        spent = unexpired(calls, at, kept)
        left = self._calls - int(sum(calls for _, calls in spent))
        if left < 1:
            return 0, max(spent[0][0] + kept - at, 0.01)
        used = self._taken - self._held
        wanted = used if self._held else 2 * used
        taken = min(left, max(1, min(wanted, self._calls // SHARE)))
        await connection.execute(
            update(BudgetRow)
            .where(col(BudgetRow.name) == self._name)
            .values(calls=[*spent, (at, taken)])
        )
        return taken, 0.0


def unexpired(spent: Calls, at: float, kept: float) -> list[tuple[float, float]]:
    """Leave out what no longer counts; what a clock that runs ahead wrote was taken now. Pure."""
    return sorted((min(then, at), calls) for then, calls in spent if then > at - kept)


async def _spent(connection: AsyncConnection, name: str) -> tuple[Any, Any]:
    """Read what was taken of late, and until when it is paused.

    Others are kept waiting until this transaction ends.
    """
    wanted = select(col(BudgetRow.calls), col(BudgetRow.paused_until))
    this = wanted.where(col(BudgetRow.name) == name).with_for_update()
    row = (await connection.execute(this)).first()
    if row is None:
        new = insert_new(connection, BudgetRow)
        await connection.execute(new, [{"name": name, "calls": []}])
        row = (await connection.execute(this)).one()
    return row.calls, row.paused_until
