"""hub.toml: what is wrong is said with file, line, key and remedy."""

from datetime import timedelta

import pytest

from hub.access import holds, sees
from hub.config import read_config
from hub.errors import ConfigError
from hub.signals import Classification, Facts

TOKEN = {"TOKEN": "t"}
GDELT = '[sources.world]\nconnector = "gdelt"\n'
RSS = '[sources.news]\nconnector = "rss"\nurl = "https://news.example/feed"\n'

WRONG: list[tuple[str, str, str]] = [
    # text, where and what, remedy
    ('[sources.crm]\nconnector = "hubspt"\n', "hub.toml:2: sources.crm.connector", "hubspot"),
    ("[sources.crm]\nx = 1\n", "hub.toml:1: sources.crm.connector", "Add connector"),
    (RSS + "evry = 3\n", "hub.toml:4: sources.news.evry: there is no such setting", "every"),
    (RSS.replace("url", "ulr"), "news.ulr: there is no such setting", "Did you mean url? There"),
    (RSS.replace("https://", ""), "hub.toml:3: sources.news.url: this is no address", "https://"),
    (RSS.replace("https://", "ftp://"), "news.url: this is no address", "https://"),
    (RSS.replace("https://", "https:///"), "news.url: this is no address", "https://"),
    (GDELT + 'queries = "Acme"\n', "sources.world.queries: this must be a list", 'queries = ["'),
    (RSS + "kind_by_category = 1\n", "kind_by_category: this must be a table", "[sources.news."),
    (RSS + 'every = "soon"\n', "hub.toml:4: sources.news.every: 'soon' is not", "Correct"),
    (RSS + "every = -1\n", "hub.toml:4: sources.news.every", "Correct"),
    (RSS + RSS, "hub.toml:4: sources.news is declared twice", "another name"),
    (RSS.replace("news", "hub"), "hub.toml:1: sources.hub: a source may not be", "a-z"),
    (RSS.replace("news]", '"Bad Name"]'), "a source may not be called 'Bad Name'", "a-z"),
    (RSS.replace('"https', '"${NO}https'), "hub.toml:3: sources.news.url", "Set NO in"),
    ("[sources]\nnews = 3\n", "hub.toml:2: sources.news: this must be a table", "[sources.news]"),
    ("[nonsense]\n", "hub.toml:1: nonsense: unknown table", "sources, roles, audiences, endpoints"),
    ("[roles.sales]\nthreshold = 7\n", "hub.toml:2: roles.sales.threshold", "Correct"),
    ("[roles.sales.interests]\nx = 1\n", "hub.toml:2: roles.sales.interests.x", "Correct its name"),
    ('[roles.x.sees]\nrestricted = ["mail"]\n', "no source named 'mail'", "There are"),
    ('[roles.x.outlines]\nsources = ["mail"]\n', "roles.x.outlines.sources: no source", "There"),
    ('[roles.x.sees]\nclassification = "secret"\n', "'secret' is not one of", "Correct"),
    (
        '[audiences.kinds]\n"mail.*" = ["boss"]\n',
        "hub.toml:2: audiences.kinds.mail.*: no role",
        "sales",
    ),
    ("[audiences.families]\ngeneric = []\n", "audiences.families: generic is whatever", "Correct"),
    ("[audiences]\nroles = []\n", "hub.toml:2: audiences.roles", "There are: kinds, families"),
    ("[roles.x]\naudiences = {}\n", "hub.toml:2: roles.x.audiences", "under [audiences]"),
    ('[roles.Sales]\ndescription = "x"\n', "roles.Sales.name", "Correct"),
    (
        '[endpoints.bot]\nrole = "sale"\nurl = "https://x.example"\nsecret = "whsec_eA=="\n',
        "hub.toml:2: endpoints.bot.role: no role named 'sale'",
        "There are: sales",
    ),
    (
        '[endpoints.bot]\nrole = "sales"\nurl = "https://x.example"\n',
        "hub.toml:1: endpoints.bot.secret: this setting is missing",
        'Add secret = "${SECRET}"',
    ),
    ('[roles.sales]\nname = "support"\n', "hub.toml:2: roles.sales.name: a name stands", "Remove"),
    ('[roles.x.sees]\nexcept_kinds = ["people*"]\n', "hub.toml:2: roles.x.sees.except_kinds", ""),
    ('[roles.x.sees]\ndepartments = ["Sales"]\n', "hub.toml:2: roles.x.sees.departments", ""),
    ('[roles.x.interests.kinds]\n"Sales.*" = 1\n', "roles.x.interests.kinds", ""),
    (RSS + 'every = "99999999999999999d"\n', "longer than time is kept", ""),
    ("a = " + "[" * 3000, "hub.toml: this is nested too deep", ""),
    (
        '[endpoints.bot]\nrole = "sales"\nurl = "https://x.example"\nsecret = "not base64 !"\n',
        "hub.toml:4: endpoints.bot.secret: a webhook secret is whsec_ and base64",
        "",
    ),
    ("a = [\n", "this is not TOML", "Correct"),
    ("a = 1\na = 2\n", "hub.toml:2", ""),
]


@pytest.mark.parametrize(("text", "what", "remedy"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said(text: str, what: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config(text, TOKEN)
    assert what in raised.value.message
    assert remedy in raised.value.suggestion


def test_secrets_come_from_the_environment_and_stay_out_of_sight() -> None:
    text = """
    [endpoints.bot]
    role = "sales"
    url = "https://bot.example/hook"
    secret = "${TOKEN}"
    """
    config = read_config(text, {"TOKEN": "whsec_aGlkZGVu"})
    secret = config.endpoints["bot"].secret
    assert secret is not None
    assert secret.get_secret_value() == "whsec_aGlkZGVu"
    assert "aGlkZGVu" not in repr(config)


def test_the_default_roles_are_changed_number_by_number() -> None:
    config = read_config(
        """
        [roles.sales]
        threshold = 0.7
        [roles.sales.interests.kinds]
        "sales.*" = 0.9
        [roles.ops]
        description = "Our own"
        """,
        {},
    )
    before = read_config("", {}).roles["sales"]
    sales = config.roles["sales"]
    assert sales.threshold == 0.7
    assert sales.interests.kinds["sales.*"] == 0.9
    assert sales.interests.kinds["goal.sales"] == before.interests.kinds["goal.sales"]
    assert sales.sees == before.sees
    assert list(config.roles)[-1] == "ops"


def test_default_roles_can_be_left_out() -> None:
    assert read_config("[hub]\ndefault_roles = false\n", {}).roles == {}
    alone = read_config('[hub]\ndefault_roles = false\n[roles.hr]\ndescription = "x"\n', {})
    assert not alone.roles["hr"].rule.closed, "the audiences that come along go with them"


AUDIENCES = """
[roles.hr]
description = "People"
[audiences.kinds]
"people.*" = ["hr"]
"people.hire" = ["*"]
[audiences.families]
goal = ["hr"]
"""


@pytest.mark.parametrize(
    ("role", "kind", "sees_it"),
    [
        ("hr", "people.promotion", True),
        ("hr", "people.departure", False),  # as the narrower one that comes along says
        ("executive", "people.departure", True),
        ("executive", "people.promotion", False),
        ("sales", "people.hire", True),
        ("sales", "people.departure", False),
        ("sales", "goal.sales", False),
        ("hr", "goal.sales", True),
        ("sales", "goal.of_our_own", True),  # the family is of the catalogue
    ],
)
def test_the_longest_pattern_says_who_may_see_a_kind(role: str, kind: str, sees_it: bool) -> None:
    facts = Facts(kind, "people", Classification.INTERNAL, "hub", 0, "open", "")
    assert holds(sees(read_config(AUDIENCES, {}).roles[role].rule), facts) is sees_it


def test_a_role_of_ones_own_is_outside_the_audiences_that_come_along() -> None:
    own = read_config('[roles.all]\nsees.classification = "restricted"\n', {}).roles["all"]
    left = Facts("people.departure", "people", Classification.PUBLIC, "hub", 0, "open", "")
    assert not holds(sees(own.rule), left)


def test_what_the_hub_itself_needs_to_know_of_a_source() -> None:
    config = read_config(
        RSS + 'every = "90s"\nclassification = "public"\nnotify_after = 2026-11-01T00:00:00Z\n', {}
    )
    news = config.sources["news"]
    assert news.every == timedelta(seconds=90)
    assert news.classification is Classification.PUBLIC
    assert news.notify_after is not None
