"""What a connector must live through: the names that certification and twins share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """One row of a certificate, in the order of the table."""

    CRASH = "a crash between two pages"
    AGAIN = "everything read once more"
    EDIT = "an edit"
    TOKEN_EXPIRED = "an expired token (401)"  # noqa: S105 - says what happens
    LIMITED = "429 with Retry-After"
    BROKEN = "5xx"

    FORBIDDEN = "403"
    SHORT_PAGES = "short pages"
    EMPTY_PAGE = "an empty page before another"
    DUPLICATE_PAGE = "a page twice"
    SAME_SECOND = "many changes in one second"
    CLOCK_SKEW = "a clock that is a minute off"
    DRIFT = "unknown fields and nulls"
    LARGE_BODY = "a body of 10 MB"
    CUT_SHORT = "a body that ends midway"
    OTHER_HOST = "links and redirects to another host"
    CURSOR_EXPIRED = "a cursor that the vendor forgot"

    GONE = "a deletion or disappearance"
    PUSH = "push meeting poll"
    RECORDED = "payloads of the real system"


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why a fault cannot happen at this vendor, and the vendor's page that says so."""

    why: str
    link: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the vendor makes to the hub."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    query: str = ""


@dataclass(frozen=True, slots=True)
class No:
    """How a vendor refuses a request."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
