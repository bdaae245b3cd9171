"""Records of HubSpot: what a new one says, as it is shown, and how a search compares it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Record = dict[str, Any]


ENDS = frozenset({"closedwon", "closedlost"})


_ALWAYS = ("hs_object_id", "createdate", "hs_createdate", "hs_lastmodifieddate")


CUSTOMERS = ("Acme Robotics", "Borealis Foods", "Cobalt Insurance", "Delta Shipping")


COMPARE = {"EQ": eq, "NEQ": ne, "LT": lt, "LTE": le, "GT": gt, "GTE": ge}


def made_up(kind: str, customer: str, given: Record, at: datetime) -> Record:
    """Fill in what a new record does not say."""
    if kind == "companies":
        return {"createdate": iso(at), "name": "Acme Robotics", "domain": "acme-robotics.example"}
    if kind == "tickets":
        return {"createdate": iso(at), "subject": "A question", "hs_pipeline_stage": "1"}
    if kind == "leads":
        lead = {"hs_lead_name": "Jamie Ortiz", "hs_lead_label": "WARM", "hs_lead_source": "WEBSITE"}
        return lead | {"hs_createdate": iso(at), "hubspot_owner_id": "71"}
    took = timedelta(days=21 if given.get("dealstage", "closedwon") in ENDS else 0)
    deal = {"dealname": f"{customer} yearly plan", "dealstage": "closedwon", "amount": "24000"}
    about = {"pipeline": "default", "dealtype": "newbusiness", "hubspot_owner_id": "71"}
    source = {"hs_analytics_source": "ORGANIC_SEARCH", "deal_currency_code": "EUR"}
    return deal | about | source | {"createdate": iso(at - took)}


def as_shown(record: Record, names: Sequence[str]) -> Record:
    says = record["properties"]
    told = [*names, *(name for name in _ALWAYS if name in says)]
    return record | {"properties": {name: says.get(name) for name in told}}


def holds(rule: Record, record: Record) -> bool:
    name, has = rule["propertyName"], record["properties"].get(rule["propertyName"])
    if has is None:
        return bool(rule["operator"] == "NEQ")
    return bool(COMPARE[rule["operator"]](comparable(name, has), comparable(name, rule["value"])))


def comparable(name: str, raw: str | None) -> str | float:
    """Read a property for comparison; ids are compared as the strings that they are."""
    if "date" in name:
        return milliseconds(raw) if raw else 0
    return float(raw or 0) if name == "amount" else raw or ""


def milliseconds(time: str) -> int:
    if time.isdigit():
        return int(time)
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_text(value: Any) -> str | None:
    """Keep a property as HubSpot does, as a string whatever it is."""
    return str(value).lower() if isinstance(value, bool) else value and str(value)
