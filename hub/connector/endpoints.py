"""Where a source is, how to sign in there, and how fast it may be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

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
class ClientCredentials:
    """OAuth2 for a program in its own name (RFC 6749, section 4.4): a bearer token for a while."""

    token_url: str
    client_id: str
    client_secret: SecretStr
    scopes: tuple[str, ...] = ()
    client_in_body: bool = False
    """Some vendors read the client's secret in the body only, not in Authorization."""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else the vendor wants in the request: an audience, a resource."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """OAuth2 in the name of somebody who agreed once (RFC 6749, section 6).

    `refresh_token` is the first one. Where the vendor rotates it the hub keeps those that follow,
    encrypted, until another first one is configured.
    """

    token_url: str
    client_id: str
    refresh_token: SecretStr
    client_secret: SecretStr | None = None
    scopes: tuple[str, ...] = ()
    client_in_body: bool = False
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Login:
    """Log in with JSON for a bearer token, as at Bluesky: paths are relative to the endpoint.

    When the token ends it is renewed at `renew`, with the other token as the bearer, or, without
    one, by logging in again. `access` and `refresh` name the two tokens in the answer.
    """

    path: str
    body: Mapping[str, str | SecretStr] = field(hash=False)
    renew: str | None = None
    access: str = "access_token"
    refresh: str = "refresh_token"


SignIn: TypeAlias = Bearer | Basic | Header | ClientCredentials | RefreshToken | Login


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP API: where it is, how to sign in, how many requests a minute it allows."""

    url: str
    auth: SignIn | None = None
    per_minute: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    per_minute_at: Mapping[str, int] = field(default_factory=dict)
    """What has a limit of its own besides: calls a minute to all that is below a path."""
    says_no: Callable[[Any], SourceError | None] | None = None
    """Recognises a refusal in a 200 answer's body (Slack's `{"ok": false}`)."""
    pause: timedelta | None = None
    """The least time between two requests, where the vendor counts so (GDELT: five seconds)."""


@dataclass(frozen=True, slots=True)
class Imap:
    """A mailbox. It is only ever read: the hub opens folders by EXAMINE and peeks at messages."""

    host: str
    user: str
    auth: SecretStr | Bearer | ClientCredentials | RefreshToken
    """A password, often one made for this app alone; or OAuth2, whose tokens go by XOAUTH2."""
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    """`none` is for the own network: to a public address no password goes unencrypted."""
    port: int | None = None
    """None: 993 with implicit TLS, else 143."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program that writes lines: what to start, and what it may see.

    It gets this environment and nothing of the hub's own, except PATH. In `argv`, `{folder}`
    stands for a folder of its own that is removed after the run.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, SecretStr] = field(default_factory=dict)
    silent: timedelta = timedelta(minutes=5)
    """It is ended if it writes nothing for so long,"""
    longest: timedelta = timedelta(hours=1)
    """or has not finished after this."""


Endpoint: TypeAlias = Http | Imap | Command
