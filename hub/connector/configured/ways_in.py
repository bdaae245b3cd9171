"""The ways to sign in, as hub.toml writes them."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, SecretStr, model_validator

from hub.connector.described import Described
from hub.connector.endpoints import Basic, Bearer, ClientCredentials, Header, RefreshToken, SignIn

# What each way must have, and what it may have.
_OAUTH = frozenset({"scopes", "client_in_body", "extra"})
_WAYS = (
    (frozenset({"bearer"}), frozenset[str]()),
    (frozenset({"user", "password"}), frozenset[str]()),
    (frozenset({"header", "value"}), frozenset[str]()),
    (frozenset({"token_url", "client_id", "client_secret"}), _OAUTH),
    (frozenset({"token_url", "client_id", "refresh_token"}), _OAUTH | {"client_secret"}),
)


class WayIn(Described):
    """One of: a bearer token; a user and password; an API key in a header; OAuth2."""

    bearer: SecretStr | None = None
    """A token that is sent as `Authorization: Bearer`."""
    user: str | None = None
    password: SecretStr | None = None
    header: str | None = None
    """The name of the header that carries an API key: X-Api-Key."""
    value: SecretStr | None = None
    """All that this header says, as in `Token abc`."""
    token_url: str | None = None
    """Where OAuth2 hands out tokens, for `client_id` and `client_secret` (client credentials), or
    for a `refresh_token`."""
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    scopes: tuple[str, ...] = ()
    client_in_body: bool = False
    """Some read the client's secret in the body only."""
    extra: Mapping[str, str] = Field(default_factory=dict)
    """What else is wanted in the request for a token: an audience, a resource."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        said = frozenset(self.model_fields_set)
        if not any(needed <= said <= needed | may for needed, may in _WAYS):
            ways = "; ".join(" and ".join(sorted(needed)) for needed, _ in _WAYS)
            raise ValueError(f"say one of: {ways}")
        return self

    def auth(self) -> SignIn:
        if self.bearer is not None:
            return Bearer(self.bearer)
        if self.user is not None and self.password is not None:
            return Basic(self.user, self.password)
        if self.header is not None and self.value is not None:
            return Header(self.header, self.value)
        assert self.token_url is not None
        assert self.client_id is not None
        if self.refresh_token is not None:
            return RefreshToken(
                self.token_url,
                self.client_id,
                self.refresh_token,
                self.client_secret,
                self.scopes,
                self.client_in_body,
                self.extra,
            )
        assert self.client_secret is not None
        return ClientCredentials(
            self.token_url,
            self.client_id,
            self.client_secret,
            self.scopes,
            self.client_in_body,
            self.extra,
        )
