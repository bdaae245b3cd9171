"""An account on a real Bluesky PDS, read by the hub.

The index of what others say (AppView) is not to be had for a machine of one's own: the twin stands
in for it, behind the PDS, which passes on what it is asked in the account's name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.twins.bluesky import Twin
from tests.live.bluesky import POST, Account, Bluesky
from tests.live.hub import reading
from tests.live.shapes import differences
from tests.running import until
from tests.servers import serve

pytestmark = pytest.mark.live


@pytest.fixture
def account(bluesky: Bluesky) -> Iterator[Account]:
    with bluesky.account() as account:
        yield account


def source(bluesky: Bluesky, account: Account, *settings: str) -> str:
    who = f'url = "{bluesky.url}"\nhandle = "{account.handle}"\npassword = "${{PASSWORD}}"'
    more = settings or ("mentions = false", "posts = true")
    return "\n".join(['connector = "bluesky"', who, *more])


async def test_a_post_is_shown_edited_and_gone(
    bluesky: Bluesky, account: Account, tmp_path: Path
) -> None:
    secret = {"PASSWORD": account.password}
    async with reading(tmp_path, source(bluesky, account), secret) as hub:
        uri = account.post("We speak at PyCon, Größe 日本語\nCome!")
        shown = await hub.shows(uri, title="We speak at PyCon, Größe 日本語")
        assert (shown["kind"], shown["classification"]) == ("content.post", "PUBLIC")
        assert shown["author"]["name"] == account.handle
        reply = {"uri": uri, "cid": shown["revision"]}
        answer = account.post("And bring friends", reply={"root": reply, "parent": reply})
        assert (await hub.shows(answer))["thread"] == uri

        edited = account.edit(uri, "We speak at EuroPython")
        shown = await hub.shows(uri, title="We speak at EuroPython", revision=edited)
        assert len(shown["history"]["edges"]) == 2
        account.delete(uri)
        await hub.shows(uri, status="DELETED", body=None)
        assert not hub.keeps("PyCon")


async def test_nothing_posted_while_the_hub_was_down_is_lost(
    bluesky: Bluesky, account: Account, tmp_path: Path
) -> None:
    asked, secret = source(bluesky, account), {"PASSWORD": account.password}
    posts = [account.post("before")]
    async with reading(tmp_path, asked, secret) as hub:
        await hub.shows(posts[0])
    posts += [account.post(f"post {number}") for number in range(150)]
    account.delete(posts[7])
    async with reading(tmp_path, asked, secret) as hub:

        async def whole() -> bool:
            return (await hub.signals()).keys() == set(posts) - {posts[7]}

        await until(whole, within=60)


async def test_what_others_say_comes_through_the_accounts_own_server(
    bluesky: Bluesky, account: Account, tmp_path: Path
) -> None:
    view = Twin(handle=account.handle, behind=True)
    named = view.emit({"text": "Hello @acme", "from": "robin.test"})
    found = view.emit({"text": "Acme is great", "reason": None})
    asked = source(bluesky, account, 'searches = ["acme"]')
    async with (
        serve(view.app, port=bluesky.view_port),
        reading(tmp_path, asked, {"PASSWORD": account.password}) as hub,
    ):
        await hub.shows(named["uri"], title="Hello @acme", kind="brand.mention")
        await hub.shows(found["uri"], title="Acme is great")
        view.emit({"delete": named["uri"]})
        await hub.shows(named["uri"], status="DELETED")


async def test_when_the_server_forgets_all_sessions_the_hub_signs_in_anew(
    bluesky: Bluesky, account: Account, tmp_path: Path
) -> None:
    # The account's posts are open to all, so what is asked in its name must be asked, too.
    view = Twin(handle=account.handle, behind=True)
    asked = source(bluesky, account, "mentions = true")
    async with (
        serve(view.app, port=bluesky.view_port),
        reading(tmp_path, asked, {"PASSWORD": account.password}) as hub,
    ):
        before = view.emit({"text": "before"})
        await hub.shows(before["uri"])
        bluesky.forget_sessions()
        after = view.emit({"text": "after"})
        await hub.shows(after["uri"])


async def test_a_wrong_password_is_told_to_the_owner(
    bluesky: Bluesky, account: Account, tmp_path: Path
) -> None:
    async with reading(tmp_path, source(bluesky, account), {"PASSWORD": "abcd-efgh"}) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "Invalid identifier or password" in found["lastError"]
        assert "efgh" not in found["lastError"]


async def test_the_twin_answers_as_a_pds_does(bluesky: Bluesky, account: Account) -> None:
    account.post("one")
    account.post("two")
    twin = Twin(handle=account.handle, password=account.password)
    for text in ("one", "two"):
        twin.emit({"text": text, "from": account.handle})
    async with serve(twin.app) as url:
        ours, theirs = [await _answers(one, account) for one in (url, bluesky.url)]
    assert theirs.keys() == ours.keys()
    for asked, (status, body, headers) in ours.items():
        assert status == theirs[asked][0], asked
        assert differences(body, theirs[asked][1]) == [], asked
        assert headers <= theirs[asked][2], asked


async def _answers(url: str, account: Account) -> dict[str, tuple[int, Any, set[str]]]:
    found: dict[str, tuple[int, Any, set[str]]] = {}
    server, records = "com.atproto.server", "com.atproto.repo.listRecords"

    def keep(name: str, answer: httpx2.Response) -> Any:
        body = answer.json()
        limits = {one for one in answer.headers if one.startswith("ratelimit")}
        found[name] = answer.status_code, body if answer.is_success else body["error"], limits
        return body

    async with httpx2.AsyncClient(base_url=f"{url}/xrpc/", trust_env=False) as client:
        who = {"identifier": account.handle, "password": account.password}
        wrong = await client.post(f"{server}.createSession", json={**who, "password": "wrong"})
        keep("wrong password", wrong)
        session = keep("session", await client.post(f"{server}.createSession", json=who))
        fresh = {"Authorization": f"Bearer {session['refreshJwt']}"}
        keep("renewed", await client.post(f"{server}.refreshSession", headers=fresh))
        what = {"repo": account.handle, "collection": POST, "limit": "1"}
        page = keep("posts", await client.get(records, params=what))
        keep("more posts", await client.get(records, params={**what, "cursor": page["cursor"]}))
        stranger = {"Authorization": "Bearer nobody"}
        named = "app.bsky.notification.listNotifications"
        keep("stranger", await client.get(named, headers=stranger))
    return found
