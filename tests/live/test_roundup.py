"""Issues of a real Roundup, read by the hub through `rest`: by hub.toml alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.live.hub import reading
from tests.live.roundup import PASSWORD, READER, Person, Roundup
from tests.running import until

pytestmark = pytest.mark.live

BEGIN = datetime.now(UTC) - timedelta(seconds=5)
SECRETS = {"ROUNDUP_PASSWORD": PASSWORD}
# https://www.roundup-tracker.org/docs/rest.html: sorted by activity, asked for by a range of it,
# in Roundup's own way of writing a time, with pages that shift while issues change.
SOURCE = """
connector = "rest"
url = "{url}/live/rest/data"
auth = {{ user = "{reader}", password = "${{ROUNDUP_PASSWORD}}" }}
per_minute = 600
since = "{begin}"  # without what earlier runs have left

[sources.live.streams.issues]
path = "issue"
records = "$.data.collection"
[sources.live.streams.issues.params]
"@sort" = "activity"
"@verbose" = 2
"@fields" = "title,status,priority,activity,creation,creator,assignedto,keyword"

[sources.live.streams.issues.paging]
by = "page"
parameter = "@page_index"
size_parameter = "@page_size"
size = 3
more = "$.data['@links'].next"

[sources.live.streams.issues.cursor]
family = "modified_since"
since = {{ parameter = "activity", value = "from {{since}}", format = "%Y-%m-%d.%H:%M:%S" }}

[sources.live.streams.issues.fields]
id = "issue/{{id}}"
title = "$.title"
url = "{url}/live/issue{{id}}"
revised_at = {{ path = "$.activity", format = "%Y-%m-%d.%H:%M:%S" }}
author = "$.creator.username"
owner = "$.assignedto.username"
labels = "$.keyword[*].name"

[sources.live.streams.issues.fields.kind]
path = "$.status.name"
default = "support.ticket.updated"
[sources.live.streams.issues.fields.kind.map]
unread = "support.ticket.opened"
resolved = "support.ticket.solved"
done-cbb = "support.ticket.solved"

[sources.live.streams.issues.fields.status]
path = "$.status.name"
map = {{ resolved = "resolved", done-cbb = "resolved" }}
default = "open"

[sources.live.streams.issues.fields.severity]
path = "$.priority.name"
map = {{ critical = "critical", urgent = "high", bug = "medium", feature = "low", wish = "info" }}
default = "low"
"""


@pytest.fixture
def person(roundup: Roundup) -> Iterator[Person]:
    with Person(roundup.url) as person:
        yield person


def source(roundup: Roundup) -> str:
    return SOURCE.format(url=roundup.url, reader=READER, begin=BEGIN.isoformat())


async def test_an_issue_is_opened_changed_and_resolved(
    roundup: Roundup, person: Person, tmp_path: Path
) -> None:
    number = person.open("The export is empty", priority="critical")
    key = f"issue/{number}"
    async with reading(tmp_path, source(roundup), SECRETS) as hub:
        shown = await hub.shows(key, "support", title="The export is empty", status="OPEN")
        assert (shown["kind"], shown["severity"]) == ("support.ticket.opened", "CRITICAL")
        assert shown["author"]["name"] == "admin"
        page = person.http.get(shown["url"])
        assert "The export is empty" in page.text, "the link leads to the issue"

        person.change(number, title="The export is empty since today", assignedto="1")
        shown = await hub.shows(key, "support", title="The export is empty since today")
        assert shown["owner"]["name"] == "admin"
        person.change(number, status="resolved")
        shown = await hub.shows(key, "support", kind="support.ticket.solved", status="RESOLVED")
        history = [edge["node"]["title"] for edge in shown["history"]["edges"]]
        assert history == ["The export is empty", *["The export is empty since today"] * 2]


async def test_nothing_that_happens_while_the_hub_is_down_is_lost(
    roundup: Roundup, person: Person, tmp_path: Path
) -> None:
    numbers = [person.open("before")]
    async with reading(tmp_path, source(roundup), SECRETS) as hub:
        await hub.shows(f"issue/{numbers[0]}", "support")
    numbers += [person.open(f"issue {number}") for number in range(7)]  # more than two pages
    person.change(numbers[0], status="resolved")
    async with reading(tmp_path, source(roundup), SECRETS) as hub:
        wanted = {f"issue/{number}" for number in numbers}

        async def whole() -> bool:
            return wanted <= (await hub.signals("support")).keys()

        await until(whole, within=60)
        shown = await hub.shows(f"issue/{numbers[0]}", "support", status="RESOLVED")
        assert len(shown["history"]["edges"]) == 2


async def test_a_wrong_password_is_told_to_the_owner(roundup: Roundup, tmp_path: Path) -> None:
    wrong = {"ROUNDUP_PASSWORD": "canary-wrong"}
    async with reading(tmp_path, source(roundup), wrong) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "401" in found["lastError"]
        assert "canary-wrong" not in found["lastError"]
