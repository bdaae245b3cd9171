"""The ways to sign in, as hub.toml writes them."""

from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from hub.connector.endpoints import Basic, Bearer, Header

_WAYS = (
    frozenset({"bearer"}),
    frozenset({"user", "password"}),
    frozenset({"header", "value"}),
)


class WayIn(BaseModel):
    """One of: `bearer`; `user` and `password`; `header` and `value`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bearer: SecretStr | None = None
    """A token that is sent as `Authorization: Bearer`."""
    user: str | None = None
    password: SecretStr | None = None
    header: str | None = None
    """The name of the header that carries an API key: X-Api-Key."""
    value: SecretStr | None = None
    """All that this header says, as in `Token abc`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if frozenset(self.model_fields_set) not in _WAYS:
            ways = "; ".join(" and ".join(sorted(way)) for way in _WAYS)
            raise ValueError(f"say one of: {ways}")
        return self

    def auth(self) -> Bearer | Basic | Header:
        if self.bearer:
            return Bearer(self.bearer)
        if self.user is not None and self.password:
            return Basic(self.user, self.password)
        assert self.header is not None
        assert self.value is not None
        return Header(self.header, self.value)
