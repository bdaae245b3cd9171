"""A shop that sends its orders as CloudEvents, in each of the three modes in turn.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any, ClassVar
from urllib.parse import quote

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, moment
from connectors.twins.webhook import ASKED

_SPEC = "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#2-delivering-notifications"
_JSON = "application/json"


class Twin(twins.Twin):
    connector: ClassVar[str] = "cloudevents"
    excused: ClassVar[Mapping[Fault, Excuse]] = dict.fromkeys(
        ASKED, Excuse("Events are delivered by the sender's request; the hub makes none", _SPEC)
    )

    def __init__(self) -> None:
        super().__init__()
        self.secret = "the-token-of-the-twins-shop"  # noqa: S105 - it opens only this twin
        self.orders: dict[int, dict[str, Any]] = {}
        self._numbers = count(1)

    def table(self) -> tuple[Allowed, ...]:
        return ()

    def settings(self, url: str) -> dict[str, Any]:
        del url
        return {
            "secret": self.secret,
            "fields": {
                "id": "$.subject",
                "kind": {
                    "path": "$.type",
                    "map": {"com.acme.order.won": "sales.deal.won"},
                    "default": "sales.deal.stage",
                },
                "status": {"path": "$.type", "map": {"com.acme.order.deleted": "deleted"},
                           "default": "information"},
                "title": "$.data.title",
                "revised_at": "$.time",
            },
        }  # fmt: skip

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Take an order, or change it by its "number": "title", "verb" (won, changed, deleted)."""
        at, number = moment(record), int(record.get("number", len(self.orders) + 1))
        old = self.orders.get(number, {"data": {"title": f"Order {number}", "customer": "Acme"}})
        title = record.get("title", old["data"]["title"])
        self.orders[number] = {
            "specversion": "1.0",
            "id": f"e-{next(self._numbers)}",
            "source": "/shop/düsseldorf",
            "type": f"com.acme.order.{record.get('verb', 'won')}",
            "subject": f"order/{number}",
            "time": at.isoformat().replace("+00:00", "Z"),
            "datacontenttype": _JSON,
            "department": "sales",
            "data": {**old["data"], "title": title},
        }
        return self.orders[number]

    def create(self, number: int, at: datetime) -> str:
        self.emit({"number": number, "at": at.isoformat()})
        return f"order/{number}"

    def edit(self, number: int, at: datetime) -> None:
        said = {"title": f"Edited at {at}", "verb": "changed"}
        self.emit({"number": number, **said, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"number": number, "verb": "deleted", "at": at.isoformat()})

    def push(self, number: int) -> Call:
        event = self.orders[number]
        shown = {"authorization": f"Bearer {self.secret}"}
        if number % 3 == 0:
            batch = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
            return Call(json.dumps([event]).encode(), batch | shown)
        if number % 3 == 1:
            structured = {"content-type": "application/cloudevents+json"}
            return Call(json.dumps(event).encode(), structured | shown)
        named = {
            f"ce-{name}": quote(str(value), safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
            for name, value in event.items()
            if name not in {"data", "datacontenttype"}
        }
        return Call(json.dumps(event["data"]).encode(), {"content-type": _JSON, **named, **shown})
