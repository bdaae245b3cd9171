"""Problems of a real Icinga 2, read by the hub through `rest`: by hub.toml alone."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.hub import reading
from tests.live.icinga2 import PASSWORD, Icinga2, Monitor

pytestmark = pytest.mark.live

# https://icinga.com/docs/icinga-2/latest/doc/12-icinga2-api/#advanced-filters: a query with a
# filter is a POST that says it is a GET. It lists the problems of now: what is in it no longer
# is over.
SOURCE = """
connector = "rest"
url = "{url}/v1"
auth = {{ user = "hub", password = "${{ICINGA_PASSWORD}}" }}
headers = {{ X-HTTP-Method-Override = "GET" }}
per_minute = 600

[sources.live.streams.services]
path = "objects/services"
method = "POST"
records = "$.results"
cursor = {{ family = "snapshot", gone = {{ kind = "ops.alert.resolved", status = "resolved" }} }}
[sources.live.streams.services.body]
filter = "service.state != 0"
attrs = ["display_name", "state", "last_state_change", "last_check_result", "acknowledgement"]
joins = ["host.name", "host.vars"]

[sources.live.streams.services.fields]
id = "{{name}}"
kind = "ops.alert.firing"
title = "{{attrs.display_name}} on {{joins.host.name}}: {{attrs.last_check_result.output}}"
occurred_at = {{ path = "$.attrs.last_state_change", format = "seconds" }}
labels = ["$.joins.host.vars.team", "$.joins.host.name"]
thread = "host/{{joins.host.name}}"

[sources.live.streams.services.fields.severity]
path = "$.attrs.state"
map = {{ 1 = "medium", 2 = "critical", 3 = "low" }}

[sources.live.streams.services.fields.status]
path = "$.attrs.acknowledgement"
map = {{ 0 = "open" }}
default = "acknowledged"
"""


@pytest.fixture
def monitor(icinga2: Icinga2) -> Iterator[Monitor]:
    monitor = Monitor(icinga2)
    with monitor.http:
        yield monitor


@pytest.fixture
def service(monitor: Monitor) -> str:
    """Name a service that no other test has."""
    return monitor.watch(f"shop-{uuid.uuid4().hex[:8]}", "checkout")


def source(icinga2: Icinga2) -> str:
    return SOURCE.format(url=icinga2.url)


def secrets(icinga2: Icinga2, password: str = PASSWORD) -> dict[str, str]:
    return {"ICINGA_PASSWORD": password, "HUB_CA_FILE": str(icinga2.authority)}


async def test_a_service_breaks_is_acknowledged_and_recovers(
    icinga2: Icinga2, monitor: Monitor, service: str, tmp_path: Path
) -> None:
    host = service.partition("!")[0]
    monitor.check(service, 1, "slow: 4 s")
    async with reading(tmp_path, source(icinga2), secrets(icinga2)) as hub:
        shown = await hub.shows(service, title=f"checkout on {host}: slow: 4 s", status="OPEN")
        assert (shown["kind"], shown["severity"]) == ("ops.alert.firing", "MEDIUM")
        assert (shown["labels"], shown["thread"]) == (["shop", host], f"host/{host}")

        monitor.check(service, 2, "no answer")
        await hub.shows(service, title=f"checkout on {host}: no answer", severity="CRITICAL")
        monitor.acknowledge(service)
        await hub.shows(service, status="ACKNOWLEDGED")
        monitor.check(service, 0, "fine")
        await hub.shows(service, kind="ops.alert.resolved", status="RESOLVED")

        monitor.check(service, 2, "no answer")  # as before: it is news all the same
        shown = await hub.shows(service, kind="ops.alert.firing", status="OPEN")
        assert len(shown["history"]["edges"]) == 5


async def test_a_service_that_is_taken_down_is_over(
    icinga2: Icinga2, monitor: Monitor, service: str, tmp_path: Path
) -> None:
    monitor.check(service, 2, "no answer")
    async with reading(tmp_path, source(icinga2), secrets(icinga2)) as hub:
        await hub.shows(service, status="OPEN")
        monitor.forget(service)
        await hub.shows(service, status="RESOLVED")


async def test_a_wrong_password_is_told_to_the_owner(icinga2: Icinga2, tmp_path: Path) -> None:
    wrong = secrets(icinga2, "canary-wrong")
    async with reading(tmp_path, source(icinga2), wrong) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "401" in found["lastError"]
        assert "canary-wrong" not in found["lastError"]
