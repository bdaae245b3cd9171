"""The demo's hub.toml: every source is a stand-in on loopback, read by the real connectors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.demo.company import company

SECRET = "HUB_DEMO_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
TOLD_BEFORE = timedelta(hours=1)
"""How much of the week is pushed to the endpoint, so that it has something to show at once; all
that is older is history. What Alertmanager shows counts from when it is seen, so it is no history:
its API knows only now."""

NEWS = {
    "press": "brand.coverage",
    "mention": "brand.mention",
    "competitor": "market.competitor",
    "blog": "content.post",
    "release": "product.release",
    "roadmap": "product.roadmap",
    "deprecation": "product.deprecation",
    "meetup": "community.event",
    "speaking": "community.speaking",
    "testimonial": "customer.testimonial",
}
INTRANET = {
    "hiring": "people.hire",
    "promotion": "people.promotion",
    "departure": "people.departure",
    "compliance": "policy.compliance",
    "regulatory": "policy.regulatory",
    "legal": "policy.legal",
    "goal": "goal.strategic",
    "partner": "partner.announced",
    "maintenance": "ops.maintenance",
    "culture": "team.culture",
}


@dataclass(frozen=True, slots=True)
class Stand:
    """One vendor of the demo: the connector that reads it, and what is special about it here."""

    connector: str
    twin: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


STANDS: Mapping[str, Stand] = {
    "hubspot": Stand("hubspot"),
    "zendesk": Stand("zendesk"),
    "alertmanager": Stand("alertmanager"),
    "slack": Stand("slack"),
    "news": Stand("rss", {"name": "Quayside in the news"}, {"kind_by_category": NEWS | INTRANET}),
    "intranet": Stand(
        "rss",
        {"name": "Quayside intranet"},
        {"kind": "team.post", "kind_by_category": INTRANET, "classification": "internal"},
    ),
}


def configuration(
    settings: Mapping[str, Mapping[str, Any]], receiver: str, every: timedelta, began: datetime
) -> str:
    """Write the hub.toml that reads each stand-in with these settings."""
    common = {"every": f"{every.total_seconds():g}s"}
    notify_after = (began - TOLD_BEFORE).isoformat()
    parts = [
        "# Written by `hub demo` for its stand-ins; it is written anew at each start.\n",
        _table("hub", {"company": company().name}),
    ]
    for name, given in settings.items():
        stand = STANDS[name]
        table = {"connector": stand.connector, **common, **given, **stand.settings}
        parts.append(_table(f"sources.{name}", table) + f"notify_after = {notify_after}\n")
    endpoint = {"role": "sales", "url": receiver, "secret": f"${{{SECRET}}}"}
    parts.append(_table("endpoints.sales-team", endpoint))
    return "\n".join(parts)


def _table(name: str, values: Mapping[str, Any]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(key)} = {_value(part)}" for key, part in value.items())
        return f"{{ {', '.join(parts)} }}"
    # Text, numbers, truth and lists of them are written alike in JSON and in TOML.
    return json.dumps(value, ensure_ascii=False)
