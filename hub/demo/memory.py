"""What is open at the vendors, so that what happens next can be about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.demo.folder import Happening

_CLOSED = frozenset({"closedwon", "closedlost"})
_SOLVED = frozenset({"solved", "closed", "deleted"})


@dataclass(slots=True)
class Memory:
    """Deals and tickets by number, alerts by their labels. What is told without is left out."""

    deals: dict[int, dict[str, Any]] = field(default_factory=dict)
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    unrated: dict[int, dict[str, Any]] = field(default_factory=dict)
    alerts: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def saw(self, happening: Happening) -> None:
        """Remember what happened, whoever made it happen."""
        match happening.vendor:
            case "hubspot":
                self._saw_deal(_flat(happening.record, "properties"))
            case "zendesk":
                self._saw_ticket(_flat(happening.record, "ticket"))
            case "alertmanager":
                self._saw_alert(happening.record)
            case _:
                pass

    def _saw_deal(self, record: Mapping[str, Any]) -> None:
        number = record.get("id")
        if isinstance(number, int) and record.get("object", "deals") == "deals":
            self.deals[number] = {**self.deals.get(number, {}), **record}
            if self.deals[number].get("dealstage") in _CLOSED:
                del self.deals[number]

    def _saw_ticket(self, record: Mapping[str, Any]) -> None:
        number = record.get("id")
        if not isinstance(number, int):
            return
        ticket = {**self.unrated.pop(number, {}), **self.tickets.pop(number, {}), **record}
        if ticket.get("status") not in _SOLVED:
            self.tickets[number] = ticket
        elif ticket["status"] == "solved" and "satisfaction_rating" not in ticket:
            self.unrated[number] = ticket

    def _saw_alert(self, record: Mapping[str, Any]) -> None:
        if isinstance(labels := record.get("labels"), Mapping):
            key = repr(sorted(labels.items()))
            if record.get("resolve"):
                self.alerts.pop(key, None)
            else:
                self.alerts[key] = labels


def _flat(record: Mapping[str, Any], inner: str) -> dict[str, Any]:
    """Bring the fields that stand inside to the top."""
    part = record.get(inner)
    return {**record, **(part if isinstance(part, Mapping) else {})}
