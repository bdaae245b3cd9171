"""Apollo's gateway before the hub and another subgraph: one question, answered by both."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.graphql.schema import schema_text
from tests.conformance.packages import HERE, told
from tests.filled import CANARY, filled
from tests.running import Running

pytestmark = pytest.mark.conformance

# From the hub's signals to what billing knows of their accounts, by a name that billing asks for.
FROM_HUB = """{
  signals(first: 1, orderBy: OLDEST) {
    edges { node { title account { name revenue letterhead invoices { number } } } }
  }
}"""
# From billing's invoices to what the hub knows of them.
FROM_BILLING = """{
  invoices { nodes { number account { name signals(first: 2) { totalCount } } about { title } } }
}"""


async def known(hub: Running) -> tuple[dict[str, Any], str]:
    """Give the oldest signal, and the id of one that only admins see."""
    node = "{ id title account { id name } }"
    query = f"{{ signals(first: 100, orderBy: OLDEST) {{ edges {{ node {node} }} }} }}"
    nodes = [one["node"] for one in (await hub.ask(query, "admin"))["signals"]["edges"]]
    return nodes[0], [one["id"] for one in nodes if CANARY in one["title"]][-1]


async def test_one_question_is_answered_by_both_and_by_the_hub_as_the_viewer_may_see(
    tmp_path: Path,
) -> None:
    sdl = tmp_path / "hub.graphql"
    sdl.write_text(schema_text())
    async with filled(f"sqlite:///{tmp_path}/hub.db") as hub:
        oldest, secret = await known(hub)
        account = {"id": oldest["account"]["id"]}
        invoices = [
            {"number": "1", "total": 1, "account": account, "about": {"id": oldest["id"]}},
            {"number": "2", "total": 2, "account": account, "about": {"id": secret}},
        ]
        keys = [f"Bearer {hub.keys[name]}" for name in ("sales", "admin")] + [None]
        asks = [
            {"authorization": key, "document": document}
            for key in keys
            for document in (FROM_HUB, FROM_BILLING)
        ]
        files = str(sdl), str(HERE / "billing.graphql")
        *answers, seen = await told(
            "gateway.mjs", f"{hub.url}/graphql", *files, json.dumps(invoices), json.dumps(asks)
        )
    sales, sales_too, admin, admin_too, nobody, nobody_too = answers

    node = {
        "title": oldest["title"],
        "account": {
            "name": oldest["account"]["name"],
            "revenue": 2000,
            "letterhead": f"To {oldest['account']['name']}",
            "invoices": [{"number": "1"}, {"number": "2"}],
        },
    }
    assert sales == admin == {"data": {"signals": {"edges": [{"node": node}]}}, "codes": []}

    def invoiced(found: dict[str, Any]) -> list[Any]:
        assert found["codes"] == []
        return [
            one["about"] and one["about"]["title"] for one in found["data"]["invoices"]["nodes"]
        ]

    assert invoiced(admin_too)[0] == invoiced(sales_too)[0] == oldest["title"]
    assert CANARY in invoiced(admin_too)[1]
    assert invoiced(sales_too)[1] is None
    assert CANARY not in json.dumps([sales, sales_too, nobody, nobody_too])
    assert nobody["data"] is None
    assert set(nobody["codes"]) == {"UNAUTHENTICATED"}
    assert not nobody_too["data"] or "Signal" not in json.dumps(nobody_too["data"])
    # The gateway asked each for its part: billing was handed accounts with names that it requires.
    assert any("_entities" in query for query in seen["asked"])
