"""What a field may say of itself: by metadata under these names, and by directives."""

from typing import ClassVar, Final

from strawberry.federation.schema_directives import FederationDirective, ImportedFrom
from strawberry.schema_directive import Location, schema_directive

KNOWN: Final = "known"
"""What of its object the parent tells without resolving it, by the names of the object's own
attributes. So `source { name }` of a signal costs no look at the sources."""

KEPT: Final = "kept"
"""Of a root field: its answer depends on the database, the configuration and who asks, and on
nothing else; so `hub.graphql.answers` may keep it."""

VOLATILE: Final = "volatile"
"""What the field says changes by itself: no answer that has it is kept."""

LISTED: Final = "listed"
"""Of a root field that gives a page of signals: what makes a `Listing` of the context and its
arguments; so `hub.graphql.plans` answers without executing."""


@schema_directive(locations=[Location.FIELD_DEFINITION], name="cost", print_definition=False)
class Cost(FederationDirective):
    """What a field costs by itself where that is not 1. Routers of a federation read it too."""

    weight: int
    imported_from: ClassVar[ImportedFrom] = ImportedFrom(
        name="cost", url="https://specs.apollo.dev/federation/v2.9"
    )
    minimum_version: ClassVar[tuple[int, int]] = (2, 9)


COUNTS_ALL: Final = Cost(weight=100)
"""Looks at every signal that it counts."""

SORTS_ALL: Final = Cost(weight=1000)
"""Looks at every signal there is, and sorts it."""
