"""Polls a twin as the hub will: the real connector, the real HTTP client, a real server."""

import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

from connectors.twins import Twin
from hub import registry
from hub.connector import Bad, Connector, Cursor, Draft, Opened, Page
from hub.http import Clients
from hub.opening import opened
from tests.servers import serve


class Poller:
    """One source: where it is to resume, and what a store would have kept of it."""

    def __init__(self, connector: Connector, clients: Clients) -> None:
        self.connector = connector
        self.clients = clients
        self.cursor: Cursor = {}
        self.drafts: list[Draft] = []
        self.bad: list[Bad] = []
        self.stored: dict[tuple[str, str], Draft] = {}
        self.current: dict[str, Draft] = {}

    async def poll(self, *, stop_after: int | None = None) -> list[Page]:
        """Store page after page; after `stop_after` of them the process dies."""
        pages: list[Page] = []
        async with self.opened() as api, aclosing(self.pull(api)) as pulled:
            async for page in pulled:
                if pages:
                    assert pages[-1].more, "a page follows one that said it was the last"
                if page.more:
                    assert page.cursor != self.cursor, "the cursor does not move"
                pages.append(page)
                self._store(page)
                if len(pages) == stop_after:
                    return pages
        assert pages, "a poll ends with a page"
        assert not pages[-1].more, "a page promised another"
        return pages

    def opened(self) -> AbstractAsyncContextManager[Opened]:
        return opened(self.connector.endpoint(), self.clients)

    def pull(self, api: Opened) -> Any:
        return self.connector.pull(api, self.cursor)

    def _store(self, page: Page) -> None:
        self.cursor = json.loads(json.dumps(page.cursor))
        self.bad += page.bad
        for draft in page.drafts:
            assert draft.kind in self.connector.kinds
            if draft.goes_on and _said(draft) == _said(self.current.get(draft.external_id)):
                continue
            self.drafts.append(draft)
            if (draft.external_id, draft.revision) in self.stored:
                continue
            self.stored[draft.external_id, draft.revision] = draft
            before = self.current.get(draft.external_id)
            if before is None or draft.revised_at >= before.revised_at:
                self.current[draft.external_id] = draft

    async def fresh(self) -> list[Draft]:
        """Poll to the end and list only what this poll brought."""
        before = len(self.drafts)
        await self.poll()
        return self.drafts[before:]


def _said(draft: Draft | None) -> str:
    return draft.revision.rpartition("/")[2] if draft else ""


@asynccontextmanager
async def polling(twin: Twin, **settings: Any) -> AsyncGenerator[Poller]:
    async with twin.serve() or serve(twin.app) as url, Clients() as clients:
        yield poller(twin, url, clients, **settings)


def poller(twin: Twin, url: str, clients: Clients, /, **settings: Any) -> Poller:
    """Configure one more source for a twin that is being served; a setting of None is left out."""
    given = {**twin.settings(url), **settings}
    kept = {name: value for name, value in given.items() if value is not None}
    return Poller(registry.find(twin.connector).model_validate(kept), clients)
