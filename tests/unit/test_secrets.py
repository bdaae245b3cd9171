"""A secret that is written out in hub.toml is refused, and its value repeated nowhere."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from hub import registry
from hub.connector import Api, Connector, Cursor, Http, Page, SecretStr
from hub.errors import ConfigError
from hub.secrets import refuse_secrets
from hub.toml import read_tables

SECRET = "hunter2hunter2"
DESK = '[sources.help-desk]\nconnector = "zendesk"\nurl = "https://a.example"\n'
BOT = '[endpoints.bot]\nrole = "sales"\nurl = "https://b.example"\nsecret = "${BOT}"\n'
LIST = '[sources.list]\nconnector = "rest"\nurl = "https://a.example"\n'
NEWS = '[sources.news]\nconnector = "rss"\n'

WRITTEN_OUT = [
    (f'{DESK}token = "{SECRET}"', "hub.toml:4: sources.help-desk.token: a secret"),
    (f'[endpoints.bot]\nsecret = "{SECRET}"', "hub.toml:2: endpoints.bot.secret: a secret"),
    (f'{BOT}headers = {{Authorization = "Bearer {SECRET}"}}', "headers.Authorization: a secret"),
    (f'{BOT}[endpoints.bot.headers]\nX-Api-Key = "{SECRET}"', "headers.X-Api-Key: a secret"),
    (f'{NEWS}url = "https://me:{SECRET}@a.example/feed"', "the password of an address"),
    (f'{NEWS}url = "https://:{SECRET}@a.example/feed"', "the password of an address"),
    (f'{NEWS}url = "https://a.example/feed?page=1&token={SECRET}"', "the token of an address"),
    (f'{NEWS}url = "https://a.example/feed?key={SECRET}"', "the key of an address"),
    (f'{NEWS}api_key = "{SECRET}"', "news.api_key: a secret"),
    (f'{LIST}auth = {{bearer = "{SECRET}"}}', "sources.list.auth.bearer: a secret"),
    (f'{LIST}[sources.list.auth]\nclient_secret = "{SECRET}"', "list.auth.client_secret: a sec"),
    (f'{LIST}[sources.list.headers]\nX-Token = "{SECRET}"', "list.headers.X-Token: a secret"),
    (f'{LIST}streams.a.params.api_key = "{SECRET}"', "list.streams.a.params.api_key: a secret"),
    (f'[sources.deep]\nconnector = "deep"\nways = [{{pass = "{SECRET}"}}]', "deep.ways.pass"),
    (f'[sources.deep]\nconnector = "deep"\nkeys = {{a = "${{A}}", b = "{SECRET}"}}', "deep.keys.b"),
    (f'[sources.deep]\nconnector = "deep"\nmore = ["${{A}}", "{SECRET}"]', "deep.more"),
]
FINE = [
    f'{DESK}token = "${{DESK_TOKEN}}"\nemail = "me@a.example"',
    f'{DESK}token = ""',
    f'{BOT}headers = {{Authorization = "Bearer ${{BOT}}", Accept = "text/html"}}',
    f'{NEWS}url = "https://me:${{WORD}}@a.example/feed?token=${{TOKEN}}&sort_key=date"',
    f'{NEWS}url = "https://me@a.example/feed"\nkind_by_category = {{token = "team.post"}}',
    '[sources.deep]\nconnector = "deep"\nways = [{pass = "${A}", user = "me"}]',
    f'{LIST}auth = {{bearer = "${{A}}"}}\nstreams.a.params = {{key = "${{B}}", sort_key = "a"}}',
    "sources = 3\nendpoints = [1]",
    "[sources]\nnews = 3",
    '[sources.x]\nconnector = "nobody knows it"\ntoken = "anything"',
]


class Way(BaseModel):
    user: str = ""
    pass_: SecretStr


Way.model_fields["pass_"].alias = "pass"


class Deep(Connector):
    """Holds secrets where none would look for them."""

    ways: list[Way] | None = None
    keys: dict[str, SecretStr] | None = None
    more: tuple[SecretStr, ...] = ()
    kinds: ClassVar[frozenset[str]] = frozenset({"team.post"})

    def endpoint(self) -> Http:
        return Http("https://a.example")

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        del api
        yield Page([], cursor)


@pytest.fixture(autouse=True)
def deep(monkeypatch: pytest.MonkeyPatch) -> None:
    find = registry.find

    def with_deep(name: str) -> Any:
        return Deep if name == "deep" else find(name)

    monkeypatch.setattr(registry, "find", with_deep)


@pytest.mark.parametrize(("text", "said"), WRITTEN_OUT, ids=range(len(WRITTEN_OUT)))
def test_a_secret_written_out_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_secrets(read_tables(text, "hub.toml"))
    assert said in refused.value.message
    assert refused.value.suggestion.startswith("Write ${")
    assert ".env" in refused.value.suggestion
    assert SECRET not in str(refused.value)


def test_the_remedy_names_a_variable_that_can_be_one() -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_secrets(read_tables(f'{DESK}token = "{SECRET}"', "hub.toml"))
    assert refused.value.suggestion == (
        "Write ${HELP_DESK_TOKEN} in its place and put the value into .env as HELP_DESK_TOKEN"
    )


@pytest.mark.parametrize("text", FINE, ids=range(len(FINE)))
def test_what_is_no_secret_is_not_refused(text: str) -> None:
    refuse_secrets(read_tables(text, "hub.toml"))
