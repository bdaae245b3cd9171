"""What the tables of hub.toml may say, each a frozen model."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from hub import signing
from hub.access import Sees, closed_to
from hub.connector import Duration
from hub.digest import digest_of
from hub.kinds import Department, Family, kinds_of
from hub.signals import USUAL, Classification, Scope

NAME = r"^[a-z][a-z0-9_-]{0,62}$"


def _classification(value: object) -> object:
    if isinstance(value, str):
        try:
            return Classification[value.upper()]
        except KeyError:
            names = ", ".join(level.name.lower() for level in Classification)
            raise ValueError(f"{value!r} is not one of {names}") from None
    return value


def _signing_secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        signing.key(value.get_secret_value())
    return value


Level = Annotated[Classification, BeforeValidator(_classification)]

Weight = Annotated[float, Field(ge=-1, le=1)]

# A kind, all kinds below one (`sales.*`), or all.
Pattern = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.[a-z][a-z0-9_]*|\.\*))$"
    ),
]

Weights = Mapping[str, Weight]

Audiences = Mapping[Pattern, frozenset[str]]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
    )


class Interests(_Table):
    kinds: Mapping[Pattern, Weight] = Field(default_factory=dict)
    departments: Mapping[Department, Weight] = Field(default_factory=dict)
    accounts: Weights = Field(default_factory=dict)
    keywords: Weights = Field(default_factory=dict)
    severity: Weight = 0.2
    addressed: Weight = 0.6


class SeesTable(_Table):
    classification: Level = Classification.INTERNAL
    kinds: frozenset[Pattern] = frozenset({"*"})
    except_kinds: frozenset[Pattern] = frozenset()
    departments: frozenset[Department | Literal["*"]] = frozenset({"*"})
    sources: frozenset[str] = frozenset({"*"})
    restricted: frozenset[str] = frozenset()


class Role(_Table):
    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    interests: Interests = Interests()
    sees: SeesTable = SeesTable()
    outlines: SeesTable | None = None  # what it may know is there, and not read
    audiences: Audiences = Field(default_factory=dict)  # the hub's: see `AudiencesTable`

    @cached_property
    def rule(self) -> Sees:
        closed = closed_to(self.name, self.audiences)
        outlines = Sees(**dict(self.outlines), closed=closed) if self.outlines else None
        return Sees(**dict(self.sees), closed=closed, outlines=outlines)

    @cached_property
    def digest(self) -> str:
        """Tell apart what it may see and how signals are judged for it."""
        return digest_of([self.rule, self.interests.model_dump(), self.threshold])


class EndpointConfig(_Table):
    """Where a role's signals are pushed. The secret never leaves this object.

    It is None where another process has it, and sends: see `hub.config.configure`.
    """

    name: Annotated[str, Field(pattern=NAME)]
    role: str
    url: HttpUrl
    secret: Annotated[SecretStr | None, AfterValidator(_signing_secret)]
    kinds: frozenset[Pattern] = frozenset({"*"})
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    select: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)


class AudiencesTable(_Table):
    """Kinds that only some roles may see, whatever the others' `sees` says.

    Of the patterns that take a kind the longest decides; a family stands for each of its kinds.
    """

    kinds: Audiences = Field(default_factory=dict)
    families: Mapping[Family, frozenset[str]] = Field(default_factory=dict)

    @field_validator("families")
    @classmethod
    def _of_the_catalogue(
        cls, given: Mapping[Family, frozenset[str]]
    ) -> Mapping[Family, frozenset[str]]:
        for family in given:
            if not kinds_of(family):
                raise ValueError(f"{family} is whatever the catalogue lacks: name its kinds")
        return given

    @property
    def patterns(self) -> Audiences:
        """Who may see which kinds; a kind that is named itself goes before its family."""
        by_family = {
            kind: roles
            for family, roles in self.families.items()
            for kind in sorted(kinds_of(family))
        }
        return {**by_family, **self.kinds}


class HubTable(_Table):
    company: str = "Our company"
    default_roles: bool = True
    # For endpoints that are entered through the API; those written here may be private anyway.
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()


Age = Annotated[Duration, Field(ge=timedelta(minutes=1))]


class RetentionTable(_Table):
    """How long things are kept: signals since they last changed, the others since they came."""

    signals: Age = timedelta(days=400)
    log: Age = timedelta(days=90)  # and so the oldest cursor that still works, and tombstones
    raw: Age = timedelta(days=30)  # records that could not be read
    deliveries: Age = timedelta(days=30)  # settled ones, with their attempts
    kinds: Mapping[Pattern, Age] = Field(default_factory=dict)


class SourceKeys(_Table):
    connector: str
    every: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    slowest: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    notify_after: AwareDatetime | None = None
    classification: Level | None = None
    department: Department | None = None
    keep: Age | None = None


# A claim by its name, or by the names on the way to it: ["realm_access", "roles"].
Claim = str | tuple[str, ...]

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
ALGORITHMS: frozenset[Algorithm] = frozenset(get_args(Algorithm))


class Grant(_Table):
    """What those have whose token has a claim of this value; without one: everybody."""

    claim: Claim | None = None
    value: bool | int | str | None = None
    roles: frozenset[str] = frozenset()
    scopes: frozenset[Scope] = USUAL

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.claim is None) is not (self.value is None):
            raise ValueError("a claim and its value go together")
        return self


def _provider(issuer: str) -> str:
    if not is_safe(issuer, issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise ValueError("an issuer is an https:// address without a query")
    return issuer


def is_safe(url: str, issuer: str) -> bool:
    """Say whether what the sign-in stands on may come from there: without TLS only on loopback."""
    try:
        parts, home = urlsplit(url), urlsplit(issuer)
        if not parts.hostname or "@" in parts.netloc:
            return False
    except ValueError:
        return False
    local = {home.hostname, parts.hostname} <= {"127.0.0.1", "localhost", "::1"}
    return parts.scheme == "https" or (parts.scheme == "http" and local)


def _some(value: object) -> object:
    return [value] if isinstance(value, str) else value


class OidcTable(_Table):
    """Whose tokens are taken beside the hub's own keys, and what they permit."""

    issuer: Annotated[str, AfterValidator(_provider)]
    audience: Annotated[frozenset[str], BeforeValidator(_some), Field(min_length=1)]
    algorithms: Annotated[frozenset[Algorithm], Field(min_length=1)] = ALGORITHMS
    skew: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(minutes=5))] = timedelta(
        seconds=30
    )
    name_claim: Claim = "name"
    person_claim: Claim = "email"
    client: str | None = None
    client_secret: SecretStr | None = None
    request: tuple[str, ...] = ("openid", "profile", "email")
    session: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = timedelta(
        hours=8
    )
    grants: Mapping[str, Grant] = Field(default_factory=dict)
