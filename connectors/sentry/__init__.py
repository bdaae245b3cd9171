"""Sentry: errors as they appear, come back and are settled, and releases.

The list of issues is sorted by their last event. That somebody resolves, archives, assigns or
deletes one moves nothing there: so the open ones are listed again from time to time, and what is
missing is asked for by itself.
https://docs.sentry.io/api/events/list-an-organizations-issues/
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from connectors.sentry.records import (
    BACK,
    CLEARED,
    COMMENT,
    FIRING,
    NEW,
    RELEASE,
    Known,
    Record,
    alert,
    comment,
    issue,
    last_seen,
    listed,
    metric,
    release,
    released,
)
from hub.connector import (
    Accepted,
    Answer,
    Api,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Draft,
    Duration,
    Endpoint,
    Hmac,
    Http,
    Json,
    NewestFirst,
    Page,
    Pushed,
    SecretStr,
    SourceMisbehaved,
    now,
    streams,
    utc,
)

_SIGNED = Hmac("Sentry-Hook-Signature")
# Always there, with results="false" at the end: https://docs.sentry.io/api/pagination/
_NEXT = re.compile(r'rel="next";\s*results="true";\s*cursor="([^"]+)"')
_PAGE = 100
_AT_ONCE = 20  # issues asked for one by one for a page


class Sentry(Connector):
    """Issues of a Sentry organization (of all its projects, or some), and its releases.

    One signal per issue (`issue/<id>`): new, or regressed where it came back or escalates; resolved
    and archived ones are settled, deleted ones withdrawn. That an event more came is no news. One
    per release (`release/<version>`). Webhooks add alerts and comments.

    Attributes of an issue: shortId, level, priority, substatus, platform, firstSeen, lastSeen,
    userCount, count, team.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({NEW, BACK, FIRING, CLEARED, COMMENT, RELEASE})
    sign_in: ClassVar[str] = "The token of an internal integration (Settings, Custom Integrations)."
    scopes: ClassVar[tuple[str, ...]] = ("event:read", "project:releases", "org:read")
    limits: ClassVar[str] = "Issues that had no event for 90 days are not listed."
    freshness: ClassVar[str] = "A minute; what is done about an error ten, or seconds by webhook."

    token: SecretStr
    organization: str
    """Its slug."""
    url: str = "https://us.sentry.io"
    """https://de.sentry.io for data kept in the European Union, or your own server."""
    projects: tuple[str, ...] = ()
    """Slugs; none: all that the token may see."""
    releases: bool = True
    """Whether to read releases, too."""
    since: AwareDatetime | None = None
    """Where the first sync begins; None begins 14 days ago."""
    look_again: Duration = timedelta(minutes=10)
    """How often to list the open issues, to see what was done about them."""
    watch: Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=90))] = timedelta(14)
    """For how long after its last event an issue is looked at again."""
    signing_secret: SecretStr | None = None
    """The client secret of the integration (webhooks: issue, comment; alert rule actions)."""
    per_minute: Annotated[int, Field(gt=0)] = 120

    def endpoint(self) -> Endpoint:
        url = f"{self.url.rstrip('/')}/api/0/organizations/{self.organization}"
        return Http(url, Bearer(self.token), self.per_minute)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        releases = {"releases": partial(self._releases, api)} if self.releases else {}
        async for page in streams(cursor, {"issues": partial(self._issues, api), **releases}):
            yield page

    async def _issues(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        saved: Any = {"known": {}, "looked": "1970-01-01", "walk": {}} | dict(cursor)
        known, looked = {**saved["known"]}, utc(saved["looked"])

        async def ask(since: datetime | None, _: datetime | None, place: Json) -> Batch:
            # Without `query` only unresolved issues are listed; with it empty, all.
            span = {"start": since, "end": now() + timedelta(minutes=5)}
            return await self._list(api, place, query="", **span)

        def at(page: Page) -> Cursor:
            return {"looked": looked.isoformat(), "walk": dict(page.cursor), "known": {**known}}

        since = self.since or now() - timedelta(days=14)
        due = now() - looked >= self.look_again
        walk = NewestFirst().pages(
            saved["walk"], ask, last_seen, read=lambda issue: listed(issue, known), since=since
        )
        async for page in walk:
            if page.more or not due:
                yield Page(page.drafts, at(page), page.bad, page.more)
        if not due:
            return
        looked = now()
        async for more in self._look(api, known, looked):
            last = Page([*page.drafts, *more.drafts], at(page), [*page.bad, *more.bad], more.more)
            yield replace(last, cursor={**last.cursor, **more.cursor})
            page = Page((), page.cursor)

    async def _look(self, api: Api, known: Known, at: datetime) -> AsyncIterator[Page]:
        """Look at every open issue, and at those that were open and are no longer."""
        issues = await self._open(api)
        found = {str(one.get("id")) for one in issues}
        missing = [name for name in known if name not in found]
        while True:
            these, issues = issues[:_PAGE], issues[_PAGE:]
            if not issues:
                some, missing = missing[:_AT_ONCE], missing[_AT_ONCE:]
                these += [await self._one(api, name) for name in some]
            read = Page.read(these, lambda issue: listed(issue, known), {})
            for one in these:  # what is too old to be listed is not watched any longer
                if (one.get("lastSeen") or "") < f"{at - self.watch:%Y-%m-%dT%H:%M:%S}":
                    known.pop(str(one.get("id")), None)
            left = len(issues) + len(missing)
            yield replace(read, cursor={"left": left} if left else {}, more=bool(left))
            if not left:
                return

    async def _open(self, api: Api) -> list[Record]:
        days, found, place = f"{self.watch // timedelta(days=1)}d", list[Record](), None
        while True:
            batch = await self._list(api, place, query="is:unresolved", statsPeriod=days)
            found += batch.records
            if batch.next is None:
                return found
            if batch.next == place:
                raise SourceMisbehaved("Sentry's next page of issues is this page again")
            place = batch.next

    async def _list(self, api: Api, place: Json, **params: Any) -> Batch:
        asked = {"sort": "date", "limit": _PAGE, "cursor": place, "project": list(self.projects)}
        return _batch(await api.fetch("issues/", params=asked | params))

    async def _one(self, api: Api, name: str) -> Record:
        try:
            found: Record = await api.get(f"issues/{name}/")
        except SourceMisbehaved as error:
            if error.status != 404:
                raise
            return {"id": name, "is_gone": True}
        return found

    async def _releases(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(_: datetime | None, __: datetime | None, place: Json) -> Batch:
            asked = {"per_page": _PAGE, "cursor": place, "project": list(self.projects)}
            return _batch(await api.fetch("releases/", params=asked))

        walk = NewestFirst().pages(cursor, ask, released, read=release, since=self.since)
        async for page in walk:
            yield page

    def verify(self, request: Pushed) -> Accepted:
        _SIGNED.check(request, self.signing_secret)
        return Accepted(request.headers.get("request-id"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        # https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
        told, resource = event.json(), event.headers.get("sentry-hook-resource")
        data = told["data"]
        if resource == "issue":
            wanted = not self.projects or data["issue"]["project"]["slug"] in self.projects
            return [issue(data["issue"], None, event.received_at)] if wanted else []
        reads = {"event_alert": alert, "metric_alert": metric, "comment": comment}
        read = reads.get(resource or "")
        return [read(told["action"], data, event.received_at)] if read else []


def _batch(answer: Answer) -> Batch:
    following = _NEXT.search(answer.headers.get("link", ""))
    return Batch(answer.json(), following[1] if following else None)
