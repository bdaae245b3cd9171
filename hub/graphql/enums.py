"""Makes GraphQL types of the vocabulary's enumerations, which are then used as they are."""

import strawberry

from hub.kinds import Department, Family, Severity
from hub.signals import ChangeType, Classification, Origin, Outcome, Status
from hub.store.pages import Order
from hub.store.sources import State

strawberry.enum(Department, description="The department a signal comes from.")
strawberry.enum(Family, description="The group of a kind: which typed details its signals carry.")
strawberry.enum(Severity, description="How bad, or how urgent, it is.")
strawberry.enum(
    Status,
    name="SignalStatus",
    description="Where the happening stands. DELETED: gone at its source; no body is kept.",
)
strawberry.enum(
    Classification,
    description="How widely it may be known. RESTRICTED: only by roles named for its source.",
)
strawberry.enum(Origin, description="How it came in: polled, pushed, by a person, or derived.")
strawberry.enum(
    ChangeType,
    description="What a line of the log says. HISTORY: a late, older revision joined the history. "
    "EXPIRED: the hub has kept the signal long enough, and no longer has it.",
)
strawberry.enum(
    Outcome,
    description="What was decided for a role. HISTORY: it matters, but happened before the "
    "source was to notify, so it is not pushed.",
)
strawberry.enum(
    State,
    name="SourceState",
    description="A source's health. AUTH_FAILED: polling stopped until it is mended. "
    "REMOVED: no longer in hub.toml.",
)
strawberry.enum(
    Order,
    name="SignalOrder",
    description="The order of a list of signals. RELEVANCE: what fits the search best, by "
    "where its words stand, whether whole and together; of equals the newest.",
)

__all__ = [
    "ChangeType",
    "Classification",
    "Department",
    "Family",
    "Order",
    "Origin",
    "Outcome",
    "Severity",
    "State",
    "Status",
]
