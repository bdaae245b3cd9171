"""What certification and the demo need of a twin, whoever wrote it, and where one is found."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Protocol

from starlette.types import ASGIApp

from hub.errors import ConfigError
from hub.testing.faults import Call, Excuse, Fault, No

GROUP = "hub.twins"


class Twin(Protocol):
    """A vendor's API with state; `connectors.twins.Twin` says what each part is for."""

    app: ASGIApp
    page: int
    skew: timedelta
    pushed_to: str

    @property
    def excused(self) -> Mapping[Fault, Excuse]: ...
    def emit(self, record: Mapping[str, Any], /) -> dict[str, Any]: ...
    def settings(self, url: str, /) -> dict[str, Any]: ...
    def now(self) -> datetime: ...
    def create(self, number: int, at: datetime, /) -> str: ...
    def edit(self, number: int, at: datetime, /) -> None: ...
    def delete(self, number: int, at: datetime, /) -> None: ...
    def push(self, number: int, /) -> Call: ...
    def blank(self) -> None: ...
    def forget(self) -> None: ...
    def strange(self, content_type: str, body: bytes, turn: int | None, /) -> bytes: ...
    def series(self, path: str, query: str, body: bytes, /) -> str: ...
    def denied(self) -> No: ...
    def limited(self, seconds: int, /) -> No: ...
    def serve(self) -> AbstractAsyncContextManager[str] | None: ...
    def play(self, fault: Fault | None, /) -> None: ...
    def replay(self, exchanges: Sequence[Mapping[str, Any]], /) -> None: ...


def find_twin(connector: str) -> Callable[..., Twin]:
    """Find the twin of a connector: its file beside the connectors, or an entry point."""
    module = f"connectors.twins.{connector}"
    if find_spec(module):
        twin: Callable[..., Twin] = importlib.import_module(module).Twin
        return twin
    for entry in entry_points(group=GROUP, name=connector):
        found: Callable[..., Twin] = entry.load()
        return found
    raise ConfigError(
        f"there is no stand-in for {connector}",
        f"Write one, {module}, or name one in a package's entry points [{GROUP}]",
    )
