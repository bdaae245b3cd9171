"""Rate limits: counting our own calls, and reading how long a vendor wants us to wait."""

import asyncio
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from hub.connector import now
from hub.connector.api import PATIENCE, Budget, at_limit
from hub.http.said import wait_of

LONGEST_WAIT = timedelta(hours=24)
"""A vendor that asks for more has sent nonsense: its quotas are by the day at most."""
_EPOCH_FROM = 1e9  # numbers above are a point in time, below they are seconds left
_EPOCH_MILLISECONDS_FROM = 1e11
_USAGE = re.compile(r"(?<![a-z-])api-usage=(\d+)/(\d+)")
_FIELD = re.compile(r"([a-z-]+)\s*=\s*(\d+(?:\.\d+)?)")


KEPT_FOR_OTHERS = 0.1
"""Of what a whole company may ask in a day the hub leaves so much to everybody else."""
_REST = timedelta(minutes=15)  # until it looks again whether there is more


class LocalBudget:
    """At most `calls` in any `period`, in the order in which they were asked for; None: any number.

    The window slides, so that a vendor counting in minutes of its own never sees more, which a
    bucket of the same size would allow: full at the end of one minute, refilled in the next.
    """

    def __init__(self, calls: int | None, period: timedelta = timedelta(minutes=1)) -> None:
        if calls is not None and calls < 1:
            raise ValueError("a budget allows at least one call")
        self._period = period.total_seconds()
        self._calls: deque[float] = deque(maxlen=calls)
        self._turn = asyncio.Lock()
        self._until: datetime | None = None

    async def pause(self, wait: timedelta) -> None:
        until = now() + wait
        self._until = max(self._until or until, until)

    async def take(self) -> None:
        clock = asyncio.get_running_loop().time
        async with self._turn:
            while self._until is not None and (left := self._until - now()) > timedelta():
                if left > PATIENCE:
                    raise at_limit(left)
                await asyncio.sleep(left.total_seconds())
            self._until = None
            if self._calls.maxlen is None:
                return
            if len(self._calls) == self._calls.maxlen:
                await asyncio.sleep(max(self._calls[0] + self._period - clock(), 0))
            self._calls.append(clock())


class Paced:
    """Each call a while after the one before it, and within another budget."""

    def __init__(self, pause: timedelta, budget: Budget) -> None:
        self._pace = LocalBudget(1, pause)
        self._budget = budget

    async def take(self) -> None:
        await self._budget.take()
        await self._pace.take()

    async def pause(self, wait: timedelta) -> None:
        await self._budget.pause(wait)


def retry_after(
    headers: Mapping[str, str], body: bytes = b"", *, now: datetime
) -> timedelta | None:
    """Read how long to wait, from whatever header this vendor uses; None where none says.

    `Retry-After` outranks all: seconds, a fraction of them, or an HTTP date (RFC 9110, 10.2.3).
    Then the resets of those limits that are used up: seconds left (PagerDuty, Zendesk), a point
    in time in seconds (GitHub) or in ISO (Mastodon, Jira). Then what the body says.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    now = _http_date(given.get("date", "")) or now  # the vendor's times are by the vendor's clock
    asked = _wait(given.get("retry-after", ""), now)
    if asked is None:
        waits = [_wait(reset, now) for _, left, reset in _limits(given) if not left]
        asked = max((wait for wait in waits if wait is not None), default=wait_of(body))
    return None if asked is None else min(max(asked, timedelta()), LONGEST_WAIT)


def used_up(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer says that a limit is reached: some vendors say so with 403."""
    given = {name.lower(): value.strip() for name, value in headers.items()}
    return "retry-after" in given or any(left == 0 for _, left, _ in _limits(given))


def pause_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Read from a good answer how long to ask no more: its limit is used up, or nearly so.

    Who goes on runs into a refusal, which some vendors count, and answer with longer ones. Of a
    quota of the day the last tenth is left to the company's other programs.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    if any(total and left < total * KEPT_FOR_OTHERS for left, total in _of_the_day(given)):
        return _REST
    now = _http_date(given.get("date", "")) or now
    waits = [_wait(reset, now) for _, left, reset in _limits(given) if left == 0]
    wait = max((wait for wait in waits if wait is not None), default=timedelta())
    return min(wait, LONGEST_WAIT) if wait > timedelta() else None


def _of_the_day(given: Mapping[str, str]) -> Iterator[tuple[float, float]]:
    """List (calls left, calls allowed) of what Salesforce, Pipedrive and HubSpot count by the day.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
    """
    if match := _USAGE.search(given.get("sforce-limit-info", "")):
        yield float(match[2]) - float(match[1]), float(match[2])
    for name, value in given.items():
        base = name.removesuffix("-remaining")
        if base != name and "daily" in base and (left := _number(value)) is not None:
            total = _number(given.get(f"{base}-limit") or given.get(base) or "")
            yield left, total or 0.0


def _limits(given: Mapping[str, str]) -> list[tuple[str, float | None, str]]:
    """List (name, calls left or None if not said, reset) of every limit in the headers."""
    found: list[tuple[str, float | None, str]] = []
    for name, value in given.items():
        if "rate" not in name and name != "sforce-limit-info":
            continue
        if match := re.fullmatch(r"(.*rate-?limit(?:-.+)?)-(reset|reset-after)", name):
            found.append((match[1], _number(given.get(f"{match[1]}-remaining", "")), value))
        elif (base := name.removesuffix("-remaining")) != name:
            if f"{base}-reset" not in given and f"{base}-reset-after" not in given:
                found.append((base, _number(value), _interval(given, base)))
        elif name == "sforce-limit-info":
            # "api-usage=900/15000": a rolling day of the whole organisation.
            if match := _USAGE.search(value):
                found.append((name, max(float(match[2]) - float(match[1]), 0), ""))
        elif fields := _fields(value):
            # Zendesk's "total=10; remaining=9; resets=60" and the drafts of the RateLimit header.
            left = fields.get("remaining", fields.get("r"))
            reset = fields.get("resets") or fields.get("reset") or fields.get("t") or ""
            found.append((name, None if left is None else float(left), reset))
    return found


def _fields(value: str) -> dict[str, str]:
    return {match[1]: match[2] for match in _FIELD.finditer(value)}


def _interval(given: Mapping[str, str], base: str) -> str:
    """HubSpot tells the length of its window in place of its end."""
    milliseconds = _number(given.get(f"{base}-interval-milliseconds", ""))
    return "" if milliseconds is None else str(milliseconds / 1000)


def _wait(value: str, now: datetime) -> timedelta | None:
    number = _number(value)
    if number is not None:
        if number >= _EPOCH_MILLISECONDS_FROM:
            number /= 1000
        left = number - now.timestamp() if number >= _EPOCH_FROM else number
        return timedelta(seconds=min(left, LONGEST_WAIT.total_seconds()))
    at = _http_date(value) or _iso(value)
    return None if at is None else at - now


def _number(value: str) -> float | None:
    # Not `float()` alone, which reads "nan", "inf" and "1_0".
    return float(value) if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", value) else None


def _http_date(value: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def _iso(value: str) -> datetime | None:
    if "T" not in value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read
