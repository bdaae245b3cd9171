"""The commands before a hub runs: init, check, connectors, migrate, keys."""

import asyncio
import re
import stat
import time
from datetime import timedelta
from pathlib import Path

import pytest

from hub import registry
from hub.cli.example import hub_toml, source_example
from hub.cli.form import COMMON, about, form
from hub.config import SOURCE_KEYS, read_config
from hub.signals import Viewer, now
from hub.store import open_store
from hub.store.keys import viewer_of_key
from tests.cli import Folder, Here

SECRET = "k" * 40
CONNECTORS = registry.names()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def test_help_is_quick_and_names_every_command(folder: Folder) -> None:
    began = time.perf_counter()
    done = await folder.hub("--help")
    took = time.perf_counter() - began
    assert done.code == 0
    named = set(re.findall(r"^  ([a-z]+)  +[A-Z]", done.out, re.MULTILINE))
    assert named == {
        "init", "check", "migrate", "keys", "demo", "serve", "sync", "sources", "tail", "trace",
        "audit", "connectors", "schema", "retain", "forget", "backup", "restore", "reload",
        "worker", "documents", "sessions",
    }  # fmt: skip
    # 0.15 s alone on two cores; what a command needs would add 0.7 s.
    assert took < 1.5
    assert (await folder.hub("--version")).out.startswith("hub 0.")


@pytest.mark.parametrize(
    "words", [["nope"], ["sync"], ["serve", "--port", "high"], ["keys", "create"], ["trace"]]
)
def test_bad_usage_is_exit_code_2(here: Here, words: list[str]) -> None:
    done = here(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err


@pytest.mark.processes
async def test_init_writes_what_check_passes_and_never_writes_over(folder: Folder) -> None:
    first = await folder.hub("init")
    assert first.code == 0
    for command in ("hub migrate", "hub keys create", "hub serve"):
        assert command in first.out
    env, toml = folder.path / ".env", folder.path / "hub.toml"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    [key] = re.findall(r"^HUB_SECRET_KEY=(\S{40,})$", env.read_text(), re.MULTILINE)
    assert key not in first.out + first.err
    checked = await folder.hub("check")
    assert (checked.code, "would not start" in checked.out) == (0, False)

    before = env.read_text(), toml.read_text()
    again = await folder.hub("init")
    assert again.code == 0
    assert "left hub.toml alone" in again.out
    assert "left .env alone" in again.out
    assert (env.read_text(), toml.read_text()) == before


def test_init_leaves_an_env_without_a_key_alone_and_says_how_to_add_one(
    folder: Folder,
    here: Here,
) -> None:
    (folder.path / ".env").write_text("OTHER=1\n")
    done = here("init")
    assert (folder.path / ".env").read_text() == "OTHER=1\n"
    assert "HUB_SECRET_KEY=" in done.out
    assert "hub.toml" in done.out


def test_init_where_nothing_may_be_written(here: Here) -> None:
    here("init", HUB_CONFIG="missing/hub.toml").said(2, "missing/hub.toml")


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_example_in_hub_toml_passes_once_its_hashes_are_gone(name: str) -> None:
    connector = registry.find(name)
    text = hub_toml({name: connector})
    commented = "\n".join(f"#{line}" for line in source_example(name, connector))
    assert commented in text
    ready = re.sub(r"^#(?! |$)", "", text, flags=re.MULTILINE)
    secrets = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", ready), "whsec_aGVsbG8=")
    config = read_config(ready, secrets)
    assert [one.kind for one in config.sources.values()] == [name]
    assert config.endpoints
    assert config.roles["sales"].threshold == 0.55
    assert max(map(len, text.splitlines())) <= 100


def test_what_every_source_takes_is_what_the_configuration_reads() -> None:
    assert {one.name for one in COMMON} == SOURCE_KEYS


def test_connectors_list_and_show(here: Here) -> None:
    found = here("connectors", "list", "--json").json
    assert [one["name"] for one in found] == CONNECTORS
    for one in found:
        assert set(one) >= {"name", "class", "kinds", "about"}
        assert one["kinds"] == sorted(registry.find(one["name"]).kinds)
    listed = here("connectors", "list")
    for name in CONNECTORS:
        assert re.search(rf"^{name} .*{registry.find(name).__name__}", listed.out, re.MULTILINE)

    shown = here("connectors", "show", "zendesk")
    assert about(registry.find("zendesk")) in shown.out
    assert re.search(r"^token +secret +required +An API token", shown.out, re.MULTILINE)
    assert 'token = "${ZENDESK_TOKEN}"' in shown.out
    settings = here("connectors", "show", "zendesk", "--json").json["settings"]
    by_name = {one["name"]: one for one in settings}
    assert by_name["token"] == {
        "name": "token",
        "type": "secret",
        "required": True,
        "secret": True,
        "default": None,
        "description": "An API token of `email`, or, without `email`, an OAuth access token.",
        "example": None,
    }
    assert (by_name["per_minute"]["type"], by_name["per_minute"]["default"]) == ("whole number", 10)
    here("connectors", "show", "zendsk").said(2, "zendsk", "zendesk")
    inner = {
        one["name"]: one for one in here("connectors", "show", "rest", "--json").json["within"]
    }
    assert (inner["auth.bearer"]["type"], inner["auth.bearer"]["secret"]) == ("secret", True)
    assert inner["streams.*.cursor"]["required"]
    tables = here("connectors", "show", "webhook").out
    assert re.search(r"^fields\.revised_at +time ", tables, re.MULTILINE)
    assert "[sources.webhook.fields]\nid = " in tables


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_form_of_every_connector_tells_secrets_apart(name: str) -> None:
    for setting in form(registry.find(name)):
        assert setting.secret == ("SecretStr" in repr(field_of(name, setting.name)))
        assert "anything" not in setting.type, "a type that the form has no word for"


def field_of(name: str, setting: str) -> object:
    return registry.find(name).model_fields[setting].annotation


ZENDESK = '[sources.a]\nconnector = "zendesk"\nurl = "https://a.example"\n'
ENDPOINT = '[endpoints.e]\nrole = "sales"\nurl = "https://e.example"\nsecret = "${DESK}"\n'


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[sources.a]\nconnector = "zendsk"\n', ["hub.toml:2: sources.a.connector", "zendesk?"]),
        (ZENDESK, ["hub.toml:1: sources.a.token: this setting is missing", "token = "]),
        (f'{ZENDESK}token = "${{UNSET}}"', ["hub.toml:4: sources.a.token: the secret ${UNSET}"]),
        (f'{ZENDESK}token = "${{T}}"\nper_minute = "x"', ["hub.toml:5: sources.a.per_minute"]),
        (f'{ZENDESK}token = "${{T}}"\ncolour = 1',
         ["hub.toml:5: sources.a.colour: there is no such"]),
        (f"{ZENDESK}token = 't'\n{ZENDESK}", ["hub.toml:5: sources.a is declared twice"]),
        ("[sources.a\nx = 1", ["hub.toml:1: this is not TOML"]),
        ('[endpoints.e]\nrole = "nobody"\nurl = "https://e.example"\nsecret = "${DESK}"',
         ["hub.toml:2: endpoints.e.role: no role named 'nobody'", "sales, support"]),
        (ENDPOINT + 'select = "id titel"',
         ["hub.toml:5: endpoints.e.select: Cannot query field 'titel'", "schema.graphql"]),
        (ENDPOINT + 'select = "id {"', ["hub.toml:5: endpoints.e.select: Syntax Error"]),
        ("[roles.sales]\nthreshold = 3", ["hub.toml:2: roles.sales.threshold"]),
        ("[hubs]", ["hub.toml:1: hubs: unknown table"]),
    ],
)  # fmt: skip
def test_check_says_file_line_key_and_remedy(
    folder: Folder, here: Here, toml: str, said: list[str]
) -> None:
    folder.write(toml)
    here("check", T="t", DESK="whsec_aGVsbG8=").said(2, *said)


def test_check_without_a_readable_file(folder: Folder, here: Here) -> None:
    here("check").said(2, "hub.toml does not exist", "hub init")
    answer = here("check", "--json")
    assert answer.json == {
        "ok": False,
        "error": "hub.toml does not exist",
        "fix": "Make one with: hub init",
    }
    answer.said(2)
    (folder.path / "hub.toml").write_bytes(b"\xff\xfe")
    here("check").said(2, "hub.toml cannot be read")
    here("check", HUB_PORT="high").said(2, "HUB_PORT", ".env")


def test_check_shows_what_it_found_and_no_secret(folder: Folder, here: Here) -> None:
    folder.write(
        ZENDESK
        + 'token = "${TICKETS}"\n'
        + '[roles.support.sees]\nrestricted = ["a"]\n'
        + '[endpoints.desk]\nrole = "support"\nurl = "https://desk.example/hooks/in-the-path"\n'
        + 'secret = "${DESK}"\nselect = "id title"\nheaders = {X-Key = "${HEADER}"}\n'
    )
    secrets = {"TICKETS": "the-token", "DESK": "whsec_c2VjcmV0", "HEADER": "in-a-header"}
    shown = here("check", **secrets)
    assert shown.code == 0
    assert re.search(r"^a +zendesk", shown.out, re.MULTILINE)
    assert re.search(r"^desk +support +desk\.example ", shown.out, re.MULTILINE)
    assert "would not start: HUB_SECRET_KEY" in shown.out
    found = here("check", "--json", **secrets)
    assert found.json["ok"] is True
    assert found.json["sources"] == [{"name": "a", "connector": "zendesk", "every_seconds": 60.0}]
    assert [one["name"] for one in found.json["roles"]][:2] == ["sales", "support"]
    assert found.json["endpoints"][0]["host"] == "desk.example"
    assert here("check", "--json", HUB_SECRET_KEY=SECRET, **secrets).json["warnings"] == []
    for secret in (*secrets.values(), "in-the-path", SECRET):
        for done in (shown, found):
            assert secret not in done.out + done.err


@pytest.fixture
def with_database(folder: Folder, empty_database_url: str) -> str:
    folder.environment["HUB_DATABASE"] = empty_database_url
    folder.write("")
    return empty_database_url


def test_migrate_runs_once_and_refuses_what_is_newer(here: Here, with_database: str) -> None:
    here("sources").said(2, "the database is empty", "hub migrate")
    assert here("migrate", "--json").json["ran"]
    again = here("migrate")
    assert (again.code, again.out) == (0, "Nothing to do: the database is up to date\n")

    async def a_newer_version() -> None:
        async with open_store(with_database) as store, store.write() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    asyncio.run(a_newer_version())
    for command in ("migrate", "sources"):
        here(command).said(2, "a newer version (9999)")


def test_a_database_that_cannot_be_used_is_said_in_two_lines(folder: Folder, here: Here) -> None:
    (folder.path / "hub.db").write_bytes(b"this is no database" * 100)
    here("migrate").said(1, "file is not a database", "HUB_DATABASE")
    here("migrate", HUB_DATABASE="sqlite:///.").said(2, "is a folder")
    here("migrate", HUB_DATABASE="mysql://x").said(2, "HUB_DATABASE names no")
    nobody = "postgresql://me:the-password@127.0.0.1:1/hub"
    refused = here("migrate", HUB_DATABASE=nobody)
    refused.said(1, "the database cannot be used")
    assert "the-password" not in refused.err


def viewer(database: str, key: str, days: int = 0) -> Viewer | None:
    """Say who comes with a key, so many days from now."""

    async def look() -> Viewer | None:
        async with open_store(database) as store, store.read() as connection:
            return await viewer_of_key(connection, key, now() + timedelta(days=days))

    return asyncio.run(look())


def test_keys_are_shown_once_and_end(here: Here, with_database: str) -> None:
    here("migrate")
    assert "No keys yet" in here("keys", "list").out
    made = here(
        "keys", "create", "--name", "dash", "--role", "sales", "--role", "support",
        "--person", "ann@acme.example", "--expires", "90d",
    )  # fmt: skip
    assert made.code == 0
    key = made.out.strip()
    assert re.fullmatch(r"hub_[\w-]{43}", key), "standard output is the key alone"
    assert "shown only now" in made.err
    assert key not in made.err
    admin = here("keys", "create", "--name", "a", "--admin", "--json").json
    assert (admin["roles"], admin["scopes"]) == ([], ["admin"])

    ann, boss = viewer(with_database, key), viewer(with_database, admin["key"], days=9999)
    assert ann is not None
    assert ann.roles == {"sales", "support"}
    assert (ann.person, ann.is_admin) == ("ann@acme.example", False)
    assert viewer(with_database, key, days=91) is None
    assert boss is not None
    assert boss.is_admin

    listed = here("keys", "list", "--json")
    assert [(one["name"], one["state"]) for one in listed.json] == [("dash", "ok"), ("a", "ok")]
    assert key not in listed.out
    shown = here("keys", "list").out
    assert f"{key[:10]}…" in shown
    assert key not in shown

    revoked = here("keys", "revoke", key)
    assert (revoked.code, key in revoked.out) == (0, False)
    assert viewer(with_database, key) is None
    here("keys", "revoke", key[:10]).said(1, "no such key in force")
    assert here("keys", "revoke", admin["id"]).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--role", "boss"], ["no role named 'boss'", "sales, support, product"]),
        ([], ["a key without a role", "--admin"]),
        (["--role", "sales", "--expires", "soon"], ["'soon' is not a duration", "90d"]),
        (["--role", "sales", "--expires", "0d"], ["not after now"]),
        (["--role", "sales", "--expires", "99999999999999d"], ["is not a duration"]),
        (["--role", "sales", "--expires", "9999999d"], ["is not a duration"]),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    folder: Folder, here: Here, words: list[str], said: list[str]
) -> None:
    folder.write("")
    here("keys", "create", "--name", "x", *words).said(2, *said)
    assert not (folder.path / "hub.db").exists()


@pytest.mark.processes
async def test_schema_is_nothing_but_the_schema(folder: Folder) -> None:
    done = await folder.hub("schema", HUB_PORT="not even read")
    assert done.code == 0
    assert done.out.startswith(('"""', "type ", "directive", "schema"))
    assert "type Signal" in done.out
    assert done.err == ""
