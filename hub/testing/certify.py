"""A connector's certificate: every check with its result, and the level that they amount to."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from traceback import walk_tb
from typing import TypeAlias
from urllib.parse import urlsplit

from hub import registry
from hub.connector import Connector, Listener
from hub.testing.checks import bronze, gold, platinum, silver
from hub.testing.faults import Fault
from hub.testing.front import Asked
from hub.testing.house import House, opened
from hub.testing.listening import Listening
from hub.testing.stage import Failed, Stage, staged
from hub.testing.twins import Twin, find_twin

Check: TypeAlias = Callable[[Stage], Awaitable[str]]


class Level(IntEnum):
    """What a connector has shown; each level holds those before it."""

    NONE = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3
    PLATINUM = 4


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


CHECKS: Sequence[tuple[Level, str | Fault, Check]] = (
    (Level.BRONZE, "loads", bronze.loads),
    (Level.BRONZE, "validates its settings", bronze.validates),
    (Level.BRONZE, "reads what there is", bronze.reads),
    (Level.SILVER, Fault.CRASH, silver.crash),
    (Level.SILVER, Fault.AGAIN, silver.again),
    (Level.SILVER, Fault.EDIT, silver.edit),
    (Level.SILVER, Fault.TOKEN_EXPIRED, silver.token_expired),
    (Level.SILVER, Fault.LIMITED, silver.limited),
    (Level.SILVER, Fault.BROKEN, silver.broken),
    (Level.GOLD, Fault.FORBIDDEN, gold.forbidden),
    (Level.GOLD, Fault.SHORT_PAGES, gold.short_pages),
    (Level.GOLD, Fault.EMPTY_PAGE, gold.empty_page),
    (Level.GOLD, Fault.DUPLICATE_PAGE, gold.duplicate_page),
    (Level.GOLD, Fault.SAME_SECOND, gold.same_second),
    (Level.GOLD, Fault.CLOCK_SKEW, gold.clock_skew),
    (Level.GOLD, Fault.DRIFT, gold.drift),
    (Level.GOLD, Fault.LARGE_BODY, gold.large_body),
    (Level.GOLD, Fault.CUT_SHORT, gold.cut_short),
    (Level.GOLD, Fault.OTHER_HOST, gold.other_host),
    (Level.GOLD, Fault.CURSOR_EXPIRED, gold.cursor_expired),
    (Level.PLATINUM, Fault.GONE, platinum.gone),
    (Level.PLATINUM, Fault.PUSH, platinum.push),
    (Level.PLATINUM, Fault.RECORDED, platinum.recorded),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One check's result. `reason`: what was seen, what failed, or why it cannot be met."""

    level: Level
    check: str
    result: Result
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Certificate:
    connector: str
    rows: Sequence[Row]

    @property
    def level(self) -> Level:
        """The highest level at and below which nothing failed."""
        failed = [row.level for row in self.rows if row.result is Result.FAILED]
        return Level(min(failed, default=Level.PLATINUM + 1) - 1)

    @property
    def missing(self) -> Sequence[Row]:
        """What keeps it from the next level."""
        failed = [row for row in self.rows if row.result is Result.FAILED]
        return [row for row in failed if row.level == self.level + 1]


async def certify(
    name: str, told: Callable[[Row], None] = lambda _: None, asked: list[Asked] | None = None
) -> Certificate:
    """Run every check on a connector of this name. Raises ConfigError where it or its twin is not.

    `told` hears of each check as it ends; `asked` takes every request that the connector made.
    """
    connector, make = registry.find(name), find_twin(name)
    rows: list[Row] = []
    async with opened() as house:
        for level, what, check in CHECKS:
            row = await examine(house, name, connector, make, (level, what, check))
            rows.append(row)
            told(row)
            if asked is not None:
                asked += house.front.asked
    return Certificate(name, rows)


async def examine(
    house: House,
    name: str,
    connector: type[Connector],
    make: Callable[[], Twin],
    examined: tuple[Level, str | Fault, Check],
) -> Row:
    """Run one check, with a twin and a source of its own."""
    level, what, check = examined
    house.front.asked.clear()
    began = time.perf_counter()
    twin = make()
    result, reason = _excused(twin, what)
    if result is None:
        made = Listening if issubclass(connector, Listener) else Stage
        async with staged(house, name, connector, twin, made=made) as stage:
            result, reason = await _judged(check, stage)
    return Row(level, str(what), result, reason, time.perf_counter() - began)


async def _judged(check: Check, stage: Stage) -> tuple[Result, str]:
    try:
        return Result.PASSED, await check(stage)
    except Failed as failed:
        return Result.FAILED, str(failed)
    except NotImplementedError as error:
        return Result.FAILED, f"the twin cannot {_method(error)}, and excuses nothing"


def _method(error: NotImplementedError) -> str:
    """Name the method that is not there."""
    return [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)][-1]


def _excused(twin: Twin, what: str | Fault) -> tuple[Result | None, str]:
    """Take an excuse only with the page that proves it."""
    excuse = twin.excused.get(what) if isinstance(what, Fault) else None
    if excuse is None:
        return None, ""
    link = urlsplit(excuse.link)
    if link.scheme in {"http", "https"} and link.netloc and excuse.why:
        return Result.NOT_APPLICABLE, f"{excuse.why} ({excuse.link})"
    return Result.FAILED, f"said to be not applicable, without the vendor's page: {excuse.why}"
