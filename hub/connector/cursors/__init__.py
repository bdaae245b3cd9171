"""How to ask for what is new: six families of cursor cover the APIs that can be polled.

| an API that ...                                  | family          |
|---|---|
| sorts by time of change, oldest first            | `ModifiedSince` |
| hands out a token that stands for a place        | `OpaqueToken`   |
| numbers its records in the order they came       | `IdWatermark`   |
| gives the newest first, down to a time           | `NewestFirst`   |
| keeps a log of events between two times          | `EventLog`      |
| tells what exists now, and nothing of before     | `Snapshot`      |

Each is a value that knows the traps of its family. It is handed `ask`, which makes one request of
this API and returns a `Batch`, and `read`, which makes drafts of one record as in `Page.read`.
`streams` reads several of them as one source, `Recent` finds what vanished from the newest part
of a list.
"""

from hub.connector.cursors.batches import Batch, Delta, Seen
from hub.connector.cursors.events import EventLog
from hub.connector.cursors.ids import IdWatermark
from hub.connector.cursors.modified import ModifiedSince
from hub.connector.cursors.newest import NewestFirst
from hub.connector.cursors.recent import Recent
from hub.connector.cursors.snapshots import Snapshot
from hub.connector.cursors.streams import streams
from hub.connector.cursors.tokens import OpaqueToken

__all__ = [
    "Batch",
    "Delta",
    "EventLog",
    "IdWatermark",
    "ModifiedSince",
    "NewestFirst",
    "OpaqueToken",
    "Recent",
    "Seen",
    "Snapshot",
    "streams",
]
