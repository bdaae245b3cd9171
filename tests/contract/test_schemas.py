"""What connectors put into attributes is what the schemas of their kinds say."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from starlette.applications import Starlette

from hub import registry
from hub.connector import Listener
from hub.details import misfits, schema_of
from hub.kinds import KINDS
from hub.testing.house import House, opened
from hub.testing.listening import Listening
from hub.testing.stage import staged
from hub.testing.twins import find_twin
from hub.web.schemas import ROUTES

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]  # it has no types
def is_moment(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with opened() as house:
        yield house


@pytest.mark.parametrize("name", registry.names())
async def test_every_signal_of_a_twin_fits_the_schema_of_its_kind(house: House, name: str) -> None:
    connector = registry.find(name)
    made = Listening if issubclass(connector, Listener) else None
    async with staged(house, name, connector, find_twin(name)(), made=made) as stage:
        names = stage.create_many(5)
        await stage.poll_until_known(*names)
        stage.edit(1, names[0])
        await stage.poll_until_known(*names)
        signals = list((await stage.signals()).values())
    assert len(signals) == len(set(names))
    for one in signals:
        schema = schema_of(one.kind)
        assert schema is not None
        validator = Draft202012Validator(schema, format_checker=FORMATS)
        assert list(validator.iter_errors(one.attributes)) == [], one.kind
        assert misfits(one.kind, one.attributes) == []


async def test_schemas_are_served_to_anybody() -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(Starlette(routes=ROUTES)), base_url="http://hub.example"
    ) as client:
        listed = (await client.get("/schemas/")).json()["schemas"]
        assert {one["kind"] for one in listed} == set(KINDS)
        for one in listed:
            found = await client.get(one["url"])
            assert (found.status_code, found.headers["content-type"]) == (
                200,
                "application/schema+json",
            )
            assert "max-age" in found.headers["cache-control"]
            assert found.json() == schema_of(one["kind"])
        assert (await client.get("/schemas/acme.custom.thing/v1")).status_code == 200
        for gone in ("/schemas/sales.deal.won/v2", "/schemas/Nonsense/v1"):
            missing = await client.get(gone)
            assert missing.status_code == 404
            assert "/schemas/" in missing.json()["error"]
