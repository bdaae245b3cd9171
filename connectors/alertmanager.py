"""Prometheus Alertmanager, and Grafana's (`https://<grafana>/api/alertmanager/grafana`).

The API is a snapshot of the alerts that exist now, without cursor or pages: one that resolves
vanishes, so the cursor keeps the known alerts and a resolution is what has disappeared.
https://prometheus.io/docs/alerting/latest/alerts_api/
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from hub.connector import (
    Accepted,
    Api,
    Basic,
    BasicAuth,
    Bearer,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Hmac,
    Http,
    Json,
    Page,
    Pushed,
    Scheme,
    SecretStr,
    Seen,
    Severity,
    Snapshot,
    SourceMisbehaved,
    Status,
    Token,
    now,
    utc,
)

SEVERITIES: Mapping[str, Severity] = {
    **dict.fromkeys(
        ("critical", "page", "emergency", "fatal", "disaster", "p1"), Severity.CRITICAL
    ),
    **dict.fromkeys(("error", "high", "major", "p2"), Severity.HIGH),
    **dict.fromkeys(("warning", "warn", "medium", "average", "minor", "p3"), Severity.MEDIUM),
    **dict.fromkeys(("low", "p4"), Severity.LOW),
    **dict.fromkeys(("info", "information", "informational", "none", "p5"), Severity.INFO),
}
_STATUS = {
    "suppressed": Status.ACKNOWLEDGED,
    "resolved": Status.RESOLVED,
}
_GRAFANA = "x-grafana-alerting-signature"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_KEPT = ("fingerprint", "labels", "annotations", "generatorURL", "startsAt", "updatedAt")


class Alertmanager(Connector):
    url: str
    """The address before `/api/v2`."""
    token: SecretStr | None = None
    """Bearer token (Grafana: of a service account that may read alerts)."""
    user: str | None = None
    password: SecretStr | None = None
    filter: tuple[str, ...] = ()
    """Matchers, all of which must hold: `severity=~"critical|page"`."""
    receiver: str | None = None
    """A regular expression: only alerts that are routed to such a receiver."""
    severity_label: str = "severity"
    label_names: tuple[str, ...] = Field(default=("alertname", "team", "service"))
    """The alert's labels whose values become labels of the signal."""

    signing_secret: SecretStr | None = None
    """What notifications show: Grafana's HMAC secret, or a bearer token or password of your own."""
    signing_user: str = "hub"
    """The user that comes with the password, where they show one."""
    signed_at: str | None = None
    """The header with the time of a notification, if Grafana was given a name for one."""

    kinds: ClassVar[frozenset[str]] = frozenset({"ops.alert.firing", "ops.alert.resolved"})
    every: ClassVar[timedelta] = timedelta(seconds=30)
    sign_in: ClassVar[str] = (
        "None, a user and password (`--web.config.file`), or a bearer token: of a proxy, or of a "
        "service account of Grafana."
    )
    scopes: ClassVar[tuple[str, ...]] = ("alert.instances:read (Grafana)",)
    limits: ClassVar[str] = (
        "None of its own. It tells what fires now, so an alert that began and ended between two "
        "polls is never seen, but by a webhook."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.token and self.user:
            raise ValueError("give a token, or a user and password")
        return self

    def endpoint(self) -> Endpoint:
        if self.token:
            return Http(self.url, Bearer(self.token))
        if self.user and self.password:
            return Http(self.url, Basic(self.user, self.password))
        return Http(self.url)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        seen = now()

        async def ask(validators: Mapping[str, Json]) -> Seen:
            del validators  # it sends none
            alerts = await api.get(
                "api/v2/alerts", filter=list(self.filter), receiver=self.receiver
            )
            if not isinstance(alerts, list):
                raise SourceMisbehaved(f"{self.url} answered, but not with a list of alerts")
            return Seen(alerts)

        async for page in Snapshot().pages(
            _known(cursor),
            ask,
            key=_key,
            version=_version,
            keep=lambda alert: {name: _map(alert).get(name) for name in _KEPT},
            gone=lambda _, alert: {**alert, "status": {"state": "resolved"}},
            read=lambda alert, rounds: self._draft(alert, rounds, seen),
        ):
            yield page

    def verify(self, request: Pushed) -> Accepted:
        """Take a notification of Alertmanager (`webhook_configs`) or of Grafana's contact point.

        https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
        https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
        """
        scheme: Scheme = Token(prefix="Bearer ")
        if _GRAFANA in request.headers:
            signed = "{timestamp}:{body}" if self.signed_at else "{body}"
            scheme = Hmac(_GRAFANA, signed=signed, timestamp=self.signed_at)
        elif request.headers.get("authorization", "").lower().startswith("basic "):
            scheme = BasicAuth(self.signing_user)
        scheme.check(request, self.signing_secret)
        return Accepted(poll=timedelta(0))

    def read(self, event: Pushed) -> Sequence[Draft]:
        """Read nothing: a notification tells of one group, late, and of silence not at all.

        What is true is the snapshot, which it asks to be read at once.
        """
        del event
        return ()

    def _draft(self, alert: dict[str, Any], count: int, seen: datetime) -> Draft:
        state = alert["status"]["state"]
        status = _STATUS.get(state, Status.OPEN)
        labels: dict[str, str] = alert["labels"]
        notes: dict[str, str] = alert["annotations"] or {}
        name = labels.get("alertname") or "Alert"
        place = labels.get("instance") or labels.get("service") or labels.get("job")
        is_over = status is Status.RESOLVED
        started = utc(alert["startsAt"])
        url = alert.get("generatorURL") or notes.get("runbook_url")
        return Draft(
            kind="ops.alert.resolved" if is_over else "ops.alert.firing",
            # Never fingerprint and startsAt: who sends an alert may correct its start.
            external_id=alert["fingerprint"],
            # `count` tells two firings apart that look the same, as after a wrong filter.
            revision=f"{state}-{alert['updatedAt']}-{count}",
            # The order in which we saw the snapshots: silencing does not move updatedAt.
            revised_at=seen,
            occurred_at=seen if is_over else started,
            title=notes.get("summary")
            or notes.get("title")
            or (f"{name}: {place}" if place else name),
            summary=notes.get("description") or notes.get("message") or "",
            url=url or None,
            severity=SEVERITIES.get(labels.get(self.severity_label, "").lower()),
            status=status,
            labels=tuple(
                dict.fromkeys(labels[part] for part in self.label_names if labels.get(part))
            ),
            attributes={
                "labels": dict(labels),
                "annotations": dict(notes),
                "generator_url": alert.get("generatorURL"),
                "starts_at": started.isoformat(),
                "state": state,
            },
        )


def _key(alert: Any) -> str:
    """Name the alert; one that has no name is known by what it says, to be shown once only."""
    if isinstance(name := _map(alert).get("fingerprint"), str) and name:
        return name
    return hashlib.sha256(json.dumps(alert, sort_keys=True).encode()).hexdigest()


def _version(alert: Any) -> str:
    """Tell whether there is news: updatedAt moves whenever Prometheus repeats itself.

    Numbers in annotations do not count: many carry the value that was measured last.
    """
    state = _map(_map(alert).get("status")).get("state")
    notes = _NUMBER.sub("#", json.dumps(_map(alert).get("annotations"), sort_keys=True))
    said = json.dumps([state, _map(alert).get("startsAt"), notes])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _known(cursor: Cursor) -> Cursor:
    """Read also a cursor of 0.1.0, which kept an alert beside its version."""
    if "count" not in cursor:
        return cursor
    known: dict[str, Json] = {
        key: {"version": was["version"], "kept": {name: was.get(name) for name in _KEPT}}
        | ({} if was["fingerprint"] else {"bad": True})
        for key, was in _map(cursor.get("known")).items()
    }
    return {"known": known, "rounds": cursor["count"]}
