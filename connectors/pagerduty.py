"""PagerDuty: incidents as they trigger, change hands and end, and the notes written on them.

Read from the log of all incidents: the list of incidents can be asked only for when one was
created, so it never tells that an older one was acknowledged or resolved. An incident is not
deleted; one that was merged into another is resolved.
https://developer.pagerduty.com/api-reference/c661e065403b5-list-log-entries
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from hub.connector import (
    Accepted,
    Api,
    BadRecord,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Department,
    Draft,
    Endpoint,
    EventLog,
    Header,
    Hmac,
    Http,
    Json,
    Page,
    PersonRef,
    Pushed,
    SecretStr,
    Severity,
    SourceMisbehaved,
    Status,
    now,
    utc,
)

_TRIGGERED, _ACKNOWLEDGED, _RESOLVED = (
    f"ops.incident.{name}" for name in ("triggered", "acknowledged", "resolved")
)
_KINDS = {"triggered": _TRIGGERED, "acknowledged": _ACKNOWLEDGED, "resolved": _RESOLVED}
_STATUS = {
    _TRIGGERED: Status.OPEN,
    _ACKNOWLEDGED: Status.ACKNOWLEDGED,
    _RESOLVED: Status.RESOLVED,
}
# A type of log entry, without `_log_entry`: what a webhook calls the same.
# https://developer.pagerduty.com/docs/webhooks-overview#event-types
_EVENTS = {
    "trigger": "triggered",
    "acknowledge": "acknowledged",
    "acknowledgement": "acknowledged",  # so the description says in one place
    "unacknowledge": "unacknowledged",
    "resolve": "resolved",
    "reopen": "reopened",
    "assign": "reassigned",
    "escalate": "escalated",
    "delegate": "delegated",
    "priority_change": "priority_updated",
    "urgency_change": "urgency_updated",
    "annotate": "annotated",
}
_HANDED_ON = frozenset({"reassigned", "escalated", "delegated"})
_BECOMES = {"unacknowledged": "triggered", "reopened": "triggered"} | {
    status: status for status in _KINDS
}
# Offset and limit together may not pass 10,000: https://developer.pagerduty.com/docs/pagination
_FURTHEST, _PAGE = 10_000, 100
_EMPTY = 3  # pages without an entry that are still no end
_SIGNED = Hmac("X-PagerDuty-Signature", prefix="v1=")
_LEVELS = {"1": Severity.CRITICAL, "2": Severity.HIGH, "3": Severity.MEDIUM}


class PagerDuty(Connector):
    """Incidents of PagerDuty, from the log of what happened to them.

    One signal per incident (`incident/<id>`), whose kind moves with it, and one per note
    (`incident/<id>/note/<who>@<second>`). Escalations, reassignments, and changes of priority and
    urgency are revisions. Notifications, snoozing and custom fields are not read.

    Attributes: number, urgency, priority, service, event, assignees, escalation_policy.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({*_STATUS, "content.comment"})
    every: ClassVar[timedelta] = timedelta(seconds=30)
    sign_in: ClassVar[str] = (
        "A read-only API key (Integrations, API Access Keys), or an access token of an OAuth app."
    )
    scopes: ClassVar[tuple[str, ...]] = ("incidents.read",)
    limits: ClassVar[str] = "960 requests a minute for each key."
    freshness: ClassVar[str] = "Seconds where PagerDuty pushes, else half a minute."

    token: SecretStr
    url: str = "https://api.pagerduty.com"
    """For an account in the European region: https://api.eu.pagerduty.com"""
    teams: tuple[str, ...] = ()
    """Ids of teams (PQ9K7I8): only incidents of these are read; else all."""
    since: AwareDatetime | None = None
    """Where the first sync begins; None begins 30 days ago."""
    signing_secret: SecretStr | None = None
    """The secret that PagerDuty shows once when a v3 webhook subscription is created."""
    per_minute: Annotated[int, Field(gt=0)] = 480

    def endpoint(self) -> Endpoint:
        # Required of each request, also of one without a body:
        # https://developer.pagerduty.com/docs/versioning
        headers = {
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Content-Type": "application/json",
        }
        return Http(self.url, self._auth(), self.per_minute, headers)

    def _auth(self) -> Bearer | Header:
        token = self.token.get_secret_value()
        if token.startswith(("pdus+", "pdeu+")):  # an OAuth token names its region
            return Bearer(self.token)
        return Header("Authorization", SecretStr(f"Token token={token}"))

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime, until: datetime, _: Json) -> Batch:
            about = {"include[]": ["incidents", "channels"], "team_ids[]": list(self.teams)}
            span = {"since": since, "until": until, "is_overview": True, "time_zone": "UTC"}
            entries: list[Any] = []
            more, empty = True, 0
            while more and len(entries) <= _FURTHEST - _PAGE:
                at = {"limit": _PAGE, "offset": len(entries)}
                body = await api.get("log_entries", **span, **at, **about)
                # A page may be shorter than was asked for: only `more` tells of the end.
                entries += body["log_entries"]
                more, empty = body["more"], empty + (not body["log_entries"])
                if empty > _EMPTY:
                    raise SourceMisbehaved("PagerDuty says that more follows, and sends nothing")
            # The newest comes first; what happened in one second must be read in its order.
            return Batch(entries[::-1])

        log = EventLog(span=timedelta(days=1), cap=_FURTHEST - _PAGE)
        since = self.since or now() - timedelta(days=30)
        async for page in log.pages(cursor, ask, _when, read=_entry, since=since):
            yield page

    def verify(self, request: Pushed) -> Accepted:
        # https://developer.pagerduty.com/docs/webhook-signatures
        _SIGNED.check(request, self.signing_secret)
        return Accepted(request.headers.get("x-webhook-id"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        told = event.json()["event"]
        name = told["event_type"].removeprefix("incident.")
        # The log knows the second only: finer times would put what it tells next before this.
        at = utc(told["occurred_at"]).replace(microsecond=0)
        data, agent = told["data"], told.get("agent") or {}
        if name == "annotated":
            return [_note(data["incident"], at, agent, data["content"])]
        if told["resource_type"] != "incident" or name not in {*_EVENTS.values()}:
            return []
        return [_incident(data, name, at, agent, _BECOMES.get(name) or data["status"])]


def _when(entry: Mapping[str, Any]) -> datetime:
    return utc(entry["created_at"])


def _entry(entry: Mapping[str, Any]) -> Draft | None:
    event = _EVENTS.get(entry["type"].removesuffix("_log_entry"))
    if event is None:
        return None
    incident, at, agent = entry["incident"], _when(entry), entry.get("agent") or {}
    if event == "annotated":
        said = entry.get("channel") or {}
        note = said.get("summary") or said.get("content") or entry.get("note")
        return _note(incident, at, agent, note)
    # The incident is told as it is now. What changed hands before it was acknowledged or ended
    # does so no longer: the later entry tells it all.
    status = _BECOMES.get(event) or incident["status"]
    if event not in _BECOMES and status != "triggered":
        changed = incident.get("last_status_change_at")
        if changed and utc(changed) > at:
            return None
    now = {"assignees": entry["assignees"]} if entry.get("assignees") else {}
    return _incident({**incident, **now}, event, at, agent, status)


def _incident(
    incident: Mapping[str, Any], event: str, at: datetime, agent: Mapping[str, Any], status: str
) -> Draft:
    if status not in _KINDS or not incident["id"]:
        raise BadRecord(f"an incident without an id, or that is {status}")
    kind = _KINDS[status]
    people = incident.get("assignees") or [
        one["assignee"] for one in incident.get("assignments") or ()
    ]
    priority, urgency = _said(incident.get("priority")), incident.get("urgency")
    facts = {
        "number": incident.get("incident_number") or incident.get("number"),
        "urgency": urgency,
        "priority": priority,
        "service": _said(incident.get("service")),
        "escalation_policy": _said(incident.get("escalation_policy")),
        "assignees": [one["summary"] for one in people if one.get("summary")],
        "event": event,
    }
    labels = (facts["service"], *map(_said, incident.get("teams") or ()))
    who = _said(agent)
    to = ",".join(sorted(one["id"] for one in people)) if event in _HANDED_ON else ""
    return Draft(
        kind=kind,
        external_id=f"incident/{incident['id']}",
        revision=_moment(f"{event} {to}" if to else event, at),
        revised_at=at,
        occurred_at=at,
        title=incident.get("title") or _name(incident) or f"Incident {incident['id']}",
        summary=f"{event.replace('_', ' ').capitalize()} by {who}" if who else "",
        url=incident.get("html_url"),
        severity=None if kind == _RESOLVED else _severity(priority, urgency),
        status=_STATUS[kind],
        author=_person(agent),
        owner=next(filter(None, map(_person, people)), None),
        labels=tuple(dict.fromkeys(filter(None, labels))),
        attributes={name: fact for name, fact in facts.items() if fact not in (None, [])},
        thread=f"incident/{incident['id']}",
    )


def _note(
    incident: Mapping[str, Any], at: datetime, agent: Mapping[str, Any], content: str | None
) -> Draft:
    if not incident["id"]:
        raise BadRecord("a note on an incident without an id")
    return Draft(
        kind="content.comment",
        # The log and the webhook number a note differently; both tell its second.
        external_id=_moment(f"incident/{incident['id']}/note/{agent.get('id')}", at),
        revision="1",
        revised_at=at,
        occurred_at=at,
        title=f"Note on {incident.get('title') or _name(incident) or 'an incident'}",
        body=content or None,
        url=incident.get("html_url"),
        department=Department.ENGINEERING,
        author=_person(agent),
        thread=f"incident/{incident['id']}",
    )


def _moment(what: str, at: datetime) -> str:
    return f"{what}@{at:%Y-%m-%dT%H:%M:%SZ}"


def _severity(priority: str | None, urgency: str | None) -> Severity | None:
    """Read a priority, whose names are the account's own (P1, SEV-2), else the urgency."""
    if digit := re.search(r"\d", priority or ""):
        return _LEVELS.get(digit[0], Severity.LOW)
    return {"high": Severity.HIGH, "low": Severity.LOW}.get(urgency or "")


def _name(incident: Mapping[str, Any]) -> str:
    """Read what a reference to an incident says: "[#1234] The server is on fire."."""
    return re.sub(r"^\[#\d+\] ", "", _said(incident) or "")


def _said(reference: Mapping[str, Any] | None) -> str | None:
    return (reference or {}).get("summary")


def _person(reference: Mapping[str, Any]) -> PersonRef | None:
    is_user = str(reference.get("type")).startswith("user") and reference.get("summary")
    return PersonRef(name=reference["summary"], handle=reference.get("id")) if is_user else None
