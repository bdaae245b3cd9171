"""A tap of Singer's, scripted: `tap.py` beside this file reads what the twin writes down for it.

https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md
"""

import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from connectors import twins
from connectors.twins import Allowed, Excuse, Fault, moment

TOKEN = "not-a-real-token-4711"  # noqa: S105 - made up
_SPEC = "https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md"
FIELDS = {
    "kind": "product.work_item",
    "id": "$.id",
    "title": "$.title",
    "body": "$.text",
    "revised_at": "$.updated_at",
    "occurred_at": "$.updated_at",
}


class Twin(twins.Twin):
    """Emit takes: id, title, text, stream."""

    connector: ClassVar[str] = "subprocess"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.GONE: Excuse("A tap tells of what there is, not of what is gone", f"{_SPEC}#output"),
        Fault.OTHER_HOST: Excuse("No message holds a link that is followed", f"{_SPEC}#output"),
        Fault.PUSH: Excuse("A tap is run, and ends", f"{_SPEC}#synopsis"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, Any]] = {}
        self.fault: Fault | None = None
        self.epoch = 1
        self.lines: list[str] = []
        """Written in place of everything else, for tests of one message."""
        self._version = 0
        self._turn: int | None = None
        self._blank = False
        self._data: Path | None = None

    def table(self) -> tuple[Allowed, ...]:
        return ()

    def settings(self, url: str) -> dict[str, Any]:
        tap = str(Path(__file__).parent / "tap.py")
        return {
            "argv": [sys.executable, "-ISE", tap],
            "config": {"data": url.removeprefix("file://")},
            "secrets": {"credentials.token": TOKEN},
            "streams": {"items": FIELDS},
        }

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        key = str(record.get("id") or len(self.records) + 1)
        self._version += 1
        made = {"title": f"Item {key}", "text": "Words", "stream": "items"}
        self.records[key] = {
            **made,
            **self.records.get(key, {}),
            **{name: value for name, value in record.items() if name != "at"},
            "id": key,
            "version": self._version,
            "updated_at": moment(record).isoformat(),
        }
        self._write()
        return self.records[key]

    def create(self, number: int, at: datetime) -> str:
        self.emit({"id": number, "at": at.isoformat()})
        return str(number)

    def edit(self, number: int, at: datetime) -> None:
        title = f"{self.records[str(number)]['title']}, moved"
        self.emit({"id": number, "title": title, "at": at.isoformat()})

    def blank(self) -> None:
        self._blank = True
        self._write()

    def forget(self) -> None:
        self.epoch += 1
        self._write()

    def play(self, fault: Fault | None) -> None:
        self.fault = fault
        if fault is Fault.DRIFT:  # at first other fields come, then some of the known ones are null
            self._turn = -1 if self._turn is None else self._turn + 1
        self._write()

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        with TemporaryDirectory(prefix="tap-") as folder:
            self._data = Path(folder, "data.json")
            self._write()
            yield f"file://{self._data}"
            self._data = None

    def replay(self, exchanges: Sequence[Mapping[str, Any]]) -> None:
        self.write(*(line for one in exchanges for line in one["text"].splitlines()))

    def write(self, *lines: str) -> None:
        """Let the tap write these lines and nothing else."""
        self.lines = [*lines]
        self._write()

    def _write(self) -> None:
        """Put all down where the tap reads it: it is a program, and remembers nothing."""
        if self._data is None:
            return
        told = {
            "token": TOKEN,
            "records": sorted(self.records.values(), key=lambda one: one["version"]),
            "page": self.page,
            "epoch": self.epoch,
            "fault": self.fault.name if self.fault else None,
            "turn": self._turn,
            "blank": self._blank,
            "lines": self.lines,
        }
        self._data.write_text(json.dumps(told))
