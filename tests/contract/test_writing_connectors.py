"""What docs/writing-connectors.md shows can be run as it stands."""

import hashlib
import hmac
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub import connector as sdk
from hub.connector import Connector, Pushed, now
from hub.errors import PushRefused
from hub.http import Clients
from hub.testing.recorded import Recording
from tests.connectors.polling import Poller
from tests.servers import serve

TEXT = (Path(__file__).parents[2] / "docs" / "writing-connectors.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shown() -> Any:
    """Run the page's Python, from top to bottom."""
    module = ModuleType("writing_connectors")
    sys.modules[module.__name__] = module  # where pydantic looks for what annotations name
    for block in blocks("python"):
        exec(compile(block, "docs/writing-connectors.md", "exec"), vars(module))  # noqa: S102 - ours
    return module


async def test_the_connector_reads(shown: Any) -> None:
    asked: list[str] = []

    async def tickets(request: Request) -> Response:
        asked.append(request.headers["authorization"])
        first = "cursor" not in request.query_params
        at = "2026-05-01T10:00:00Z"
        ticket = {"id": 1 if first else 2, "subject": "Help", "created_at": at, "changed_at": at}
        return JSONResponse({"tickets": [ticket], "next": "more" if first else None})

    app = Starlette(routes=[Route("/api/tickets", tickets)])
    async with serve(app) as url, Clients() as clients:
        poller = Poller(shown.AcmeDesk(url=url, key="the-key"), clients)
        await poller.poll()
    assert [draft.external_id for draft in poller.drafts] == ["ticket/1", "ticket/2"]
    assert asked == ["Bearer the-key"] * 2
    assert not poller.bad


def test_the_connector_takes_what_is_signed(shown: Any) -> None:
    connector = shown.AcmeDeskPushed(url="https://acme.example", key="k", signing_secret="s" * 20)
    at = "2026-05-01T10:00:00Z"
    ticket = {"id": 3, "subject": "Help", "created_at": at, "changed_at": at}
    body = json.dumps({"ticket": ticket}).encode()
    signature = hmac.new(b"s" * 20, body, hashlib.sha256).hexdigest()
    headers = {"x-acme-signature": f"sha256={signature}", "x-acme-delivery": "d1"}
    request = Pushed("POST", "https://hub.example/push/desk", headers, body, now())
    assert connector.verify(request).delivery == "d1"
    assert [draft.external_id for draft in connector.read(request)] == ["ticket/3"]
    with pytest.raises(PushRefused):
        connector.verify(Pushed("POST", request.url, headers, body + b" ", now()))


def test_the_recording_is_one() -> None:
    [recording] = blocks("json")
    assert Recording.model_validate_json(recording).signals == 1


def test_what_it_names_is_there(shown: Any) -> None:
    for family in re.findall(r"^\| .* \| `(\w+)` \|$", TEXT, re.MULTILINE):
        assert hasattr(sdk, family), family
    assert issubclass(shown.AcmeDesk, Connector)
    assert shown.excused[shown.Fault.PUSH].link.startswith("https://")
    for link in re.findall(r"\]\(([\w.-]+\.md)\)", TEXT):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
