"""The answers that vendors show in their own descriptions, read by their connectors.

As they are; with fields that nobody knows; and with each of their fields null in turn. HubSpot's
description and Mattermost's show no answers.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # has no types

from connectors.twins import Twin
from connectors.twins.intercom import Twin as Intercom
from connectors.twins.pagerduty import Twin as PagerDuty
from connectors.twins.pipedrive import Twin as Pipedrive
from connectors.twins.sentry import Twin as Sentry
from connectors.twins.slack import Twin as Slack
from connectors.twins.zendesk import Twin as Zendesk
from hub.connector import now
from hub.http import Clients
from hub.testing.drift import strange
from hub.testing.recorded import Recording
from tests.connectors.polling import Poller, poller
from tests.described import followed
from tests.servers import serve
from tests.vendors.folder import CONTRACTS

pytestmark = pytest.mark.vendors

Json = Any
TURNS = 45
"""So many fields the richest record of an example has, or fewer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a vendor shows, and what comes of it."""

    twin: Callable[[], Twin]
    asked: Sequence[tuple[str, str, str]]
    """File, method and path of each request."""
    kinds: Sequence[str]
    prefix: Mapping[str, str] = field(default_factory=dict)
    """By file: where its paths begin."""
    ends: Mapping[str, Json] = field(default_factory=dict)
    """By path: the page after an example that says that more follows."""
    places: Mapping[str, str] = field(default_factory=dict)
    """What stands for a part of a path."""
    settings: Mapping[str, Json] = field(default_factory=dict)


_INTERCOM, _SENTRY, _PAGERDUTY = (
    f"{name}/spec/subset.json" for name in ("intercom", "sentry", "pagerduty")
)
_ORGANIZATION = "/api/0/organizations/{organization_id_or_slug}"
_PIPEDRIVE = {"pipedrive/spec/subset.v1.json": "/v1", "pipedrive/spec/subset.v2.json": "/api/v2"}
_PIPEDRIVE_1, _PIPEDRIVE_2 = _PIPEDRIVE
_SLACK = "slack/spec/subset.json"
_NO_MORE: Json = {"success": True, "data": []}
EXAMPLES = {
    "intercom": Shown(
        Intercom,
        [
            (_INTERCOM, "post", "/conversations/search"),
            (_INTERCOM, "post", "/tickets/search"),
            (_INTERCOM, "get", "/admins"),
        ],
        ["support.ticket.opened", "support.ticket.solved"],
    ),
    "sentry": Shown(
        Sentry,
        [
            (_SENTRY, "get", f"{_ORGANIZATION}/issues/"),
            (_SENTRY, "get", f"{_ORGANIZATION}/releases/"),
        ],
        ["ops.error.new", "product.release"],
        places={"{organization_id_or_slug}": "acme"},
    ),
    "pagerduty": Shown(
        PagerDuty,
        [(_PAGERDUTY, "get", "/log_entries")],
        ["ops.incident.triggered"],
        ends={"/log_entries": {"log_entries": [], "more": False}},
        # It is asked for a day at a time, and what it shows is given for any of them.
        settings={"since": (now() - timedelta(hours=12)).isoformat()},
    ),
    "zendesk": Shown(
        Zendesk,
        [("zendesk/spec/tickets.openapi.yml", "get", "/api/v2/incremental/tickets/cursor")],
        ["support.csat", "support.ticket.updated"],
    ),
    "pipedrive": Shown(
        Pipedrive,
        [
            *(
                (_PIPEDRIVE_2, "get", f"/{what}")
                for what in ("deals", "deals/archived", "stages", "pipelines", "organizations")
            ),
            (_PIPEDRIVE_2, "get", "/persons"),
            (_PIPEDRIVE_1, "get", "/leads"),
            (_PIPEDRIVE_1, "get", "/users"),
        ],
        # The deal and the archived one are one, for they have one number.
        ["sales.deal.created", "sales.lead.created"],
        prefix=_PIPEDRIVE,
        # Archived leads are in no description: see `beyond` in tests/described.py.
        ends=dict.fromkeys(
            (
                *(f"/api/v2/{what}" for what in ("deals", "deals/archived", "stages", "pipelines")),
                "/v1/leads/archived",
            ),
            _NO_MORE,
        ),
    ),
    "slack": Shown(
        Slack,
        [
            (_SLACK, "get", f"/{method}")
            for method in (
                "conversations.list",
                "conversations.history",
                "conversations.info",
                "auth.test",
                "users.list",
            )
        ],
        ["chat.message", "chat.message"],
        prefix={_SLACK: "/api"},
        ends={
            "/api/conversations.list": {"ok": True, "channels": []},
            "/api/conversations.history": {"ok": True, "messages": []},
            "/api/users.list": {"ok": True, "members": []},
        },
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_of_a_description_becomes_a_signal(name: str) -> None:
    async with _reading(EXAMPLES[name]) as read:
        for changed in (_as_it_is, _with_unknown_fields):
            source = await read(changed)
            assert not source.bad
            assert sorted(one.kind for one in source.current.values()) == EXAMPLES[name].kinds


@pytest.mark.parametrize("name", EXAMPLES)
async def test_any_field_of_an_example_may_be_null(name: str) -> None:
    """No poll stumbles over it, and what cannot be read is set aside: nothing is lost silently."""
    async with _reading(EXAMPLES[name]) as read:
        for turn in range(TURNS):
            source = await read(partial(_changed, turn=turn))
            assert source.current or source.bad, f"turn {turn}"


def _as_it_is(body: Json) -> Json:
    return body


def _with_unknown_fields(body: Json) -> Json:
    return _changed(body, None)


def _changed(body: Json, turn: int | None) -> Json:
    return json.loads(strange("application/json", json.dumps(body).encode(), turn))


class _Replays:
    """One server for all turns: what it answers is put in before each."""

    def __init__(self) -> None:
        self.app: Json = None

    async def __call__(self, scope: Json, receive: Json, send: Json) -> None:
        await self.app(scope, receive, send)


@asynccontextmanager
async def _reading(shown: Shown) -> AsyncGenerator[Callable[..., Awaitable[Poller]]]:
    replays, clients = _Replays(), Clients()

    async with serve(replays) as url, clients:

        async def read(changed: Callable[[Json], Json]) -> Poller:
            replays.app = _recording(shown, changed).app("")
            source = poller(shown.twin(), url, clients, **shown.settings)
            await source.poll()
            return source

        yield read


def _recording(shown: Shown, changed: Callable[[Json], Json]) -> Recording:
    exchanges = []
    for file, method, path in shown.asked:
        real = shown.prefix.get(file, "") + path
        for part, value in shown.places.items():
            real = real.replace(part, value)
        body = changed(_example(_description(file), method, path))
        exchanges.append({"method": method.upper(), "path": real, "body": body})
    exchanges += [{"path": path, "body": body} for path, body in shown.ends.items()]
    return Recording.model_validate(
        {
            "source": "a description",
            "licence": "theirs",
            "signals": len(shown.kinds),
            "exchanges": exchanges,
        }
    )


def _description(file: str) -> Json:
    if file not in _READ:
        text = (CONTRACTS / file).read_text()
        _READ[file] = json.loads(text) if file.endswith(".json") else yaml.safe_load(text)
    return _READ[file]


_READ: dict[str, Json] = {}


def _example(whole: Json, method: str, path: str) -> Json:
    """Find the one that a description of OpenAPI 3 or Swagger 2 shows, or its schema does."""
    answer = followed(whole["paths"][path][method]["responses"]["200"], whole)
    if "examples" in answer:  # Swagger 2
        return answer["examples"]["application/json"]
    content = answer["content"]["application/json"]
    if "example" in content:
        return content["example"]
    schema = followed(content["schema"], whole)
    if "example" in schema:  # where what is referred to as the example is not in the file
        return json.loads(json.dumps(schema["example"], default=str))
    [example] = content["examples"].values()
    return followed(example, whole)["value"]
