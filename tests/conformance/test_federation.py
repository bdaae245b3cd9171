"""The hub composes into a company's supergraph, by Apollo's composer and by The Guild's."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema

from hub.graphql.schema import schema_text
from tests.conformance.packages import HERE, installed

pytestmark = pytest.mark.conformance

BILLING = (HERE / "billing.graphql").read_text()


def composed(folder: Path, hub: str, billing: str) -> dict[str, dict[str, Any]]:
    for name, text in (("hub", hub), ("billing", billing)):
        (folder / f"{name}.graphql").write_text(text)
    done = subprocess.run(
        ["node", HERE / "compose.mjs", "hub.graphql", "billing.graphql"],
        cwd=folder,
        env=os.environ | {"NODE_PATH": str(installed())},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["composer"]: one for one in found}


def test_another_subgraph_extends_accounts_and_names_signals(tmp_path: Path) -> None:
    found = composed(tmp_path, schema_text(), BILLING)
    assert set(found) == {"apollo", "guild"}
    for one in found.values():
        assert one["errors"] == [], one["composer"]
        supergraph = build_schema(one["supergraph"], assume_valid_sdl=True)
        account = supergraph.type_map["Account"]
        assert isinstance(account, GraphQLObjectType)
        assert {"id", "name", "revenue", "letterhead", "invoices"} <= set(account.fields)
        assert supergraph.query_type is not None
        assert {"signals", "feed", "invoices"} <= set(supergraph.query_type.fields)


def test_what_does_not_compose_is_found(tmp_path: Path) -> None:
    for one in composed(
        tmp_path, schema_text(), BILLING.replace("name: String!", "name: Int!")
    ).values():
        assert any("Account.name" in error for error in one["errors"]), one["composer"]
