"""How a source of hub.toml says by which scheme what it is sent is signed."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, SecretStr, model_validator

from hub.connector.described import Described
from hub.connector.paths import JsonPath
from hub.connector.pushed import Pushed
from hub.connector.signatures import (
    TOLERANCE,
    Algorithm,
    BasicAuth,
    Digest,
    Encoding,
    Hmac,
    StandardWebhooks,
    Token,
    is_secret,
    secrets,
)
from hub.connector.times import Duration
from hub.errors import BadRecord, PushRefused


class _Table(Described):
    def check(self, request: Pushed, secret: SecretStr) -> None:
        """Raise PushRefused unless the request was signed by the secret."""
        raise NotImplementedError


class ByHmac(_Table):
    """A keyed hash of the request, in a header: what most vendors do."""

    by: Literal["hmac"]
    header: str
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    """What stands before each signature, such as `sha256=`."""
    signed: str = "{body}"
    """What is hashed: `{timestamp}.{body}`; there are also {method}, {url} and {decoded_url}."""
    timestamp: str | None = None
    """The header with the time, which `signed` then names."""
    tolerance: Duration = TOLERANCE
    """How far that time may be from now."""

    @model_validator(mode="after")
    def _proves(self) -> Self:
        self._scheme()
        return self

    def _scheme(self) -> Hmac:
        return Hmac(**self.model_dump(exclude={"by"}))

    def check(self, request: Pushed, secret: SecretStr) -> None:
        self._scheme().check(request, secret)


class ByDigest(_Table):
    """A plain hash of the secret and what follows it."""

    by: Literal["digest"]
    header: str
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    signed: str = "{body}"

    def check(self, request: Pushed, secret: SecretStr) -> None:
        Digest(**self.model_dump(exclude={"by"})).check(request, secret)


class ByStandard(_Table):
    """Standard Webhooks: the secret is `whsec_` and base64."""

    by: Literal["standard"]

    def check(self, request: Pushed, secret: SecretStr) -> None:
        StandardWebhooks().check(request, secret)


class ByToken(_Table):
    """The secret itself in a header."""

    by: Literal["token"]
    header: str = "Authorization"
    prefix: str = "Bearer "

    def check(self, request: Pushed, secret: SecretStr) -> None:
        Token(self.header, self.prefix).check(request, secret)


class ByPassword(_Table):
    """HTTP basic: a user, and the secret as the password."""

    by: Literal["basic"]
    user: str

    def check(self, request: Pushed, secret: SecretStr) -> None:
        BasicAuth(self.user).check(request, secret)


class ByQuery(_Table):
    """The secret itself in the address, for senders that can do no better: logs may show it."""

    by: Literal["query"]
    parameter: str = "access_token"

    def check(self, request: Pushed, secret: SecretStr) -> None:
        if not is_secret(request.query.get(self.parameter, ""), secret):
            raise PushRefused(f"the address has not the secret of this source as {self.parameter}")


class ByBody(_Table):
    """The secret itself in the body, at every place that a path names (Graph's clientState)."""

    by: Literal["body"]
    path: JsonPath = Field(default="$.token", validate_default=True)

    def check(self, request: Pushed, secret: SecretStr) -> None:
        secrets(secret)
        try:
            found = self.path.all(body_of(request))
        except BadRecord as error:
            raise PushRefused(error.message) from None
        matches = [isinstance(one, str) and is_secret(one, secret) for one in found]
        if not matches or not all(matches):
            raise PushRefused("the body has not the secret of this source at its place")


SignedBy: TypeAlias = Annotated[
    ByHmac | ByDigest | ByStandard | ByToken | ByPassword | ByQuery | ByBody,
    Field(discriminator="by"),
]


def body_of(request: Pushed) -> Any:
    """Read a body that is JSON or a form; in a form each field is a text. Raises BadRecord."""
    # curl calls every body a form that it is not told about.
    is_json = request.body.lstrip().startswith((b"{", b"["))
    if request.media == "application/x-www-form-urlencoded" and not is_json:
        return dict(request.form())
    return request.json()
