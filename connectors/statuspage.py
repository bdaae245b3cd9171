"""A page of Atlassian Statuspage: its incidents, maintenance and components, ours or a supplier's.

Every page tells the world what it knows, without sign-in: the fifty newest incidents and the fifty
newest maintenances, each whole, and the state of every component (https://<page>/api). A page is
cached for up to a minute. https://www.githubstatus.com/api is one of them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field

from hub.connector import (
    Accepted,
    Api,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    Page,
    Pushed,
    PushRefused,
    SecretStr,
    Seen,
    Severity,
    Snapshot,
    Status,
    conditional,
    is_secret,
    now,
    plain,
    streams,
    utc,
)

Record: TypeAlias = dict[str, Any]

_TRIGGERED, _ACKNOWLEDGED, _RESOLVED, _MAINTENANCE, _FIRING, _CLEARED = (
    f"ops.{name}"
    for name in ("incident.triggered", "incident.acknowledged", "incident.resolved", "maintenance",
                 "alert.firing", "alert.resolved")
)  # fmt: skip
_KINDS = {"investigating": _TRIGGERED, "resolved": _RESOLVED, "postmortem": _RESOLVED}
_OVER = frozenset({"resolved", "postmortem", "completed"})
_PLANNED = frozenset({"scheduled", "in_progress", "verifying", "completed"})
_IMPACT = {"none": Severity.LOW, "minor": Severity.MEDIUM, "major": Severity.HIGH,
           "critical": Severity.CRITICAL}  # fmt: skip
_OUTAGE = {"degraded_performance": Severity.MEDIUM, "partial_outage": Severity.HIGH,
           "major_outage": Severity.CRITICAL}  # fmt: skip
_CACHED = timedelta(minutes=1)
_LISTED = 50


class Statuspage(Connector):
    """What a status page says of incidents, planned maintenance and components.

    One signal per incident (`incident/<id>`), whose kind moves with its status, per maintenance
    (`maintenance/<id>`), and per component while it is not operational (`component/<id>`).

    Attributes: page, status, impact, components (their names), scheduled_until.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_TRIGGERED, _ACKNOWLEDGED, _RESOLVED, _MAINTENANCE, _FIRING, _CLEARED}
    )
    sign_in: ClassVar[str] = "None: the page is public."
    limits: ClassVar[str] = "The fifty newest incidents and maintenances."
    freshness: ClassVar[str] = "Two minutes, for the page is cached; seconds where it pushes."

    url: str
    """The page: https://www.githubstatus.com"""
    components: bool = True
    """Whether to read components, too."""
    signing_secret: SecretStr | None = None
    """A word of your own. Statuspage signs nothing: so subscribe a webhook at the page to
    `https://<hub>/push/<source>?token=<the word>`, and tell nobody."""
    per_minute: Annotated[int, Field(gt=0)] = 30

    def endpoint(self) -> Endpoint:
        return Http(self.url, per_minute=self.per_minute)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        pulls = {
            "incidents": partial(_reports, api, "incidents", "incidents"),
            "maintenance": partial(
                _reports, api, "scheduled-maintenances", "scheduled_maintenances"
            ),
        }
        if self.components:
            pulls["components"] = partial(_components, api)
        async for page in streams(cursor, pulls):
            yield page

    def verify(self, request: Pushed) -> Accepted:
        # https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/
        if not is_secret(request.query.get("token", ""), self.signing_secret):
            raise PushRefused("the address that was called does not end in this source's token")
        # Of a component it says less than the page: that is asked when its cache is no longer old.
        return Accepted(poll=_CACHED)

    def read(self, event: Pushed) -> Sequence[Draft]:
        incident = event.json().get("incident")
        return [_report(incident, None)] if incident else []


async def _reports(api: Api, path: str, name: str, cursor: Cursor) -> AsyncIterator[Page]:
    oldest: datetime | None = None
    page = ""

    async def ask(validators: Mapping[str, Json]) -> Seen | None:
        nonlocal oldest, page
        body, validators = await _fetch(api, path, validators)
        if body is None:
            return None
        found = body[name]
        page = (body.get("page") or {}).get("name") or ""
        if len(found) >= _LISTED:
            oldest = min(utc(one["created_at"]) for one in found if one.get("created_at"))
        return Seen(found, validators)

    def read(report: Record, _: int) -> Draft | None:
        if not report.get("is_gone"):
            return _report(report, page)
        # What is older than the fifty that are shown was not deleted.
        is_old = oldest is not None and utc(report["created_at"]) < oldest
        return None if is_old else _report(report, page).deleted("Withdrawn from the status page")

    async for one in Snapshot().pages(
        cursor,
        ask,
        key=lambda report: report["id"],
        version=lambda report: _report(report, page).revision,
        keep=lambda report: {key: report.get(key) for key in ("id", "created_at", "scheduled_for")},
        gone=lambda _, kept: kept | {"is_gone": True, "name": "?", "status": "resolved"},
        read=read,
    ):
        yield one


async def _components(api: Api, cursor: Cursor) -> AsyncIterator[Page]:
    async def ask(validators: Mapping[str, Json]) -> Seen | None:
        body, validators = await _fetch(api, "components", validators)
        if body is None:
            return None
        return Seen([one for one in body["components"] if one.get("status") in _OUTAGE], validators)

    async for one in Snapshot().pages(
        cursor,
        ask,
        key=lambda component: component["id"],
        version=lambda component: component["status"],
        keep=lambda component: {"id": component["id"], "name": component["name"]},
        gone=lambda _, kept: kept | {"status": "operational"},
        read=_component,
    ):
        yield one


async def _fetch(
    api: Api, path: str, known: Mapping[str, Json]
) -> tuple[Record | None, Mapping[str, Json]]:
    answer = await api.fetch(f"api/v2/{path}.json", headers=conditional(known))
    if answer.not_modified:
        return None, known
    return answer.json(), answer.validators


def _report(report: Record, page: str | None) -> Draft:
    if not report["id"]:
        raise ValueError("a report without an id")
    status = report["status"]
    is_planned = bool(report.get("scheduled_for")) or status in _PLANNED
    is_over = status in _OVER
    kind = _MAINTENANCE if is_planned else _KINDS.get(status, _ACKNOWLEDGED)
    began = utc(report["created_at"])
    changed = utc(report["updated_at"]) if report.get("updated_at") else began
    updates = [one for one in report.get("incident_updates") or () if one.get("body")]
    told = [
        f"{one['status'].replace('_', ' ').capitalize()}: {plain(one['body'])}" for one in updates
    ]
    facts = {
        "page": page or None,
        "state": status,
        "impact": report.get("impact"),
        "components": [one["name"] for one in report.get("components") or ()],
        "ends_at": report.get("scheduled_until"),
    }
    name = f"{'maintenance' if is_planned else 'incident'}/{report['id']}"
    happened = report.get("scheduled_for") if is_planned else is_over and report.get("resolved_at")
    open_status = Status.ACKNOWLEDGED if kind == _ACKNOWLEDGED else Status.OPEN
    return Draft(
        kind=kind,
        external_id=name,
        revision="of its time",
        revised_at=changed,
        occurred_at=utc(happened) if happened else began,
        title=report["name"],
        summary=told[0] if told else "",
        body="\n\n".join(told) or None,
        url=report.get("shortlink"),
        severity=None if is_over or is_planned else _IMPACT.get(report.get("impact") or ""),
        status=Status.RESOLVED if is_over else open_status,
        attributes={fact: value for fact, value in facts.items() if value not in (None, [])},
        thread=name,
    ).by_content()


def _component(component: Record, rounds: int) -> Draft:
    if not component["id"]:
        raise ValueError("a component without an id")
    status, seen = component["status"], now()
    is_over = status == "operational"
    since = component.get("updated_at")
    return Draft(
        kind=_CLEARED if is_over else _FIRING,
        external_id=f"component/{component['id']}",
        revision=f"{status}/{rounds}",
        revised_at=seen,
        occurred_at=utc(since) if since and not is_over else seen,
        title=f"{component['name']}: {status.replace('_', ' ')}",
        severity=_OUTAGE.get(status),
        status=Status.RESOLVED if is_over else Status.OPEN,
        attributes={"state": status},
    )
