"""Which tokens hold, and what their claims permit: without a provider, by keys of the moment."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hub.config import load_config, read_config
from hub.declared import ALGORITHMS, OidcTable
from hub.errors import Code, ConfigError, Refused
from hub.oidc.claims import needed, viewer_of
from hub.oidc.code import begin, challenge
from hub.oidc.provider import Published, _key, _signs
from hub.oidc.tokens import ends_at, read_header, verify
from hub.signals import Scope
from tests.provider import private_key, public, sign

ISSUER = "https://login.acme.example/realms/acme"
CLAIMS = {"iss": ISSUER, "sub": "u-1", "aud": "signals-hub"}


def oidc(**table: Any) -> OidcTable:
    return OidcTable.model_validate({"issuer": ISSUER, "audience": "signals-hub", **table})


def published(*keys: Mapping[str, Any]) -> Published:
    return Published(0.0, {}, tuple(one for one in keys if _signs(one)))


def read(token: str, keys: Published, table: OidcTable | None = None) -> dict[str, Any]:
    """Do what the hub does with a token, except fetching the keys."""
    table = table or oidc()
    header = read_header(token, table.algorithms)
    key = _key(keys, header)
    if key is None:
        raise Refused(Code.UNAUTHENTICATED, "no such key")
    return verify(token, header, key, table, table.audience)


def token(algorithm: str = "RS256", *, header: Any = None, **claims: Any) -> str:
    at = int(time())
    told = {**CLAIMS, "iat": at, "exp": at + 300, **claims}
    return sign(key_for(algorithm), algorithm, told, {"kid": "k1", **(header or {})})


def key_for(algorithm: str) -> Any:
    return private_key("RSA" if algorithm[:2] in {"RS", "PS"} else algorithm)


def jwk(algorithm: str, **more: Any) -> dict[str, Any]:
    return {**public(key_for(algorithm), algorithm), "kid": "k1", **more}


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


RSA = published(jwk("RS256"))


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm_of_the_list_is_read(algorithm: str) -> None:
    keys = published(jwk("EdDSA"), jwk("RS256"), jwk(algorithm))
    assert read(token(algorithm), keys)["sub"] == "u-1"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 2**30}, "expired"),
        ({"exp": None}, "lacks the claim 'exp'"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": float("inf")}, "cannot be read"),
        ({"exp": float("nan")}, "cannot be read"),
        ({"nbf": 2**33}, "not valid yet"),
        ({"nbf": [1]}, "cannot be read"),
        ({"iat": 2**33}, "not valid yet"),
        ({"iat": None}, "lacks the claim 'iat'"),
        ({"iss": "https://login.acme.example/realms/acme/"}, "another issuer"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "lacks the claim 'iss'"),
        ({"iss": [ISSUER]}, "another issuer|cannot be read"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["another"]}, "another audience"),
        ({"aud": []}, "lacks the claim 'aud'"),
        ({"aud": {"signals-hub": 1}}, "another audience"),
        ({"aud": None}, "lacks the claim 'aud'"),
        ({"sub": None}, "lacks the claim 'sub'"),
        ({"sub": 7}, "cannot be read"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "a\0b"}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
    ],
)
def test_a_claim_that_does_not_hold_is_refused(claims: dict[str, Any], words: str) -> None:
    # PyJWT checks some of these when it signs, too; so the text is signed here.
    at = int(time())
    told = {**CLAIMS, "iat": at, "exp": at + 300, **claims}
    text = json.dumps({name: value for name, value in told.items() if value is not None})
    signed = jwt.api_jws.encode(text.encode(), key_for("RS256"), "RS256", {"kid": "k1"})
    with pytest.raises(Refused, match=words) as refused:
        read(signed, RSA)
    assert refused.value.code is Code.UNAUTHENTICATED
    assert refused.value.suggestion


def test_clocks_may_differ_by_the_skew() -> None:
    at = int(time())
    late, early = token(exp=at - 20, iat=at - 60), token(iat=at + 20, nbf=at + 20)
    assert read(late, RSA)["sub"] == read(early, RSA)["sub"] == "u-1"
    for one in (late, early):
        with pytest.raises(Refused, match=r"expired|not valid yet"):
            read(one, RSA, oidc(skew="0s"))
    assert ends_at({"exp": 0}, timedelta(seconds=30)) == datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert ends_at({"exp": 10**15}, timedelta(seconds=30)).year == 9999


def test_one_of_several_audiences_is_enough() -> None:
    assert read(token(aud=["other", "signals-hub"]), RSA)["sub"] == "u-1"
    assert read(token(aud="b"), RSA, oidc(audience=["a", "b"]))["sub"] == "u-1"


def test_who_knows_the_public_key_cannot_sign() -> None:
    """Algorithm confusion: HMAC with the public key as its secret, in each way to write that."""
    key = key_for("RS256").public_key()
    at = int(time())
    claims = part({**CLAIMS, "iat": at, "exp": at + 300})
    secrets = [
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        json.dumps(jwk("RS256")).encode(),
        jwk("RS256")["n"].encode(),
        b"",
    ]
    for secret in secrets:
        for algorithm, kind in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
            body = f"{part({'alg': algorithm, 'kid': 'k1', 'typ': 'JWT'})}.{claims}"
            forged = f"{body}.{part(hmac.digest(secret, body.encode(), kind))}"
            with pytest.raises(Refused, match="not signed in a way that is accepted"):
                read(forged, RSA)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["RS256"]},
        {"alg": {"RS256": 1}},
        {},
        {"alg": "rs256"},
        {"alg": "ES256K"},
        {"alg": "RS256 "},
    ],
)
def test_another_algorithm_is_refused_whatever_the_signature(header: dict[str, Any]) -> None:
    good = token().split(".")
    for signature in ("", good[2]):
        with pytest.raises(Refused, match=r"not signed|no token"):
            read(f"{part({'kid': 'k1', **header})}.{good[1]}.{signature}", RSA)


def test_a_signature_is_of_this_text_by_this_key() -> None:
    head, body, signature = token().split(".")
    other = part({**CLAIMS, "sub": "admin", "iat": int(time()), "exp": int(time()) + 300})
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    stranger = sign(
        private_key("RSA", 9), "RS256", {**CLAIMS, "iat": 0, "exp": 2**40}, {"kid": "k1"}
    )
    for forged in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{flipped}",
        stranger,
    ):
        with pytest.raises(Refused, match="signature is wrong"):
            read(forged, RSA)


def test_a_token_cannot_bring_its_own_key() -> None:
    """`jwk`, `jku`, `x5u` and `x5c` are not looked at; nor is a kid more than a name."""
    stranger = private_key("RSA", 9)
    at = int(time())
    claims = {**CLAIMS, "iat": at, "exp": at + 300}
    own = public(stranger, "RS256")
    for header in (
        {"kid": "k1", "jwk": own},
        {"kid": "k1", "jku": "https://evil.example/keys"},
        {"kid": "k1", "x5u": "https://evil.example/chain"},
        {"kid": "k1", "x5c": ["MIIB"]},
        {"jwk": own},
    ):
        with pytest.raises(Refused, match="signature is wrong"):
            read(sign(stranger, "RS256", claims, header), RSA)
    for kid in ("../../dev/null", "k1' OR '1'='1", "https://evil.example/key", "k1\0", ""):
        with pytest.raises(Refused, match="no such key"):
            read(sign(stranger, "RS256", claims, {"kid": kid}), RSA)
    # What a good token says besides is no reason against it.
    assert read(token(header={"jku": "https://evil.example/keys"}), RSA)["sub"] == "u-1"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"crit": ["exp"], "exp": 1}, "no token|demands an extension"),
        ({"crit": []}, "no token|demands an extension"),
        ({"b64": False, "crit": ["b64"]}, "no token|demands an extension"),
        ({"typ": "logout+jwt"}, "not for signing in"),
        ({"typ": "dpop+jwt"}, "not for signing in"),
        ({"typ": 5}, "not for signing in|no token"),
    ],
)
def test_a_header_that_demands_something_is_refused(header: dict[str, Any], words: str) -> None:
    good = token().split(".")
    head = part({"alg": "RS256", "kid": "k1", **header})
    with pytest.raises(Refused, match=words):
        read(f"{head}.{good[1]}.{good[2]}", RSA)


def test_an_access_token_by_the_book_is_taken() -> None:
    assert read(token(header={"typ": "at+jwt"}), RSA)["sub"] == "u-1"
    assert read(token(header={"typ": "JWT"}), RSA)["sub"] == "u-1"


@pytest.mark.parametrize(
    "text",
    [
        "..",
        "a.b.c",
        "a.b.c.d.e",
        "é.b.c",
        " a.b.c",
        part(b"[" * 5000) + ".e30.x",
        part([]) + ".e30.x",
        part({"alg": "RS256", "kid": 5}) + ".e30.x",
        "x" * 20_000 + ".e30.x",
        part({"alg": "RS256", "kid": "k1"}) + "." + part(b"[" * 9000) + ".x",
    ],
)
def test_what_is_no_token_is_refused_and_breaks_nothing(text: str) -> None:
    with pytest.raises(Refused):
        read(text, RSA)


@given(st.text(max_size=60), st.binary(max_size=60), st.text(max_size=20))
def test_no_text_breaks_the_reader(head: str, body: bytes, signature: str) -> None:
    tries = (f"{head}.{signature}.{head}", f"{part(body)}.{part(body)}.{part(body)}")
    for text in (*tries, f"{part({'alg': 'RS256', 'kid': head})}.{part(body)}.{signature}"):
        with pytest.raises(Refused):
            read(text, RSA)


def test_a_key_is_used_for_what_it_is_published_for() -> None:
    good = token()
    for unfit in (
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "RS512"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kid": "k2"},
        {"n": "!!"},
    ):
        with pytest.raises(Refused, match="no such key"):
            read(good, published(jwk("RS256", **unfit)))
    for fit in ({"use": "sig"}, {"key_ops": ["verify"]}, {"alg": "RS256"}, {"x5t": "x"}):
        assert read(good, published(jwk("RS256", **fit)))["sub"] == "u-1"
    small = private_key("RSA", 0, 1024)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        weak = sign(small, "RS256", {**CLAIMS, "iat": 0, "exp": 2**40}, {"kid": "k1"})
    with pytest.raises(Refused, match="no such key"):
        read(weak, published({**public(small, "RS256"), "kid": "k1"}))


def test_a_token_without_kid_needs_a_set_of_one() -> None:
    unnamed = token(header={"kid": None})
    assert read(unnamed, published(jwk("RS256"), jwk("ES256")))["sub"] == "u-1"
    with pytest.raises(Refused, match="which key"):
        read(unnamed, published(jwk("RS256"), jwk("RS256", kid="k2")))


def test_fewer_algorithms_may_be_taken() -> None:
    with pytest.raises(Refused, match="ES256"):
        read(token(), RSA, oidc(algorithms=["ES256"]))


GRANTS = {
    "all": {"roles": ["everyone"], "scopes": ["read"]},
    "sales": {"claim": ["realm_access", "roles"], "value": "hub-sales", "roles": ["sales"]},
    "group": {"claim": "groups", "value": "eng", "roles": ["product"]},
    "word": {"claim": "scp", "value": "hub.publish", "scopes": ["publish"]},
    "flag": {"claim": "is_chief", "value": True, "roles": ["executive"]},
    "mail": {"claim": "email", "value": "ann@acme.example", "scopes": ["admin"]},
    "dots": {"claim": "https://acme.example/roles", "value": "pr", "roles": ["community"]},
}


@pytest.mark.parametrize(
    ("claims", "roles", "scopes"),
    [
        ({}, {"everyone"}, {"read"}),
        ({"realm_access": {"roles": ["x", "hub-sales"]}}, {"sales"}, {"publish"}),
        ({"realm_access": "hub-sales"}, set(), set()),
        ({"realm_access": ["roles", "hub-sales"]}, set(), set()),
        ({"realm_access.roles": ["hub-sales"]}, set(), set()),
        ({"groups": "eng"}, {"product"}, {"publish"}),
        ({"groups": "eng ops"}, set(), set()),
        ({"groups": ["ENG"]}, set(), set()),
        ({"groups": {"eng": True}}, set(), set()),
        ({"groups": None}, set(), set()),
        ({"scp": "x hub.publish"}, set(), {"publish"}),
        ({"scp": ["hub.publish"]}, set(), {"publish"}),
        ({"is_chief": True}, {"executive"}, {"publish"}),
        ({"is_chief": 1}, set(), set()),
        ({"is_chief": "true"}, set(), set()),
        ({"email": "ann@acme.example", "email_verified": True}, set(), {"admin"}),
        ({"email": "ann@acme.example"}, set(), set()),
        ({"email": "ann@acme.example", "email_verified": "true"}, set(), set()),
        ({"https://acme.example/roles": ["pr"]}, {"community"}, {"publish"}),
    ],
)
def test_claims_become_roles_and_scopes(
    claims: dict[str, Any], roles: set[str], scopes: set[str]
) -> None:
    viewer = viewer_of({"sub": "u-1", **claims}, oidc(grants=GRANTS))
    assert viewer.roles == {"everyone", *roles}
    assert viewer.scopes == {"read", *scopes}
    assert viewer.is_admin is ("admin" in scopes)
    assert viewer.identity == f"oidc:{ISSUER}#u-1"


def test_without_a_grant_nothing_is_permitted() -> None:
    viewer = viewer_of({"sub": "u-1"}, oidc())
    assert not viewer.roles
    assert not viewer.scopes
    assert not viewer.may(Scope.READ)


def test_who_it_is_is_told_by_the_claims_named_for_it() -> None:
    told = {"sub": "u-1", "name": " Ann ", "email": "a@acme.example", "email_verified": True}
    viewer = viewer_of(told, oidc())
    assert (viewer.name, viewer.person) == ("Ann", "a@acme.example")
    viewer = viewer_of({**told, "email_verified": False, "name": "a\nb"}, oidc())
    assert (viewer.name, viewer.person) == ("u-1", None)
    named = oidc(name_claim=["profile", "nick"], person_claim="preferred_username")
    viewer = viewer_of({"sub": "u", "profile": {"nick": "A"}, "preferred_username": "ann"}, named)
    assert (viewer.name, viewer.person) == ("A", "ann")


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5), st.data())
def test_a_session_keeps_what_the_grants_look_at(value: Any, data: st.DataObject) -> None:
    """What is kept gives the same viewer, and nothing else is kept."""
    table = oidc(grants=GRANTS)
    names = ["groups", "scp", "is_chief", "email", "email_verified", "realm_access", "name", "ssn"]
    claims = {"sub": "u-1", **dict.fromkeys(data.draw(st.sets(st.sampled_from(names))), value)}
    kept = needed(claims, table)
    assert viewer_of(kept, table) == viewer_of(claims, table)
    assert "ssn" not in kept


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('issuer = "http://login.acme.example"', "https://"),
        ('issuer = "https://login.acme.example?x=1"', "https://"),
        ('issuer = "https://a:b@login.acme.example"', "written out"),
        ('issuer = "https://a@login.acme.example"', "https://"),
        ('issuer = "ftp://login.acme.example"', "https://"),
        ('issuer = "https://[::1"', "https://"),
        ('issuer = "https://a.example"\nalgorithms = ["HS256"]', "RS256"),
        ('issuer = "https://a.example"\nalgorithms = ["none"]', "RS256"),
        ('issuer = "https://a.example"\nskew = "10m"', "minutes|300"),
        ('issuer = "https://a.example"\nclient_secret = "written out"', "written out"),
        ('issuer = "https://a.example"\n[oidc.grants.x]\nclaim = "a"', "go together"),
        ('issuer = "https://a.example"\n[oidc.grants.x]\nroles = ["nope"]', "no role named"),
        ('issuer = "https://a.example"\n[oidc.grants.x]\nscopes = ["root"]', "admin"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(
    lines: str, words: str, tmp_path: Any
) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(f'[oidc]\naudience = "x"\n{lines}\n')
    with pytest.raises(ConfigError, match=words) as error:
        load_config(file, {})
    assert "hub.toml:" in str(error.value)


def test_no_table_means_no_provider() -> None:
    assert read_config("", {}).oidc is None


def test_the_challenge_is_the_one_of_the_standard() -> None:
    # https://www.rfc-editor.org/rfc/rfc7636#appendix-B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    url, flow = begin(oidc(client="hub"), "https://x.example/auth?a=b", "https://hub.example/back")
    assert url.startswith("https://x.example/auth?a=b&response_type=code&client_id=hub&")
    assert flow.verifier not in url
    assert len({flow.state, flow.nonce, flow.verifier}) == 3
    assert 43 <= len(flow.verifier) <= 128
