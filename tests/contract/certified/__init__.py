"""Every connector is certified. In files by first letter, for xdist gives a worker whole files."""

from collections.abc import Sequence

from hub import registry
from hub.testing.certify import Level, certify
from tests.manual import Standing, standings


def named(first: str, last: str) -> Sequence[str]:
    """List the connectors from one letter to another."""
    return [name for name in registry.names() if first <= name[0] <= last]


async def expect_gold(name: str) -> None:
    certificate = await certify(name)
    missing = [f"{row.check}: {row.reason}" for row in certificate.missing]
    assert certificate.level >= Level.GOLD, missing
    assert standings().get(name) == Standing.of(certificate), "run `make docs`"
