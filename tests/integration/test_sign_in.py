"""OAuth2: a token is had in time, renewed by one at a time, kept sealed, and refused in words."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.connector import (
    Api,
    AuthFailed,
    ClientCredentials,
    Http,
    Login,
    RateLimited,
    RefreshToken,
    SecretStr,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.errors import ConfigError
from hub.http import Clients
from hub.http.sign_in import EARLY
from hub.runtime import open_runtime
from hub.settings import Settings
from hub.store import Store, open_store
from hub.store.seal import Seal
from hub.store.tokens import StoredTokens, remove_old_tokens
from tests.grants import CLIENT, FIRST, SECRET, Vendor, no
from tests.ledger import Ledger, ledger_config
from tests.running import migrated
from tests.servers import serve

KEY, OTHER = "k" * 40, "o" * 40


def credentials(url: str, **changes: Any) -> Http:
    auth = ClientCredentials(f"{url}/token", CLIENT, SecretStr(SECRET), **changes)
    return Http(url, auth)


def refresh(url: str, first: str = FIRST) -> Http:
    auth = RefreshToken(f"{url}/token", CLIENT, SecretStr(first), SecretStr(SECRET))
    return Http(url, auth)


@asynccontextmanager
async def keeping(database_url: str, keys: str = KEY) -> AsyncGenerator[Clients]:
    """Open what one process has: a store, and clients whose tokens are kept in it."""
    async with open_store(database_url) as store, clients_of(store, keys) as clients:
        yield clients


def clients_of(store: Store, keys: str = KEY) -> Clients:
    return Clients(tokens=StoredTokens(store, Seal(keys.split())))


async def rows(store: Store) -> list[Any]:
    async with store.read() as connection:
        return list(await connection.execute(text("SELECT * FROM tokens")))


async def test_a_token_is_obtained_once_and_carried(subtests: pytest.Subtests) -> None:
    for in_body in (False, True):
        with subtests.test(in_body=in_body):
            vendor = Vendor()
            async with serve(vendor.app) as url, Clients() as clients:
                auth = {"scopes": ("read", "crm"), "extra": {"audience": "x"}}
                endpoint = credentials(url, client_in_body=in_body, **auth)
                for api in (clients.api(endpoint), clients.api(endpoint)):
                    assert await api.get("me") == await api.post("me", {}) == {"me": "hub"}
            [form] = vendor.forms
            wanted = {"grant_type": "client_credentials", "scope": "read crm", "audience": "x"}
            in_form = {"client_id": CLIENT, "client_secret": SECRET} if in_body else {}
            assert form == wanted | in_form


@pytest.mark.parametrize("expires_in", [60, "60", 3600, None])
async def test_it_is_renewed_before_it_ends_and_not_sooner(
    expires_in: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor(expires_in)
    async with serve(vendor.app) as url, Clients() as clients:
        api = clients.api(credentials(url))
        await api.get("me")
        lifetime = timedelta(seconds=float(str(expires_in or 10**6)))
        early = max(lifetime - EARLY, lifetime * 0.9)
        for left, grants in ((timedelta(seconds=-2), 1), (timedelta(seconds=2), 2)):
            later = datetime.now(UTC) + early + left
            with monkeypatch.context() as patched:
                patched.setattr("hub.http.sign_in.now", lambda later=later: later)
                await api.get("me")
            assert vendor.grants == (1 if expires_in is None else grants)


async def test_a_token_that_is_refused_is_renewed_once_then_the_source_stops() -> None:
    vendor = Vendor()
    async with serve(vendor.app) as url, Clients() as clients:
        api = clients.api(credentials(url))
        await api.get("me")
        vendor.valid = set()  # revoked before its time
        assert await api.get("me") == {"me": "hub"}
        assert vendor.grants == 2
        api = clients.api(credentials(f"{url}"))
        with pytest.raises(SourceMisbehaved, match="404"):
            await api.get("nowhere")
        assert vendor.grants == 2

    async def never(_: Request) -> Response:
        return JSONResponse({"message": "no"}, 401)

    vendor = Vendor()
    vendor.app.router.routes[1] = Route("/me", never)
    async with serve(vendor.app) as url, Clients() as clients:
        with pytest.raises(AuthFailed, match="401 Unauthorized: no"):
            await clients.api(credentials(url)).get("me")
    assert vendor.grants == 2


async def test_a_403_is_no_matter_of_the_token() -> None:
    async def forbidden(_: Request) -> Response:
        return JSONResponse({"message": "scope crm.read is missing"}, 403)

    vendor = Vendor()
    vendor.app.router.routes[1] = Route("/me", forbidden)
    async with serve(vendor.app) as url, Clients() as clients:
        with pytest.raises(AuthFailed, match="scope crm"):
            await clients.api(credentials(url)).get("me")
    assert vendor.grants == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (no("invalid_grant", "token was revoked"), AuthFailed, "invalid_grant: token was revoked"),
        (no("invalid_client", "unknown", 401), AuthFailed, "invalid_client: unknown"),
        (no("unauthorized_client", "not for you"), AuthFailed, "not for you"),
        (no("invalid_scope", "crm"), AuthFailed, "invalid_scope"),
        (JSONResponse({"error": "bad_refresh_token"}), AuthFailed, "bad_refresh_token"),
        (JSONResponse({"ok": False, "error": "token_revoked"}), AuthFailed, "token_revoked"),
        (Response("<title>Blocked</title>", 403), AuthFailed, "Blocked"),
        (no("temporarily_unavailable", "wait", 400), SourceUnavailable, "wait"),
        (no("server_error", "oops"), SourceUnavailable, "oops"),
        (no("unknown_error", "retry your request"), SourceUnavailable, "retry"),
        (Response(status_code=502), SourceUnavailable, "502"),
        (no("invalid_grant", "login rate exceeded"), RateLimited, "login rate exceeded"),
        (JSONResponse({}, 429, {"Retry-After": "7"}), RateLimited, "429"),
        (Response(status_code=404), SourceMisbehaved, "404"),
        (JSONResponse({"token_type": "bearer"}), SourceMisbehaved, "gave no access_token"),
        (JSONResponse({"access_token": "a\nb"}), SourceMisbehaved, "gave no access_token"),
        (Response("hello"), SourceMisbehaved, "gave no access_token"),
        (no("invalid_grant", f"{FIRST} of {SECRET} is unknown"), AuthFailed, "… of … is unknown"),
    ],
)  # fmt: skip
async def test_what_the_refusal_of_a_sign_in_means(
    answer: Response, kind: type[SourceError], words: str, tmp_path: Any
) -> None:
    vendor = Vendor()
    vendor.answers = [answer]
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    async with serve(vendor.app) as url, keeping(database_url) as clients:
        with pytest.raises(kind) as caught:
            await clients.api(refresh(url)).get("me")
        assert type(caught.value) is kind
        assert words in str(caught.value)
        # What it was for does not stay locked.
        assert await clients.api(refresh(url)).get("me") == {"me": "hub"}


async def test_many_processes_use_a_refresh_token_once(database_url: str) -> None:
    await migrated(database_url)
    vendor = Vendor()
    async with (
        serve(vendor.app) as url,
        keeping(database_url) as one,
        keeping(database_url) as two,
        keeping(database_url) as three,
    ):
        apis = [clients.api(refresh(url)) for clients in (one, two, three) for _ in range(4)]

        async def all_at_once() -> None:
            answers = await asyncio.gather(*(api.get("me") for api in apis))
            assert answers == [{"me": "hub"}] * len(apis)

        for grants in (1, 2, 3):
            await all_at_once()
            assert (vendor.grants, vendor.refused) == (grants, {})
            vendor.valid = set()
        assert [form["refresh_token"] for form in vendor.forms] == [
            FIRST, "refresh-1", "refresh-2",
        ]  # fmt: skip


async def test_a_restart_goes_on_with_the_newest_and_another_first_one_begins_anew(
    database_url: str,
) -> None:
    await migrated(database_url)
    vendor = Vendor()
    async with serve(vendor.app) as url:
        for _ in range(2):
            async with keeping(database_url) as clients:
                await clients.api(refresh(url)).get("me")
        assert vendor.grants == 1
        vendor.valid = set()
        async with keeping(database_url) as clients:
            await clients.api(refresh(url)).get("me")
        assert vendor.forms[-1]["refresh_token"] == "refresh-1"
        # Somebody revoked it all, and agrees anew: what was kept is passed by.
        vendor.revoked, vendor.valid = True, set()
        async with keeping(database_url) as clients:
            with pytest.raises(AuthFailed, match="revoked"):
                await clients.api(refresh(url)).get("me")
            vendor.revoked, vendor.refresh = False, "refresh-new"
            await clients.api(refresh(url, "refresh-new")).get("me")
        assert vendor.forms[-1]["refresh_token"] == "refresh-new"


async def test_a_refresh_token_that_is_not_replaced_stays(tmp_path: Any) -> None:
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    vendor = Vendor(rotates=False)
    async with serve(vendor.app) as url, keeping(database_url) as clients:
        for _ in range(3):
            vendor.valid = set()
            await clients.api(refresh(url)).get("me")
    assert [form["refresh_token"] for form in vendor.forms] == [FIRST] * 3


async def test_the_database_holds_nothing_that_lets_anybody_in(database_url: str) -> None:
    await migrated(database_url)
    vendor = Vendor()
    async with (
        serve(vendor.app) as url,
        open_store(database_url) as store,
        clients_of(store) as clients,
    ):
        await clients.api(refresh(url)).get("me")
        [row] = await rows(store)
        known = ("access-1", "refresh-1", FIRST, SECRET, CLIENT, url)
        in_it = [*map(str, row), *(str(base64.b64decode(row.sealed)) for _ in "1")]
        assert not [word for word in known if any(word in cell for cell in in_it)]
        # Sealed for its place: a row that is moved does not open.
        async with store.write() as connection:
            await connection.execute(text("UPDATE tokens SET name = 'moved'"))
        assert await StoredTokens(store, Seal([KEY])).current("moved") is None
        assert await StoredTokens(store, Seal([KEY])).current(row.name) is None


async def test_the_key_is_replaced_while_tokens_stay(tmp_path: Any) -> None:
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    vendor = Vendor()
    async with serve(vendor.app) as url:
        for keys in (KEY, f"{OTHER} {KEY}", OTHER):
            async with keeping(database_url, keys) as clients:
                assert await clients.api(refresh(url)).get("me") == {"me": "hub"}
        assert vendor.grants == 1
        # Without the key of before, the token that is configured is used up.
        async with keeping(database_url, "x" * 40) as clients:
            with pytest.raises(AuthFailed, match="HUB_SECRET_KEY is not the one") as caught:
                await clients.api(refresh(url)).get("me")
            assert "Add the key of before" in caught.value.suggestion
        vendor.revoked = False
        async with keeping(database_url, f"x{'x' * 39} {OTHER}") as clients:
            assert await clients.api(refresh(url)).get("me") == {"me": "hub"}


async def test_who_is_cancelled_while_it_renews_still_keeps_what_came(tmp_path: Any) -> None:
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    vendor = Vendor()
    vendor.held = asyncio.Event()
    async with serve(vendor.app) as url, keeping(database_url) as clients:
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(clients.api(refresh(url)).get("me"))
            await vendor.asked.wait()
            poll.cancel()
            await asyncio.sleep(0.1)
            vendor.held.set()
        assert poll.cancelled()
        assert await clients.api(refresh(url)).get("me") == {"me": "hub"}
    assert (vendor.grants, vendor.refused) == (1, {})


async def test_who_died_while_it_renewed_holds_the_others_up_for_a_lease(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated(database_url)
    monkeypatch.setattr("hub.store.tokens.LEASE", timedelta(seconds=1))
    vendor = Vendor()
    vendor.held = asyncio.Event()
    async with (
        serve(vendor.app) as url,
        keeping(database_url) as dead,
        keeping(database_url) as alive,
    ):
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            late = tasks.create_task(dead.api(refresh(url)).get("me"))
            await vendor.asked.wait()
            vendor.used.clear()  # it does not mind this time
            vendor.refresh = FIRST
            held, vendor.held = vendor.held, None
            assert await alive.api(refresh(url)).get("me") == {"me": "hub"}
            assert asyncio.get_running_loop().time() - began >= 0.9
            newest = vendor.refresh
            held.set()  # it was not dead after all
            await asyncio.wait({late})
        vendor.valid = set()
        await alive.api(refresh(url)).get("me")
        assert vendor.forms[-1]["refresh_token"] == newest


def jwt(lifetime: float) -> str:
    claims = json.dumps({"iat": 1000.0, "exp": 1000.0 + lifetime}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.sig"


class Sessions:
    """Logs in as Bluesky does: two tokens, the second renews both once."""

    def __init__(self, lifetime: float = 7200) -> None:
        self.access, self.refresh = jwt(lifetime), "refresh-0"
        self.logins: list[Any] = []
        self.renewals = 0
        self.app = Starlette(
            routes=[
                Route("/xrpc/login", self.login, methods=["POST"]),
                Route("/xrpc/renew", self.renew, methods=["POST"]),
                Route("/xrpc/me", self.me),
            ]
        )

    async def login(self, request: Request) -> Response:
        self.logins.append(await request.json())
        self.refresh = f"login-{len(self.logins)}"
        if self.logins[-1]["password"] != "app-pass":
            body = {"error": "AuthenticationRequired", "message": "Invalid password app-past"}
            return JSONResponse(body, 401)
        return JSONResponse({"accessJwt": self.access, "refreshJwt": self.refresh})

    async def renew(self, request: Request) -> Response:
        if request.headers["authorization"] != f"Bearer {self.refresh}":
            return JSONResponse({"error": "ExpiredToken", "message": "it is over"}, 400)
        self.renewals += 1
        self.refresh = f"renewed-{self.renewals}"
        return JSONResponse({"accessJwt": self.access, "refreshJwt": self.refresh})

    async def me(self, request: Request) -> Response:
        if request.headers["authorization"] != f"Bearer {self.access}":
            return JSONResponse({"error": "ExpiredToken", "message": "Token has expired"}, 400)
        return JSONResponse({"me": "hub"})


def login(url: str, password: str = "app-pass") -> Http:
    body: dict[str, str | SecretStr] = {
        "identifier": "hub.acme.example",
        "password": SecretStr(password),
    }
    auth = Login("login", body, renew="renew", access="accessJwt", refresh="refreshJwt")
    return Http(f"{url}/xrpc", auth)


async def test_a_session_is_begun_renewed_and_begun_again() -> None:
    vendor = Sessions()
    async with serve(vendor.app) as url, Clients() as clients:
        api: Api = clients.api(login(url))
        assert await api.get("me") == {"me": "hub"}
        assert vendor.logins == [{"identifier": "hub.acme.example", "password": "app-pass"}]
        vendor.access = jwt(7201)  # the one before is over: 400 ExpiredToken
        assert await api.get("me") == {"me": "hub"}
        assert (len(vendor.logins), vendor.renewals) == (1, 1)
        vendor.access, vendor.refresh = jwt(7202), "signed out everywhere"
        assert await api.get("me") == {"me": "hub"}
        assert (len(vendor.logins), vendor.renewals) == (2, 1)


async def test_a_jwt_tells_when_it_ends() -> None:
    vendor = Sessions(lifetime=0.5)
    async with serve(vendor.app) as url, Clients() as clients:
        api = clients.api(login(url))
        await api.get("me")
        await api.get("me")
        assert vendor.renewals == 0
        await asyncio.sleep(0.5)
        await api.get("me")
        assert (len(vendor.logins), vendor.renewals) == (1, 1)


async def test_a_wrong_password_is_told_without_it() -> None:
    vendor = Sessions()
    async with serve(vendor.app) as url, Clients() as clients:
        with pytest.raises(AuthFailed, match="AuthenticationRequired: Invalid password …"):
            await clients.api(login(url, "app-past")).get("me")


async def test_a_refresh_token_needs_a_key_and_says_so(tmp_path: Any) -> None:
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")

    class Signed(Ledger):
        def endpoint(self) -> Http:
            return refresh(self.url)

    config = ledger_config("http://crm.example", connector=Signed(url="http://crm.example"))
    with pytest.raises(ConfigError, match=r"ledger signs in with a refresh token.*HUB_SECRET_KEY"):
        async with open_runtime(Settings(database=database_url, secret_key=None), config):
            pass
    with pytest.raises(ConfigError, match="shorter than 32"):
        async with open_runtime(Settings(database=database_url, secret_key=SecretStr("k")), config):
            pass
    async with open_runtime(Settings(database=database_url, secret_key=SecretStr(KEY)), config):
        pass
    async with Clients() as clients:
        with pytest.raises(ConfigError, match="HUB_SECRET_KEY"):
            clients.api(refresh("http://crm.example"))


async def test_what_nobody_renews_for_long_is_removed(tmp_path: Any) -> None:
    database_url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    vendor = Vendor()
    async with (
        serve(vendor.app) as url,
        open_store(database_url) as store,
        clients_of(store) as clients,
    ):
        await clients.api(refresh(url)).get("me")
        for before, left in ((timedelta(hours=-1), 1), (timedelta(hours=1), 0)):
            async with store.write() as connection:
                await remove_old_tokens(connection, datetime.now(UTC) + before, 10)
            assert len(await rows(store)) == left
