"""What holds of every connector that can be named in hub.toml."""

import sys

import pytest

from hub import registry
from hub.config import SOURCE_KEYS
from hub.kinds import KINDS


@pytest.mark.parametrize("name", registry.names())
def test_a_connector_can_be_configured(name: str) -> None:
    connector = registry.find(name)
    said = connector.__doc__ or sys.modules[connector.__module__].__doc__
    assert said, "its docstring, or its file's, is what `hub connectors` shows"
    taken = SOURCE_KEYS & set(connector.model_fields)
    assert not taken, f"the hub takes {taken} for itself: the setting could never be set"
    assert connector.model_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize("name", registry.names())
def test_a_connector_emits_kinds_of_the_catalogue(name: str) -> None:
    kinds = registry.find(name).kinds
    assert kinds
    assert kinds <= set(KINDS)
