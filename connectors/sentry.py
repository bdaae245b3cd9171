"""Sentry: errors as they appear, come back and are settled, and releases.

The list of issues is sorted by their last event. That somebody resolves, archives, assigns or
deletes one moves nothing there: so the open ones are listed again from time to time, and what is
missing is asked for by itself.
https://docs.sentry.io/api/events/list-an-organizations-issues/
"""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AwareDatetime, Field

from hub.connector import (
    Accepted,
    Answer,
    Api,
    BadRecord,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Department,
    Draft,
    Endpoint,
    Hmac,
    Http,
    Json,
    NewestFirst,
    Page,
    PersonRef,
    Pushed,
    SecretStr,
    Severity,
    SourceMisbehaved,
    Status,
    now,
    streams,
    utc,
)

Record: TypeAlias = dict[str, Any]
Known: TypeAlias = dict[str, str]

_NEW, _BACK, _FIRING, _CLEARED = (
    f"ops.{name}" for name in ("error.new", "error.regressed", "alert.firing", "alert.resolved")
)
_COMMENT, _RELEASE = "content.comment", "product.release"
_SIGNED = Hmac("Sentry-Hook-Signature")
# Always there, with results="false" at the end: https://docs.sentry.io/api/pagination/
_NEXT = re.compile(r'rel="next";\s*results="true";\s*cursor="([^"]+)"')
_STATUS = {"unresolved": Status.OPEN, "resolved": Status.RESOLVED}
_SEVERITY = {"fatal": Severity.CRITICAL, "high": Severity.HIGH, "medium": Severity.MEDIUM,
             "low": Severity.LOW, "error": Severity.MEDIUM, "warning": Severity.LOW}  # fmt: skip
_FACTS = ("shortId", "level", "priority", "substatus", "platform", "firstSeen", "lastSeen",
          "userCount")  # fmt: skip
_AT_ONCE = 20  # issues asked for one by one for a page


class Sentry(Connector):
    """Issues of a Sentry organization (of all its projects, or some), and its releases.

    One signal per issue (`issue/<id>`): new, or regressed where it came back or escalates; resolved
    and archived ones are settled, deleted ones withdrawn. That an event more came is no news. One
    per release (`release/<version>`). Webhooks add alerts and comments.

    Attributes of an issue: shortId, level, priority, substatus, platform, firstSeen, lastSeen,
    userCount, count, team.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_NEW, _BACK, _FIRING, _CLEARED, _COMMENT, _RELEASE}
    )
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
    since: AwareDatetime | None = None
    """Where the first sync begins; None begins 14 days ago."""
    look_again: timedelta = timedelta(minutes=10)
    """How often to list the open issues, to see what was done about them."""
    watch: Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=90))] = timedelta(14)
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

        def at(page: Page, left: int = 0) -> Cursor:
            where: Record = {"looked": looked.isoformat(), "walk": dict(page.cursor)}
            return where | {"known": {**known}} | ({"left": left} if left else {})

        since = self.since or now() - timedelta(days=14)
        due = now() - looked >= self.look_again
        walk = NewestFirst().pages(
            saved["walk"], ask, _last_seen, read=lambda issue: _news(issue, known), since=since
        )
        async for page in walk:
            if page.more or not due:
                yield Page(page.drafts, at(page), page.bad, page.more)
        if not due:
            return
        drafts, bad = [*page.drafts], [*page.bad]
        looked, issues = now(), [issue async for issue in self._open(api)]
        found = {str(issue.get("id")) for issue in issues}
        missing = [name for name in known if name not in found]
        while True:
            some, missing = missing[:_AT_ONCE], missing[_AT_ONCE:]
            issues += [await self._one(api, name) for name in some]
            read = Page.read(issues, lambda issue: _news(issue, known), page.cursor)
            for issue in issues:  # what is too old to be listed is not watched any longer
                if (issue.get("lastSeen") or "") < f"{looked - self.watch:%Y-%m-%dT%H:%M:%S}":
                    known.pop(str(issue.get("id")), None)
            here = at(page, len(missing))
            yield Page([*drafts, *read.drafts], here, [*bad, *read.bad], more=bool(missing))
            if not missing:
                return
            issues, drafts, bad = [], [], []

    async def _open(self, api: Api) -> AsyncIterator[Record]:
        days, place = f"{self.watch // timedelta(days=1)}d", None
        while True:
            batch = await self._list(api, place, query="is:unresolved", statsPeriod=days)
            for issue in batch.records:
                yield issue
            if (place := batch.next) is None:
                return

    async def _list(self, api: Api, place: Json, **params: Any) -> Batch:
        asked = {"sort": "date", "limit": 100, "cursor": place, "project": list(self.projects)}
        return _batch(await api.fetch("issues/", params=asked | params))

    async def _one(self, api: Api, name: str) -> Record:
        try:
            issue: Record = await api.get(f"issues/{name}/")
        except SourceMisbehaved as error:
            if error.status != 404:
                raise
            return {"id": name, "is_gone": True}
        return issue

    async def _releases(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(_: datetime | None, __: datetime | None, place: Json) -> Batch:
            asked = {"per_page": 100, "cursor": place, "project": list(self.projects)}
            return _batch(await api.fetch("releases/", params=asked))

        walk = NewestFirst().pages(cursor, ask, _released, read=_release, since=self.since)
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
            return [_issue(data["issue"], None, event.received_at)] if wanted else []
        read = {"event_alert": _alert, "metric_alert": _metric, "comment": _comment}.get(
            resource or ""
        )
        return [read(told["action"], data, event.received_at)] if read else []


def _batch(answer: Answer) -> Batch:
    following = _NEXT.search(answer.headers.get("link", ""))
    return Batch(answer.json(), following[1] if following else None)


def _last_seen(issue: Record) -> datetime:
    return utc(issue["lastSeen"])


def _released(release: Record) -> datetime:
    return utc(release.get("dateReleased") or release["dateCreated"])


def _news(issue: Record, known: Known) -> Draft | None:
    """Read an issue whose state is another than the one that was told of."""
    if not (name := str(issue["id"] or "")):
        raise BadRecord("an issue without an id")
    seen = now()
    before = known.pop(name, "")
    if issue.get("is_gone"):
        return Draft(
            kind=_NEW,
            external_id=f"issue/{name}",
            revision="deleted",
            revised_at=seen,
            occurred_at=seen,
            title="An issue was deleted",
            status=Status.DELETED,
            thread=f"issue/{name}",
        )
    phase = issue.get("substatus") or "new"
    if phase == "ongoing":  # for that it goes on is no news
        phase = before.partition(" ")[0] or "new"
    draft = _issue(issue, phase, seen)
    state = f"{phase} {draft.revision.rpartition('/')[2]}"
    if issue["status"] == "unresolved":
        known[name] = state
    return None if state == before else draft


def _issue(issue: Record, phase: str | None, seen: datetime) -> Draft:
    phase = phase or issue.get("substatus")
    is_back, is_open = phase in {"regressed", "escalating"}, issue["status"] == "unresolved"
    first, last = utc(issue["firstSeen"]), utc(issue["lastSeen"])
    to = issue.get("assignedTo") or {}
    facts = {name: issue.get(name) for name in _FACTS} | {
        "count": int(issue.get("count") or 0),  # a string
        "team": to.get("name") if to.get("type") == "team" else None,
    }
    severity = _SEVERITY.get(issue.get("priority") or "") or _SEVERITY.get(issue.get("level") or "")
    draft = Draft(
        kind=_BACK if is_back else _NEW,
        external_id=f"issue/{issue['id']}",
        revision="of its time",
        # No time of a change is told; that of the last event names the states that followed one.
        revised_at=last if is_back or not is_open else first,
        occurred_at=(last if is_back else first) if is_open else seen,
        title=issue["title"],
        summary=issue.get("culprit") or "",
        url=issue.get("permalink") or issue.get("web_url"),
        severity=(Severity.CRITICAL if issue.get("level") == "fatal" else severity)
        if is_open
        else None,
        status=_STATUS.get(issue["status"], Status.ACKNOWLEDGED),
        owner=PersonRef(name=to["name"], email=to.get("email"))
        if to.get("type") == "user"
        else None,
        labels=(issue["project"]["slug"],),
        attributes={name: fact for name, fact in facts.items() if fact is not None},
        thread=f"issue/{issue['id']}",
    )
    return draft.by_content().model_copy(update={"revised_at": seen})


def _release(release: Record) -> Draft:
    at = _released(release)
    return Draft(
        kind=_RELEASE,
        external_id=f"release/{release['version']}",
        revision="of its time",
        revised_at=at,
        occurred_at=at,
        title=release.get("shortVersion") or release["version"],
        url=release.get("url"),
        labels=tuple(project["slug"] for project in release.get("projects") or ()),
        attributes={"version": release["version"]},
    ).by_content()


def _alert(_: str, data: Record, seen: datetime) -> Draft:
    event = data["event"]
    return Draft(
        kind=_FIRING,
        external_id=f"alert/{event['event_id']}",
        revision="1",
        revised_at=seen,
        occurred_at=utc(event["datetime"]),
        title=f"{data['triggered_rule']}: {event['title']}",
        url=event.get("web_url"),
        severity=_SEVERITY.get(event.get("level") or ""),
        thread=f"issue/{event['issue_id']}",
    )


def _metric(action: str, data: Record, seen: datetime) -> Draft:
    alert, is_over = data["metric_alert"], action == "resolved"
    return Draft(
        kind=_CLEARED if is_over else _FIRING,
        external_id=f"metric_alert/{alert['id']}",
        revision=f"{action}@{seen.isoformat()}",
        revised_at=seen,
        occurred_at=seen if is_over else utc(alert["date_started"]),
        title=data.get("description_title") or alert["title"],
        summary=data.get("description_text") or "",
        url=data.get("web_url"),
        severity={"critical": Severity.CRITICAL, "warning": Severity.MEDIUM}.get(action),
        status=Status.RESOLVED if is_over else Status.OPEN,
    )


def _comment(action: str, data: Record, _: datetime) -> Draft:
    at = utc(data["timestamp"])
    draft = Draft(
        kind=_COMMENT,
        external_id=f"comment/{data['comment_id']}",
        revision=at.isoformat(),
        revised_at=at,
        occurred_at=at,
        title="Comment on an error",
        body=data.get("comment") or None,
        department=Department.ENGINEERING,
        thread=f"issue/{data['issue_id']}",
    )
    return draft.deleted("A comment was deleted") if action == "deleted" else draft
