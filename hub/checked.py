"""A table of hub.toml, checked where it stands: what is wrong is said with line and remedy."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from hub.connector import Endpoint, Http
from hub.toml import Place

_Model = TypeVar("_Model", bound=BaseModel)


def checked(
    model: type[_Model],
    table: Mapping[str, Any],
    path: tuple[str, ...],
    place: Place,
    beside: Collection[str] = (),
) -> _Model:
    """Make a model of a table; `beside` are settings that are taken, though not by this model."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        parts = error.errors(include_url=False, include_input=False)
        # A mistyped name first: what seems to be missing is often that.
        part = next((one for one in parts if one["type"] == "extra_forbidden"), parts[0])
        where = (*path, *(str(piece) for piece in part["loc"]))
        raise place.error(where, *_words(part, where, model, beside)) from None


def _words(
    part: ErrorDetails, where: tuple[str, ...], model: type[BaseModel], beside: Collection[str]
) -> tuple[str, str]:
    kind, name = part["type"], where[-1]
    if kind == "missing":
        setting = model.model_fields.get(name)
        type_ = setting.annotation if setting is not None else None
        secret = SecretStr in (type_, *get_args(type_))
        example = f'"${{{name.upper()}}}"' if secret else "..."
        return "this setting is missing", f"Add {name} = {example}"
    if kind == "extra_forbidden":
        if len(part["loc"]) > 1:  # of a table within: which of several it is cannot be told
            return "there is no such setting", "Correct its name, or remove it"
        own = [*(one for one in model.model_fields if one not in {"name", "audiences"})]
        known = [*own, *sorted(beside)]
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return "there is no such setting", f"{hint}There are: {', '.join(known)}"
    if kind == "tuple_type":
        return "this must be a list", f'Write {name} = ["...", "..."]'
    if kind in {"dict_type", "model_type"}:
        return "this must be a table", f"Write [{'.'.join(where)}]"
    return part["msg"].removeprefix("Value error, "), "Correct the value"


def table_at(
    data: Mapping[str, Any], path: tuple[str, ...], place: Place, above: tuple[str, ...] = ()
) -> dict[str, Any]:
    value: Any = data
    for key in path:
        value = value.get(key, {})
    if not isinstance(value, dict):
        where = (*above, *path)
        raise place.error(where, "this must be a table", f"Write [{'.'.join(where)}]")
    return value


def named(name: str, table: Mapping[str, Any], path: tuple[str, ...], place: Place) -> Any:
    """Give a table its name, which is its key and nothing else."""
    if "name" in table:
        raise place.error((*path, "name"), "a name stands in the table's heading", "Remove it")
    return {**table, "name": name}


def expect_an_address(there: Endpoint, path: tuple[str, ...], place: Place) -> None:
    """Refuse an address that no request can be sent to. It may be secret and is not quoted."""
    if isinstance(there, Http):
        address = urlsplit(there.url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            words = "this is no address of an API"
            raise place.error((*path, "url"), words, "Write it with https:// and a host")
