"""Every error of the hub, grouped by what to do about it.

HubError
 x ConfigError          mend the settings; never retried; exit code 2
 x SourceError          a source cannot be read now
   + AuthFailed         stop polling and tell the owner
   + RateLimited        wait `retry_after`, go on
   + SourceUnavailable  back off and try again
   + SourceMisbehaved   it answers, but not as its documentation says: back off, show it
   + BadRecord          quarantine the record; its page goes on
   + PushRefused        not the vendor's: answer 401 and store nothing
     + TakesNoPushes    nobody may push here: answer 404
 x DeliveryError        an endpoint did not take a delivery
   + EndpointUnavailable  try again on schedule
   + EndpointGone         410: disable the endpoint
 x AddressRefused       the hub does not connect there: choose another address
 x StoreUnavailable     the database cannot be used now
 x Refused              the viewer may not, or cannot: carries a public `code`
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any


class HubError(Exception):
    """Something the hub can explain: what happened, and what to do next."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion

    def __str__(self) -> str:
        return f"{self.message}. {self.suggestion}" if self.suggestion else self.message


class ConfigError(HubError):
    pass


class SourceError(HubError):
    pass


class AuthFailed(SourceError):
    """`status` is the HTTP status where there was one: a 403 is about more than the token."""

    def __init__(self, message: str, suggestion: str = "", *, status: int | None = None) -> None:
        super().__init__(message, suggestion)
        self.status = status


class RateLimited(SourceError):
    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceUnavailable(SourceError):
    pass


class SourceMisbehaved(SourceError):
    """`status` is the HTTP status where the vendor refused: 410 may mean an expired cursor."""

    def __init__(self, message: str, suggestion: str = "", *, status: int | None = None) -> None:
        super().__init__(message, suggestion)
        self.status = status


class ConnectorFailed(SourceMisbehaved):
    """The connector raised what no connector may raise: that is its `__cause__`."""


class BadRecord(SourceError):
    pass


class PushRefused(SourceError):
    pass


class TakesNoPushes(PushRefused):
    pass


class DeliveryError(HubError):
    """`status` is the HTTP status, None where no answer came; `body` is the start of the answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        body: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class EndpointUnavailable(DeliveryError):
    pass


class EndpointGone(DeliveryError):
    pass


class AddressRefused(HubError):
    pass


class StoreUnavailable(HubError):
    pass


class Code(StrEnum):
    """`extensions.code` of every error that the API shows."""

    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    INVALID = "INVALID"
    BAD_CURSOR = "BAD_CURSOR"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    FELL_BEHIND = "FELL_BEHIND"
    PAGE_TOO_LARGE = "PAGE_TOO_LARGE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    DOCUMENT_NOT_REGISTERED = "DOCUMENT_NOT_REGISTERED"
    SYNTAX = "SYNTAX"
    VALIDATION = "VALIDATION"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class Refused(HubError):
    """An expected refusal; `facts` join `code` in the error's extensions (a limit, a field)."""

    def __init__(
        self,
        code: Code,
        message: str,
        suggestion: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, suggestion)
        self.code = code
        self.facts = dict(facts or {})
