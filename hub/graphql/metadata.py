"""What a field's metadata may say, by these names."""

from typing import Final

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
