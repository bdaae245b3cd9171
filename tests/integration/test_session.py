"""The dashboard's session: its cookie, what ends it, and signing in at the provider for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from hub.signals import now
from hub.store.keys import keys, revoke
from hub.store.sessions import Session, open_session, remove_old_sessions, session_of
from tests.cli import Folder, Here
from tests.integration.test_oidc import WHO, closed, signing_in, socket
from tests.provider import Provider
from tests.running import Running, hear, running, say


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


TLS = {"host": "hub.acme.example"}  # as a proxy that ends TLS passes it on


def given(answer: httpx2.Response) -> dict[str, tuple[str, str]]:
    """Give the cookies that an answer sets: value and attributes."""
    lines = [line.partition(";") for line in answer.headers.get_list("set-cookie")]
    return {one.partition("=")[0]: (one.partition("=")[2], more) for one, _, more in lines}


async def signed_in(hub: Running, role: str = "sales", **headers: str) -> tuple[str, str]:
    """Open a session with a key; give its cookie as a browser sends it, and the attributes."""
    hub.client.cookies.clear()
    answer = await hub.client.post("/session", json={"key": hub.keys[role]}, headers=headers)
    assert answer.status_code == 204, answer.text
    [(name, (value, more))] = given(answer).items()
    hub.client.cookies.clear()
    return f"{name}={value}", more


async def who(hub: Running, cookie: str, **headers: str) -> str | None:
    answer = await hub.client.post(
        "/graphql", json={"query": WHO}, headers={"cookie": cookie, **headers}
    )
    if answer.status_code == 401:
        return None
    return str(answer.json()["data"]["viewer"]["name"])


async def test_a_session_is_ended_by_whatever_opened_it(database_url: str) -> None:
    async with running(database_url) as hub:
        store = hub.app.state.runtime.store
        one, more = await signed_in(hub)
        attributes = {part.strip().partition("=")[0].lower() for part in more.split(";")}
        assert attributes == {"httponly", "samesite", "path", "max-age"}
        assert "samesite=strict" in more.lower()
        assert (await who(hub, one), await who(hub, one + "x")) == ("sales", None)
        async with store.read() as connection:
            rows = await connection.exec_driver_sql("SELECT * FROM sessions")
            assert one.partition("=")[2] not in repr(rows.all()), "a cookie is kept as a hash only"

        # Signing out ends it for everybody who has a copy; so does signing in anew.
        other, _ = await signed_in(hub)
        await hub.client.delete("/session", headers={"cookie": other})
        assert (await who(hub, other), await who(hub, one)) == (None, "sales")
        answer = await hub.client.post(
            "/session", json={"key": hub.keys["support"]}, headers={"cookie": one}
        )
        assert given(answer)["hub_session"][0] != one.partition("=")[2]
        hub.client.cookies.clear()
        async with store.read() as connection:
            assert await session_of(connection, one.partition("=")[2], now()) is None

        # A key that is revoked takes its sessions and their sockets along.
        third, _ = await signed_in(hub, "product")
        async with store.write() as connection:
            ids = [key.id for key in await keys(connection) if key.name == "product"]
            await revoke(connection, ids[0], now())
        hub.app.state.graphql.doorkeeper._known.clear()
        assert await who(hub, third) is None

        # Those that have ended are kept no longer.
        async with store.write() as connection:
            ended = Session(now() - timedelta(seconds=1), key_id=ids[0])
            cookie = await open_session(connection, ended, now())
            assert await session_of(connection, cookie, now()) is None
            assert await remove_old_sessions(connection, now(), 10) == 1


async def test_an_operator_ends_sessions_and_the_audit_says_so(here: Here, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with running(url) as hub:
        sales, _ = await signed_in(hub)
        support, _ = await signed_in(hub, "support")
        key = (await hub.ask("{ keys { id name } }", "admin"))["keys"]
        [sold] = [f"key:{one['id']}" for one in key if one["name"] == "sales"]

        def command(*words: str) -> Any:
            return here("sessions", *words, "--json", HUB_DATABASE=url)

        shown = (await asyncio.to_thread(command, "list")).json
        assert len(shown) == 2
        assert sold in {one["who"] for one in shown}
        assert (await asyncio.to_thread(command, "end", sold)).json == {"ended": 1}
        (await asyncio.to_thread(command, "end", sold)).said(1, "no such session")
        (await asyncio.to_thread(command, "end")).said(2, "whose sessions?")
        hub.app.state.graphql.doorkeeper._known.clear()
        assert (await who(hub, sales), await who(hub, support)) == (None, "support")
        assert (await asyncio.to_thread(command, "end", "--all")).json == {"ended": 1}
        acts = await hub.ask("{ audit(first: 2) { edges { node { act subject } } } }", "admin")
        assert [one["node"] for one in acts["audit"]["edges"]] == [
            {"act": "SESSIONS_ENDED", "subject": None},
            {"act": "SESSIONS_ENDED", "subject": sold},
        ]


async def test_by_tls_the_cookie_is_this_hosts_alone(tmp_path: Path) -> None:
    url = "https://hub.acme.example"
    async with running(f"sqlite:///{tmp_path}/hub.db", public_url=url) as hub:
        cookie, more = await signed_in(hub, **TLS)
        assert cookie.startswith("__Host-hub_session=")
        attributes = {part.strip().lower() for part in more.split(";")}
        assert attributes >= {"httponly", "samesite=strict", "secure", "path=/"}
        assert not any(part.startswith("domain") for part in attributes)
        assert await who(hub, cookie, **TLS) == "sales"
        # One without the prefix may have been set by a sibling host, or without TLS.
        assert await who(hub, cookie.removeprefix("__Host-"), **TLS) is None
        out = await hub.client.delete("/session", headers={"cookie": cookie, **TLS})
        assert "max-age=0" in given(out)["__Host-hub_session"][1].lower()
        # Beside the proxy, on the machine itself, there is no TLS that could be asked for.
        assert (await signed_in(hub))[0].startswith("hub_session=")


async def test_pages_of_other_sites_neither_open_nor_end_a_session(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        cookie, _ = await signed_in(hub)
        body, form = {"key": hub.keys["admin"]}, "application/x-www-form-urlencoded"
        for site in ("cross-site", "same-site", "unheard-of"):
            head = {"sec-fetch-site": site, "cookie": cookie}
            assert (await hub.client.post("/session", json=body, headers=head)).status_code == 403
            assert (await hub.client.delete("/session", headers=head)).status_code == 403
        for media in (form, "text/plain", "multipart/form-data; boundary=x"):
            head = {"content-type": media}
            answer = await hub.client.post("/session", content=b'{"key":"x"}', headers=head)
            assert answer.status_code == 415
        assert await who(hub, cookie) == "sales"
        head = {"sec-fetch-site": "same-origin"}
        assert (await hub.client.post("/session", json=body, headers=head)).status_code == 204


async def test_the_end_of_a_session_closes_its_socket(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        store = hub.app.state.runtime.store
        async with store.write() as connection:
            [key] = [one.id for one in await keys(connection) if one.name == "sales"]
            soon = Session(now() + timedelta(seconds=1), key_id=key)
            cookie = await open_session(connection, soon, now())
        async with socket(hub, {}, cookie=f"hub_session={cookie}") as opened:
            assert (await hear(opened))["type"] == "connection_ack"
            await say(opened, type="ping")
            assert (await hear(opened))["type"] == "pong"
            code, reason = await closed(opened, 5)
        assert (code, reason) == (4403, "Forbidden: Your sign-in has ended")


@asynccontextmanager
async def browser(tmp_path: Path) -> AsyncGenerator[tuple[Running, Provider]]:
    url = "https://hub.acme.example"
    async with signing_in(f"sqlite:///{tmp_path}/hub.db", public_url=url) as (hub, one):
        one.claims = {"sub": "u-9", "name": "Ann", "groups": ["sales"]}
        yield hub, one


async def left(hub: Running) -> tuple[str, str]:
    """Go to the provider; give where it sends the browser back to, and the cookie on the way."""
    hub.client.cookies.clear()
    away = await hub.client.get("/session/provider", headers=TLS)
    assert away.status_code == 303, away.text
    [(name, (value, more))] = given(away).items()
    assert name == "__Host-hub_signing_in"
    assert {"samesite=lax", "httponly", "secure"} <= {p.strip().lower() for p in more.split(";")}
    there = await hub.client.get(away.headers["location"])
    back = urlsplit(there.headers["location"])
    assert (back.scheme, back.netloc, back.path) == (
        "https",
        "hub.acme.example",
        "/session/callback",
    )
    hub.client.cookies.clear()
    return f"{back.path}?{back.query}", f"{name}={value}"


async def came_back(hub: Running, path: str, cookie: str | None) -> httpx2.Response:
    head = TLS if cookie is None else {"cookie": cookie, **TLS}
    answer = await hub.client.get(path, headers=head)
    hub.client.cookies.clear()
    return answer


async def test_a_browser_signs_in_at_the_provider(tmp_path: Path) -> None:
    async with browser(tmp_path) as (hub, _):
        door = (await hub.client.get("/session", headers=TLS)).json()
        assert (door["provider"], door["signedIn"]) == (True, False)
        path, kept = await left(hub)
        answer = await came_back(hub, path, kept)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookies = given(answer)
        assert "max-age=0" in cookies["__Host-hub_signing_in"][1].lower()
        value, more = cookies["__Host-hub_session"]
        assert "samesite=strict" in more.lower()
        session = f"__Host-hub_session={value}"
        answer = await hub.client.post(
            "/graphql", json={"query": WHO}, headers={"cookie": session, **TLS}
        )
        viewer = answer.json()["data"]["viewer"]
        assert (viewer["name"], viewer["roles"]) == ("Ann", ["everyone", "sales"])

        # The code is used up, and the provider says so.
        again = await came_back(hub, path, kept)
        assert (again.status_code, "did not confirm" in again.text) == (401, True)
        assert "__Host-hub_session" not in given(again)
        # Another provider, or none, and those it vouched for are nobody.
        doorkeeper = hub.app.state.graphql.doorkeeper
        doorkeeper._known.clear()
        force = hub.app.state.runtime.snapshot.config
        table = force.oidc.model_copy(update={"issuer": "https://other.example"})
        doorkeeper.config = lambda: type(force)(
            force.hub, force.sources, force.roles, force.endpoints, oidc=table
        )
        assert await who(hub, session, **TLS) is None


async def test_a_sign_in_that_is_not_this_browsers_is_refused(tmp_path: Path) -> None:
    async with browser(tmp_path) as (hub, one):
        path, kept = await left(hub)
        stranger, other = await left(hub)
        state = parse_qs(urlsplit(path).query)["state"][0]
        for where, cookie, words in (
            (path, None, "another browser"),
            (path, kept[:-2], "another browser"),
            (path, other, "not the one that this browser began"),
            (stranger, kept, "not the one that this browser began"),
            (path.replace(state, ""), kept, "not the one that this browser began"),
            (path.replace("&iss=", "&iss=https://evil.example&x="), kept, "Another provider"),
            (f"/session/callback?state={state}", kept, "gave no code"),
            (f"/session/callback?state={state}&error=access_denied", kept, "refused the sign-in"),
            (f"/session/callback?state={state}&code=made-up", kept, "did not confirm"),
        ):
            answer = await came_back(hub, where, cookie)
            assert answer.status_code == 401, where
            assert words in answer.text
            assert "__Host-hub_session" not in given(answer)
        assert (await came_back(hub, path, kept)).status_code == 303, "nothing was used up by that"
        for claims, words in (
            ({"nonce": "another"}, "not the one that this browser began"),
            ({"nonce": None}, "not the one that this browser began"),
            ({"aud": "signals-hub"}, "another audience"),
            ({"aud": ["hub-dashboard", "other"]}, "another program"),
            ({"aud": ["hub-dashboard", "other"], "azp": "other"}, "another program"),
            ({"azp": "other"}, "another program"),
            ({"exp": 5}, "expired"),
        ):
            one.claims = {"sub": "u-9", **claims}
            answer = await came_back(hub, *(await left(hub)))
            assert answer.status_code == 401, claims
            assert words in answer.text
        one.claims = {"sub": "u-9", "aud": ["hub-dashboard", "other"], "azp": "hub-dashboard"}
        assert (await came_back(hub, *(await left(hub)))).status_code == 303
        path, kept = await left(hub)
        one.broken = 500
        assert (await came_back(hub, path, kept)).status_code == 503


async def test_without_a_provider_there_is_no_way_to_one(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        assert (await hub.client.get("/session")).json()["provider"] is False
        for path in ("/session/provider", "/session/callback?code=x&state=y"):
            assert (await hub.client.get(path)).status_code == 404
