"""Models whose settings say what they are for: by the docstrings below their fields."""

import ast
import inspect
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Described(BaseModel):
    """Reads its docstrings when somebody asks for its JSON Schema, and is built when it is used.

    pydantic's own `use_attribute_docstrings` reads and parses the source of every model whenever a
    hub starts, and a model is built again within each that has it: half a second for all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        told = handler(core_schema)
        properties = handler.resolve_ref_schema(told).get("properties", {})
        for kind in cls.__mro__:
            if kind is not Described and issubclass(kind, Described):
                for name, said in _docstrings(kind).items():
                    field = cls.model_fields.get(name)
                    shown = properties.get(name if field is None else field.alias or name)
                    if shown is not None:
                        shown.setdefault("description", said)
        return told


@cache
def _docstrings(kind: type) -> dict[str, str]:
    """Give the docstrings that stand below the fields of one class."""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # there is none: it was made by a program, or typed
        return {}
    # Within a function or a class it is indented, which cannot be taken off its texts.
    outer = ast.parse(f"if True:\n{source}" if source[0].isspace() else source).body[0]
    definition = outer.body[0] if isinstance(outer, ast.If) else outer
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(below.value.value)
    return found
