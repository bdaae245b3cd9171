"""Rooms of a real Synapse, read by the hub."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from connectors.twins.matrix import Twin
from tests.live.hub import reading
from tests.live.shapes import differences
from tests.live.synapse import CLIENT, Resident, Synapse
from tests.running import until
from tests.servers import serve

pytestmark = pytest.mark.live

SEES_ALL = '[roles.executive.sees]\nclassification = "restricted"\nrestricted = ["live"]'


@pytest.fixture
def people(synapse: Synapse) -> Iterator[tuple[Resident, Resident]]:
    """Make the hub's account and a person, new for each test."""
    some = uuid.uuid4().hex[:8]
    with (
        synapse.register(f"hub-{some}", "The hub") as bot,
        synapse.register(f"ann-{some}", "Ann Archer") as ann,
    ):
        yield bot, ann


def source(synapse: Synapse, rooms: tuple[str, ...] = ()) -> str:
    return (
        f'connector = "matrix"\nurl = "{synapse.url}"\ntoken = "${{TOKEN}}"\n'
        f"rooms = {json.dumps(rooms)}"
    )


async def test_a_message_is_shown_edited_and_gone(
    synapse: Synapse, people: tuple[Resident, Resident], tmp_path: Path
) -> None:
    bot, ann = people
    room = ann.open_room("Sales wins", public=True)
    ann.invite(room, bot)
    said = ann.send(room, "Won Acme Corp, 48k a year")
    async with reading(tmp_path, source(synapse), {"TOKEN": bot.token}) as hub:
        shown = await hub.shows(said, title="Won Acme Corp, 48k a year", status="INFORMATION")
        assert shown["kind"] == "chat.message"
        assert shown["author"]["name"] == "Ann Archer"
        assert (shown["classification"], shown["labels"]) == ("INTERNAL", ["Sales wins"])
        assert len(shown["history"]["edges"]) == 1

        ann.react(room, said, "👍")
        edited = ann.edit(room, said, "Won Acme Corp, 52k a year")
        shown = await hub.shows(said, body="Won Acme Corp, 52k a year", revision=edited)
        assert [edge["node"]["title"] for edge in shown["history"]["edges"]] == [
            "Won Acme Corp, 48k a year",
            "Won Acme Corp, 52k a year",
        ]
        assert list(await hub.signals()) == [said]

        ann.redact(room, said)
        shown = await hub.shows(said, status="DELETED", body=None)
        assert {edge["node"]["title"] for edge in shown["history"]["edges"]} == {None}
        assert not hub.keeps("Acme Corp")


async def test_a_private_room_is_for_those_that_hub_toml_names(
    synapse: Synapse, people: tuple[Resident, Resident], tmp_path: Path
) -> None:
    bot, ann = people
    board = ann.open_room("Board", public=False)
    ann.invite(board, bot)
    said = ann.send(board, "We buy Globex #decision")
    async with reading(tmp_path, source(synapse), {"TOKEN": bot.token}, SEES_ALL) as hub:
        shown = await hub.shows(said, "executive", classification="RESTRICTED")
        assert shown["kind"] == "chat.decision"
        assert await hub.signals("sales") == {}


async def test_nothing_said_while_the_hub_was_down_is_lost(
    synapse: Synapse, people: tuple[Resident, Resident], tmp_path: Path
) -> None:
    bot, ann = people
    room = ann.open_room("Sales wins", public=True)
    ann.invite(room, bot)
    said = [ann.send(room, "before")]
    async with reading(tmp_path, source(synapse, (room,)), {"TOKEN": bot.token}) as hub:
        await hub.shows(said[0])
    said += [ann.send(room, f"message {number}") for number in range(170)]
    corrected = ann.edit(room, said[5], "corrected in the meantime")
    async with reading(tmp_path, source(synapse, (room,)), {"TOKEN": bot.token}) as hub:

        async def whole() -> bool:
            return (await hub.signals()).keys() >= set(said)

        await until(whole, within=60)
        shown = await hub.shows(said[5], title="corrected in the meantime", revision=corrected)
        assert len(shown["history"]["edges"]) == 2
        assert (await hub.signals()).keys() == set(said)


async def test_a_withdrawn_token_is_told_to_the_owner(
    synapse: Synapse, people: tuple[Resident, Resident], tmp_path: Path
) -> None:
    bot, _ = people
    async with reading(tmp_path, source(synapse), {"TOKEN": bot.token}) as hub:
        await hub.state("OK")
        bot.http.post("/logout", json={}).raise_for_status()
        found = await hub.state("AUTH_FAILED")
        assert "access token" in found["lastError"]
        assert bot.token not in found["lastError"]


async def test_the_twin_answers_as_synapse_does(
    synapse: Synapse, people: tuple[Resident, Resident]
) -> None:
    bot, ann = people
    room = ann.open_room("Sales wins", public=True, room_alias_name=f"wins-{uuid.uuid4().hex[:8]}")
    ann.invite(room, bot)
    said = ann.send(room, "one")
    ann.edit(room, said, "two")
    gone = ann.send(room, "three")
    ann.redact(room, gone)
    twin = Twin()
    first = twin.emit({"text": "one"})
    twin.emit({"edit": first["event_id"], "text": "two"})
    third = twin.emit({"text": "three"})
    twin.emit({"redact": third["event_id"]})
    async with serve(twin.app) as url:
        theirs = await _answers(synapse.url, bot.token, room, gone)
        ours = await _answers(url, twin.token, first["room_id"], third["event_id"])
    assert theirs.keys() == ours.keys()
    for asked, (status, body) in ours.items():
        assert status == theirs[asked][0], asked
        assert differences(body, theirs[asked][1]) == [], asked


def _requests(room: str, event: str) -> dict[str, str]:
    part = {"types": ["m.room.message", "m.room.redaction"], "lazy_load_members": True}
    everything = json.dumps({"room": {"timeline": {"limit": 50}}})
    return {
        "sync": f"/sync?timeout=0&filter={quote(everything)}",
        "sync in vain": "/sync?timeout=0&since=forgotten",
        "event": f"/rooms/{quote(room)}/event/{quote(event)}",
        "no event": f"/rooms/{quote(room)}/event/$nothing",
        "messages in vain": f"/rooms/{quote(room)}/messages?dir=b&from=forgotten",
        "no alias": "/directory/room/%23nowhere:live.example",
        "messages": f"/rooms/{quote(room)}/messages?dir=b&from={{token}}&limit=100"
        f"&filter={quote(json.dumps(part))}",
    }


async def _answers(url: str, token: str, room: str, event: str) -> dict[str, tuple[int, Any]]:
    found: dict[str, tuple[int, Any]] = {}
    headers = {"Authorization": f"Bearer {token}"}
    base = f"{url}{CLIENT}"
    async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
        stand = (await client.get("/sync?timeout=0")).json()["next_batch"]
        for name, path in _requests(room, event).items():
            answer = await client.get(path.replace("{token}", stand))
            found[name] = answer.status_code, json.loads(answer.text.replace(room, "the room"))
        stranger = await client.get("/sync", headers={"Authorization": "Bearer nobody"})
        found["stranger"] = stranger.status_code, stranger.json()
    return found
