"""Keeps a process on the newest configuration: it follows the log, as every other process does."""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

from hub.config import HUB_SOURCE
from hub.errors import HubError, StoreUnavailable
from hub.ingest import announce
from hub.ingest.rescore import rescore_after
from hub.jobs import Work
from hub.live import Tail
from hub.renewal import Accept, reload, say_faulty, take_over
from hub.runtime import Runtime
from hub.settings import environment
from hub.snapshot import APPLIED, is_judged, judge_anew, judged, roles_digest
from hub.store.log import Change
from hub.store.snapshots import newest

STORE_AWAY = 1.0  # seconds
JUDGED = 0.3  # seconds from one look to the next whether all is judged by the roles of now
LAST_PAGES = 1.0  # seconds in which the pages are stored that were under way at a swap

logger = logging.getLogger(__name__)


async def follow_configuration(runtime: Runtime, tail: Tail) -> None:
    """Swap the snapshot for each newer one that the log tells of, until cancelled.

    Sockets stay open, polls and deliveries under way go on: what comes next sees the new one.
    """
    position = runtime.snapshot.seq
    while True:
        try:
            async with aclosing(tail.follow(position, is_subscriber=False)) as changes:
                async for change in changes:
                    if _is_about_configuration(change):
                        await _swap(runtime, change.seq)
                    position = change.seq
        except StoreUnavailable as error:
            logger.warning("the configuration waits", extra={"error": str(error)})
            await asyncio.sleep(STORE_AWAY)


def _is_about_configuration(change: Change) -> bool:
    # What new roles judge anew has a line, too, and one of before may be among it.
    is_new = change.was is None
    return is_new and change.now.kind == APPLIED and change.now.source == HUB_SOURCE


async def _swap(runtime: Runtime, seq: int) -> None:
    before = runtime.snapshot
    try:
        # .env is read anew: a secret that was put there works without a restart.
        runtime.snapshot = await take_over(runtime.store, before, environment(), seq)
    except StoreUnavailable:
        raise
    except HubError as error:
        facts = {"seq": seq, "error": str(error)}
        logger.error("a new configuration cannot be used here: the old one stays", extra=facts)  # noqa: TRY400
        return
    except Exception:
        # A connector's file that breaks when it is read must not stop the hub.
        logger.exception("a new configuration cannot be used here: the old one stays")
        return
    logger.info("a new configuration is in force", extra={"seq": seq})
    for work in (Work.POLL, Work.DELIVERY):
        await runtime.waker.wake(work)
    if roles_digest(before.config) != roles_digest(runtime.config):
        await _judge_last_pages(runtime, seq)
    if judged(runtime.config).judged != runtime.config.judged:
        await _await_judgement(runtime)


async def _judge_last_pages(runtime: Runtime, seq: int) -> None:
    """Judge by the new roles what this process stored by the old ones after the others swapped."""
    await asyncio.sleep(LAST_PAGES)
    while True:
        try:
            await rescore_after(runtime.store, runtime.snapshot.plan.router, seq)
            return await runtime.bus.tell()
        except StoreUnavailable as error:
            logger.warning("judging anew waits", extra={"error": str(error)})
            await asyncio.sleep(STORE_AWAY)


async def _await_judgement(runtime: Runtime) -> None:
    """Let streams begin anew once all is judged by the roles of now: no line of the log says so.

    Whoever put these roles in force is at it, and tells of it in the store. Who has died is
    stood in for.
    """
    while True:
        try:
            done = await is_judged(runtime.store, runtime.config)
            if done is None:
                await judge_anew(runtime.store, runtime.config, runtime.snapshot.plan)
            elif done:
                snapshot = runtime.snapshot
                runtime.snapshot = replace(snapshot, config=judged(snapshot.config))
                return
            async with runtime.store.read() as connection:
                stored = await newest(connection)
            if stored is not None and stored.seq > runtime.snapshot.seq:
                return  # others follow: their line comes next
        except StoreUnavailable as error:
            logger.warning("judging anew waits", extra={"error": str(error)})
        await asyncio.sleep(JUDGED)


async def reload_when_asked(
    runtime: Runtime, asked: asyncio.Event, by: str, accept: Accept
) -> None:
    """Put in force what the file says now, whenever it is asked for, until cancelled."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            applied = await reload(
                runtime.store, runtime.settings.config, environment(), by, accept
            )
        except HubError as error:
            facts = {"by": by, "error": str(error)}
            logger.error("the reload failed", extra=facts)  # noqa: TRY400
            continue
        except Exception:
            logger.exception("the reload failed", extra={"by": by})
            continue
        for name, problem in applied.snapshot.config.problems.items():
            say_faulty(name, problem, kept=name in applied.kept)
        assert applied.told is not None, "a reload is always told of"
        await announce(applied.told, runtime.bus, runtime.waker)
