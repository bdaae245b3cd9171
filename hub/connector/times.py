"""Times as vendors write them, and as they want to be asked for them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, model_validator

from hub.connector.described import Described
from hub.connector.paths import JsonPath, is_nothing, quoted
from hub.connector.text import utc
from hub.errors import BadRecord

# https://www.odata.org/documentation/odata-version-2-0/json-format/
_TICKS = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_named(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # also where the system has no zones
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; write one as Europe/Berlin") from None


def _format(name: str) -> str:
    if name not in {"iso", "seconds", "milliseconds"} and "%" not in name:
        raise ValueError(f"{name!r} is not iso, seconds, milliseconds or a format with %")
    return name


def _zone(name: str) -> str:
    zone_named(name)
    return name


def _duration(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value)):
        try:
            return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        except OverflowError:
            raise ValueError(f"{value!r} is longer than time is kept") from None
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write 30s, 5m, 2h or 1d")  # noqa: TRY004
    return value


TimeFormat: TypeAlias = Annotated[str, AfterValidator(_format)]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_zone)]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_duration)]
"""30s, 5m, 2h or 1d in hub.toml."""


class Time(Described):
    """Where a time is found, and how it is written; of a list the first counts that is there."""

    model_config = ConfigDict(
        json_schema_extra={"format": "moment"},
    )

    path: JsonPath | None = None
    first: "tuple[AnyTime, ...]" = ()
    format: TimeFormat = "iso"
    """iso, seconds or milliseconds (since 1970), or as in Python's strptime: `%d.%m.%Y %H:%M`."""
    zone: ZoneName = "UTC"
    """Where a time without zone belongs: Europe/Berlin."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.path is None) == (not self.first):
            raise ValueError("say one of path and first")
        return self

    def find(self, record: Any) -> datetime | None:
        """Find the time. Raises BadRecord for one that is written otherwise."""
        if self.path is None:
            return next((at for one in self.first if (at := one.find(record))), None)
        found = self.path.first(record)
        return None if is_nothing(found) else read_time(found, self.format, zone_named(self.zone))


AnyTime: TypeAlias = Annotated[
    Time,
    BeforeValidator(
        lambda value: (
            {"path": value}
            if isinstance(value, str)
            else {"first": value}
            if isinstance(value, (list, tuple))
            else value
        )
    ),
]


def read_time(value: Any, format_: str = "iso", zone: tzinfo = UTC) -> datetime:
    """Read a time as UTC. Raises BadRecord."""
    try:
        if format_ in {"seconds", "milliseconds"}:
            return _since_1970(Decimal(str(value)) / (1000 if format_ == "milliseconds" else 1))
        if not isinstance(value, str):
            raise BadRecord(f"{quoted(value)} is no text: is its format seconds?")
        if ticks := _TICKS.fullmatch(value):
            return _since_1970(Decimal(ticks[1]) / 1000)
        read = (
            datetime.fromisoformat(value) if format_ == "iso" else datetime.strptime(value, format_)  # noqa: DTZ007 - it gets its zone below
        )
        return utc((read if read.tzinfo else read.replace(tzinfo=zone)).isoformat())
    except (ValueError, OverflowError, InvalidOperation, OSError):
        raise BadRecord(f"{quoted(value)} is no time of the format {format_}") from None


def write_time(at: datetime, format_: str = "iso", zone: tzinfo = UTC) -> str | int:
    """Write a time as an API wants it asked for; never a later one, so nothing is left out."""
    match format_:
        case "iso":
            return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case "seconds":
            return (at - _EPOCH) // timedelta(seconds=1)
        case "milliseconds":
            return (at - _EPOCH) // timedelta(milliseconds=1)
    return at.astimezone(zone).strftime(format_)


def _since_1970(seconds: Decimal) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
