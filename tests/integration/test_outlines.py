"""Who may know only that a signal is there reads nothing of what it says, by whatever door."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type
from graphql import is_composite_type as has_fields
from graphql import is_required_argument as is_required
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.config import Config, read_config
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef
from hub.graphql.schema import make_schema
from hub.ingest import Reading, announce, ingest
from hub.kinds import matches_kind
from hub.signals import Classification
from hub.signing import new_secret
from hub.snapshot import put_in_force
from hub.store.keys import add_key, new_key
from hub.store.signals import by_external_ids
from tests.conftest import new_database
from tests.engines import Postgres
from tests.integration.test_deliveries import Receiver
from tests.running import Running, hear, running, say, until
from tests.servers import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
WORD = "quincecanary"
CONFIG = """
[roles.support]
threshold = 0.0
[roles.support.sees]
classification = "internal"
[roles.support.outlines]
classification = "confidential"
kinds = ["sales.*"]
[roles.support.interests.keywords]
{word} = 0.5
[roles.sales.interests.keywords]
{word} = 0.5
[endpoints.bot]
role = "support"
url = "{url}/hook"
secret = "{secret}"
min_score = 0.0
select = "{select}"
"""
SCHEMA: GraphQLSchema = make_schema().documents.schema


def fields(type_: Any, depth: int) -> Iterator[str]:
    """Select all of a type that takes no argument, and what is below it."""
    if isinstance(type_, GraphQLUnionType):
        for place, one in enumerate(type_.types):
            # Aliases: of two members a field of one name may have two types.
            names = " ".join(f"u{place}_{name}: {name}" for name in one.fields)
            yield f"... on {one.name} {{ {names} }}"
        return
    for name, field in type_.fields.items():
        if any(is_required(one) for one in field.args.values()):
            continue
        named = get_named_type(field.type)
        if not has_fields(named):
            yield name
        elif depth and (below := " ".join(fields(named, depth - 1))):
            first = "(first: 2)" if "first" in field.args else ""
            yield f"{name}{first} {{ {below} }}"


def select_all(depth: int = 2) -> str:
    signal = SCHEMA.type_map["Signal"]
    assert isinstance(signal, GraphQLObjectType)
    chosen = [one for one in fields(signal, depth) if not one.startswith("source")]
    return " ".join([*chosen, "source { name }"])


def draft(number: int, **changes: Any) -> Draft:
    """Say a word of its own in all that an outline leaves out."""
    own = f"{WORD} w{number}w"
    at = T0 + timedelta(minutes=number)
    said: dict[str, Any] = {
        "kind": "sales.deal.won",
        "external_id": f"{own} id",
        "revision": f"{own} 1",
        "revised_at": at,
        "occurred_at": at,
        "title": f"{own} title",
        "summary": f"{own} summary",
        "body": f"{own} body",
        "url": f"https://desk.example/{WORD}/w{number}w",
        "sentiment": 0.123456789,
        "account": AccountRef(name="Acme"),
        "author": PersonRef(name=f"{own} author"),
        "owner": PersonRef(name=f"{own} owner"),
        "labels": (f"{own} label", "common"),
        "attributes": {"stage": f"{own} stage", "asked_of": ["support", "sales"], "x": own},
        "thread": f"{own} thread",
    }
    return Draft(**(said | changes))


async def put(hub: Running, *drafts: Draft) -> None:
    runtime = hub.app.state.runtime
    done = await ingest(
        runtime.store, Reading("hub"), Page(list(drafts), {}), runtime.snapshot.plan
    )
    assert done.signals
    await announce(done, runtime.bus, runtime.waker)


@asynccontextmanager
async def fresh(
    request: pytest.FixtureRequest, folders: pytest.TempPathFactory
) -> AsyncGenerator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{folders.mktemp('outlines')}/hub.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with new_database(server) as url:
        yield url


LISTS = "signals(first: 50%s) { totalCount edges { node { %s } } }"
WEIGHED = "relevance(role: $role) { score reasons { name evidence weight } }"
NAMES = "totalCount edges { node { name } }"
SORTS = "[KIND, DEPARTMENT, FAMILY, SOURCE, ACCOUNT, SEVERITY, STATUS, TIME]"
OF_WORDS = (
    f'text: "{WORD}"',
    'labels: ["common"]',
    'not: {not: {allLabels: ["common"]}}',
)


def questions(ids: list[str], account: str, author: str) -> Iterator[str]:
    """Ask for signals in every way there is."""
    every = select_all()
    for order in ("NEWEST", "OLDEST", "UPDATED", "SEVERITY"):
        yield LISTS % (f", orderBy: {order}", every)
    yield LISTS % (f', search: "{WORD}", orderBy: RELEVANCE', every)
    for part in (*OF_WORDS, *(f"not: {{{one}}}" for one in OF_WORDS)):
        yield LISTS % (f", filter: {{{part}}}", every)
        yield f"signalStats(filter: {{{part}}}, groupBy: {SORTS}) {{ count account {{ name }} }}"
    item = f"score reasons {{ name evidence }} node {{ {every} {WEIGHED} }}"
    yield f"feed(role: $role, minScore: 0, first: 50) {{ totalCount edges {{ {item} }} }}"
    yield f"changes(first: 50) {{ edges {{ node {{ revision title signal {{ {every} }} }} }} }}"
    for names in ("accounts", "people"):
        yield f"{names} {{ {NAMES} }}"
        yield f'{names}(search: "{WORD}") {{ {NAMES} }}'
    for id_ in ids:
        yield f'signal(id: "{id_}") {{ {every} {WEIGHED} }}'
        yield f'node(id: "{id_}") {{ ... on Signal {{ {every} }} }}'
        why = "role text relevance { score reasons { evidence } }"
        yield f'decisions(signal: "{id_}") {{ {why} }}'
        entity = f'{{__typename: "Signal", id: "{id_}"}}'
        yield f"_entities(representations: [{entity}]) {{ ... on Signal {{ {every} }} }}"
    yield f'account(id: "{account}") {{ name signals {{ edges {{ node {{ {every} }} }} }} }}'
    yield f'person(id: "{author}") {{ name signals {{ edges {{ node {{ {every} }} }} }} }}'
    yield f'nodes(ids: ["{account}", "{author}"]) {{ ... on Person {{ name }} }}'
    yield "sources { name signals quarantined }"
    yield 'source(name: "hub") { signals }'


# What is about the hub itself, and has no signals in it.
OF_THE_HUB = {"viewer", "keys", "audit", "roles", "role", "_service"}


async def all_told(hub: Running, role: str, *of: Any) -> dict[str, str]:
    """Give every answer as it is sent, by question."""
    told = {}
    for question in questions(*of):
        head = "query Q($role: String!)" if "$role" in question else ""
        body = {"query": f"{head}{{ {question} }}", "variables": {"role": role}}
        headers = {"Authorization": f"Bearer {hub.keys[role]}"}
        answer = await hub.client.post("/graphql", json=body, headers=headers)
        codes = {one["extensions"]["code"] for one in answer.json().get("errors", ())}
        assert codes <= {"NOT_FOUND"}, (question, answer.text)
        told[question] = answer.text
    return told


NO_LIMITS: dict[str, Any] = {"max_aliases": 10_000, "max_cost": 10_000_000, "max_tokens": 100_000}


@dataclass
class Stage:
    hub: Running
    receiver: Receiver


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    receiver = Receiver()
    async with fresh(request, tmp_path_factory) as url, serve(receiver.app) as there:
        given = {"word": WORD, "url": there, "secret": new_secret(), "select": select_all()}
        config = read_config(CONFIG.format(**given), {})
        async with running(url, config, **NO_LIMITS) as hub:
            yield Stage(hub, receiver)


def streams() -> Iterator[str]:
    def shown(of: str) -> str:
        signal = f"signal {{ {select_all()} }}"
        return f"__typename ... on {of}Created {{ {signal} }} ... on {of}Updated {{ {signal} }}"

    yield f"subscription {{ signals {{ {shown('Signal')} }} }}"
    yield f'subscription {{ signals(filter: {{labels: ["common"]}}) {{ {shown("Signal")} }} }}'
    why = "... on FeedCreated { score reasons { evidence } }"
    yield f'subscription {{ feed(role: "support", minScore: 0) {{ {why} {shown("Feed")} }} }}'


async def followed(socket: Any, until_: int) -> list[str]:
    return [json.dumps(await hear(socket)) for _ in range(until_)]


CLOSED = [
    draft(2, kind="people.departure", account=AccountRef(name="w2w")),
    draft(3, classification=Classification.RESTRICTED, account=AccountRef(name="w3w")),
]


async def test_an_outline_says_nothing_by_any_door(stage: Stage) -> None:
    hub, receiver = stage.hub, stage.receiver
    secret = draft(1, classification=Classification.CONFIDENTIAL)
    async with hub.socket("support") as socket:
        for number, stream in enumerate(streams()):
            await say(socket, type="subscribe", id=str(number), payload={"query": stream})
        await asyncio.sleep(0.2)
        await put(hub, *CLOSED, secret)
        heard = await followed(socket, 2)
        assert {json.loads(one)["id"] for one in heard} == {"0", "2"}, "labels are not told"
        assert all('"outline": true' in one for one in heard)
        sent = await until(lambda: receiver.got[0][1].decode() if receiver.got else "")
        assert json.loads(sent)["data"]["outline"] is True

        id_ = json.loads(sent)["subject"]
        store = hub.app.state.runtime.store
        async with store.read() as connection:
            kept = await by_external_ids(connection, "hub", [f"{WORD} w{n}w id" for n in (1, 2, 3)])
        assert len(kept) == 3
        hidden = [one.id for one in kept.values() if one.id != id_]
        of = kept[secret.external_id]
        assert of.account
        assert of.author
        things = ([id_, *hidden], of.account.id, of.author.id)
        told = await all_told(hub, "support", *things)
        for question, answer in told.items():
            assert WORD not in answer, question
            assert "w1w" not in answer, question
            assert "0.123" not in answer, question
        for one in hidden:  # whose id an answer has only if it was asked for by it
            assert not [text for text in (*heard, sent) if one in text]
            assert not [asked for asked, text in told.items() if one in text and one not in asked]
        assert not [one for one in (*heard, sent) if WORD in one or "w1w" in one or "0.123" in one]
        known = [question for question, answer in told.items() if id_ in answer]
        assert not [one for one in known if f"filter: {{{OF_WORDS[0]}" in one or "search" in one]
        assert sum(one.startswith("signals(") for one in known) == 4 + 3, "and where it is denied"
        reads = await all_told(hub, "sales", *things)
        assert sum(WORD in answer for answer in reads.values()) > 15, "it is asked for"

        # It is opened: now all of it is told, also what follows by its labels. And closed again.
        at = T0 + timedelta(hours=1)
        await put(
            hub,
            secret.model_copy(
                update={
                    "revision": "2",
                    "revised_at": at,
                    "classification": Classification.INTERNAL,
                }
            ),
        )
        heard = await followed(socket, 3)
        assert all(WORD in one for one in heard)
        assert WORD in (await all_told(hub, "support", *things))[next(iter(told))]
        at += timedelta(hours=1)
        await put(hub, secret.model_copy(update={"revision": "3", "revised_at": at}))
        heard = await followed(socket, 3)
        assert not [one for one in heard if WORD in one]
        assert sum("SignalWithdrawn" in one for one in heard) == 1
    for question, answer in (await all_told(hub, "support", *things)).items():
        assert WORD not in answer, question


async def test_every_query_and_subscription_is_asked() -> None:
    asked = {re.split(r"\W", one)[0] for one in questions(["1"], "2", "3")}
    assert SCHEMA.query_type
    assert SCHEMA.query_type.fields.keys() - OF_THE_HUB == asked
    followed_ones = {re.split(r"\W+", one)[1] for one in streams()}
    assert SCHEMA.subscription_type
    # How a source is says nothing of its signals.
    assert SCHEMA.subscription_type.fields.keys() - {"sources"} == followed_ones


@dataclass(frozen=True)
class Fact:
    number: int
    kind: str
    department: str
    classification: int


KINDS = ("sales.deal.won", "sales.lead.created", "people.departure", "people.hire")
LEVELS = ("public", "internal", "confidential", "restricted")
FACTS = [
    Fact(100 + number, KINDS[number % 4], ("sales", "legal")[number % 2], number // 4)
    for number in range(16)
]
PATTERNS = ("*", "sales.*", "people.*", "sales.deal.*", *KINDS)
tables = st.fixed_dictionaries(
    {"classification": st.sampled_from(LEVELS)},
    optional={
        "kinds": st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True),
        "except_kinds": st.lists(st.sampled_from(PATTERNS[1:]), max_size=1),
        "departments": st.sampled_from([["sales"], ["legal", "sales"], ["*"]]),
        "restricted": st.sampled_from([["hub"], ["*"], []]),
    },
)
audiences = st.dictionaries(
    st.sampled_from(PATTERNS), st.sampled_from([["sales"], ["support"], ["*"]]), max_size=2
)
Tables = Mapping[str, Any]


def lets_through(table: Tables, fact: Fact) -> bool:
    """Judge as docs/access.md says, and not as the hub does."""
    # All of them come from the hub itself; who may see what is restricted may see what is less so.
    level = min(LEVELS.index(table["classification"]), Classification.CONFIDENTIAL)
    if level < fact.classification and not table.get("restricted"):
        return False
    return (
        any(matches_kind(one, fact.kind) for one in table.get("kinds", ["*"]))
        and not any(matches_kind(one, fact.kind) for one in table.get("except_kinds", []))
        and bool({"*", fact.department} & {*table.get("departments", ["*"])})
    )


def configured(sees: Tables, outlines: Tables | None, closed: Tables) -> Config:
    def lines(name: str, table: Tables) -> str:
        return f"[{name}]\n" + "".join(
            f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in table.items()
        )

    parts = [lines("roles.sales", {"threshold": 0.0}), lines("roles.sales.sees", sees)]
    parts += [lines("roles.support", {}), lines("audiences.kinds", closed)]
    parts += [] if outlines is None else [lines("roles.sales.outlines", outlines)]
    return read_config("[hub]\ndefault_roles = false\n" + "".join(parts), {})


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def planted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Running]:
    async with fresh(request, tmp_path_factory) as url, running(url, **NO_LIMITS) as hub:
        levels = list(Classification)
        await put(
            hub,
            *(
                draft(
                    fact.number,
                    kind=fact.kind,
                    department=fact.department,
                    classification=levels[fact.classification],
                )
                for fact in FACTS
            ),
        )
        yield hub


def named(found: Any) -> set[int]:
    """Tell which signals' own words stand in an answer."""
    return {int(one) for one in re.findall(r"\bw(\d+)w\b", json.dumps(found))}


PROBES = f"""{{
  all: signals(first: 100) {{ totalCount edges {{ node {{ {select_all(1)} at: occurredAt }} }} }}
  said: signals(first: 100, filter: {{text: "{WORD}"}}) {{ totalCount edges {{ node {{ id }} }} }}
  best: signals(first: 100, search: "{WORD}", orderBy: RELEVANCE) {{ edges {{ node {{ id }} }} }}
  labelled: signals(first: 100, filter: {{labels: ["common"]}}) {{ edges {{ node {{ id }} }} }}
  others: signals(first: 100, filter: {{not: {{labels: ["common"]}}}}) {{
    edges {{ node {{ id }} }} }}
  signalStats(groupBy: [KIND]) {{ count }}
  counted: signalStats(groupBy: [KIND], filter: {{allLabels: ["common"]}}) {{ count }}
  changes(first: 100) {{ edges {{ node {{ signalId title revision }} }} }}
  people(first: 100) {{ edges {{ node {{ name }} }} }}
  feed(role: "sales", first: 100, minScore: 0) {{
    edges {{ reasons {{ evidence }} node {{ title }} }} }}
}}"""


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sees=tables, outlines=st.none() | tables, closed=audiences)
async def test_each_role_is_told_what_its_declaration_says(
    planted: Running, sees: Tables, outlines: Tables | None, closed: Tables
) -> None:
    runtime = planted.app.state.runtime
    config = configured(sees, outlines, closed)
    runtime.snapshot = (await put_in_force(runtime.store, config)).snapshot

    def is_open(fact: Fact) -> bool:
        taking = [one for one in closed if matches_kind(one, fact.kind)]
        return not taking or bool({"sales", "*"} & {*closed[max(taking, key=len)]})

    read = {one.number for one in FACTS if is_open(one) and lets_through(sees, one)}
    known = read | {
        one.number
        for one in FACTS
        if outlines is not None and is_open(one) and lets_through(outlines, one)
    }
    for _ in range(2):  # made, and given again
        told = await planted.ask(PROBES)
        for probe in ("all", "changes", "people"):
            assert named(told[probe]) == read, probe
        assert named(told) == read
        assert named(told["feed"]) <= read
        nodes = [edge["node"] for edge in told["all"]["edges"]]
        assert {_number(node["at"]) for node in nodes} == known
        assert {_number(node["at"]) for node in nodes if node["outline"]} == known - read
        assert told["all"]["totalCount"] == len(known)
        ids = {node["id"]: _number(node["at"]) for node in nodes}
        for probe in ("said", "best", "labelled"):
            assert {ids[edge["node"]["id"]] for edge in told[probe]["edges"]} == read, probe
        assert told["said"]["totalCount"] == len(read)
        assert {ids[edge["node"]["id"]] for edge in told["others"]["edges"]} == known - read
        assert sum(one["count"] for one in told["signalStats"]) == len(known)
        assert sum(one["count"] for one in told["counted"]) == len(read)
        assert {edge["node"]["signalId"] for edge in told["changes"]["edges"]} == ids.keys()


def _number(at: str) -> int:
    return int((datetime.fromisoformat(at) - T0) / timedelta(minutes=1))


async def test_what_could_not_be_read_is_as_secret_as_its_source(planted: Running) -> None:
    runtime = planted.app.state.runtime
    bad = Bad(f"{WORD} is no title", {"title": WORD}, WORD)
    await ingest(runtime.store, Reading("hub"), Page([], {}, [bad]), runtime.snapshot.plan)
    list_ = '{ source(name: "hub") { quarantine { id reason raw externalId outline } } }'
    [known] = (await planted.ask(list_, "admin"))["source"]["quarantine"]
    assert (known["reason"], known["raw"], known["externalId"]) == ("", "", None)
    assert known["outline"]
    node = "query Q($id: ID!) { node(id: $id) { ... on Quarantined { id raw outline } } }"
    assert (await planted.ask(node, "admin", id=known["id"]))["node"]["outline"]
    assert (await planted.ask(node, "sales", id=known["id"]))["node"] is None

    planted.keys["both"] = new_key()
    async with runtime.store.write() as connection:
        await add_key(
            connection,
            planted.keys["both"],
            name="both",
            roles=["sales"],
            scopes=["read", "admin"],
            at=T0,
        )
    named = configured({"classification": "public", "restricted": ["hub"]}, None, {})
    runtime.snapshot = (await put_in_force(runtime.store, named)).snapshot
    read = (await planted.ask(node, "both", id=known["id"]))["node"]
    assert not read["outline"]
    assert WORD in read["raw"]
    assert WORD in str(await planted.ask(list_, "both"))


async def test_a_viewer_is_told_what_they_may_see(planted: Running) -> None:
    sees: dict[str, Any] = {"classification": "public", "kinds": ["sales.*"], "sources": ["hub"]}
    outlines = {"classification": "confidential", "departments": ["legal"]}
    closed = {"people.*": ["support"], "people.hire": ["*"]}
    runtime = planted.app.state.runtime
    config = configured(sees, outlines, closed)
    runtime.snapshot = (await put_in_force(runtime.store, config)).snapshot
    parts = "classification kinds exceptKinds departments sources restricted"
    sight = f"{parts} closed {{ pattern besides }}"
    ask = f"{{ viewer {{ sees {{ role reads {{ {sight} }} outlines {{ {sight} }} }} }} }}"
    [own] = (await planted.ask(ask))["viewer"]["sees"]
    shut = [{"pattern": "people.*", "besides": ["people.hire"]}]
    base = {"exceptKinds": [], "restricted": [], "closed": shut}
    assert own["role"] == "sales"
    assert own["reads"] == base | {
        "classification": "PUBLIC",
        "kinds": ["sales.*"],
        "departments": None,
        "sources": ["hub"],
    }
    assert own["outlines"] == base | {
        "classification": "CONFIDENTIAL",
        "kinds": ["*"],
        "departments": ["LEGAL"],
        "sources": None,
    }
    [admin] = (await planted.ask(ask, "admin"))["viewer"]["sees"]
    assert (admin["role"], admin["reads"]["classification"]) == (None, "CONFIDENTIAL")
