"""What a typed attribute may be: how it is read, and how JSON Schema says it.

Reading never fails: what does not fit is None, and stays readable among the attributes.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

_LARGEST = 2**31  # beyond it GraphQL's Int ends


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _word(value: Any) -> str | None:
    """Read a name or a number that one source writes as a text and another as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    if number is None or int(number) != number or not -_LARGEST <= number < _LARGEST:
        return None
    return int(number)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: Any) -> datetime | None:
    """Read a time in the words of RFC 3339; one without a zone says too little."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at.astimezone(UTC) if at and at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _texts(value: Any) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [text for one in several if (text := _word(one)) is not None]


def _read(read: Callable[[Any], Any], **schema: Any) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(read), WithJsonSchema(schema)


_OR_NULL = {"type": ["string", "null"]}

Text: TypeAlias = Annotated[str | None, *_read(_text, **_OR_NULL)]
Word: TypeAlias = Annotated[str | None, *_read(_word, type=["string", "integer", "null"])]
# Amounts of money are often told as texts, which lose no cent.
Number: TypeAlias = Annotated[
    float | None,
    *_read(_number, type=["number", "string", "null"], pattern=r"^-?[0-9]+(\.[0-9]+)?$"),
]
Whole: TypeAlias = Annotated[int | None, *_read(_whole, type=["integer", "null"])]
Flag: TypeAlias = Annotated[bool | None, *_read(_flag, type=["boolean", "null"])]
Moment: TypeAlias = Annotated[datetime | None, *_read(_moment, format="date-time", **_OR_NULL)]
Texts: TypeAlias = Annotated[
    list[str],
    *_read(_texts, type=["array", "null"], items={"type": ["string", "integer"]}),
]
