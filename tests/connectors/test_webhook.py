"""Whatever is sent, by configuration alone: from hub.toml to the signal."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.webhook import Webhook
from hub.config import load_config, read_config
from hub.connector import (
    Accepted,
    Bad,
    BadRecord,
    Draft,
    Pushed,
    PushRefused,
    Reply,
    Severity,
    Status,
)
from hub.errors import ConfigError
from hub.signing import sign
from tests.running import running, until

SECRET = "the-secret-of-our-build-server"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "id": "$.build",
    "kind": "ops.alert.firing",
    "title": "$.name",
    "revised_at": "$.at",
}
BUILD = {"build": 7, "name": "main is red", "at": "2026-11-24T11:59:00Z"}


def webhook(signed: Any, **settings: Any) -> Webhook:
    given = {"secret": SECRET, "signed": signed, "fields": FIELDS}
    return Webhook.model_validate({**given, **settings})


def sent(body: bytes, query: str = "", **headers: str) -> Pushed:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Pushed("POST", f"https://hub/push/ci{query}", named, body, NOW)


def mac(body: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(SECRET.encode(), body, algorithm)


BODY = json.dumps(BUILD).encode()
AT = str(int(NOW.timestamp()))
BASIC = base64.b64encode(f"ci:{SECRET}".encode()).decode()
SCHEMES: dict[str, tuple[dict[str, Any], Pushed]] = {
    "hmac": (
        {"by": "hmac", "header": "X-Signature", "prefix": "sha256="},
        sent(BODY, x_signature=f"sha256={mac(BODY).hex()}"),
    ),
    "hmac with a time": (
        {
            "by": "hmac",
            "header": "X-Signature",
            "algorithm": "sha512",
            "encoding": "base64",
            "signed": "{timestamp}.{body}",
            "timestamp": "X-At",
            "tolerance": "60s",
        },
        sent(
            BODY,
            x_signature=base64.b64encode(mac(f"{AT}.".encode() + BODY, "sha512")).decode(),
            x_at=AT,
        ),
    ),
    "digest": (
        {"by": "digest", "header": "X-Hash"},
        sent(BODY, x_hash=hashlib.sha256(SECRET.encode() + BODY).hexdigest()),
    ),
    "token": ({"by": "token"}, sent(BODY, authorization=f"Bearer {SECRET}")),
    "a header of its own": (
        {"by": "token", "header": "X-Gitlab-Token", "prefix": ""},
        sent(BODY, x_gitlab_token=SECRET),
    ),
    "basic": ({"by": "basic", "user": "ci"}, sent(BODY, authorization=f"Basic {BASIC}")),
    "query": ({"by": "query"}, sent(BODY, f"?access_token={SECRET}")),
    "body": ({"by": "body"}, sent(json.dumps(BUILD | {"token": SECRET}).encode())),
    "every item of the body": (
        {"by": "body", "path": "$.value[*].clientState"},
        sent(json.dumps(BUILD | {"value": [{"clientState": SECRET}] * 2}).encode()),
    ),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_is_chosen_in_hub_toml(name: str) -> None:
    signed, request = SCHEMES[name]
    source = webhook(signed)
    assert source.verify(request) == Accepted(None)
    [draft] = source.read(request)
    assert isinstance(draft, Draft)
    assert (draft.external_id, draft.title) == ("7", "main is red")
    with pytest.raises(PushRefused):
        webhook(signed, secret="another-secret-altogether").verify(request)
    with pytest.raises(PushRefused):
        source.verify(sent(BODY))


def test_standard_webhooks() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    source = webhook({"by": "standard"}, secret=secret, delivery="webhook-id")
    headers = sign([secret], "msg_1", NOW, BODY)
    request = Pushed("POST", "https://hub/push/ci", headers, BODY, NOW)
    assert source.verify(request) == Accepted("msg_1")
    with pytest.raises(PushRefused):
        source.verify(sent(BODY))


def test_of_graphs_items_each_must_know_the_secret() -> None:
    source = webhook({"by": "body", "path": "$.value[*].clientState"}, secret=SECRET)
    for items in ([SECRET, "x"], [SECRET, None], [], [["x"]]):
        body = json.dumps({"value": [{"clientState": one} for one in items]}).encode()
        with pytest.raises(PushRefused):
            source.verify(sent(body))
    for body in (b"", b"{", b"\xff"):
        with pytest.raises(PushRefused):
            source.verify(sent(body))


def test_a_challenge_is_echoed_as_text() -> None:
    source = webhook({"by": "body"}, echo="validationToken")
    reply = source.verify(sent(b"", "?validationToken=Validation%3A+Testing+client"))
    assert reply == Reply(b"Validation: Testing client", "text/plain")
    long = source.verify(sent(b"", f"?validationToken={'x' * 5000}"))
    assert isinstance(long, Reply)
    assert len(long.body) == 1024
    with pytest.raises(PushRefused):
        webhook({"by": "body"}).verify(sent(b"", "?validationToken=x"))


def test_one_request_may_have_several_records_and_a_bad_one_among_them() -> None:
    source = webhook({"by": "token"}, records="$.builds[*]")
    told = {"builds": [BUILD, {"build": 8}, {**BUILD, "build": 9}]}
    found = source.read(sent(json.dumps(told).encode()))
    assert [one.external_id for one in found if isinstance(one, Draft)] == ["7", "9"]
    [bad] = [one for one in found if isinstance(one, Bad)]
    assert bad.raw == {"build": 8}
    assert "title" in bad.reason


def test_the_whole_request_may_be_mapped_also_a_form() -> None:
    fields = {
        "id": "$.query.of",
        "kind": {"path": "$.headers['x-event']", "map": {"failed": "ops.alert.firing"}},
        "title": "$.body.text",
    }
    source = webhook({"by": "token"}, whole=True, fields=fields)
    request = sent(
        b"text=main+is+red&user=jane",
        "?of=7",
        x_event="failed",
        content_type="application/x-www-form-urlencoded",
    )
    [draft] = source.read(request)
    assert isinstance(draft, Draft)
    assert (draft.kind, draft.title) == ("ops.alert.firing", "main is red")
    assert draft.revised_at == NOW


def test_json_that_is_called_a_form_is_json() -> None:
    request = sent(BODY, content_type="application/x-www-form-urlencoded")
    [draft] = webhook({"by": "token"}).read(request)
    assert isinstance(draft, Draft)
    assert draft.title == "main is red"


def test_what_is_no_json_is_set_aside() -> None:
    with pytest.raises(BadRecord, match="not JSON"):
        webhook({"by": "token"}).read(sent(b"<xml/>"))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"signed": {"by": "hmac"}}, "header"),
        ({"signed": {"by": "guess"}}, "guess"),
        ({"signed": {"by": "hmac", "header": "X", "signed": "{timestamp}"}}, "anybody could"),
        ({"signed": {"by": "hmac", "header": "X", "timestamp": "X-At"}}, "names its header"),
        ({"records": "builds"}, "JSONPath"),
        ({"secret": None}, "secret"),
    ],
)
def test_a_faulty_configuration_is_said(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        webhook(**{"signed": {"by": "token"}, **settings})


TOML = """
[sources.builds]
connector = "webhook"
secret = "${BUILDS_SECRET}"
records = "$.builds[*]"
delivery = "X-Delivery"
signed = { by = "hmac", header = "X-Signature", prefix = "sha256=" }

[sources.builds.fields]
id = "$.build"
kind = { path = "$.state", map = { red = "ops.alert.firing", green = "ops.alert.resolved" } }
status = { path = "$.state", map = { red = "open", green = "resolved" } }
severity = "high"
title = "{$.name} is {$.state}"
revised_at = "$.at"
"""


def test_a_secret_that_is_written_out_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(TOML.replace("${BUILDS_SECRET}", SECRET))
    with pytest.raises(ConfigError, match="a secret is written out"):
        load_config(file, {})


async def test_from_hub_toml_to_the_signal(database_url: str) -> None:
    config = read_config(TOML, {"BUILDS_SECRET": SECRET})
    async with running(database_url, config) as hub:
        for state, minute in (("red", 1), ("green", 2)):
            at = f"2026-11-24T12:0{minute}:00Z"
            body = json.dumps({"builds": [{"build": 7, "name": "main", "state": state, "at": at}]})
            headers = {
                "X-Signature": f"sha256={mac(body.encode()).hex()}",
                "X-Delivery": state,
                "Content-Type": "application/json",
            }
            answer = await hub.client.post("/push/builds", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
        query = "{ signals(first: 9) { edges { node { title status severity kind } } } }"

        async def is_green() -> bool:
            edges = (await hub.ask(query, "admin"))["signals"]["edges"]
            return [edge["node"]["title"] for edge in edges] == ["main is green"]

        await until(is_green)
        found = await hub.ask(query, "admin")
        node = found["signals"]["edges"][0]["node"]
        assert node["status"] == Status.RESOLVED.name
        assert node["severity"] == Severity.HIGH.name
