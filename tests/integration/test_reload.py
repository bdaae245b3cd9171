"""A running hub takes a new hub.toml: nothing hangs up, is lost, or is half in force."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

import hub.follow
import hub.work
from hub.config import Config
from hub.connector import Draft, Page
from hub.errors import ConfigError, StoreUnavailable
from hub.graphql.render import check_selections
from hub.graphql.schema import make_schema
from hub.ingest import Reading, announce, ingest
from hub.ingest.rescore import rescore_after
from hub.jobs import Work
from hub.renewal import begin, reload, take_over
from hub.runtime import Runtime
from hub.settings import environment
from hub.signals import ChangeType, Outcome, now
from hub.snapshot import Applied
from hub.store import Store, log, open_store
from hub.store.deliveries import claim_deliveries, deliveries
from hub.store.relevance import relevance_of
from hub.store.snapshots import newest
from hub.store.sources import State, claim_due, standings
from tests import ledger
from tests.ledger import TOKEN, Book
from tests.running import Running, hear, migrated, running, say, until
from tests.servers import serve

SIGNALS = "subscription { signals { __typename ... on SignalCreated { signal { title } } } }"
SOURCE = '{ source(name: "ledger") { state problem signals } }'
SCHEMA = make_schema()
ENDPOINT = '[endpoints.bot]\nrole = "sales"\nurl = "http://127.0.0.1:1"\nsecret = "${BOT}"\n'
SIGNING = "whsec_" + "c2VjcmV0" * 4


def accept(config: Config) -> None:
    check_selections(SCHEMA, list(config.endpoints.values()))


def source(url: str, name: str = "ledger", **more: str) -> str:
    settings = {"connector": "ledger", "url": url, "token": "${LEDGER_TOKEN}", "every": "1s"}
    lines = "".join(f'{key} = "{value}"\n' for key, value in (settings | more).items())
    return f"[sources.{name}]\nnotify_after = 2020-01-01T00:00:00Z\n{lines}"


@dataclass
class Place:
    """The folder of a hub, and the database that it shares with other processes."""

    path: Path
    database: str
    secrets: dict[str, str] = field(default_factory=lambda: {"LEDGER_TOKEN": TOKEN, "BOT": SIGNING})

    @property
    def file(self) -> Path:
        return Path("hub.toml")  # the tests run in the folder

    def write(self, *tables: str) -> None:
        self.file.write_text("\n".join(tables))
        self.keep()

    def keep(self, **secrets: str) -> None:
        self.secrets |= secrets
        lines = (f"{name}='{value}'\n" for name, value in self.secrets.items())
        (self.path / ".env").write_text("".join(lines))

    async def reload(self, *tables: str) -> Applied:
        """Do what `hub reload` does in a process of its own: nothing but the database is shared."""
        if tables:
            self.write(*tables)
        async with open_store(self.database) as store:
            return await reload(store, self.file, environment(), "hub reload", accept)


@pytest.fixture
def place(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ledger.install(tmp_path / "packages"))
    made = Place(tmp_path, database_url)
    made.write("")
    return made


@pytest.fixture
async def store(place: Place) -> AsyncGenerator[Store]:
    async with open_store(await migrated(place.database)) as store:
        yield store


@asynccontextmanager
async def serving(place: Place) -> AsyncGenerator[Running]:
    async with running(place.database, file=place.file) as hub:
        yield hub


def runtime_of(hub: Running) -> Runtime:
    runtime: Runtime = hub.app.state.runtime
    return runtime


async def follows(hub: Running, applied: Applied) -> None:
    await until(lambda: runtime_of(hub).snapshot.seq == applied.snapshot.seq)


async def title(socket: ClientConnection) -> str:
    """Hear of the next new signal; what new roles judged anew is told as an update."""
    while True:
        message = await hear(socket)
        assert message["type"] == "next", message
        event = message["payload"]["data"]["signals"]
        if event["__typename"] == "SignalUpdated":
            continue
        assert event["__typename"] == "SignalCreated", event
        return str(event["signal"]["title"])


async def put(hub: Running, title: str, **more: Any) -> None:
    runtime, at = runtime_of(hub), now()
    given = {"kind": "sales.deal.won", "external_id": title, "revision": "1", "title": title}
    draft = Draft.model_validate({**given, "revised_at": at, "occurred_at": at, **more})
    done = await ingest(runtime.store, Reading("hub"), Page([draft], {}), runtime.snapshot.plan)
    await announce(done, runtime.bus, runtime.waker)


async def row(store: Store, name: str = "ledger") -> Any:
    async with store.read() as connection:
        [one] = await standings(connection, name)
    return one


async def test_a_socket_stays_open_and_hears_of_what_a_reload_added(place: Place) -> None:
    book = Book()
    async with serve(book.app) as url, serving(place) as hub, hub.socket("admin") as socket:
        await say(socket, type="subscribe", id="1", payload={"query": SIGNALS})
        await put(hub, "before")
        assert await title(socket) == "before"

        book.write("Acme buys")
        first = await place.reload(source(url))
        assert first.difference.sources.added == ("ledger",)
        assert await title(socket) == "A new configuration is in force"
        assert await title(socket) == "Acme buys"
        store = runtime_of(hub).store
        assert (await row(store)).cursor == {"after": 1}

        second = await place.reload(source(url, classification="public"), "[roles.ops]\n")
        assert str(second.difference.roles) == "added ops"
        assert await title(socket) == "A new configuration is in force"
        await follows(hub, second)
        book.write("Acme buys more")
        assert await title(socket) == "Acme buys more"
        assert (await row(store)).cursor == {"after": 2}, "goes on where it was"

        third = await place.reload("[hub]\n")
        assert third.difference.sources.removed == ("ledger",)
        assert await title(socket) == "A new configuration is in force"
        await follows(hub, third)
        kept = await row(store)
        assert (kept.state, kept.cursor) == (State.REMOVED, {"after": 2})
        await put(hub, "after")
        assert await title(socket) == "after"


ANEW = """subscription ($after: String) { signals(after: $after) { __typename
  ... on SignalCreated { cursor signal { title } }
  ... on CursorExpired { code message oldest } } }"""


async def test_who_may_see_other_signals_than_before_is_told_to_read_anew(place: Place) -> None:
    """Also where nothing happens, and also who was away when it changed; others just go on."""

    async def follow(socket: ClientConnection, id_: str, after: str | None = None) -> None:
        payload = {"query": ANEW, "variables": {"after": after}}
        await say(socket, type="subscribe", id=id_, payload=payload)

    async def told(socket: ClientConnection, id_: str) -> dict[str, Any]:
        message = await hear(socket)
        assert (message["type"], message["id"]) == ("next", id_), message
        return dict(message["payload"]["data"]["signals"])

    narrow = '[roles.support.sees]\nexcept_kinds = ["sales.*", "hub.*"]\n'
    async with (
        serving(place) as hub,
        hub.socket("support") as socket,
        hub.socket("sales") as other,
    ):
        await follow(other, "1")
        await follow(socket, "1")
        await put(hub, "won 1")
        cursor = (await told(socket, "1"))["cursor"]
        assert (await told(other, "1"))["signal"]["title"] == "won 1"
        await follows(hub, await place.reload(narrow))
        while (event := await told(socket, "1"))["__typename"] == "SignalCreated":
            assert event["signal"]["title"] == "A new configuration is in force"
        assert (event["__typename"], event["code"]) == ("CursorExpired", "CURSOR_EXPIRED")
        assert "read the list anew" in event["message"]
        assert await hear(socket) == {"type": "complete", "id": "1"}

        await follow(socket, "2", cursor)
        assert (await told(socket, "2"))["__typename"] == "CursorExpired"
        assert (await hear(socket))["type"] == "complete"
        listed = await hub.ask("{ signals { resumeFrom edges { node { title } } } }", "support")
        assert listed["signals"]["edges"] == []
        await follow(socket, "3", listed["signals"]["resumeFrom"])
        await put(hub, "won 2")
        await put(hub, "ticket", kind="support.ticket.opened")
        assert (await told(socket, "3"))["signal"]["title"] == "ticket"
        while (event := await told(other, "1"))["signal"]["title"] != "ticket":
            assert event["signal"]["title"] in {"won 2", "A new configuration is in force"}


async def test_a_feed_of_a_role_that_went_ends_in_words_and_the_socket_stays(place: Place) -> None:
    place.write("[roles.sales]\nthreshold = 0.0\n")
    async with serving(place) as hub, hub.socket("sales") as socket:
        feed = 'subscription { feed(role: "sales") { __typename } }'
        await say(socket, type="subscribe", id="1", payload={"query": feed})
        await put(hub, "won 1")
        assert (await hear(socket))["payload"]["data"]["feed"]["__typename"] == "FeedCreated"
        gone = "[hub]\ndefault_roles = false\n[roles.other]\nthreshold = 0.0\n"
        await follows(hub, await place.reload(gone))
        await put(hub, "won 2")
        said = json.dumps([await hear(socket)])
        assert "You have no role named 'sales'" in said
        await say(socket, type="ping")
        while (message := await hear(socket))["type"] != "pong":
            assert message["type"] in {"error", "complete", "next"}


async def test_a_faulty_source_goes_on_as_it_was_and_says_why(place: Place) -> None:
    book = Book()
    async with serve(book.app) as url, serving(place) as hub:
        await follows(hub, await place.reload(source(url)))
        store = runtime_of(hub).store
        faults = {
            source(url, connector="ledgr"): "no connector named 'ledgr'. Did you mean ledger?",
            source(url, every="soon"): "hub.toml:6: sources.ledger.every: 'soon' is not a duration",
            source(url, token="${NO_SUCH}"): "Set NO_SUCH in the environment or .env",
        }
        for number, (fault, why) in enumerate(faults.items()):
            other = f"[roles.other{number}]\n"
            applied = await place.reload(fault, source(url, "second", every="soon"), other)
            assert applied.kept == {"ledger"}
            assert set(applied.snapshot.config.problems) == {"ledger", "second"}
            assert f"other{number}" in applied.difference.roles.added, "the rest is in force"
            await follows(hub, applied)
            assert f"other{number}" in runtime_of(hub).config.roles
            assert list(runtime_of(hub).config.sources) == ["ledger"]
            book.write(f"Deal {number}")
            await until(lambda n=number: _signals(hub, n + 1))
            asked = (await hub.ask(SOURCE))["source"]
            assert asked["state"] == "OK"
            assert why in asked["problem"]
        await follows(hub, await place.reload(source(url, every="2s")))
        assert (await hub.ask(SOURCE))["source"]["problem"] is None
        assert runtime_of(hub).config.sources["ledger"].every.total_seconds() == 2
        assert (await row(store)).cursor == {"after": 3}


async def _signals(hub: Running, count: int) -> bool:
    return bool((await hub.ask(SOURCE))["source"]["signals"] == count)


REFUSED = [
    ("[sources.ledger\nx = 1", "hub.toml:1: this is not TOML"),
    ("sources = 3", "sources: this must be a table"),
    ("[rolls]", "unknown table"),
    ("[roles.sales]\nthreshold = 7", "roles.sales.threshold"),
    ('[roles.sales.sees]\nrestricted = ["mail"]', "no source named 'mail'"),
    (ENDPOINT.replace("sales", "nobody"), "no role named 'nobody'"),
    (ENDPOINT.replace("${BOT}", "${NO_SUCH}"), "the secret ${NO_SUCH} is not set"),
    (ENDPOINT + 'select = "id titel"', "endpoints.bot.select"),
    (ENDPOINT.replace("${BOT}", SIGNING), "endpoints.bot.secret: a secret is written out"),
    (source("http://127.0.0.1:1", token=TOKEN), "ledger.token: a secret is written out"),
    ("[retention]\nsignals = 'long'", "retention.signals"),
]


async def test_a_faulty_file_changes_nothing_anywhere(place: Place) -> None:
    async with serving(place) as hub:
        good = await place.reload("[roles.other]\n")
        await follows(hub, good)
        before = runtime_of(hub).snapshot
        for text, why in REFUSED:
            with pytest.raises(ConfigError) as refused:
                await place.reload(text, "[roles.another]\n")
            assert why in refused.value.message
            assert SIGNING not in str(refused.value)
        place.file.unlink()
        with pytest.raises(ConfigError, match="does not exist"):
            await place.reload()
        async with runtime_of(hub).store.read() as connection:
            stored = await newest(connection)
        assert stored is not None
        assert stored.seq == good.snapshot.seq
        assert runtime_of(hub).snapshot is before


async def test_what_is_stored_are_names_of_secrets_and_who_it_was(
    place: Place, store: Store
) -> None:
    place.write(source("http://127.0.0.1:1"), ENDPOINT, 'headers = {X-Key = "${LEDGER_TOKEN}"}')
    await begin(store, place.file, environment(), "hub serve", accept)
    # A value that is quoted by the words of a fault is a secret as well.
    await place.reload(source("http://127.0.0.1:1", every="${LEDGER_TOKEN}"), ENDPOINT)
    async with store.read() as connection:
        stored = await newest(connection)
        dump = ""
        for table in ("snapshots", "sources", "endpoints", "signals", "revisions", "changes"):
            dump += repr((await connection.exec_driver_sql(f"SELECT * FROM {table}")).all())  # noqa: S608
    assert stored is not None
    assert stored.tables["sources"]["ledger"]["token"] == "${LEDGER_TOKEN}"
    assert stored.by.startswith("hub reload on ")
    assert "'${LEDGER_TOKEN}' is not a duration" in stored.problems["ledger"]
    assert "hub serve on " in dump
    for secret in (TOKEN, SIGNING):
        assert secret not in dump


async def count_snapshots(store: Store) -> int:
    async with store.read() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM snapshots")
        return int(found.scalar_one())


async def test_what_is_stored_already_is_not_stored_again_but_secrets_are_read_anew(
    place: Place, store: Store
) -> None:
    place.write(source("http://127.0.0.1:1"))
    await begin(store, place.file, environment(), "hub serve", accept)
    async with serving(place) as hub:
        assert await count_snapshots(store) == 1
        same = await place.reload()
        assert not same.difference
        assert await count_snapshots(store) == 1
        await follows(hub, same)
        place.keep(LEDGER_TOKEN="another")
        other = await place.reload()
        assert list(other.difference.lines()) == ["sources: changed ledger"]
        await follows(hub, other)
        token = runtime_of(hub).config.sources["ledger"].connector.model_dump()["token"]
        assert token.get_secret_value() == "another"
        assert await count_snapshots(store) == 1


async def test_at_a_start_the_file_wins_and_without_one_what_is_stored(
    place: Place, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = source("http://127.0.0.1:1")

    async def start(by: str = "hub serve") -> Applied:
        return await begin(store, place.file, environment(), by, accept)

    place.write(source("http://127.0.0.1:1", every="soon"))
    with pytest.raises(ConfigError, match=r"every: 'soon' is not a duration"):
        await start()  # nothing is stored that it could go on with
    assert await count_snapshots(store) == 0

    place.write(ledger)
    await start()
    place.write(ledger, "[roles.ops]\n")
    assert (await start()).difference.roles.added == ("ops",)
    assert await count_snapshots(store) == 2

    place.write(source("http://127.0.0.1:1", every="soon"))
    faulty = await start()
    assert faulty.kept == {"ledger"}
    assert list(faulty.snapshot.config.sources) == ["ledger"]
    assert "ops" not in faulty.snapshot.config.roles
    assert "soon" in str((await row(store)).problem)
    assert "the configuration of a source is faulty" in caplog.text

    place.write(ledger, source("http://127.0.0.1:1", "second", every="soon"))
    with pytest.raises(ConfigError, match=r"sources\.second\.every"):
        await start()

    place.file.unlink()
    told = await start()
    assert (told.told, await count_snapshots(store)) == (None, 3)
    assert list(told.snapshot.config.sources) == ["ledger"]
    assert "soon" in str((await row(store)).problem), "it is still so"
    assert "the stored configuration is in force" in caplog.text
    (place.path / ".env").unlink()
    with pytest.raises(ConfigError, match=r"the stored configuration: sources\.ledger\.token"):
        await start()


@pytest.mark.long
async def test_who_lacks_a_secret_goes_on_with_what_it_had(
    place: Place, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    place.write(source("http://127.0.0.1:1"), ENDPOINT)
    mine = await begin(store, place.file, environment(), "hub serve", accept)
    changed = (
        source("http://127.0.0.1:2", token="${NEW_TOKEN}"),
        source("http://127.0.0.1:3", "second", token="${NEW_TOKEN}"),
        ENDPOINT.replace("${BOT}", "${NEW_BOT}") + "min_score = 0.9\n",
        "[roles.sales]\nthreshold = 0.8\n",
    )
    place.keep(NEW_TOKEN="new-token", NEW_BOT=SIGNING)
    applied = await place.reload(*changed)
    assert not applied.snapshot.config.problems

    theirs: Mapping[str, str] = {"LEDGER_TOKEN": TOKEN, "BOT": SIGNING}
    there = await take_over(store, mine.snapshot, theirs, applied.snapshot.seq)
    assert there.config.roles["sales"].threshold == 0.8, "who may see what is the same everywhere"
    assert there.config.sources["ledger"] is mine.snapshot.config.sources["ledger"]
    assert "second" not in there.config.sources
    assert there.config.sendable == []
    assert [one.min_score for one in there.plan.targets["sales"]] == [0.9], "others send it"
    for said in ("goes on as it was", "is not read", "NEW_TOKEN", "sends nothing"):
        assert said in json.dumps([record.__dict__ for record in caplog.records], default=str) + (
            caplog.text
        )
    here = await take_over(store, mine.snapshot, environment(), applied.snapshot.seq)
    assert set(here.config.sources) == {"ledger", "second"}
    assert here.config.sendable == ["bot"]


@pytest.mark.long
async def test_a_database_that_is_away_delays_the_swap_and_loses_none(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([StoreUnavailable("away"), StoreUnavailable("away"), RuntimeError("a bug")])

    async def away(*given: Any) -> Any:
        if (error := next(failures, None)) is not None:
            raise error
        return await take_over(*given)

    monkeypatch.setattr(hub.follow, "take_over", away)
    monkeypatch.setattr(hub.follow, "STORE_AWAY", 0.05)
    async with serving(place) as running_hub:
        await place.reload("[roles.first]\n")  # meets both and then the bug
        await until(lambda: next(failures, "none") == "none")
        await follows(running_hub, await place.reload("[roles.second]\n"))
        assert "second" in runtime_of(running_hub).config.roles


@pytest.mark.long
async def test_what_vanishes_between_claim_and_use_is_given_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book()
    async with serve(book.app) as url:
        place.write(source(url), ENDPOINT, 'kinds = ["sales.*"]\nmin_score = 0.0\n')
        async with serving(place) as running_hub:
            runtime = runtime_of(running_hub)
            await until(lambda: book.asked)
            full = runtime.snapshot
            emptied = await take_over(runtime.store, full, environment(), full.seq)
            bare = type(full.config)(full.config.hub, {}, full.config.roles, {})
            emptied = type(full)(bare, emptied.plan, full.seq)
            claimed: list[str] = []

            def swapping(claim: Any, what: str) -> Any:
                async def swap(*given: Any) -> Any:
                    rows = await claim(*given)
                    if rows and what not in claimed:
                        claimed.append(what)
                        runtime.snapshot = emptied
                    return rows

                return swap

            real = claim_due, claim_deliveries
            monkeypatch.setattr(hub.work, "claim_due", swapping(real[0], "poll"))
            await until(lambda: claimed == ["poll"])
            await until(lambda: _free(runtime))
            monkeypatch.setattr(hub.work, "claim_due", real[0])
            monkeypatch.setattr(hub.work, "claim_deliveries", swapping(real[1], "delivery"))
            runtime.snapshot = full
            await runtime.waker.wake(Work.POLL)
            book.write("Acme buys")
            await until(lambda: "delivery" in claimed)

            async def untouched() -> bool:
                async with runtime.store.read() as connection:
                    rows = await connection.exec_driver_sql(
                        "SELECT lease_until FROM deliveries WHERE state = 'pending'"
                    )
                    return [one[0] for one in rows] == [None]

            await until(untouched)
            runtime.snapshot = full
            await runtime.waker.wake(Work.POLL)
            asked = book.asked
            await until(lambda: book.asked > asked)
            async with runtime.store.read() as connection:
                [one] = await deliveries(connection)
            assert one.attempt >= 1


async def _free(runtime: Runtime) -> bool:
    return (await row(runtime.store)).lease is None


@pytest.mark.long
async def test_a_poll_under_way_of_a_source_that_goes_ends_in_peace(place: Place) -> None:
    book = Book(page=1)
    book.held = asyncio.Event()
    for number in range(3):
        book.write(f"Deal {number}")
    async with serve(book.app) as url:
        place.write(source(url))
        async with serving(place) as hub:
            store = runtime_of(hub).store
            await until(lambda: book.asked)
            await follows(hub, await place.reload("[hub]\n"))
            book.held.set()
            await until(lambda: _settled(store))
            gone = await row(store)
            assert (gone.state, gone.cursor) == (State.REMOVED, {"after": 3})
            book.write("Deal 3")
            await follows(hub, await place.reload(source(url)))
            await until(lambda: _signals(hub, 4))
            assert (await row(store)).cursor == {"after": 4}


async def _settled(store: Store) -> bool:
    return (await row(store)).lease is None


@pytest.mark.long
async def test_what_was_stored_by_the_old_roles_meanwhile_is_judged_anew(
    place: Place, store: Store
) -> None:
    old = await begin(store, place.file, environment(), "hub serve", accept)
    new = await place.reload('[roles.ops.interests.kinds]\n"ops.*" = 0.9\n')
    at = now()
    draft = Draft(
        kind="ops.alert.firing", external_id="1", revision="1", title="Alert",
        revised_at=at, occurred_at=at,
    )  # fmt: skip
    late = await ingest(store, Reading("hub"), Page([draft], {}), old.snapshot.plan)
    await rescore_after(store, new.snapshot.plan.router, new.snapshot.seq)
    assert late.seq is not None
    async with store.read() as connection:
        found = await relevance_of(connection, [late.signals[0].id])
        [told] = await log.after(connection, late.seq, 10)
    outcomes = {one.role: one.outcome for one in found[late.signals[0].id]}
    assert outcomes["ops"] is Outcome.HISTORY, "known to the new role, and sent to nobody"
    assert told.was is not None
    assert (told.signal_id, told.type) == (late.signals[0].id, ChangeType.UPDATED)
    assert "ops" not in told.was.scores, "followers were told what it was by the old roles"
    assert told.now.scores["ops"] > 0.5


@pytest.mark.long
async def test_reloads_and_pages_that_come_together_wait_for_nobody_in_a_ring(
    place: Place,
) -> None:
    books = [Book(page=2) for _ in range(3)]
    for book in books:
        for number in range(40):
            book.write(f"Deal {number}")
    async with serve(books[0].app) as one, serve(books[1].app) as two, serve(books[2].app) as three:
        urls = {"a": one, "b": two, "c": three}

        def tables(turn: int) -> list[str]:
            roles = f"[roles.sales]\nthreshold = 0.{turn + 1}\n"
            return [source(url, name, every=f"{turn + 1}s") for name, url in urls.items()] + [roles]

        place.write(*tables(0))
        async with serving(place) as hub:
            for turn in range(1, 7):
                applied = await place.reload(*tables(turn))
                assert applied.difference.sources.changed == ("a", "b", "c")
            await follows(hub, applied)
            query = "{ sources { name signals state lastError } }"

            async def all_read() -> bool:
                found = {it["name"]: it for it in (await hub.ask(query))["sources"]}
                assert all(it["lastError"] is None for it in found.values())
                return [found[name]["signals"] for name in urls] == [40, 40, 40]

            await until(all_read, within=30)


@pytest.mark.long
async def test_roles_are_judged_by_once_whoever_put_them_in_force_has_done_it(place: Place) -> None:
    async with serving(place) as hub:
        runtime = runtime_of(hub)
        before = runtime.config.judged
        assert before == {name: role.digest for name, role in runtime.config.roles.items()}
        await follows(hub, await place.reload("[roles.sales]\nthreshold = 0.9\n"))
        anew = runtime.config.roles["sales"].digest
        await until(lambda: runtime.config.judged["sales"] == anew)
        assert anew != before["sales"]
        assert runtime.config.judged["support"] == before["support"]
