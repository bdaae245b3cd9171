"""sources, sync and trace over what a real connector read from its vendor's stand-in."""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from connectors.twins.zendesk import Twin
from hub.signals import now
from hub.signing import new_secret
from hub.store import open_store
from hub.store.sources import State, claim_one, settle, standings
from tests import secrets
from tests.cli import Done, Folder, Here
from tests.integration.test_deliveries import Receiver
from tests.running import until
from tests.servers import serve

KEY = "k" * 40


@pytest.fixture
def folder(tmp_path: Path, database_url: str) -> Folder:
    return Folder(tmp_path, {"HUB_DATABASE": database_url, "HUB_SECRET_KEY": KEY})


@dataclass(frozen=True)
class Desk:
    """A help desk, the hub's folder, and a receiver of what support hears."""

    folder: Folder
    run: Here
    twin: Twin
    receiver: Receiver

    async def hub(self, *words: str) -> Done:
        """Run a command in a thread: the vendor answers from this one."""
        return await asyncio.to_thread(self.run, *words)

    def write(self, vendor: str, hook: str, **more: Any) -> None:
        settings = {"connector": "zendesk", **self.twin.settings(vendor), **more}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        endpoint = f'role = "support"\nurl = "{hook}/hook"\nsecret = "{new_secret()}"\n'
        secrets.write(
            self.folder.path,
            "[sources.tickets]\nnotify_after = 2020-01-01T00:00:00Z\n"
            + "\n".join(lines)
            + f"\n[endpoints.desk]\n{endpoint}",
        )


@asynccontextmanager
async def desk(folder: Folder, here: Here, **more: Any) -> AsyncGenerator[Desk]:
    twin, receiver = Twin(), Receiver()
    async with serve(twin.app) as vendor, serve(receiver.app) as hook:
        one = Desk(folder, here, twin, receiver)
        one.write(vendor, hook, **more)
        assert (await one.hub("migrate")).code == 0
        yield one


async def test_sync_polls_here_and_goes_on_where_it_stopped(folder: Folder, here: Here) -> None:
    async with desk(folder, here) as at:
        at.twin.emit({"subject": "The app is down", "priority": "urgent"})
        at.twin.emit({"subject": "How do I invite people?"})
        first = await at.hub("sync", "tickets", "--json")
        assert first.code == 0
        assert first.json == {
            "source": "tickets",
            "polled": True,
            "asked": False,
            "pages": 1,
            "signals": 2,
            "seen_before": 0,
            "too_old": 0,
            "quarantined": 0,
            "error": None,
        }
        at.twin.emit({"subject": "Where is my invoice?"})
        again = await at.hub("sync", "tickets")
        assert (again.code, again.err) == (0, "")
        assert again.out == "tickets: 1 new or changed, 0 seen before (1 page)\n"

        found = (await at.hub("sources", "--json")).json
        assert [(one["name"], one["state"], one["signals"]) for one in found] == [
            ("tickets", "ok", 3)
        ]
        assert found[0]["lag_seconds"] < 60
        shown = await at.hub("sources")
        assert re.search(r"^tickets +zendesk +ok +[\d.]+ s +in \d+ s +3$", shown.out, re.MULTILINE)


async def test_sync_says_what_is_wrong_and_the_remedy(folder: Folder, here: Here) -> None:
    async with desk(folder, here, token="expired") as at:
        (await at.hub("sync", "nothing")).said(2, "no source named 'nothing'", "tickets")
        failed = await at.hub("sync", "tickets")
        failed.said(1, "tickets: ", "hub.toml or .env")
        assert failed.out == ""
        answer = await at.hub("sync", "tickets", "--json")
        assert answer.code == 1
        assert answer.json["error"]
        [one] = (await at.hub("sources", "--json")).json
        assert (one["state"], one["next_poll_at"], one["failures"]) == ("auth_failed", None, 2)
        shown = await at.hub("sources")
        assert re.search(r"^tickets +zendesk +auth failed +- +stopped +0 ", shown.out, re.MULTILINE)
        assert one["last_error"] in shown.out
        assert "expired" not in shown.out + failed.err + answer.out


async def test_what_a_running_hub_reads_is_asked_for_once_more(
    folder: Folder, here: Here, database_url: str
) -> None:
    async with desk(folder, here) as at:
        await at.hub("sync", "tickets")
        async with open_store(database_url) as store:
            async with store.write() as connection:
                held = await claim_one(connection, "tickets", now(), timedelta(seconds=60))
            assert held is not None
            assert held.lease is not None
            asked = await at.hub("sync", "tickets", "--json")
            assert asked.json == {"source": "tickets", "polled": False, "asked": True}
            later = {"state": State.OK, "next_poll_at": now() + timedelta(hours=1)}
            async with store.write() as connection:
                assert await settle(connection, "tickets", held.lease, later)
            async with store.read() as connection:
                [after] = await standings(connection, "tickets")
            assert after.next_poll_at is not None
            assert after.next_poll_at <= now(), "the poll that was asked for stays due"

            async with store.write() as connection:
                held = await claim_one(connection, "tickets", now(), timedelta(seconds=60))
                assert held is not None
                assert held.lease is not None
                assert await settle(connection, "tickets", held.lease, later)
            async with store.read() as connection:
                [after] = await standings(connection, "tickets")
            assert after.next_poll_at == later["next_poll_at"], "nobody asked"


async def test_sources_tells_of_what_is_not_served_yet(folder: Folder, here: Here) -> None:
    async with desk(folder, here) as at:
        before = await at.hub("sources")
        assert "No sources yet" in before.out
        assert "not served yet: tickets" in before.err
        assert (await at.hub("sources", "--json")).json == []
        await at.hub("sync", "tickets")
        folder.write("[sources.tickets")
        after = await at.hub("sources")
        assert (after.code, "tickets" in after.out) == (0, True)
        assert "could not be put in force" in after.err


async def test_sources_tells_how_often_a_quiet_one_is_asked(folder: Folder, here: Here) -> None:
    async with desk(folder, here, slowest="2h") as at:
        await at.hub("sync", "tickets")
        [found] = (await at.hub("sources", "--json")).json
        assert found["asked_every_seconds"] == 60
        assert found["brought_at"] is None
        at.twin.emit({"subject": "One"})
        await at.hub("sync", "tickets")
        [found] = (await at.hub("sources", "--json")).json
        assert found["brought_at"] is not None
        shown = (await at.hub("sources")).out
        assert "asked every" in shown
        assert "60 s" in shown
    async with desk(folder, here) as at:
        [found] = (await at.hub("sources", "--json")).json
        assert found["asked_every_seconds"] is None
        assert "asked every" not in (await at.hub("sources")).out


TITLE = "Down \x1b[31mred\x1b[0m \u202e[bold]now[/bold]\nsecond line"


@pytest.mark.processes
async def test_trace_tells_the_whole_journey(folder: Folder, here: Here) -> None:
    async with desk(folder, here, every="1s") as at:
        ticket = at.twin.emit({"subject": TITLE, "priority": "urgent"})
        at.receiver.answers.append(Response("not now", status_code=503))
        await at.hub("sync", "tickets")
        async with folder.serving():
            await until(lambda: len(at.receiver.got) == 2)
            at.twin.emit({"id": ticket["id"], "status": "solved"})
            await until(lambda: len(at.receiver.got) == 3)
            headers, body = at.receiver.got[0]
            webhook_id, event_id = headers["webhook-id"], json.loads(body)["id"]
            id_, _, seq = event_id.partition(".")

            async def settled() -> Any:
                """Ask until what has arrived is also settled: the receiver is told first."""
                told = (await at.hub("trace", id_, "--json")).json
                states = {one["state"] for one in told["deliveries"]}
                return told if states == {"delivered"} else None

            journey = await until(settled, within=60)
        assert journey["signal"]["id"] == id_
        assert journey["signal"]["title"].startswith("Down ")
        assert journey["signal"]["severity"] in {"low", "info", "medium"}
        assert [one["type"] for one in journey["changes"]] == ["created", "updated"]
        assert len(journey["revisions"]) == 2
        roles = {one["role"]: one for one in journey["roles"]}
        assert roles["support"]["outcome"] == "sent"
        assert sum(why["weight"] for why in roles["support"]["reasons"]) == pytest.approx(
            roles["support"]["score"]
        )
        tries = [
            (
                one["id"],
                one["event_id"],
                one["state"],
                [(it["status"], it["error"]) for it in one["attempts"]],
            )
            for one in journey["deliveries"]
        ]
        assert tries[0] == (
            webhook_id,
            event_id,
            "delivered",
            [(503, "the endpoint answered 503"), (204, None)],
        )
        assert tries[1][2:] == ("delivered", [(204, None)])

        told = await at.hub("trace", id_)
        assert (told.code, told.err) == (0, "")
        assert not re.search(r"[\x1b\u202e]", told.out), "a title may not steer a terminal"
        assert told.out.startswith("Down ")
        assert "[bold]now[/bold]" in told.out.splitlines()[0]
        assert re.search(rf"^ *{seq} +2\S+ \S+ +created ", told.out, re.MULTILINE)
        assert "kind support.escalation → support.ticket.solved" in told.out
        assert "status open → resolved" in told.out
        assert re.search(
            r"^support +0\.\d\d +sent +\+0\.55 A ticket was solved", told.out, re.MULTILINE
        )
        assert "below threshold" in told.out
        assert f"desk (support), change {seq}: delivered at try 2" in told.out
        assert f"webhook-id {webhook_id}" in told.out

        assert (await at.hub("trace", id_[:23].upper(), "--json")).json == journey
        for of_one_change in (event_id, webhook_id):
            told = await at.hub("trace", of_one_change, "--json")
            assert [it["id"] for it in told.json["deliveries"]] == [webhook_id]

        at.twin.emit({"subject": "Another"})
        await at.hub("sync", "tickets")
        (await at.hub("trace", "0")).said(1, "several signals", id_)
        (await at.hub("trace", "ffff")).said(1, "no signal has an id that begins with 'ffff'")
        (await at.hub("trace", "%")).said(1, "no signal has an id that begins with '%'")
        (await at.hub("trace", "")).said(1, "an empty id")
        (await at.hub("trace", f"{id_}.one")).said(1, "'one' is no seq")


@pytest.mark.processes
async def test_tables_fit_the_terminal(folder: Folder, here: Here) -> None:
    async with desk(folder, here) as at:
        at.twin.emit({"subject": "A title of a good many words, " * 8, "priority": "urgent"})
        await at.hub("sync", "tickets")
        async with open_store(folder.environment["HUB_DATABASE"]) as store, store.read() as reading:
            rows = await reading.exec_driver_sql("SELECT id FROM signals WHERE source = 'tickets'")
            [id_] = rows.scalars()
        for words in (["sources"], ["trace", id_], ["check"], ["connectors", "list"]):
            text = await in_terminal(folder, words, columns=80)
            assert "\x1b[" in text, "a terminal gets colours"
            lines = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text).splitlines()
            assert max(map(len, lines)) <= 80, max(lines, key=len)
        assert "\x1b[3" not in await in_terminal(folder, ["sources"], columns=80, NO_COLOR="1")


async def in_terminal(folder: Folder, words: list[str], columns: int, **environment: str) -> str:
    """Run a command that believes itself in a terminal of so many columns."""
    from_here, theirs = os.openpty()
    size = {"COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = await folder.start(*words, terminal=theirs, **size, **environment)
    os.close(theirs)

    def read() -> bytes:
        written = b""
        while True:
            try:
                chunk = os.read(from_here, 65536)
            except OSError:  # how Linux says that nobody holds the other end any more
                return written
            written += chunk

    written = await asyncio.to_thread(read)
    os.close(from_here)
    assert await process.wait() == 0, written
    return written.decode()
