"""What is known of each vector: who reads it, how hub.toml would say its scheme, what signs it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub import registry
from hub.connector import Connector, Pushed
from hub.connector.signatures import moment
from hub.testing.twins import find_twin
from tests.vendors.folder import CONTRACTS

FILE = "signature_vectors.json"
URL = "https://hub.example.com/push/vendor"
ANY_TIME = datetime(2026, 11, 24, 12, tzinfo=UTC)
TITLE = {"id": "$.id", "title": "$.title", "kind": "support.ticket.opened"}


@dataclass(frozen=True, slots=True)
class Known:
    """A vendor of the file. Every header that its vector has is here, or the check fails."""

    scheme: str
    """How the file says it: with other words it is another scheme, which somebody must read."""
    signed: Mapping[str, Any]
    """The same, as a webhook of hub.toml says it."""
    connector: str | None = None
    """None where the hub has no connector for this vendor, but `webhook`."""
    secret: str = "signing_secret"
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: Sequence[str] = ()
    """Headers that sign nothing."""

    @property
    def header(self) -> str:
        return str(self.signed["header"])

    @property
    def timestamp(self) -> str | None:
        found: str | None = self.signed.get("timestamp")
        return found

    @property
    def through(self) -> Sequence[str]:
        return ["webhook"] if self.connector is None else [self.connector, "webhook"]

    def source(self, through: str, secret: str) -> Connector:
        """Configure a source that takes what this vendor signs."""
        if through == "webhook":
            given: dict[str, Any] = {"secret": secret, "signed": self.signed, "fields": TITLE}
        else:
            # An address that nothing is asked at.
            settings = find_twin(through)().settings("http://127.0.0.1:9")
            given = {**settings, **self.settings, self.secret: secret}
        return registry.find(through).model_validate(given)


KNOWN: Mapping[str, Known] = {
    "github": Known(
        "sha256= hex HMAC-SHA256(secret, raw body)",
        {"by": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
        "github",
    ),
    "slack": Known(
        'v0= hex HMAC-SHA256(secret, "v0:"+ts+":"+raw body), |now-ts|<=300s',
        {
            "by": "hmac",
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "signed": "v0:{timestamp}:{body}",
            "timestamp": "X-Slack-Request-Timestamp",
        },
        "slack",
    ),
    "hubspot-v1": Known(
        "hex SHA256(client secret + raw body) (no HMAC)",
        {"by": "digest", "header": "X-HubSpot-Signature"},
        "hubspot",
        "client_secret",
        beside=["X-HubSpot-Signature-Version"],
    ),
    "hubspot-v3": Known(
        "base64 HMAC-SHA256(client secret, METHOD+URI(decoded)+raw body+ts ms), reject >5 min",
        {
            "by": "hmac",
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signed": "{method}{decoded_url}{body}{timestamp}",
            "timestamp": "X-HubSpot-Request-Timestamp",
        },
        "hubspot",
        "client_secret",
    ),
    "zendesk": Known(
        "base64 HMAC-SHA256(secret, ts+raw body); body may be empty",
        {
            "by": "hmac",
            "header": "X-Zendesk-Webhook-Signature",
            "encoding": "base64",
            "signed": "{timestamp}{body}",
            "timestamp": "X-Zendesk-Webhook-Signature-Timestamp",
        },
        "zendesk",
    ),
    "pagerduty": Known(
        "comma list of v1= hex HMAC-SHA256(secret, raw body); any match passes (rotation)",
        {"by": "hmac", "header": "X-PagerDuty-Signature", "prefix": "v1="},
        "pagerduty",
    ),
    "sentry": Known(
        "bare hex HMAC-SHA256(client secret, raw body)",
        {"by": "hmac", "header": "Sentry-Hook-Signature"},
        "sentry",
        beside=["Sentry-Hook-Resource"],
    ),
    "intercom": Known(
        "sha1= hex HMAC-SHA1(client secret, raw body)",
        {"by": "hmac", "header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="},
        "intercom",
    ),
    "grafana": Known(
        'bare hex HMAC-SHA256(secret, ts+":"+raw body) when a timestamp header is configured, '
        "else raw body only",
        {
            "by": "hmac",
            "header": "X-Grafana-Alerting-Signature",
            "signed": "{timestamp}:{body}",
            "timestamp": "X-Grafana-Alerting-Timestamp",
        },
        "alertmanager",
        settings={"signed_at": "X-Grafana-Alerting-Timestamp"},
    ),
    "jira": Known(
        "sha256= hex HMAC-SHA256(secret, raw body) when a secret is set",
        {"by": "hmac", "header": "X-Hub-Signature", "prefix": "sha256="},
    ),
}
UNSIGNED = {
    "cloudevents": "signed as hub.toml says, by the schemes of webhook",
    "mattermost": "a token in the body: https://developers.mattermost.com/integrate/webhooks/outgoing/",
    "pipedrive": "a user and a password: https://pipedrive.readme.io/docs/guide-for-webhooks-v2",
    "statuspage": "nothing: https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/",
    "webhook": "signed as hub.toml says: every vector goes through it",
}
"""Who takes pushes that no vector can be of, and what signs them in."""


@dataclass(frozen=True, slots=True)
class Vector:
    vendor: str
    scheme: str
    secret: str
    request: Pushed
    official: bool
    names: Sequence[str]
    """Its headers, as the file writes them."""


def vectors() -> Sequence[Vector]:
    return [_read(one) for one in json.loads((CONTRACTS / FILE).read_text())]


def vector(vendor: str) -> Vector:
    [found] = [one for one in vectors() if one.vendor == vendor]
    return found


def _read(said: Mapping[str, Any]) -> Vector:
    headers = dict(said["headers"])
    url = headers.pop("(uri)", URL)
    known = KNOWN.get(said["vendor"])
    stamp = headers.get(known.timestamp) if known and known.timestamp else None
    at = ANY_TIME if stamp is None else moment(stamp)
    assert at is not None, f"{said['vendor']}: {stamp} is no time"
    lower = {name.lower(): value for name, value in headers.items()}
    request = Pushed("POST", url, lower, said["body"].encode(), at)
    return Vector(
        said["vendor"], said["scheme"], said["secret"], request, said["official"], [*headers]
    )
