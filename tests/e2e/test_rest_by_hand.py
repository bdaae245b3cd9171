"""A source that nobody has written a connector for: docs/rest.md is followed, and it works."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.config import read_config
from hub.errors import ConfigError
from tests.cli import Folder
from tests.servers import serve

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "rest.md").read_text()
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOKEN = "casework-token"
ASKED = {"modified_after", "order_by", "dir", "limit", "after"}


def blocks(language: str, page: str = PAGE) -> list[str]:
    return [text for name, text in BLOCKS.findall(page) if name == language]


class Casework:
    """The help desk of the walk: it answers as the page says, two cases at a time."""

    def __init__(self) -> None:
        answer, outages = map(json.loads, blocks("json"))
        [self.example] = answer["data"]
        self.cases: dict[int, dict[str, Any]] = {self.example["ref"]: self.example}
        self.outages: list[dict[str, Any]] = outages
        routes = [
            Route("/api/v2/cases", self._cases),
            Route("/api/v2/outages/current", self._outages),
        ]
        self.app = Starlette(routes=routes)

    def change(self, ref: int, modified: str, **what: Any) -> None:
        case = self.cases.get(ref, self.example | {"ref": ref})
        self.cases[ref] = {**case, "modified": modified, **what}

    async def _cases(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "who are you?"}, 401)
        if asked.keys() - ASKED or (asked["order_by"], asked["dir"]) != ("modified", "asc"):
            return JSONResponse({"error": f"not in the manual: {asked}"}, 400)
        found = [one for one in self.cases.values() if one["modified"] >= asked["modified_after"]]
        found.sort(key=lambda one: (one["modified"], one["ref"]))
        start = int(asked.get("after", 0))
        after = start + 2 if start + 2 < len(found) else None
        return JSONResponse({"data": found[start : start + 2], "page": {"after": after}})

    async def _outages(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "who are you?"}, 401)
        return JSONResponse(self.outages)


SIGNALS = """query { signals(filter: {sources: ["casework"]}, first: 50) { edges { node {
  externalId kind title body status severity url labels attributes
  account { name } author { name } } } } }"""


async def _signals(folder: Folder) -> dict[str, Any]:
    """Serve the hub and ask it as somebody of support does."""
    made = await folder.hub("keys", "create", "--name", "me", "--role", "support")
    async with folder.serving() as hub:
        async with httpx2.AsyncClient(base_url=hub.url, trust_env=False) as client:
            key = {"Authorization": f"Bearer {made.out.strip()}"}
            answer = await client.post("/graphql", json={"query": SIGNALS}, headers=key)
        await hub.stop(signal.SIGTERM)
    edges = answer.json()["data"]["signals"]["edges"]
    return {edge["node"]["externalId"]: edge["node"] for edge in edges}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, {"HUB_SECRET_KEY": "k" * 40, "CASEWORK_TOKEN": TOKEN})


@pytest.mark.processes
async def test_the_walk_leads_from_an_api_to_signals(folder: Folder) -> None:
    desk = Casework()
    desk.change(1, "2026-11-02T08:10:00Z", state="waiting", priority=4)
    desk.change(2, "2026-11-02T08:10:00Z", subject=None, tags=[])
    desk.change(3, "2026-11-02T08:10:00Z", internal=True)
    desk.change(4, "2026-11-02T08:20:00Z", opened="yesterday")
    async with serve(desk.app) as url:
        [toml] = blocks("toml")
        folder.write(toml.replace("https://casework.example/api", f"{url}/api"))
        assert (await folder.hub("check")).code == 0
        assert (await folder.hub("migrate")).code == 0
        done = await folder.hub("sync", "casework", "--json")
        assert (done.json["signals"], done.json["quarantined"]) == (4, 1), done

        desk.change(7, "2026-11-03T09:00:00Z", state="closed")
        desk.change(1, "2026-11-03T09:00:00Z", state="deleted")
        desk.outages.clear()
        done = await folder.hub("sync", "casework", "--json")
        assert done.json["signals"] == 3, done
        found = await _signals(folder)
    assert found.keys() == {"case/1", "case/2", "case/7", "outage/o-3"}
    closed = found["case/7"]
    assert closed == {
        "externalId": "case/7",
        "kind": "support.ticket.solved",
        "title": "The export is empty",
        "body": "Since today.",
        "status": "RESOLVED",
        "severity": "CRITICAL",
        "url": "https://casework.example/cases/7",
        "labels": ["export", "web"],
        "attributes": {"number": 7, "plan": "gold"},
        "account": {"name": "Acme Robotics"},
        "author": {"name": "Robin Weber"},
    }
    assert (found["case/2"]["title"], found["case/2"]["labels"]) == ("Case 2", ["web"])
    assert (found["case/1"]["status"], found["case/1"]["body"]) == ("DELETED", None)
    outage = found["outage/o-3"]
    assert (outage["kind"], outage["status"]) == ("ops.incident.resolved", "RESOLVED")
    assert outage["title"] == "Checkout: error rate 40 %"


@pytest.mark.parametrize(
    ("right", "wrong", "where", "said"),
    [
        ('"$.data"', '"$.data["', "streams.cases.records", "is not a JSONPath"),
        (
            '"support.escalation"',
            '"support.escalated"',
            "cases.fields.kind",
            "there is no kind",
        ),
        ('revised_at = "$.modified"\n', "", "streams.cases", "needs fields.revised_at"),
        (
            'skip = "@.internal == true"',
            'skip = "@.internal is true"',
            "fields.skip",
            "JSONPath filter",
        ),
        ("bearer =", "token =", "casework.auth", "no such setting"),
    ],
)
def test_what_is_mistyped_is_said_with_its_line(
    right: str, wrong: str, where: str, said: str
) -> None:
    [toml] = blocks("toml")
    assert right in toml
    with pytest.raises(ConfigError, match=r"^hub\.toml:\d+: sources\.casework\.\S+: ") as error:
        read_config(toml.replace(right, wrong), {"CASEWORK_TOKEN": TOKEN})
    assert where in error.value.message
    assert said in error.value.message


@pytest.mark.parametrize("page", ["rest.md", "odata.md"])
def test_every_example_can_be_read(page: str) -> None:
    text = (DOCS / page).read_text()
    for toml in blocks("toml", text):
        secrets = dict.fromkeys(re.findall(r"\$\{(\w+)\}", toml), "s3cret-value")
        assert read_config(toml, secrets).sources
