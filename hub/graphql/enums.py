"""Makes GraphQL types of the vocabulary's enumerations, which are then used as they are."""

from collections.abc import Mapping
from enum import Enum

import strawberry

from hub.kinds import Department, Family, Severity
from hub.signals import ChangeType, Classification, Origin, Outcome, Scope, Status
from hub.store.audit import Act, Via
from hub.store.pages import Order
from hub.store.sources import State
from hub.store.stats import Dimension, Interval

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
strawberry.enum(Dimension, name="StatsDimension", description="What signals are counted by.")
strawberry.enum(Interval, description="How long a bucket of time is, in UTC.")
strawberry.enum(Scope, description="What a key may do with what its roles see.")
strawberry.enum(Act, name="AuditAct", description="What an administrator did.")
strawberry.enum(Via, name="AuditVia", description="Through which door somebody administered.")

_VALUES: Mapping[type[Enum], Mapping[Enum, str]] = {
    Department: {one: f"What {one.value} does, or is asked." for one in Department},
    Family: {
        **{one: f"Signals with the details of: {one.value}." for one in Family},
        Family.GENERIC: "Kinds of your own, which have no typed details.",
    },
    Severity: {
        Severity.INFO: "Good to know.",
        Severity.LOW: "To be seen at some time.",
        Severity.MEDIUM: "To be seen today.",
        Severity.HIGH: "To be seen at once.",
        Severity.CRITICAL: "Whatever else there is, this first.",
    },
    Status: {
        Status.INFORMATION: "Nobody has to do anything about it.",
        Status.OPEN: "Somebody has to do something about it.",
        Status.ACKNOWLEDGED: "Somebody does something about it.",
        Status.RESOLVED: "It is over.",
        Status.DELETED: "It is gone at its source.",
    },
    Classification: {
        Classification.PUBLIC: "Anybody may know.",
        Classification.INTERNAL: "The whole company may know.",
        Classification.CONFIDENTIAL: "Roles that may see confidential things.",
        Classification.RESTRICTED: "Roles that are named for its source.",
    },
    Origin: {
        Origin.POLL: "The hub asked its source.",
        Origin.PUSH: "Its source sent it.",
        Origin.PERSON: "A person published it.",
        Origin.DERIVED: "The hub made it out of others.",
    },
    ChangeType: {
        ChangeType.CREATED: "The hub heard of it.",
        ChangeType.UPDATED: "A newer revision took the place of the one before.",
        ChangeType.DELETED: "It is gone at its source.",
        ChangeType.HISTORY: "A late, older revision joined the history.",
        ChangeType.EXPIRED: "It was kept long enough, and is gone from here.",
    },
    Outcome: {
        Outcome.SENT: "The role hears of it.",
        Outcome.BELOW_THRESHOLD: "It matters too little to the role.",
        Outcome.NOT_PERMITTED: "The role may not see it.",
        Outcome.HISTORY: "It happened before the source was to notify.",
    },
    State: {
        State.WAITING: "Not polled yet.",
        State.OK: "All is well.",
        State.FAILING: "It could not be read; it is tried again.",
        State.AUTH_FAILED: "It lets the hub in no more: its secret has to be mended.",
        State.PAUSED: "Not polled until somebody resumes it.",
        State.REMOVED: "No longer in hub.toml; its signals are kept.",
    },
    Order: {
        Order.NEWEST: "What happened last comes first.",
        Order.OLDEST: "What happened first comes first.",
        Order.UPDATED: "What the hub stored last comes first.",
        Order.SEVERITY: "What is worst comes first; of equals the newest.",
        Order.RELEVANCE: "What fits the search best comes first.",
    },
    Dimension: {
        Dimension.TIME: "When they occurred, by intervals.",
        Dimension.DEPARTMENT: "Where they come from.",
        Dimension.KIND: "What happened.",
        Dimension.FAMILY: "The groups of their kinds.",
        Dimension.SOURCE: "The configured connectors they came through.",
        Dimension.ACCOUNT: "The customers they are about.",
        Dimension.SEVERITY: "How bad they are.",
        Dimension.STATUS: "Where the happenings stand.",
    },
    Interval: {
        Interval.HOUR: "An hour.",
        Interval.DAY: "A day, from midnight.",
        Interval.WEEK: "A week, from Monday.",
        Interval.MONTH: "A month, from its first day.",
    },
    Scope: {
        Scope.READ: "Ask and follow.",
        Scope.PUBLISH: "Tell the company something.",
        Scope.ADMIN: "All of it, and administer the hub.",
    },
    Act: {
        Act.KEY_CREATED: "An API key was made.",
        Act.SESSIONS_ENDED: "Sessions of the dashboard were ended, of somebody or of all.",
        Act.KEY_REVOKED: "An API key was revoked.",
        Act.CONFIGURATION_APPLIED: "A configuration came into force.",
        Act.SOURCE_SYNCED: "A poll was asked for.",
        Act.SOURCE_PAUSED: "A source was paused.",
        Act.SOURCE_RESUMED: "A source was resumed.",
        Act.PERSON_FORGOTTEN: "A person was forgotten, or that was begun.",
        Act.RETENTION_RUN: "What was kept long enough was deleted by hand.",
        Act.DOCUMENT_REGISTERED: "A document was registered, or another under its name.",
        Act.DOCUMENT_REMOVED: "A document is registered no more.",
        Act.DATABASE_RESTORED: "A backup took the database's place.",
    },
    Via: {
        Via.API: "Through GraphQL.",
        Via.COMMAND: "By a command on the machine.",
        Via.FILE: "By hub.toml, at a start or a reload.",
    },
}
"""What each value means. A test asks for every one that the schema shows."""

for _enum, _about in _VALUES.items():
    for _value in vars(_enum)["__strawberry_definition__"].values:
        _value.description = _about.get(_enum[_value.name])

__all__ = [
    "Act",
    "ChangeType",
    "Classification",
    "Department",
    "Dimension",
    "Family",
    "Interval",
    "Order",
    "Origin",
    "Outcome",
    "Scope",
    "Severity",
    "State",
    "Status",
    "Via",
]
