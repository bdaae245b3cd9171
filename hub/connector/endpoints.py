"""Where a source is, how to sign in there, and how fast it may be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import SecretStr

from hub.errors import SourceError


@dataclass(frozen=True, slots=True)
class Bearer:
    token: SecretStr


@dataclass(frozen=True, slots=True)
class Basic:
    user: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class Header:
    """An API key in a header of its own."""

    name: str
    value: SecretStr


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP API: where it is, how to sign in, how many requests a minute it allows."""

    url: str
    auth: Bearer | Basic | Header | None = None
    per_minute: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    says_no: Callable[[Any], SourceError | None] | None = None
    """Recognises a refusal in a 200 answer's body (Slack's `{"ok": false}`)."""


Endpoint: TypeAlias = Http
