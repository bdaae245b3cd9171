"""Signing in with what a provider vouches for: a real one on loopback, over every transport."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import httpx2
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from hub.config import Config, read_config
from hub.errors import SourceMisbehaved
from hub.http import Clients
from hub.oidc import provider as of_provider
from tests.cli import Folder, Here
from tests.provider import AUDIENCE, CLIENT, REQUIRED, SECRET, Provider, provider
from tests.running import Running, hear, running, say, until

WHO = "{ viewer { name roles scopes person isAdmin } }"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def config(issuer: str, more: str = "") -> Config:
    text = f"""
        [oidc]
        issuer = "{issuer}"
        audience = "{AUDIENCE}"
        client = "{CLIENT}"
        client_secret = "${{SECRET}}"
        {more}
        [oidc.grants.staff]
        roles = ["everyone"]
        scopes = ["read"]
        [oidc.grants.sales]
        claim = "groups"
        value = "sales"
        roles = ["sales"]
        [oidc.grants.operators]
        claim = "groups"
        value = "operators"
        scopes = ["admin"]
    """
    return read_config(text, {"SECRET": SECRET})


@asynccontextmanager
async def signing_in(
    database_url: str, more: str = "", **settings: Any
) -> AsyncGenerator[tuple[Running, Provider]]:
    async with (
        provider() as one,
        running(database_url, config(one.issuer, more), **settings) as hub,
    ):
        yield hub, one


async def ask(hub: Running, token: str, query: str = WHO, **headers: str) -> httpx2.Response:
    head = {"authorization": f"Bearer {token}", **headers}
    return await hub.client.post("/graphql", json={"query": query}, headers=head)


async def refusal(hub: Running, token: str) -> tuple[int, str, str]:
    answer = await ask(hub, token)
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


@asynccontextmanager
async def socket(
    hub: Running, payload: dict[str, Any], **headers: str
) -> AsyncGenerator[ClientConnection]:
    async with websockets.connect(
        hub.url.replace("http", "ws", 1) + "/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        compression=None,
        additional_headers=headers,
    ) as one:
        await say(one, type="connection_init", payload=payload)
        yield one


async def closed(one: ClientConnection, within: float = 10) -> tuple[int, str]:
    async with asyncio.timeout(within):
        await one.wait_closed()
    assert one.close_code is not None
    return one.close_code, one.close_reason or ""


async def test_a_token_is_taken_over_every_transport(tmp_path: Path) -> None:
    async with signing_in(f"sqlite:///{tmp_path}/hub.db") as (hub, one):
        described = (await hub.client.get(f"{one.issuer}/.well-known/openid-configuration")).json()
        assert described.keys() >= REQUIRED, "the stand-in is a provider by the book"

        mail: dict[str, Any] = {"email": "ann@acme.example", "email_verified": True}
        token = one.sign(name="Ann", groups=["sales", "x"], **mail)
        told = {
            "name": "Ann",
            "roles": ["everyone", "sales"],
            "scopes": ["publish", "read"],
            "person": "ann@acme.example",
            "isAdmin": False,
        }
        answers = await asyncio.gather(*(ask(hub, token) for _ in range(20)))
        assert [one.json() for one in answers] == [{"data": {"viewer": told}}] * 20
        assert one.asked == {"describe": 2, "keys": 1}, "one fetch for all who wait"

        streamed = await ask(hub, token, accept="text/event-stream")
        assert '"name":"Ann"' in streamed.text
        for payload in ({"authorization": f"Bearer {token}"}, {"token": token}):
            async with socket(hub, payload) as opened:
                assert (await hear(opened))["type"] == "connection_ack"
                await say(opened, type="subscribe", id="1", payload={"query": WHO})
                assert (await hear(opened))["payload"] == {"data": {"viewer": told}}

        # A key that never was here, and a token whose provider is not known, look alike.
        assert (await ask(hub, "hub_wrong")).status_code == 401
        assert (await ask(hub, hub.keys["support"])).json()["data"]["viewer"]["name"] == "support"


async def test_what_does_not_hold_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with signing_in(f"sqlite:///{tmp_path}/hub.db") as (hub, one):
        at = int(time())
        for token, words in (
            (one.sign(exp=at - 60), "expired"),
            (one.sign(aud="another"), "another audience"),
            (one.sign(iss="https://evil.example"), "another issuer"),
            (one.sign(header={"kid": "k7"}), "a key that the provider does not publish"),
            ("a.b.c", "no token of a sign-in provider"),
        ):
            status, code, message = await refusal(hub, token)
            assert (status, code) == (401, "UNAUTHENTICATED")
            assert words in message
            assert one.issuer not in message, "nothing of the inside"
            async with socket(hub, {"authorization": f"Bearer {token}"}) as opened:
                code_, reason = await closed(opened)
                assert code_ == 4403, "so that a client comes again, with another token"
                assert words in reason
        answer = await ask(hub, "a.b.c")
        assert answer.headers["www-authenticate"] == "Bearer"
        # Whom nobody has granted more than to read may not publish.
        wish = 'mutation { publishSignal(input: {kind: "team.need", title: "x"}) { __typename } }'
        answer = await ask(hub, one.sign(), wish)
        assert answer.json()["data"]["publishSignal"] == {"__typename": "Forbidden"}


async def test_keys_are_replaced_and_unknown_ones_ask_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_provider, "AGAIN", 0.5)
    async with signing_in(f"sqlite:///{tmp_path}/hub.db") as (hub, one):
        old = one.sign()
        assert (await ask(hub, old)).is_success
        await asyncio.sleep(0.6)
        one.rotate("k2", "ES256")
        new = one.sign(sub="u-2")
        answers = await asyncio.gather(*(ask(hub, new) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert one.asked["keys"] == 2, "an unknown key is looked for once"
        withdrawn = one.asked["keys"]
        strangers = [one.sign(header={"kid": f"x{number}"}) for number in range(30)]
        refused = await asyncio.gather(*(refusal(hub, token) for token in strangers))
        assert {status for status, *_ in refused} == {401}
        assert one.asked["keys"] <= withdrawn + 1, "whoever makes up keys makes no requests"
        # The old key is published no more: what it signed counts no more, seconds later.
        hub.app.state.graphql.doorkeeper._known.clear()
        assert (await refusal(hub, old))[0] == 401


async def test_a_provider_that_is_away_refuses_nobody_it_vouched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_provider, "AGAIN", 0.2)
    async with signing_in(f"sqlite:///{tmp_path}/hub.db") as (hub, one):
        one.broken = 503
        status, code, message = await refusal(hub, one.sign())
        assert (status, code) == (503, "UNAVAILABLE")
        assert "Try again" in message
        async with socket(hub, {"token": one.sign()}) as opened:
            assert (await closed(opened))[0] == 1013
        one.broken = None
        await asyncio.sleep(0.3)
        assert (await ask(hub, one.sign(sub="u-3"))).is_success
        one.broken = 500
        monkeypatch.setattr(of_provider, "FRESH", 0.0)
        await asyncio.sleep(0.3)
        assert (await ask(hub, one.sign(sub="u-4"))).is_success, "by the keys of before"
        await until(lambda: one.asked["describe"] >= 3)
        assert (await ask(hub, one.sign(sub="u-5"))).is_success
        monkeypatch.setattr(of_provider, "STALE", 0.0)
        assert (await refusal(hub, one.sign(sub="u-6")))[0] == 503, "but not for ever"


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": "http://login.acme.example/keys"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["x"]},
        {"padding": "x" * 600_000},
    ],
)
async def test_a_description_that_cannot_be_right_is_not_believed(
    described: dict[str, Any],
) -> None:
    async with provider() as one, Clients() as clients:
        one.described = described
        table = config(one.issuer).oidc
        assert table is not None
        with pytest.raises(SourceMisbehaved):
            await of_provider.Provider(table, clients).fetch()
        assert one.asked == {"describe": 1}


async def test_the_end_of_a_token_ends_its_streams(tmp_path: Path) -> None:
    """Also while nothing happens, so that nobody stays for a change that comes later."""
    feed = {"query": 'subscription { feed(role: "sales") { __typename } }'}
    async with signing_in(f"sqlite:///{tmp_path}/hub.db", 'skew = "0s"') as (hub, one):
        token = one.sign(groups=["sales"], exp=int(time()) + 2)
        head = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
        async with (
            socket(hub, {"token": token}) as opened,
            hub.client.stream("POST", "/graphql", json=feed, headers=head) as stream,
        ):
            assert (await hear(opened))["type"] == "connection_ack"
            await say(opened, type="subscribe", id="1", payload=feed)
            assert await closed(opened, 5) == (4403, "Forbidden: The token has expired")
            text = (await stream.aread()).decode()
        assert '"code":"UNAUTHENTICATED"' in text
        assert text.endswith("event: complete\ndata:\n\n")
        assert (await refusal(hub, token))[2].startswith("The token has expired")


async def test_an_act_is_in_the_audit_under_the_providers_name_for_them(database_url: str) -> None:
    async with signing_in(database_url) as (hub, one):
        made = 'mutation { createKey(input: {name: "k", roles: ["sales"]}) { __typename } }'
        assert "CreateKeySuccess" in (await ask(hub, one.sign(groups=["operators"]), made)).text
        assert "Forbidden" in (await ask(hub, one.sign(groups=["sales"]), made)).text
        audit = await hub.ask("{ audit(first: 1) { edges { node { actor } } } }", "admin")
        [entry] = audit["audit"]["edges"]
        assert entry["node"]["actor"] == f"oidc:{one.issuer}#u-1"


async def test_answers_are_shared_by_those_who_see_alike(tmp_path: Path) -> None:
    async with signing_in(f"sqlite:///{tmp_path}/hub.db") as (hub, one):
        query = "{ signals(first: 1) { edges { node { id } } } }"
        answers = hub.app.state.graphql.served.replies.answers
        for sub, groups, kept in (
            ("u-1", ["sales"], 1),
            ("u-2", ["sales"], 1),
            ("u-3", [], 2),
            ("u-4", ["operators"], 3),
        ):
            token = one.sign(sub=sub, groups=groups, name=sub)
            assert (await ask(hub, token, query)).is_success
            assert len(answers._kept) == kept


async def test_without_a_table_no_token_is_taken(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub, provider() as one:
        status, code, message = await refusal(hub, one.sign())
        assert (status, code) == (401, "UNAUTHENTICATED")
        assert "no sign-in provider" in message
        assert one.asked == {}


def test_the_check_says_when_a_provider_cannot_be_asked(here: Here, folder: Folder) -> None:
    folder.write('[oidc]\nissuer = "http://127.0.0.1:9"\naudience = "x"\nclient = "hub"\n')
    told = here("check", "--json", HUB_SECRET_KEY="s" * 40).json["warnings"]
    assert "nobody could sign in at the provider: 127.0.0.1" in told[0]
    assert "HUB_PUBLIC_URL" in told[1]
    found: list[str] = []

    async def answers() -> None:
        async with provider() as one:
            folder.write(f'[oidc]\nissuer = "{one.issuer}"\naudience = "x"\n')
            checked = await asyncio.to_thread(here, "check", "--json", HUB_SECRET_KEY="s" * 40)
            found.extend(checked.json["warnings"])

    asyncio.run(answers())
    assert found == []
