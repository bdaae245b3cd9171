"""docs/connectors.md is what the connectors say, and what certification has found."""

from collections import Counter

import pytest

from hub import registry
from tests.manual import MANUAL, manual, standings


def test_it_is_written_from_the_code() -> None:
    assert MANUAL.read_text() == manual(standings()), "run `make docs`"


def test_every_connector_has_a_level_and_ten_are_platinum() -> None:
    levels = Counter(one.level for one in standings().values())
    assert sum(levels.values()) == len(registry.names()), "run `make docs`"
    assert levels.keys() <= {"gold", "platinum"}
    assert levels["platinum"] >= 10


@pytest.mark.parametrize("name", registry.names())
def test_a_connector_tells_people_what_it_needs(name: str) -> None:
    connector = registry.find(name)
    assert connector.sign_in, "how one signs in, and where one gets what that needs"
    assert connector.limits, "how much the vendor lets one ask, and what is not read"
