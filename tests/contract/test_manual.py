"""deploy/hub.default.toml names every setting there is, with the default that is in force."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hub import declared
from hub.config import Config, read_config
from hub.declared import (
    AudiencesTable,
    EndpointConfig,
    Grant,
    HubTable,
    OidcTable,
    RetentionTable,
    Role,
    SourceKeys,
)
from hub.settings import Settings

MANUAL = (Path(__file__).parents[2] / "deploy" / "hub.default.toml").read_text()

# The tables of hub.toml. `*` is a name that people choose.
TABLES: dict[str, type[BaseModel]] = {
    "hub": HubTable,
    "sources.*": SourceKeys,
    "roles.*": Role,
    "audiences": AudiencesTable,
    "endpoints.*": EndpointConfig,
    "retention": RetentionTable,
    "oidc": OidcTable,
    "oidc.grants.*": Grant,
}
SECRET = "whsec_" + "c2VjcmV0" * 4


def examples() -> str:
    """Put every commented example in force; prose has a space after its #."""
    return re.sub(r"^#(?=[\[a-z])", "", MANUAL, flags=re.MULTILINE)


def loaded(text: str) -> Config:
    return read_config(text, dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", text), SECRET))


def settings(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the path of every setting, and the model that declares it."""
    for name, field in model.model_fields.items():
        if name in {"name", "audiences"}:
            continue  # it stands in the table's heading, or in the table of all roles
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{path}.{name}")
        else:
            yield f"{path}.{name}", model


DECLARED = {
    setting: model for path, root in TABLES.items() for setting, model in settings(root, path)
}


def written(path: str, data: Mapping[str, Any]) -> list[Any]:
    """Give the values that stand at a path."""
    found: list[Any] = [data]
    for key in path.split("."):
        found = [
            value
            for table in found
            for name, value in table.items()
            if key in {"*", name} and (key != "*" or isinstance(value, dict))
        ]
    return found


def test_it_loads_as_it_is_and_changes_nothing() -> None:
    assert loaded(MANUAL) == read_config("", {})


def test_every_table_that_may_stand_in_the_file_is_compared() -> None:
    tables = {
        value
        for value in vars(declared).values()
        if isinstance(value, type)
        and issubclass(value, BaseModel)
        and value.__module__ == declared.__name__
        and not value.__name__.startswith("_")
    }
    assert tables == set(DECLARED.values()), "name the new table in TABLES, and in the manual"


def test_its_examples_load() -> None:
    config = loaded(examples())
    assert config.sources.keys() == {"press"}
    assert config.endpoints.keys() == {"newsroom"}
    assert config.roles.keys() - read_config("", {}).roles.keys() == {"press-desk"}


@pytest.mark.parametrize("path", DECLARED)
def test_a_setting_stands_in_it_with_its_default(path: str) -> None:
    values = written(path, tomllib.loads(examples()))
    assert values, f"write a line for {path} into deploy/hub.default.toml"
    model, name = DECLARED[path], path.rpartition(".")[2]
    field = model.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if field.is_required() or default is None or default in ({}, (), frozenset()):
        return  # there is none to show: an example stands there
    for value in values:
        given = model.__pydantic_validator__.validate_assignment(
            model.model_construct(), name, value
        )
        assert getattr(given, name) == default, path


def test_nothing_stands_in_it_without_a_word() -> None:
    lines = examples().partition("# ---- The environment")[0].splitlines()
    for line, after in pairwise(lines):
        if re.match(r"[a-z_]+ = ", line):
            told = re.search(r"  # (.+)$", line)
            assert told, f"say what it does: {line}"
            assert len(told[1]) > 8 or after.strip().startswith("#"), line


def environment() -> dict[str, str]:
    return dict(re.findall(r"^# (HUB_[A-Z_]+)=(.*)\n#   \w", MANUAL, re.MULTILINE))


def test_every_variable_of_the_environment_stands_in_it_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # no .env here
    declared = {f"HUB_{name.upper()}" for name in Settings.model_fields}
    assert environment().keys() == declared, "each needs a line in deploy/hub.default.toml"
    plain = Settings()
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == plain


def test_no_setting_is_told_twice() -> None:
    told = re.findall(r"^# (HUB_[A-Z_]+)=", MANUAL, re.MULTILINE)
    assert len(told) == len(set(told))
