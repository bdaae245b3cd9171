"""One poll: what is new first, then what is left of the gaps before it, a page at a time."""

from datetime import datetime

from connectors.matrix.events import Batch, milliseconds_now
from connectors.matrix.place import Place
from hub.connector import Api, Cursor, Delta, Json

_LATE = 24 * 3600 * 1000  # events of other servers come late; milliseconds, as all times here


class Reading:
    """Asks for the family of tokens, whose token is the whole place."""

    def __init__(
        self, api: Api, cursor: Cursor, wanted: set[str] | None, since: datetime | None
    ) -> None:
        self.begin: Cursor = {"token": dict(cursor)} if "next_batch" in cursor else cursor
        """The cursor; that of version 0.1.0 was the place itself."""
        self.place, self.batch = Place(), Batch()
        self._api, self._wanted = api, wanted
        self._since = int(since.timestamp() * 1000) if since else 0
        self._is_synced = False

    async def ask(self, token: Json) -> Delta:
        """Read what is new, at the beginning of a poll; else a page of a gap."""
        self.place = self._nowhere() if token is None else Place.model_validate(token)
        if token is None or not self._is_synced:
            self.batch = await self.place.sync(self._api, self._wanted, self._since)
            self._is_synced = True
        else:
            self.batch = Batch()
        # Where nothing is new, the poll's first step is one into a gap.
        if self.place.gaps and not self.batch.events:
            self.batch = await self.place.fill(self._api)
        await self.batch.find_targets(self._api)
        if not self.place.gaps and (self.batch.events or not self.place.complete):
            self.place.complete = milliseconds_now()
        return Delta(self.batch.events, self.place.model_dump(), more=bool(self.place.gaps))

    def _nowhere(self) -> Place:
        """Begin; or, if the server has forgotten our token, from when nothing was missing."""
        if not self.begin:
            return Place()
        before = Place.model_validate(self.begin["token"])
        self._since = max(self._since, before.complete - _LATE)
        return Place(complete=max(1, before.complete))
