"""Signing in at a provider of the company's (https://openid.net/specs/openid-connect-core-1_0.html).

The hub believes what the provider has signed and nothing else of a token: which keys count is what
the provider publishes under the address in hub.toml, never what a token says about itself.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hub.declared import OidcTable
from hub.errors import Code, Refused
from hub.http import Clients
from hub.oidc.claims import needed, viewer_of
from hub.oidc.code import Flow, begin, finish
from hub.oidc.provider import Provider
from hub.oidc.tokens import ends_at, is_token, read_header, refused, verify
from hub.signals import Viewer

__all__ = ["Flow", "Provider", "SignIn", "is_token", "needed", "viewer_of"]


@dataclass(slots=True)
class SignIn:
    """The sign-in of one process, by the configuration that is in force."""

    clients: Clients
    _provider: Provider | None = field(default=None)

    def provider(self, oidc: OidcTable | None) -> Provider:
        """Give the provider that is configured. Raises Refused where none is."""
        if oidc is None:
            raise refused("This hub knows no sign-in provider", "Use an API key: Bearer hub_...")
        if self._provider is None or self._provider.oidc != oidc:
            self._provider = Provider(oidc, self.clients)
        return self._provider

    async def viewer(self, token: str, oidc: OidcTable | None) -> Viewer:
        """Say who comes with a token. Raises Refused: why it is not taken, and what to do."""
        provider = self.provider(oidc)
        header = read_header(token, provider.oidc.algorithms)
        key = await provider.key(header)
        claims = verify(token, header, key, provider.oidc, provider.oidc.audience)
        return replace(viewer_of(claims, provider.oidc), until=ends_at(claims, provider.oidc.skew))

    async def begin(self, oidc: OidcTable | None, back: str) -> tuple[str, Flow]:
        """Send a browser to the provider: give the address, and what to keep until it is back."""
        provider = self.provider(oidc)
        return begin(provider.oidc, await provider.place("authorization_endpoint"), back)

    async def finish(
        self, oidc: OidcTable | None, flow: Flow, code: str, back: str
    ) -> dict[str, Any]:
        """Exchange the code that a browser came back with; give the claims. Raises Refused."""
        provider = self.provider(oidc)
        if provider.oidc.client is None:
            raise Refused(Code.NOT_FOUND, "There is no sign-in by a provider here")
        return await finish(provider, self.clients, flow, code, back)
