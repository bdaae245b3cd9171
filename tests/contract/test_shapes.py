"""`rest` and `odata` live through every fault in every shape of list, not one alone."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest

from connectors.twins import odata, rest
from hub import registry
from hub.testing.certify import CHECKS, Level, Result, examine
from hub.testing.faults import Fault
from hub.testing.house import House, opened

pytestmark = pytest.mark.long

# Recordings are of real systems, whatever the twin's shape.
ELSEWHERE = {Fault.RECORDED}
# Without tracked changes OData tells of no deletion: docs/odata.md.
UNTOLD = {*ELSEWHERE, Fault.GONE}
SHAPES: list[tuple[str, partial[Any], set[Fault]]] = [
    *(
        ("rest", partial(rest.Twin, family, paging), ELSEWHERE)
        for family, paging in (
            ("modified_since", "page"),
            ("modified_since", "cursor"),
            ("newest_first", "offset"),
            ("event_log", "next_url"),
            ("id_watermark", "none"),
            ("opaque_token", "none"),
            ("snapshot", "none"),
            ("snapshot", "link"),
        )
    ),
    ("odata", partial(odata.Twin, 2), ELSEWHERE),
    ("odata", partial(odata.Twin, 2, delta=False), UNTOLD),
    ("odata", partial(odata.Twin, 4, delta=False), UNTOLD),
]


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with opened() as house:
        yield house


@pytest.mark.parametrize(
    ("name", "make", "left_out"),
    SHAPES,
    ids=[f"{name}-{'-'.join(map(str, make.args))}" for name, make, _ in SHAPES],
)
async def test_it_lives_through_every_fault(
    house: House, name: str, make: partial[Any], left_out: set[Fault]
) -> None:
    connector = registry.find(name)
    failed: list[str] = []
    for level, what, check in CHECKS:
        if what in left_out or level is Level.BRONZE:
            continue
        row = await examine(house, name, connector, make, (level, what, check))
        if row.result is Result.FAILED:
            failed.append(f"{what}: {row.reason}")
    assert failed == []
