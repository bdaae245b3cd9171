"""The answers that vendors show in their own descriptions, read by their connectors."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors.twins import Twin
from connectors.twins.intercom import Twin as Intercom
from connectors.twins.pagerduty import Twin as PagerDuty
from connectors.twins.sentry import Twin as Sentry
from hub.http import Clients
from hub.testing.recorded import Recording
from tests.connectors.polling import poller
from tests.described import followed
from tests.servers import serve
from tests.vendors.folder import CONTRACTS

pytestmark = pytest.mark.vendors

_SENTRY = "/api/0/organizations/{organization_id_or_slug}"
# By connector: the requests that have an example, and what comes of those.
EXAMPLES = {
    "intercom": (
        [("post", "/conversations/search"), ("post", "/tickets/search"), ("get", "/admins")],
        ["support.ticket.opened", "support.ticket.solved"],
    ),
    "sentry": (
        [("get", f"{_SENTRY}/issues/"), ("get", f"{_SENTRY}/releases/")],
        ["ops.error.new", "product.release"],
    ),
    "pagerduty": ([("get", "/log_entries")], ["ops.incident.triggered"]),
}
# The example says that more follows.
END = {"pagerduty": {"path": "/log_entries", "body": {"log_entries": [], "more": False}}}

TWINS: dict[str, Callable[[], Twin]] = {
    "intercom": Intercom,
    "sentry": Sentry,
    "pagerduty": PagerDuty,
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_of_a_description_becomes_a_signal(name: str) -> None:
    asked, kinds = EXAMPLES[name]
    whole: Any = json.loads((CONTRACTS / name / "spec/subset.json").read_bytes())
    exchanges = []
    for method, path in asked:
        answer = followed(whole["paths"][path][method]["responses"]["200"], whole)
        [example] = answer["content"]["application/json"]["examples"].values()
        body = followed(example, whole)["value"]
        real = path.replace("{organization_id_or_slug}", "acme")
        exchanges.append({"method": method.upper(), "path": real, "body": body})
    exchanges += [END[name]] if name in END else []
    given = {"source": name, "licence": "theirs", "signals": len(kinds), "exchanges": exchanges}
    recording = Recording.model_validate(given)
    async with serve(recording.app("")) as url, Clients() as clients:
        source = poller(TWINS[name](), url, clients)
        await source.poll()
    assert not source.bad
    assert sorted(draft.kind for draft in source.current.values()) == kinds
