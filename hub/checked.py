"""A table of hub.toml, checked where it stands: what is wrong is said with line and remedy."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError

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
        part = error.errors(include_url=False, include_input=False)[0]
        where = (*path, *(str(piece) for piece in part["loc"]))
        raise place.error(where, *_words(part["type"], part["msg"], where, model, beside)) from None


def _words(
    kind: str,
    message: str,
    where: tuple[str, ...],
    model: type[BaseModel],
    beside: Collection[str],
) -> tuple[str, str]:
    if kind == "missing":
        setting = model.model_fields.get(where[-1])
        type_ = setting.annotation if setting is not None else None
        secret = SecretStr in (type_, *get_args(type_))
        example = f'"${{{where[-1].upper()}}}"' if secret else "..."
        return "this setting is missing", f"Add {where[-1]} = {example}"
    if kind == "extra_forbidden":
        own = [name for name in model.model_fields if name not in {"name", "audiences"}]
        return "there is no such setting", f"There are: {', '.join([*own, *sorted(beside)])}"
    return message.removeprefix("Value error, "), "Correct the value"


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
