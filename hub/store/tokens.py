"""Tokens that sign-ins were given, sealed; renewed by one process at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Select, Update, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.connector import Grant
from hub.errors import AuthFailed, HubError
from hub.signals import new_id
from hub.store.clock import clock
from hub.store.engine import Store
from hub.store.identities import insert_new
from hub.store.seal import NotOurs, Seal
from hub.store.tables import TokenRow, table

# Longer than the request that renews one may take (hub/http/sign_in.py): who died in the middle of
# it keeps the others waiting so long.
LEASE = timedelta(seconds=45)
LOOK = 0.25  # seconds between two looks whether somebody else is done
TO_AN_END = 10.0  # seconds that a renewal under way has when the process ends

logger = logging.getLogger(__name__)

_TOKENS = table(TokenRow)
Obtain = Callable[[Grant | None], Awaitable[Grant]]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """That a token is ours to renew. `last` is None where there is none that can be read."""

    lease: str
    version: int
    last: Grant | None
    unreadable: bool


class StoredTokens:
    """Implements hub.connector.Tokens for all processes of one database."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._turns: dict[str, asyncio.Lock] = {}

    async def current(self, account: str) -> Grant | None:
        async with self._store.read() as connection:
            row = (await connection.execute(_row(account))).first()
        if row is None or row.sealed is None:
            return None
        try:
            text, is_newest = self._seal.open(row.sealed, account)
        except NotOurs:
            return None  # `renewed` says so, if no other is to be had
        if not is_newest:
            # So the older key can be taken away once every source was asked.
            sealed = self._seal.seal(text, account)
            async with self._store.write() as connection:
                same = _this(account).where(col(TokenRow.version) == row.version)
                await connection.execute(same.values(sealed=sealed))
        return _read(text)

    async def renewed(self, account: str, stale: Grant | None, obtain: Obtain) -> Grant:
        # Of one process one asks the database; the others find its token.
        async with self._turns.setdefault(account, asyncio.Lock()):
            while True:
                async with self._store.write() as connection:
                    found = await self._claim(connection, account, stale)
                if isinstance(found, Grant):
                    return found
                if found is not None:
                    # A refresh token may be used up by now: what came for it must be kept.
                    return await _to_its_end(self._renew(account, found, obtain))
                await asyncio.sleep(LOOK)

    async def _claim(
        self, connection: AsyncConnection, account: str, stale: Grant | None
    ) -> Grant | _Claimed | None:
        """Give the token that another has obtained, or the lease, or None while another has it."""
        row = (await connection.execute(_row(account).with_for_update())).first()
        at = await clock(connection)
        if row is None:
            new = {"name": account, "sealed": None, "version": 0, "at": at}
            await connection.execute(insert_new(connection, TokenRow), [new])
            row = (await connection.execute(_row(account).with_for_update())).one()
        last, unreadable = self._opened(row)
        if last is not None and last != stale and not _is_over(last, at):
            return last
        if row.lease_until is not None and row.lease_until > at:
            return None
        lease = new_id()
        await connection.execute(_this(account).values(lease=lease, lease_until=at + LEASE))
        return _Claimed(lease, row.version, last, unreadable)

    def _opened(self, row: Any) -> tuple[Grant | None, bool]:
        if row.sealed is None:
            return None, False
        try:
            text, _ = self._seal.open(row.sealed, row.name)
        except NotOurs:
            return None, True
        return _read(text), False

    async def _renew(self, account: str, claimed: _Claimed, obtain: Obtain) -> Grant:
        try:
            grant = await obtain(claimed.last)
        except HubError as error:
            async with self._store.write() as connection:
                ours = _this(account).where(col(TokenRow.lease) == claimed.lease)
                await connection.execute(ours.values(lease=None, lease_until=None))
            if claimed.unreadable and isinstance(error, AuthFailed):
                raise _unreadable(error) from error
            raise
        sealed = self._seal.seal(_written(grant), account)
        async with self._store.write() as connection:
            # Also after the lease: as long as nobody else has obtained one this is the newest.
            newest = _this(account).where(col(TokenRow.version) == claimed.version)
            values = {
                "sealed": sealed,
                "version": claimed.version + 1,
                "at": await clock(connection),
            }
            done = await connection.execute(newest.values(lease=None, lease_until=None, **values))
        if not done.rowcount:
            logger.warning("a token was renewed twice", extra={"account": account})
        return grant


async def remove_old_tokens(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Forget what nobody has renewed for long: the sign-in is no longer configured."""
    old = select(_TOKENS.c.name).where(_TOKENS.c.at < before).limit(limit)
    done = await connection.execute(delete(TokenRow).where(col(TokenRow.name).in_(old)))
    return done.rowcount


def _row(account: str) -> Select[Any]:
    return select(_TOKENS).where(_TOKENS.c.name == account)


def _this(account: str) -> Update:
    return update(TokenRow).where(col(TokenRow.name) == account)


def _unreadable(error: AuthFailed) -> AuthFailed:
    return AuthFailed(
        f"{error.message}; the token that was kept cannot be read, for HUB_SECRET_KEY is not the"
        " one it was sealed with",
        "Add the key of before behind the new one, or sign in anew",
        status=error.status,
    )


def _is_over(grant: Grant, at: datetime) -> bool:
    return grant.renew_at is not None and grant.renew_at <= at


def _written(grant: Grant) -> str:
    return orjson.dumps([grant.access, grant.refresh, grant.renew_at]).decode()


def _read(text: str) -> Grant:
    access, refresh, renew_at = orjson.loads(text)
    return Grant(access, refresh, datetime.fromisoformat(renew_at) if renew_at else None)


async def _to_its_end(work: Coroutine[Any, Any, Grant]) -> Grant:
    """Wait for work that is not broken off with whoever waits for it, within reason."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_settled(work))
        try:
            done = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=TO_AN_END)
            raise
    if isinstance(done, HubError):
        raise done
    return done


async def _settled(work: Coroutine[Any, Any, Grant]) -> Grant | HubError:
    """Give an error as a value: a group of tasks would wrap it."""
    try:
        return await work
    except HubError as error:
        return error
