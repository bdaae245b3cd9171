"""A record becomes a draft by what hub.toml says alone, and a bad one says why it does not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from hub.connector import (
    AccountRef,
    BadRecord,
    Classification,
    Department,
    Draft,
    Fields,
    PersonRef,
    Severity,
    Status,
)

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
LEAST: dict[str, Any] = {"id": "$.id", "kind": "support.ticket.opened", "title": "$.title"}
RECORD: dict[str, Any] = {
    "id": 7,
    "title": "No export",
    "state": "Open",
    "priority": "P1",
    "text": "<p>It is <b>empty</b>.</p>",
    "created": "2026-05-04T11:00:00+02:00",
    "edited": 1777888800.25,
    "tags": [{"name": "csv"}, {"name": "export"}, {"name": "csv"}],
    "host": {"name": "web-1", "up": False},
    "customer": {"name": "Acme", "site": "https://www.Acme.example:443/about"},
    "by": {"name": "", "mail": "robin@acme.example"},
    "level": 2.0,
    "none": None,
    "odata.type": "x",
}


def draft(record: Any = RECORD, /, **fields: Any) -> Draft:
    read = Fields.model_validate(LEAST | fields).draft(record, NOW)
    assert read is not None
    return read


def refused(**fields: Any) -> str:
    """Tell where hub.toml is wrong, and how."""
    with pytest.raises(ValidationError) as wrong:
        Fields.model_validate(LEAST | fields)
    [error] = wrong.value.errors(include_url=False)
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def set_aside(record: Any, **fields: Any) -> str:
    with pytest.raises(BadRecord) as bad:
        Fields.model_validate(LEAST | fields).draft(record, NOW)
    return str(bad.value)


def test_everything_that_a_signal_has_can_be_found() -> None:
    read = draft(
        id="issue/{id}",
        kind={"path": "$.state", "map": {"open": "support.ticket.opened"}},
        title="{title} at {host.name}",
        summary="constant",
        body={"path": "$.text", "html": True},
        url="https://tracker.example/{id}?{['odata.type']}",
        revised_at={"path": "$.edited", "format": "seconds"},
        occurred_at="$.created",
        severity={"path": "$.priority", "map": {"p1": "critical"}},
        status={"path": "$.host.up", "map": {"false": "open", "true": "resolved"}},
        classification="confidential",
        department="engineering",
        sentiment={"path": "$.priority", "map": {"P1": -0.5}},
        account={"name": "$.customer.name", "domain": "$.customer.site"},
        author={"name": "$.by.name", "email": "$.by.mail"},
        owner="$.none",
        labels=["$.tags[*].name", "$.host.name"],
        attributes={"host": "$.host", "edited": "$.edited", "gone": "$.nothing", "site": "eu"},
        thread="host/{host.name}",
    )
    assert read.revision
    assert read == Draft(
        kind="support.ticket.opened",
        external_id="issue/7",
        revision=read.revision,
        revised_at=datetime(2026, 5, 4, 10, 0, 0, 250_000, tzinfo=UTC),
        occurred_at=NOW,
        title="No export at web-1",
        summary="constant",
        body="It is empty.",
        url="https://tracker.example/7?x",
        severity=Severity.CRITICAL,
        status=Status.OPEN,
        classification=Classification.CONFIDENTIAL,
        department=Department.ENGINEERING,
        sentiment=-0.5,
        account=AccountRef(name="Acme", domain="acme.example"),
        author=PersonRef(name="robin@acme.example", email="robin@acme.example"),
        labels=("csv", "export", "web-1"),
        attributes={"host": {"name": "web-1", "up": False}, "edited": 1777888800.25, "site": "eu"},
        thread="host/web-1",
    )


def test_little_is_enough() -> None:
    read = draft({"id": 7, "title": "x"})
    assert (read.external_id, read.occurred_at, read.revised_at) == ("7", NOW, NOW)
    assert (read.status, read.severity, read.labels) == (Status.INFORMATION, None, ())


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("$.title", "No export"),
        ("$['title']", "No export"),
        ("$.tags[-1].name", "csv"),
        ("$.tags[1:].name", "export, csv"),
        ("$..name", "csv, export, csv, web-1, Acme"),  # what says nothing joins nothing
        ("$.tags[?@.name == 'export'].name", "export"),
        ("{tags[0].name}: {{{$.title}}}", "csv: {No export}"),
        (["$.none", "{none} of it", "$.nothing", "$.state", "never"], "Open"),
        ({"first": ["$.none"], "default": "Nothing"}, "Nothing"),
        ({"path": "$.nothing", "default": "Nothing"}, "Nothing"),
        ({"value": "$5 {off}"}, "$5 {off}"),
        ([{"path": "$.state", "map": {"shut": "Shut"}}, "$.priority"], "P1"),
        ({"path": "$.tags[*].name", "map": {"EXPORT": "Exports"}}, "Exports"),
        ("$.host.up", "false"),
        ("$.id", "7"),
        ("$.level", "2"),  # some write every number as 2.0
    ],
)
def test_a_value_is_found_by_path_template_constant_or_the_first_of_a_list(
    title: Any, found: str
) -> None:
    assert draft(title=title).title == found


@pytest.mark.parametrize(
    ("written", "how"),
    [
        ("2026-05-04T09:00:00Z", {}),
        ("2026-05-04T11:00:00.000+0200", {}),
        ("2026-05-04 09:00:00", {}),
        ("2026-05-04 11:00:00", {"zone": "Europe/Berlin"}),
        ("/Date(1777885200000)/", {}),
        ("/Date(1777885200000+0120)/", {}),
        (1777885200, {"format": "seconds"}),
        ("1777885200.0", {"format": "seconds"}),
        (1777885200000, {"format": "milliseconds"}),
        ("04.05.2026 11:00", {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}),
        ("2026-05-04.09:00:00", {"format": "%Y-%m-%d.%H:%M:%S"}),
    ],
)
def test_a_time_is_read_as_it_is_written(written: Any, how: dict[str, str]) -> None:
    read = draft(RECORD | {"at": written}, revised_at={"path": "$.at", **how})
    assert read.revised_at == read.occurred_at == NOW


def test_of_several_times_the_first_that_is_there_counts() -> None:
    read = draft(revised_at=["$.changed", "$.none", "$.created"])
    assert read.revised_at == NOW


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": "$.title["}, "title.path: Value error, '$.title[' is not a JSONPath: "),
        ({"title": "$.a | $.b"}, "title.path: Value error, '$.a | $.b' is not a JSONPath: "),
        ({"title": {"path": ""}}, "title.path: Value error, '' is not a JSONPath: "),
        ({"title": "{a"}, "title.template: Value error, '{a' has a single brace"),
        ({"title": "{a[}"}, "title.template: Value error, '$.a[' is not a JSONPath: "),
        ({"title": ["$.a", "$["]}, "title.first.1.path: Value error, '$[' is not a JSONPath: "),
        ({"title": {"path": "$.a", "value": "b"}}, "title: Value error, say one of path, "),
        ({"title": {"value": "b", "map": {"a": "b"}}}, "title: Value error, a constant needs no"),
        ({"title": {}}, "title: Value error, say one of path, "),
        ({"title": {"path": "$.a", "map": {"A": 1, "a": 2}}}, "title.map: Value error, two keys "),
        ({"title": {"pth": "$.a"}}, "title.pth: Extra inputs"),
        ({"kind": "support.ticket.open"}, "kind: Value error, value: there is no kind 'support.ti"),
        (
            {"kind": {"path": "$.a", "map": {"x": "ops.incident.over"}}},
            "kind: Value error, map.x: there is no kind 'ops.incident.over'",
        ),
        (
            {"kind": ["$.a", "won"]},
            "kind: Value error, 1.value: there is no kind 'won'; do you mea",
        ),
        ({"kind": "hub.config.applied"}, "kind: Value error, value: there is no kind 'hub.config"),
        (
            {"severity": {"path": "$.a", "default": "bad"}},
            "severity: Value error, default: 'bad' is not one of info, low, medium, high, critical",
        ),
        ({"status": "closed"}, "status: Value error, value: 'closed' is not one of information, "),
        ({"classification": "secret"}, "classification: Value error, value: 'secret' is not one "),
        ({"sentiment": "glad"}, "sentiment: Value error, value: could not convert"),
        ({"revised_at": {"path": "$.a", "format": "unix"}}, "revised_at.format: Value error, 'uni"),
        ({"revised_at": {"path": "$.a", "zone": "Berlin"}}, "revised_at.zone: Value error, there "),
        ({"revised_at": {"format": "iso"}}, "revised_at: Value error, say one of path and first"),
        ({"skip": "@.a ="}, "skip: Value error, '@.a =' is not a JSONPath filter: "),
        ({"skip": "@.a], $[?@.b"}, "skip: Value error, '@.a], $[?@.b' is not a JSONPath filter"),
        ({"skip": "@.a, 1"}, "skip: Value error, '@.a, 1' is more than a JSONPath filter"),
        ({"author": {"email": "$.a", "name": "$["}}, "author.name.path: Value error, '$[' is not"),
        ({"attributes": {"a": "$["}}, "attributes.a.path: Value error, '$[' is not a JSONPath"),
    ],
)
def test_what_is_wrong_in_hub_toml_is_said_with_its_place(fields: Any, said: str) -> None:
    assert refused(**fields).startswith(said)


def test_nothing_is_run() -> None:
    code = "__import__('os').getcwd()"
    assert refused(title=f"$.{code}").startswith("title.path")
    assert draft(title=code).title == code
    with pytest.raises(ValidationError):
        Fields.model_validate(LEAST | {"skip": code})


@pytest.mark.parametrize(
    ("record", "fields", "reason"),
    [
        ({"title": "x"}, {}, "id: the record has none"),
        ({"id": 1, "title": ""}, {}, "title: the record has none"),
        ({"id": {"a": 1}, "title": "x"}, {}, 'id: {"a": 1} is a table, where a text is wanted'),
        ("no record", {}, "id: the record has none"),
        (None, {}, "id: the record has none"),
        (RECORD, {"kind": "$.state"}, "kind: there is no kind 'Open'"),
        (
            RECORD,
            {"kind": {"path": "$.state", "map": {"x": "team.post"}}},
            'kind: "Open" is not in',
        ),
        (RECORD, {"severity": "$.priority"}, "severity: 'P1' is not one of info"),
        (RECORD, {"sentiment": "$.host.up"}, "sentiment: true and false are no numbers"),
        (RECORD, {"sentiment": "$.id"}, "sentiment: Input should be less than or equal to 1"),
        (RECORD, {"occurred_at": "$.edited"}, "occurred_at: 1777888800.25 is no text: is its form"),
        (RECORD, {"occurred_at": "$.title"}, 'occurred_at: "No export" is no time of the format'),
        (
            RECORD | {"edited": 10**30},
            {"occurred_at": {"path": "$.edited", "format": "seconds"}},
            "occurred_at: 1000000000000000000000000000000 is no time of the format seconds",
        ),
        (RECORD | {"id": "x" * 501}, {}, "external_id: String should have at most 500 characters"),
        (RECORD, {"account": {"name": "$.host"}}, "account.name: "),
        (RECORD, {"labels": "$.tags"}, 'labels: {"name": "csv"} is a table'),
    ],
)
def test_a_record_that_does_not_fit_says_why(record: Any, fields: Any, reason: str) -> None:
    assert set_aside(record, **fields).startswith(reason)


def test_records_that_are_no_signal_are_told_by_conditions() -> None:
    fields = LEAST | {"only": "@.type == 'incident' && @.level >= 3", "skip": "@.draft == true"}
    read = Fields.model_validate(fields)
    record = {"id": 1, "title": "x", "type": "incident", "level": 3}
    assert read.draft(record, NOW)
    assert read.draft(record | {"level": 2}, NOW) is None
    assert read.draft(record | {"draft": True}, NOW) is None
    assert read.draft({"type": "note"}, NOW) is None, "it need not fit either"


def test_a_revision_is_what_is_said_and_when_it_was_changed() -> None:
    timed = {"revised_at": "$.at"}
    first = draft({"id": 1, "title": "a", "at": "2026-05-04T09:00:00Z"}, **timed)
    again = draft({"id": 1, "title": "a", "at": "2026-05-04T09:00:00Z", "views": 9}, **timed)
    tied = draft({"id": 1, "title": "b", "at": "2026-05-04T09:00:00Z"}, **timed)
    later = draft({"id": 1, "title": "a", "at": "2026-05-04T09:00:01Z"}, **timed)
    assert first.revision == again.revision
    assert len({first.revision, tied.revision, later.revision}) == 3


def test_without_a_time_a_revision_is_what_is_said_and_not_when_it_was_seen() -> None:
    read = Fields.model_validate(LEAST)
    revisions = [
        read.draft({"id": 1, "title": title}, at, seen_before=before)
        for title, at, before in (
            ("a", NOW, 0),
            ("a", datetime.now(UTC), 0),
            ("b", NOW, 1),
            ("a", NOW, 2),
        )
    ]
    assert len({one.revision for one in revisions if one}) == 3
    assert draft(revision="$.state").revision == "Open"
