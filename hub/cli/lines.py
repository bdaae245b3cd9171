"""What `hub tail` writes: a line for each event, for people or for programs."""

import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from hub.cli.terminal import out, plain

REMEMBERED: Final = 2_000  # titles, of what may be withdrawn
_SEVERITIES: Final = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow"}
_WHAT: Final = {"Created": "new", "Updated": "changed", "Withdrawn": "gone"}


@dataclass(slots=True)
class Lines:
    """Writes to standard output, at once: who reads it may be a program."""

    json: bool
    _titles: "OrderedDict[str, str]" = field(default_factory=OrderedDict)

    def listed(self, edge: Mapping[str, Any]) -> None:
        """Write what was there before."""
        told = {name: value for name, value in edge.items() if name != "node"}
        self._write("listed", {**told, "signal": edge["node"]})

    def event(self, event: Mapping[str, Any]) -> None:
        name = str(event["__typename"])
        what = next(word for ending, word in _WHAT.items() if name.endswith(ending))
        self._write(what, {key: value for key, value in event.items() if key != "__typename"})

    def _write(self, what: str, told: Mapping[str, Any]) -> None:
        if self.json:
            sys.stdout.write(orjson.dumps({"event": what, **told}).decode() + "\n")
        elif what == "gone":
            id_ = told["signalId"]
            self._print(datetime.now(UTC), "gone", "", self._titles.pop(id_, id_), "dim")
        else:
            self._signal(what, told)
        sys.stdout.flush()

    def _signal(self, what: str, told: Mapping[str, Any]) -> None:
        signal = told["signal"]
        title = signal["title"]
        self._titles[signal["id"]] = title
        if len(self._titles) > REMEMBERED:
            self._titles.popitem(last=False)
        at = datetime.fromisoformat(signal["occurredAt" if what == "listed" else "updatedAt"])
        score = f"{told['score']:.2f} " if "score" in told else ""
        account = f"  ({signal['account']['name']})" if signal["account"] else ""
        status = f"  [{signal['status'].lower()}]" if signal["status"] != "INFORMATION" else ""
        self._print(
            at.astimezone(UTC),
            "" if what == "listed" else what,
            f"{score}{signal['kind']}",
            f"{title}{account}{status}",
            "dim" if what == "listed" else _SEVERITIES.get(signal["severity"], ""),
        )

    def _print(self, at: datetime, what: str, kind: str, text: str, style: str) -> None:
        from rich.text import Text  # noqa: PLC0415 - JSON needs none of it

        line = Text.assemble(
            (at.strftime("%m-%d %H:%M:%S"), "dim"),
            f"  {what:<7}  ",
            (f"{plain(kind):<28}", "cyan" if style != "dim" else "dim"),
            "  ",
            (plain(text), style),
        )
        out().print(line, soft_wrap=True)
