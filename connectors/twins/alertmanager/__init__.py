"""Alertmanager: alerts that are posted, merged, silenced, and gone once their end has passed.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import base64
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, moment
from connectors.twins.alertmanager.matchers import is_matcher, match_all, read_matcher

_API = "https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml"

RESOLVE_TIMEOUT = timedelta(minutes=5)
"""What an alert gets that says nothing of its end.
https://prometheus.io/docs/alerting/latest/configuration/"""

_BOOL = {"true": True, "false": False}
_TROUBLE = (
    ("CheckoutErrors", "critical", "5xx rate of the checkout is 4 %"),
    ("HighLatency", "warning", "p99 of the shop API is over 2 s"),
    ("DiskFillingUp", "warning", "The disk will be full in four hours"),
    ("CertificateExpiry", "info", "A certificate expires in 14 days"),
)


@dataclass(frozen=True, slots=True)
class Alert:
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator: str
    starts: datetime
    ends: datetime
    updated: datetime
    is_repeated: bool = False
    """Its sender repeats it for as long as it fires, as Prometheus does: it does not time out."""

    def is_over(self, now: datetime) -> bool:
        return not self.is_repeated and self.ends <= now

    def merge(self, old: "Alert") -> "Alert":
        """Merge into the alert of the same labels whose interval overlaps, as the vendor does.

        https://github.com/prometheus/alertmanager/blob/main/provider/mem/mem.go
        """
        overlap = old.starts < self.ends < old.ends or old.starts < self.starts < old.ends
        if not overlap and not old.is_repeated:
            return self
        return replace(self, starts=min(self.starts, old.starts))


class Twin(twins.Twin):
    connector: ClassVar[str] = "alertmanager"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse("one answer holds every alert: there are no pages", _API),
        Fault.CURSOR_EXPIRED: Excuse("nothing is asked for by a cursor", _API),
    }

    def __init__(self, *, token: str = "", user: str = "", password: str = "") -> None:
        self.signing_secret = "the-token-of-the-twins-receiver"  # noqa: S105 - opens only this twin
        self.alerts: dict[str, Alert] = {}
        self.silences: dict[str, list[tuple[str, str, str]]] = {}
        self.token, self.user, self.password = token, user, password
        self._numbers = count(1)
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        flags = dict.fromkeys(
            ("active", "silenced", "inhibited", "unprocessed"), _BOOL.__contains__
        )
        params = {**flags, "filter": is_matcher, "receiver": _is_regex}
        listing = "/api/v2/alerts"
        return (
            Allowed("GET", listing, self._list, params),
            Allowed("POST", listing, self._post),
            # Grafana serves its own alerts by the same description:
            # https://grafana.com/docs/grafana/latest/developers/http_api/alerting/
            Allowed("GET", f"/api/alertmanager/grafana{listing}", self._list, params),
            Allowed("POST", "/api/v2/silences", self._silence),
        )

    def settings(self, url: str) -> dict[str, Any]:
        way_in = {"token": self.token, "user": self.user, "password": self.password}
        way_in |= {"signing_secret": self.signing_secret}
        return {"url": url, **{name: value for name, value in way_in.items() if value}}

    def refuse(self, request: Request) -> Response | None:
        """Ask for what `--web.config.file` (basic) or a proxy or Grafana (bearer) would."""
        wanted = None
        if self.token:
            wanted = f"Bearer {self.token}"
        elif self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            wanted = f"Basic {pair}"
        if wanted is None or request.headers.get("authorization") == wanted:
            return None
        return Response("Unauthorized", 401, {"www-authenticate": "Basic"}, "text/plain")

    def create(self, number: int, at: datetime) -> str:
        labels = {"alertname": "Numbered", "number": str(number)}
        return str(self.emit({"labels": labels, "at": at.isoformat()})["fingerprint"])

    def edit(self, number: int, at: datetime) -> None:
        labels = {"alertname": "Numbered", "number": str(number)}
        words = "".join(chr(97 + int(digit)) for digit in f"{at.timestamp() * 1e6:.0f}")
        self.emit({"labels": labels, "title": f"Edited {words}", "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        labels = {"alertname": "Numbered", "number": str(number)}
        self.emit({"labels": labels, "resolve": True, "at": at.isoformat()})

    def push(self, number: int) -> Call:
        """Notify of an alert, with the bearer token that its receiver's `http_config` names.

        https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
        """
        labels = {"alertname": "Numbered", "number": str(number)}
        alert, now = self._shown(labels), self.now()
        is_over = self.alerts[alert["fingerprint"]].is_over(now)
        kept = ("labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint")
        told = {name: alert.get(name) for name in kept}
        told |= {"status": "resolved" if is_over else "firing"}
        told |= {} if is_over else {"endsAt": "0001-01-01T00:00:00Z"}
        body = {
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "status": told["status"],
            "receiver": "hub",
            "groupLabels": {},
            "commonLabels": labels,
            "commonAnnotations": {},
            "externalURL": "https://alertmanager.example",
            "alerts": [told],
        }
        headers = {"authorization": f"Bearer {self.signing_secret}"}
        return Call(json.dumps(body).encode(), {"content-type": "application/json", **headers})

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Fire, change, silence or resolve an alert, found by its labels."""
        at = moment(record)
        if record.get("resolve"):
            last = next(reversed(self.alerts), "no alert has fired yet")
            key = fingerprint(record["labels"]) if "labels" in record else last
            old = self.alerts[key]
            self.alerts[key] = replace(
                old, ends=_time(record, "endsAt") or at, updated=at, is_repeated=False
            )
            return self._shown(old.labels)
        number = next(self._numbers)
        name, severity, summary = _TROUBLE[number % len(_TROUBLE)]
        made_up = {"alertname": name, "severity": severity, "instance": f"shop-{number}:9090"}
        labels = {key: str(value) for key, value in (record.get("labels") or made_up).items()}
        words = {"summary": record.get("title", summary)}
        if "text" in record:
            words["description"] = record["text"]
        ends = _time(record, "endsAt")
        alert = Alert(
            labels,
            record.get("annotations", words),
            record.get("generatorURL", f"https://prometheus.example/graph?g0.expr={name}"),
            _time(record, "startsAt") or at,
            ends or at + RESOLVE_TIMEOUT,
            at,
            is_repeated=ends is None,
        )
        self._keep(alert)
        if record.get("silence"):
            self.silences[str(uuid.uuid4())] = [(key, "=", labels[key]) for key in labels]
        return self._shown(labels)

    def _keep(self, alert: Alert) -> None:
        key = fingerprint(alert.labels)
        old = self.alerts.get(key)
        self.alerts[key] = alert.merge(old) if old else alert

    def _shown(self, labels: Mapping[str, str]) -> dict[str, Any]:
        alert = self.alerts[fingerprint(labels)]
        silenced = [
            name for name, matchers in self.silences.items() if match_all(matchers, alert.labels)
        ]
        ends = self.now() + RESOLVE_TIMEOUT if alert.is_repeated else alert.ends
        return {
            "annotations": dict(alert.annotations),
            "endsAt": _text(ends),
            "fingerprint": fingerprint(alert.labels),
            # As if a route sent each team's alerts to a receiver of the team's name.
            "receivers": [{"name": alert.labels.get("team", "default")}],
            "startsAt": _text(alert.starts),
            "status": {
                "inhibitedBy": [],
                "mutedBy": [],
                "silencedBy": silenced,
                "state": "suppressed" if silenced else "active",
            },
            "updatedAt": _text(alert.updated),
            **({"generatorURL": alert.generator} if alert.generator else {}),
            "labels": dict(alert.labels),
        }

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        now = self.now()
        matchers = [read_matcher(text) for text in asked.getlist("filter")]
        # The expression has to match the whole name:
        # https://github.com/prometheus/alertmanager/blob/main/api/v2/api.go
        receiver = re.compile(asked.get("receiver", ".*"))
        found = []
        for alert in self.alerts.values():
            shown = self._shown(alert.labels)
            is_silenced = bool(shown["status"]["silencedBy"])
            wanted = asked.get("silenced" if is_silenced else "active", "true") == "true"
            if (
                wanted
                and not alert.is_over(now)
                and receiver.fullmatch(shown["receivers"][0]["name"])
                and match_all(matchers, alert.labels)
            ):
                found.append(shown)
        return JSONResponse(sorted(found, key=lambda shown: shown["fingerprint"]))

    async def _post(self, request: Request) -> Response:
        now = self.now()
        for posted in json.loads(await request.body()):
            labels = {name: value for name, value in posted["labels"].items() if value}
            if not labels:
                return JSONResponse("at least one label pair required", 400)
            ends = _time(posted, "endsAt")
            starts = _time(posted, "startsAt") or ends or now
            self._keep(
                Alert(
                    labels,
                    posted.get("annotations") or {},
                    posted.get("generatorURL", ""),
                    starts,
                    ends or now + RESOLVE_TIMEOUT,
                    now,
                )
            )
        return Response()

    async def _silence(self, request: Request) -> Response:
        posted = json.loads(await request.body())
        name = posted.get("id") or str(uuid.uuid4())
        self.silences[name] = [
            (
                matcher["name"],
                ("=~" if matcher["isRegex"] else "=")
                if matcher.get("isEqual", True)
                else ("!~" if matcher["isRegex"] else "!="),
                matcher["value"],
            )
            for matcher in posted["matchers"]
        ]
        return JSONResponse({"silenceID": name})


def fingerprint(labels: Mapping[str, str]) -> str:
    """Hash a label set as Prometheus does: FNV-1a of the sorted names and values.

    https://github.com/prometheus/common/blob/main/model/signature.go
    """
    hashed = 0xCBF29CE484222325
    for name, value in sorted(labels.items()):
        for byte in (*name.encode(), 255, *value.encode(), 255):
            hashed = ((hashed ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return f"{hashed:016x}"


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _time(record: Mapping[str, Any], name: str) -> datetime | None:
    text = record.get(name)
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
