"""The subscription `sources`: how each is, and then whatever changes about that."""

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import JSONResponse

from hub.signals import now
from hub.store.keys import add_key, new_key
from tests.ledger import Book, ledger_config
from tests.running import hear, running, say, until
from tests.servers import serve

HEALTH = "subscription { sources { name state was since error problem source { failures } } }"


async def follow(socket: Any) -> None:
    await say(socket, type="subscribe", id="1", payload={"query": HEALTH})


async def told(socket: Any) -> Any:
    message = await hear(socket)
    assert "errors" not in message.get("payload", {}), message
    return message["payload"]["data"]["sources"]


async def test_health_is_told_as_it_changes(database_url: str) -> None:
    book = Book()
    async with (
        serve(book.app) as vendor,
        running(database_url, ledger_config(vendor)) as hub,
    ):
        health = hub.app.state.runtime.health
        await until(lambda: book.asked)
        async with hub.socket("admin") as socket:
            await follow(socket)
            first = {one["name"]: one for one in [await told(socket), await told(socket)]}
            assert first.keys() == {"hub", "ledger"}
            assert (first["ledger"]["was"], first["ledger"]["since"]) == (None, None)
            if first["ledger"]["state"] == "WAITING":  # it was being read for the first time
                assert (await told(socket))["state"] == "OK"
            book.answer = JSONResponse({"message": "broken"}, 500)
            began = now()
            failing = await told(socket)
            assert (failing["was"], failing["state"]) == ("OK", "FAILING")
            assert "500" in failing["error"]
            assert failing["source"]["failures"] >= 1
            since = datetime.fromisoformat(failing["since"])
            assert timedelta(seconds=-2) < since - began < timedelta(seconds=8)
            pause = 'mutation { pauseSource(name: "ledger") { __typename } }'
            await hub.ask(pause, "admin")
            assert (await _until(socket, "PAUSED"))["error"] == failing["error"]
            book.answer = None
            resume = 'mutation { resumeSource(name: "ledger") { __typename } }'
            await hub.ask(resume, "admin")
            while (await _until(socket, "OK"))["error"] is not None:
                pass  # it was well once, and has yet to be read
            assert health._wanted.is_set()
        await until(lambda: not health._wanted.is_set())


async def _until(socket: Any, state: str) -> Any:
    """Read on: in between is whatever a look a second sees."""
    while (one := await told(socket))["state"] != state:
        pass
    return one


async def test_it_takes_what_the_list_takes(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        hub.keys["robot"] = new_key()
        async with hub.app.state.runtime.store.write() as connection:
            await add_key(
                connection, hub.keys["robot"], name="robot", roles=["sales"],
                scopes=["publish"], at=now(),
            )  # fmt: skip
        refused = await hub.reply("{ sources { name } }", "robot")
        async with hub.socket("robot") as socket:
            await follow(socket)
            message = await hear(socket)
        [asked], [followed] = refused["errors"], message["payload"]
        assert followed["extensions"]["code"] == asked["extensions"]["code"] == "FORBIDDEN"
