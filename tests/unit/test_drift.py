"""Answers whose records gain fields and lose others."""

import json

import pytest

from hub.testing.drift import NEW, strange


def test_every_field_of_a_record_is_null_at_some_turn_and_the_paging_stays() -> None:
    record = {"id": 1, "user": {"name": "Jane", "tags": [{"deep": 1}]}}
    answer = json.dumps({"next": "abc", "data": {"found": [record, record]}}).encode()
    seen = [json.loads(strange("application/json", answer, turn)) for turn in range(4)]

    for read in seen:
        assert read["next"] == "abc"
        assert read[NEW] == {"nested": None}
        assert all(NEW in one for one in read["data"]["found"])
    first = [read["data"]["found"][0] for read in seen]
    assert [one["id"] for one in first] == [None, 1, 1, 1]
    assert first[1]["user"] is None
    assert first[2]["user"]["name"] is None
    assert first[3]["user"]["tags"] is None
    assert seen[0]["data"]["found"][1]["user"] is None


def test_what_is_not_json_is_the_twins_to_change() -> None:
    with pytest.raises(NotImplementedError):
        strange("application/rss+xml", b"<rss/>", 0)
