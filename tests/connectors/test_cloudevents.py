"""CloudEvents as others send them: by their own library, in each mode; and what is none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

from connectors.cloudevents import CloudEvents, events
from hub.config import read_config
from hub.connector import (
    Accepted,
    Bad,
    BadRecord,
    Draft,
    Pushed,
    PushRefused,
    Reply,
    TakesNoPushes,
)
from tests.running import running, until

SECRET = "the-token-of-the-event-grid"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "id": "$.subject",
    "kind": {"path": "$.type", "map": {"com.acme.order.won": "sales.deal.won"}},
    "title": "$.data.title",
    "revised_at": "$.time",
    "revision": "$.id",
}
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop/düsseldorf",
    "type": "com.acme.order.won",
    "subject": "order/7",
    "time": datetime(2026, 11, 24, 11, tzinfo=UTC),
    "datacontenttype": "application/json",
    "department": "sales",
}
EVENT = {
    **ATTRIBUTES,
    "time": "2026-11-24T11:00:00Z",
    "data": {"title": "Won: 50 % off"},
}


def source(**settings: Any) -> CloudEvents:
    return CloudEvents.model_validate({"secret": SECRET, "fields": FIELDS, **settings})


def sent(body: bytes, method: str = "POST", **headers: str) -> Pushed:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    shown = {"authorization": f"Bearer {SECRET}"} | named
    return Pushed(method, "https://hub/push/grid", shown, body, NOW)


def as_pushed(message: HTTPMessage) -> Pushed:
    body = message.body if isinstance(message.body, bytes) else str(message.body or "").encode()
    headers = {name.lower(): value for name, value in message.headers.items()}
    return Pushed(
        "POST", "https://hub/push/grid", {**headers, "authorization": f"Bearer {SECRET}"}, body, NOW
    )


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
def test_what_the_official_library_writes_is_read(write: Any) -> None:
    request = as_pushed(write(CloudEvent(ATTRIBUTES, {"title": "Won: 50 % off"})))
    verdict = source().verify(request)
    assert verdict == Accepted('["/shop/d\\u00fcsseldorf", "e-1"]')
    [event] = events(request)
    assert event["department"] == "sales"
    [draft] = source().read(request)
    assert isinstance(draft, Draft)
    assert draft.title == "Won: 50 % off"
    assert draft.kind == "sales.deal.won"
    assert draft.external_id == "order/7"
    assert draft.revised_at == ATTRIBUTES["time"]


def test_a_batch_is_read_event_by_event() -> None:
    batch = [EVENT, {**EVENT, "id": "e-2", "subject": "order/8", "data": {}}]
    request = sent(
        json.dumps(batch).encode(), content_type="application/cloudevents-batch+json; charset=utf-8"
    )
    verdict = source().verify(request)
    assert isinstance(verdict, Accepted)
    assert len(verdict.delivery or "") == 64
    good, bad = source().read(request)
    assert isinstance(good, Draft)
    assert isinstance(bad, Bad)
    assert "title" in bad.reason
    empty = sent(b"[]", content_type="application/cloudevents-batch+json")
    assert list(source().read(empty)) == []


@pytest.mark.parametrize(
    ("media", "body", "data"),
    [
        ("application/json", b'{"a": 1}', {"data": {"a": 1}}),
        ("application/vnd.acme+json", b"[1]", {"data": [1]}),
        ("text/plain; charset=utf-8", "Grüße".encode(), {"data": "Grüße"}),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
        ("application/json", b"", {}),
    ],
)
def test_binary_data_is_what_its_content_type_says(
    media: str, body: bytes, data: dict[str, Any]
) -> None:
    named = {"ce_id": "1", "ce_source": "/a%20b", "ce_type": "t", "ce_specversion": "1.0"}
    [event] = events(sent(body, content_type=media, **named))
    assert {name: event[name] for name in event if name.startswith("data")} == data | {
        "datacontenttype": media
    }
    assert event["source"] == "/a b"


WRONG: dict[str, tuple[str, Any]] = {
    **{
        f"no {name}": (
            "application/cloudevents+json",
            {k: v for k, v in EVENT.items() if k != name},
        )
        for name in ("id", "source", "specversion", "type")
    },
    "an empty type": ("application/cloudevents+json", {**EVENT, "type": ""}),
    "a number for an id": ("application/cloudevents+json", {**EVENT, "id": 7}),
    "another version": ("application/cloudevents+json", {**EVENT, "specversion": "0.3"}),
    "no time": ("application/cloudevents+json", {**EVENT, "time": "yesterday"}),
    "a date alone": ("application/cloudevents+json", {**EVENT, "time": "2026-11-24"}),
    "data twice": ("application/cloudevents+json", {**EVENT, "data_base64": "AA=="}),
    "a list": ("application/cloudevents+json", [EVENT]),
    "no list": ("application/cloudevents-batch+json", EVENT),
    "a batch with one that is none": ("application/cloudevents-batch+json", [EVENT, {}]),
    "another format": ("application/cloudevents+avro", EVENT),
    "no event at all": ("application/json", {"title": "Won"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_event_is_refused_and_not_stored(name: str) -> None:
    media, body = WRONG[name]
    with pytest.raises(BadRecord) as caught:
        source().verify(sent(json.dumps(body).encode(), content_type=media))
    assert not isinstance(caught.value, PushRefused)


def test_who_has_not_the_token_is_refused_before_anything_is_read() -> None:
    for shown in ("Bearer other", "", "Basic x"):
        with pytest.raises(PushRefused):
            source().verify(sent(b"{", authorization=shown, content_type="application/json"))


def test_a_sender_that_asks_first_is_let_send() -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md."""
    asked = {"webhook_request_origin": "grid.example.com", "webhook_request_rate": "120"}
    reply = source().verify(sent(b"", "OPTIONS", authorization="", **asked))
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert reply.headers == {
        "Allow": "POST",
        "WebHook-Allowed-Origin": "grid.example.com",
        "WebHook-Allowed-Rate": "120",
    }
    with pytest.raises(TakesNoPushes):
        source(origins=["other.example"]).verify(sent(b"", "OPTIONS", **asked))
    with pytest.raises(TakesNoPushes):
        source().verify(sent(b"", "OPTIONS"))


TOML = """
[sources.grid]
connector = "cloudevents"
secret = "${GRID_TOKEN}"
[sources.grid.fields]
id = "$.subject"
kind = { path = "$.type", map = { "com.acme.order.won" = "sales.deal.won" } }
title = "$.data.title"
revised_at = "$.time"
"""


async def test_through_the_door_of_a_hub(database_url: str) -> None:
    config = read_config(TOML, {"GRID_TOKEN": SECRET})
    message = to_binary_event(CloudEvent(ATTRIBUTES, {"title": "Won"}))
    request = as_pushed(message)
    async with running(database_url, config) as hub:
        asked = await hub.client.options(
            "/push/grid", headers={"WebHook-Request-Origin": "grid.example.com"}
        )
        assert asked.headers["webhook-allowed-origin"] == "grid.example.com"
        for _ in range(2):
            answer = await hub.client.post(
                "/push/grid", content=request.body, headers=dict(request.headers)
            )
            assert answer.status_code == 200
        wrong = await hub.client.post(
            "/push/grid", json={}, headers={"authorization": f"Bearer {SECRET}"}
        )
        assert wrong.status_code == 400
        query = "{ signals(first: 9) { edges { node { title kind } } } }"

        async def is_there() -> bool:
            edges = (await hub.ask(query, "admin"))["signals"]["edges"]
            return [edge["node"] for edge in edges] == [{"title": "Won", "kind": "sales.deal.won"}]

        await until(is_there)
