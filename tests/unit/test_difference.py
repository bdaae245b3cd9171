"""What a configuration changes of the one before."""

from hub.difference import difference

BEFORE = {
    "hub": {"company": "Acme"},
    "sources": {"crm": {"connector": "hubspot"}, "old": {}, "same": {"every": "1m"}},
    "roles": {"sales": {"threshold": 0.6}},
    "endpoints": {"bot": {"role": "sales"}},
}
AFTER = {
    "hub": {"company": "Acme", "default_roles": False},
    "sources": {"same": {"every": "1m"}, "crm": {"connector": "zendesk"}, "new": {}},
    "roles": {"sales": {"threshold": 0.6}},
    "endpoints": {"bot": {"role": "sales"}},
    "retention": {"signals": "30d"},
}


def test_it_names_what_came_changed_and_went() -> None:
    found = difference(BEFORE, AFTER)
    assert list(found.lines()) == [
        "sources: added new; changed crm; removed old",
        "roles: changed sales; removed support, product, community, executive, everyone",
        "hub: changed",
        "retention: changed",
    ]
    assert found


def test_what_is_written_the_same_is_no_difference() -> None:
    assert not difference(BEFORE, BEFORE)
    assert list(difference({}, {}).lines()) == []


def test_a_secret_that_changed_is_a_change_though_the_tables_are_the_same() -> None:
    found = difference(BEFORE, BEFORE, sources={"crm", "gone"}, endpoints={"bot"})
    assert list(found.lines()) == ["sources: changed crm", "endpoints: changed bot"]


def test_a_table_over_a_default_role_changes_it() -> None:
    found = difference({}, {"roles": {"sales": {"threshold": 0.9}, "ops": {}}})
    assert list(found.lines()) == ["roles: added ops; changed sales"]
