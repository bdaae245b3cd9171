"""What claims permit: the roles, the scopes and the person, by the grants of hub.toml."""

from collections.abc import Mapping
from typing import Any

from hub.declared import Claim, Grant, OidcTable
from hub.signals import Scope, Viewer

LONGEST = 200
# Claims that hold words with spaces between: RFC 8693 section 4.2, and what Entra calls it.
_WORDS = frozenset({"scope", "scp"})


def viewer_of(claims: Mapping[str, Any], oidc: OidcTable) -> Viewer:
    """Say who comes with claims that were verified."""
    given = [grant for grant in oidc.grants.values() if _is_given(grant, claims)]
    scopes: frozenset[Scope] = frozenset().union(*(grant.scopes for grant in given))
    return Viewer(
        roles=frozenset().union(*(grant.roles for grant in given)),
        scopes=scopes,
        person=_text(oidc.person_claim, claims),
        subject=f"oidc:{oidc.issuer}#{claims['sub']}",
        name=_text(oidc.name_claim, claims) or str(claims["sub"]),
    )


def needed(claims: Mapping[str, Any], oidc: OidcTable) -> dict[str, Any]:
    """Keep of somebody's claims what this configuration looks at, and nothing else of them."""
    looked_at = [oidc.person_claim, oidc.name_claim, *(one.claim for one in oidc.grants.values())]
    names = {one if isinstance(one, str) else one[0] for one in looked_at if one}
    return {
        name: claims[name] for name in sorted(names | {"sub", "email_verified"}) if name in claims
    }


def _is_given(grant: Grant, claims: Mapping[str, Any]) -> bool:
    if grant.claim is None:
        return True
    found = _claim(grant.claim, claims)
    if isinstance(found, str) and grant.claim in _WORDS:
        found = found.split()
    values = found if isinstance(found, list) else [found]
    # By type too: to Python 1 is true.
    return any(type(one) is type(grant.value) and one == grant.value for one in values)


def _text(claim: Claim, claims: Mapping[str, Any]) -> str | None:
    found = _claim(claim, claims)
    is_text = isinstance(found, str) and found.strip() and found.isprintable()
    return str(found).strip() if is_text and len(str(found)) <= LONGEST else None


def _claim(claim: Claim, claims: Mapping[str, Any]) -> Any:
    """Find a claim's value. An e-mail address that nobody has verified is anybody's."""
    if claim in {"email", ("email",)} and claims.get("email_verified") is not True:
        return None
    found: Any = claims
    for name in (claim,) if isinstance(claim, str) else claim:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
