"""What may never be read in a log, an error or a trace: found by its form, or known by value."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import AnyUrl, BaseModel, SecretStr

SHORTEST = 6  # a secret of fewer characters is not looked for: it is in every other word

# Our keys, webhook secrets, JWTs, sign-ins in headers, passwords in URLs, whoever's they are.
_FORM = re.compile(
    r"(hub_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+|(whsec_)[A-Za-z0-9+/=]+"
    r"|(\beyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|((?:Bearer|Basic|Token)\s+)[A-Za-z0-9._~+/=-]+|(://[^/\s:@]*:)[^@/\s]+(?=@)"
)
# What is called so is secret, also where nobody declared it.
TELLING = re.compile(
    r"authorization|credential|token|secret|cookie|passw|api[_-]?key|signature", re.IGNORECASE
)
# A header or a parameter that is called so signs somebody in.
SIGNS_IN = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)

_values: set[str] = set()
_known = re.compile(r"(?!)")


def redact(text: str) -> str:
    text = _FORM.sub(lambda found: next(g for g in found.groups() if g is not None) + "…", text)
    return _known.sub("…", text)


def hide(*secrets: str | None) -> None:
    """Know values from now on, in every form in which text may hold them.

    They are never forgotten: one that was replaced may still be in force somewhere.
    """
    global _known  # noqa: PLW0603 - swapped as a whole: other threads redact meanwhile
    forms = {
        form for secret in secrets if secret and len(secret) >= SHORTEST for form in _forms(secret)
    }
    if not forms <= _values:
        _values.update(forms)
        longest_first = sorted(_values, key=len, reverse=True)
        _known = re.compile("|".join(map(re.escape, longest_first)))


def hide_all(*values: object) -> None:
    """Find what is secret in settings, in configurations and in mappings, and hide it."""
    hide(*(secret for value in values for secret in _within(value, "")))


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }


def _within(value: Any, name: str) -> Iterator[str]:
    """Walk through whatever holds settings; `name` is what the value is called."""
    if isinstance(value, BaseModel):
        value = {field: getattr(value, field) for field in type(value).model_fields}
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _within(part, str(key))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _within(part, name)
    else:
        yield from _of_setting(value, name)


def _of_setting(value: Any, name: str) -> Iterator[str]:
    match value:
        case SecretStr():
            # Two may stand in one, separated by a space, while one is replaced.
            yield from (value.get_secret_value(), *value.get_secret_value().split())
            yield from _of_url(value.get_secret_value())
        case AnyUrl():
            yield from _of_url(str(value))
            # Of a webhook the path is often the secret.
            yield from (part for part in (value.path, value.query) if part and len(part) > 20)
        case str() if TELLING.search(name):
            yield value
        case str() if "://" in value:
            yield from _of_url(value)


def _of_url(text: str) -> Iterator[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
