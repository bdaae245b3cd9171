"""Whatever a source sends, what is stored can be stored, shown and linked safely."""

from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Draft, Page
from hub.ingest.normalize import TITLE, Reading, normalize
from hub.kinds import Department
from hub.signals import Classification, Status

T0 = datetime(2026, 11, 2, tzinfo=UTC)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(text, part, max_size=3),
    max_leaves=6,
)


def draft(**changes: Any) -> Draft:
    given: dict[str, Any] = {
        "kind": "team.post",
        "external_id": "1",
        "revision": "1",
        "revised_at": T0,
        "occurred_at": T0,
        "title": "A title",
    }
    return Draft(**(given | changes))


@given(text.filter(bool), text, st.dictionaries(text, json, max_size=4), st.lists(text, max_size=3))
def test_anything_becomes_storable(
    title: str, body: str, attributes: dict[str, Any], labels: list[str]
) -> None:
    given = draft(title=title, body=body, summary=body, attributes=attributes, labels=tuple(labels))
    drafts, bad = normalize(Page([given], {}), Reading("x"))
    assert len(drafts) + len(bad) == 1
    for one in drafts:
        assert one.title.strip() == one.title != ""
        assert len(one.title) <= TITLE
        assert "\n" not in one.title
        whole = orjson.dumps([one.title, one.summary, one.body, one.attributes, one.labels])
        assert b"\\u0000" not in whole
        assert normalize(Page([one], {}), Reading("x"))[0] == [one], "a second time changes nothing"


def test_only_web_links_are_links() -> None:
    for url in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a b"):
        assert normalize(Page([draft(url=url)], {}), Reading("x"))[0][0].url is None
    kept = normalize(Page([draft(url="https://a.example/x?y#z")], {}), Reading("x"))
    assert kept[0][0].url == "https://a.example/x?y#z"


def test_what_is_cut_shows_it() -> None:
    [one], _ = normalize(Page([draft(title="x" * 1000)], {}), Reading("x"))
    assert one.title.endswith("…")
    assert len(one.title) == TITLE


def test_hub_toml_has_the_last_word() -> None:
    reading = Reading("x", classification=Classification.PUBLIC, department=Department.LEGAL)
    [one], _ = normalize(Page([draft(classification=Classification.RESTRICTED)], {}), reading)
    assert (one.classification, one.department) == (Classification.PUBLIC, Department.LEGAL)


def test_a_deleted_record_says_nothing_any_more() -> None:
    gone = draft(status=Status.DELETED, title="secret", body="secret", summary="secret",
                 attributes={"a": "secret"}, labels=("secret",))  # fmt: skip
    [one], _ = normalize(Page([gone], {}), Reading("x"))
    assert "secret" not in one.model_dump_json()
