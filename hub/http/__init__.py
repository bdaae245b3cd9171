"""The only user of the HTTP client: sign-in, limits, time-outs and the guard, written once."""

from hub.http.clients import Clients, Sent
from hub.http.guard import Guard
from hub.http.limits import LocalBudget, retry_after
from hub.http.names import Resolver
from hub.http.network import Timeouts

__all__ = [
    "Clients",
    "Guard",
    "LocalBudget",
    "Resolver",
    "Sent",
    "Timeouts",
    "retry_after",
]
