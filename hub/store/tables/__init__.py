"""Every table. Rows are dumb: what enters was validated as a Draft or by a door."""

from hub.store.tables.fields import SEQ, table
from hub.store.tables.known import (
    AccountKeyRow,
    AccountRow,
    ChangeRow,
    ForgottenRow,
    LogHead,
    PersonKeyRow,
    PersonRow,
    RelevanceRow,
    RevisionRow,
    SignalRow,
)
from hub.store.tables.work import (
    AppliedRow,
    AttemptRow,
    BudgetRow,
    ChoreRow,
    DeliveryRow,
    EndpointRow,
    KeyRow,
    QuarantineRow,
    SnapshotRow,
    SourceRow,
    TokenRow,
)

__all__ = [
    "SEQ",
    "AccountKeyRow",
    "AccountRow",
    "AppliedRow",
    "AttemptRow",
    "BudgetRow",
    "ChangeRow",
    "ChoreRow",
    "DeliveryRow",
    "EndpointRow",
    "ForgottenRow",
    "KeyRow",
    "LogHead",
    "PersonKeyRow",
    "PersonRow",
    "QuarantineRow",
    "RelevanceRow",
    "RevisionRow",
    "SignalRow",
    "SnapshotRow",
    "SourceRow",
    "TokenRow",
    "table",
]
