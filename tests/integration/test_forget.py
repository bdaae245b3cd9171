"""`hub forget`: no word and no name of a person is left, nor does either come back."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col
from starlette.responses import Response

from hub.config import read_config
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef, Pushed
from hub.forget import Forgetting
from hub.forget.person import Person, known_as
from hub.ingest import Plan, Reading, ingest
from hub.ingest.enrich import FORGOTTEN_TITLE
from hub.route import Router
from hub.signals import ChangeType, Signal, now
from hub.store import Store, log, open_store
from hub.store.declarations import declare_hub
from hub.store.deliveries import deliveries
from hub.store.keys import add_key, keys, new_key
from hub.store.people import find_people
from hub.store.pushes import add_push, claim_pushes, link_records
from hub.store.scrub import rewritten
from hub.store.signals import by_external_ids
from hub.store.tables import PersonKeyRow, PersonRow, PushRow, SignalRow, table
from tests.cli import Folder, Here
from tests.everywhere import places
from tests.integration.test_deliveries import Receiver, delivering
from tests.ledger import Book
from tests.running import hear, migrated, say, until

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
NAME, EMAIL, HANDLE, WORDS = "Mira Zaunkoenig", "mira.z@us.example", "mzk77", "Quittengelee"
TRACES = ("zaunkoenig", "mira.z@", HANDLE, WORDS)
HER = PersonRef(name=NAME, email=EMAIL)
PLAN = Plan(Router(read_config("", {}).roles))


def draft(id_: str, revision: int = 1, **more: Any) -> Draft:
    at = T0 + timedelta(minutes=revision)
    given: dict[str, Any] = {
        "kind": "team.post", "external_id": id_, "revision": str(revision), "revised_at": at,
        "occurred_at": T0, "title": f"Post {id_}", "author": PersonRef(name="Bob", handle="bob"),
    }  # fmt: skip
    return Draft(**(given | more))


HERS: dict[str, Any] = {
    "author": HER, "title": f"{WORDS}!", "summary": WORDS, "body": f"{WORDS} " * 3000,
    "labels": (WORDS,), "attributes": {"x": [WORDS]}, "url": f"https://x.example/{WORDS}",
    "account": AccountRef(name="Acme"),
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "title": f"{NAME} said so", "summary": f"ask MIRA   zaunkoenig or @{HANDLE}", "body": EMAIL,
    "labels": (HANDLE, "q4"), "attributes": {EMAIL: {"by": [NAME, 3]}}, "owner": HER,
    "url": f"https://x.example/users/{HANDLE}", "thread": f"dm-{HANDLE}",
}  # fmt: skip


def by_her(**more: Any) -> dict[str, Any]:
    return HERS | more


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(await migrated(database_url)) as store:
        async with store.write() as connection:
            await declare_hub(connection, "chat", T0)
        yield store


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Folder:
    url = store.url.set(drivername=store.url.get_backend_name())
    environment = {"HUB_DATABASE": url.render_as_string(), "HUB_SECRET_KEY": "k" * 40}
    folder = Folder(tmp_path, environment)
    folder.write("")
    return folder


async def forget_here(store: Store) -> int:
    """Forget her in this process; give how many signals lost their words."""
    async with store.read() as connection:
        [known] = await find_people(connection, EMAIL)
    erased = await Forgetting(store, PLAN.router, await known_as(store, known)).run()
    return erased.written


async def put(store: Store, *drafts: Draft, **more: Any) -> None:
    await ingest(store, Reading("chat"), Page(list(drafts), {}, **more), PLAN)


async def kept(store: Store, id_: str) -> Signal:
    async with store.read() as connection:
        return (await by_external_ids(connection, "chat", [id_]))[id_]


@pytest.mark.processes
async def test_no_word_and_no_name_is_left_and_none_comes_back(
    store: Store, folder: Folder
) -> None:
    with_handle = draft("1", 2, **HERS, kind="team.kudos")
    joined = PersonRef(name="Mira", email=EMAIL, handle=HANDLE)
    bad = [Bad(f"no date by {NAME}", {"id": 9, "from": EMAIL, "text": "hello"}, "9")]
    await put(store, draft("1", **HERS), with_handle, draft("2", **OTHERS), bad=bad)
    await put(store, draft("3", **by_her(author=joined)), draft("4", title="Unrelated"))
    # Somebody else took over what she began: her version is hers.
    await put(store, draft("5", **HERS))
    await put(store, draft("5", 2, title="By Bob now"))
    await put(store, draft("6", account=AccountRef(name=NAME)))
    async with store.write() as connection:
        await add_key(
            connection, new_key(), name=f"of {NAME}", roles=["sales"], person=EMAIL, at=T0
        )
    assert {trace for trace in TRACES if await places(store, trace)} == set(TRACES)
    async with store.read() as connection:
        head = await log.head(connection)

    done = await folder.hub("forget", EMAIL.upper(), "--yes", "--json")
    assert done.code == 0, done.err
    [told] = done.json
    assert (told["written"], told["mentioned"], told["kept_ids"]) == (2, 1, 0)
    assert {NAME, EMAIL, HANDLE, "Mira"} <= set(told["called"])
    assert await places(store, *TRACES) == []

    for id_ in ("1", "3"):
        hers = await kept(store, id_)
        assert (hers.title, hers.summary, hers.body) == (FORGOTTEN_TITLE, "", None)
        assert (hers.author, hers.labels, hers.attributes, hers.url) == (None, (), {}, None)
        assert hers.account is not None
        assert hers.account.name == "Acme"
    other = await kept(store, "2")
    assert (other.title, other.body) == ("[forgotten] said so", "[forgotten]")
    assert other.summary == "ask [forgotten] or [forgotten]"
    assert other.labels == ("[forgotten]", "q4")
    assert other.attributes == {"[forgotten]": {"by": ["[forgotten]", 3]}}
    assert (other.owner, other.url, other.thread) == (None, None, None)
    assert other.author is not None
    assert (await kept(store, "4")).title == "Unrelated"
    assert (await kept(store, "5")).title == "By Bob now"
    async with store.read() as connection:
        lines = await log.after(connection, head, 99)
        [key] = await keys(connection)
    assert (key.name, key.person) == ("of [forgotten]", None)
    assert {line.type for line in lines} == {ChangeType.UPDATED}
    assert {line.signal_id for line in lines} == {
        (await kept(store, id_)).id for id_ in ("1", "2", "3")
    }
    assert all(line.now.author is None or line.was for line in lines)


async def test_what_the_source_says_of_them_later_stays_away(store: Store, here: Here) -> None:
    joined = PersonRef(name="Mira", email=EMAIL, handle=HANDLE)
    await put(store, draft("1", **HERS), draft("3", **by_her(author=joined)))
    assert await forget_here(store) == 2
    await put(store, draft("1", 7, **HERS), draft("11", **HERS))
    await put(store, draft("12", owner=HER, author=PersonRef(name="M", handle=HANDLE.upper())))
    await put(store, draft("3", 8, author=None, title=WORDS, body=WORDS), draft("1", 1, **HERS))
    assert await places(store, *TRACES) == []
    for id_ in ("1", "3", "11", "12"):
        assert (await kept(store, id_)).title == FORGOTTEN_TITLE
        assert (await kept(store, id_)).owner is None
    # What others write about her is found by saying her name once more.
    await put(store, draft("13", title=f"Hello {EMAIL}"))
    assert await places(store, "mira.z@")
    again = await asyncio.to_thread(here, "forget", EMAIL, "--yes")
    assert again.code == 0, again.err
    assert "1 a name" in again.out
    assert await places(store, *TRACES) == []


async def test_who_is_meant_is_said_before(store: Store, here: Here) -> None:
    first = draft("1", author=PersonRef(name=NAME, email=EMAIL))
    second = draft("2", author=PersonRef(name=NAME, handle="other"))
    await put(store, first, second, draft("3", author=PersonRef(name="Jo", handle="jo")))
    for words, code, said in (
        (["nobody@us.example", "--yes"], 1, "nobody goes by 'nobody@us.example'"),
        ([NAME.lower(), "--yes"], 1, "2 people go by 'mira zaunkoenig'"),
        ([NAME.lower(), "--yes"], 1, "handle:chat:other"),
        ([], 2, "nobody is named"),
        (["x", "--again"], 2, "nobody is named"),
    ):
        (await asyncio.to_thread(here, "forget", *words)).said(code, said)
    unasked = await asyncio.to_thread(here, "forget", EMAIL)
    unasked.said(2, "nobody can be asked here", "--yes")
    assert f"called: {NAME}, {EMAIL}" in unasked.out
    assert "1 signals are theirs" in unasked.out
    assert (await kept(store, "1")).title == "Post 1"

    async with store.read() as connection:
        [other] = await find_people(connection, "OTHER")
    by_id = await asyncio.to_thread(here, "forget", other.id, "--yes")
    assert by_id.code == 0, by_id.err
    assert ((await kept(store, "1")).title, (await kept(store, "2")).title) == (
        "Post 1",
        FORGOTTEN_TITLE,
    )
    short = await asyncio.to_thread(here, "forget", "jo", "--yes")
    assert "too short to tell from other words, not searched for: Jo, jo" in short.out


@pytest.mark.long
async def test_one_that_is_killed_is_finished_by_the_next(store: Store, folder: Folder) -> None:
    nick = PersonRef(name="Miri Maus", email=EMAIL)
    for start in range(0, 800, 200):
        numbers = range(start, start + 200)
        await put(store, *(draft(str(number), **by_her(body=WORDS)) for number in numbers))
    await put(store, draft("0", 2, **by_her(author=nick)), draft("z", title="Ask Miri Maus"))
    process = await folder.start("forget", EMAIL, "--yes", terminal=None)
    await until(lambda: _wordless(store), within=60)
    process.kill()
    await process.communicate()
    done, left = await _wordless(store), 800 - await _wordless(store)
    assert left > 0, "it was too quick to be killed"
    assert done > 0
    # What a poll brings meanwhile comes without words already.
    await put(store, draft("new", **HERS))
    assert (await kept(store, "new")).title == FORGOTTEN_TITLE

    again = await folder.hub("forget", EMAIL, "--yes", "--json")
    assert again.code == 0, again.err
    assert again.json[0]["written"] == left
    assert await places(store, *TRACES, "miri") == []
    async with store.read() as connection:
        for row in (PersonRow, PersonKeyRow):
            assert await connection.scalar(select(func.count()).select_from(row)) == 1, "Bob"


async def _wordless(store: Store) -> int:
    async with store.read() as connection:
        title = col(SignalRow.title)
        return await connection.scalar(select(func.count()).where(title == FORGOTTEN_TITLE)) or 0


async def test_a_backup_that_brings_somebody_back(store: Store, here: Here) -> None:
    """--again forgets those who are on the list and here: as after a restore of older tables."""
    await put(store, draft("1", **HERS), draft("2", **OTHERS))
    async with store.read() as connection:
        rows = [dict(row) for row in (await connection.execute(select(PersonRow))).mappings()]
        named = [dict(row) for row in (await connection.execute(select(PersonKeyRow))).mappings()]
    assert await forget_here(store) == 1
    async with store.write() as connection:
        for table, old in ((PersonRow, rows), (PersonKeyRow, named)):
            name = str(table.__tablename__)
            for row in old:
                if "bob" not in str(row).lower():
                    columns, values = ", ".join(row), ", ".join(f"'{v}'" for v in row.values())
                    await connection.exec_driver_sql(
                        f"INSERT INTO {name} ({columns}) VALUES ({values})"  # noqa: S608
                    )
    assert await places(store, "zaunkoenig")
    again = await asyncio.to_thread(here, "forget", "--again", "--yes")
    assert again.code == 0, again.err
    assert again.out.count("forgotten: ") == 1
    assert await places(store, "zaunkoenig", "mira.z@", WORDS) == []
    nobody = await asyncio.to_thread(here, "forget", "--again", "--yes")
    assert nobody.out == "Nobody on the list is here\n"


FEED = """
subscription { signals { __typename
  ... on SignalCreated { signal { id } } ... on SignalUpdated { signal { title body } } } }
"""


async def test_followers_and_receivers_get_it_as_it_is_now(database_url: str) -> None:
    receiver, book = Receiver(), Book()
    receiver.answers = [Response(f"no, {WORDS}", 503), Response(f"thanks, {WORDS}")]
    author = {"name": NAME, "email": EMAIL}
    async with delivering(database_url, receiver, book) as hub:
        store: Store = hub.app.state.runtime.store
        async with hub.socket() as socket:
            await say(socket, type="subscribe", id="1", payload={"query": FEED})
            await asyncio.sleep(0.1)
            book.write(WORDS, "deal/1", author=author, body=WORDS)
            assert (await hear(socket))["payload"]["data"]["signals"]["signal"]["id"]
            await until(lambda: receiver.got)
            await until(lambda: _refused(store))
            assert await forget_here(store) == 1
            heard = (await hear(socket))["payload"]["data"]["signals"]
        assert heard == {
            "__typename": "SignalUpdated",
            "signal": {"title": FORGOTTEN_TITLE, "body": None},
        }
        # The retry of the same delivery tells what is kept now.
        await until(lambda: len(receiver.got) == 2, within=30)
        (first, before), (second, after) = receiver.got
        assert first["webhook-id"] == second["webhook-id"]
        assert WORDS in before.decode()
        assert json.loads(after)["data"]["title"] == FORGOTTEN_TITLE
        assert WORDS not in after.decode()


async def _refused(store: Store) -> bool:
    async with store.read() as connection:
        return any(
            one.attempt == 1 and one.next_attempt_at > now() for one in await deliveries(connection)
        )


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("Jane Doe, jane  doe and JANE\nDOE.", "[forgotten], [forgotten] and [forgotten]."),
        ("mary.jane@us.example or jane@us.example", "mary.jane@us.example or [forgotten]"),
        ("@jdoe, jdoe's and jdoes", "[forgotten], [forgotten]'s and jdoes"),
        ("Janet Doe, JaneDoe, jo", "Janet Doe, JaneDoe, jo"),
        ({"Jane Doe": [1, None, "x jdoe"]}, {"[forgotten]": [1, None, "x [forgotten]"]}),
    ],
)
def test_whole_words_are_replaced_and_no_others(text: Any, without: Any) -> None:
    called = frozenset({"Jane Doe", "jane@us.example", "jdoe", "jo", "a.*(b"})
    person = Person("id", frozenset(), called)
    assert person.without(text) == without
    assert person.too_short == ["jo"]


async def test_what_was_pushed_loses_the_name_or_all_words(store: Store) -> None:
    """In JSON and in a form, also where they are escaped; of what she wrote nothing is left."""
    escaped = json.dumps({"by": "Zo\u00e9 Zaunkoenig-\u00c4hre", "n": 1}, ensure_ascii=True)
    bodies = [
        json.dumps({"from": EMAIL, "text": WORDS}).encode(),  # read as hers
        json.dumps({"text": f"ask {NAME}", "n": 1}).encode(),
        f"text=ask+{NAME.replace(' ', '+')}&n=1".encode(),
        b"text=nobody&n=%20",
        f"ask {NAME}".encode(),
        b"\xff\xfe",
        b"",
    ]
    await put(store, draft("1", **HERS))
    async with store.write() as connection:
        for number, body in enumerate(bodies):
            event = Pushed("POST", "https://hub/push/chat", {"x-by": NAME}, body, now())
            await add_push(connection, "chat", event, str(number))
        pushes = await claim_pushes(connection, ["chat"], now(), timedelta(minutes=1), 10)
        await link_records(connection, pushes[0], ["1"])
    await forget_here(store)
    async with store.read() as connection:
        found = list(await connection.execute(select(table(PushRow)).order_by("id")))
    assert [row.body for row in found] == [
        b"",
        b'{"text": "ask [forgotten]", "n": 1}',
        b"text=ask+%5Bforgotten%5D&n=1",
        *bodies[3:4],
        b"ask [forgotten]",
        *bodies[5:],
    ]
    assert not any(NAME in str(row.headers) for row in found)
    umlaut = Person(None, frozenset(), frozenset({"Zo\u00e9 Zaunkoenig-\u00c4hre"}))
    assert rewritten(escaped.encode(), umlaut.without) == b'{"by": "[forgotten]", "n": 1}'
