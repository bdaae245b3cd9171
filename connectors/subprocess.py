"""Any Singer tap or Airbyte source, run as a program: a bridge to what others have written.

https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md
https://docs.airbyte.com/understanding-airbyte/airbyte-protocol
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from hub.connector import (
    MAPPED_KINDS,
    AuthFailed,
    Bad,
    Command,
    Connector,
    Cursor,
    Draft,
    Duration,
    Endpoint,
    Fields,
    Json,
    Lines,
    Page,
    RateLimited,
    SecretStr,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
    now,
)

_PAGE = 200  # records that are stored at once, where the program says no state for long
_SIGN_IN = re.compile(
    r"(http|status|error|code|response)\W+(\w+\W+){0,3}40[13]\b|\b40[13]\W+(client|unauth|forbid)"
    r"|unauthori[sz]ed|forbidden|bad credentials"
    r"|(invalid|expired|revoked|wrong)\W+(\w+\W+){0,3}(token|credential|key|password|secret)",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"\b429\b|too many requests|rate.?limit", re.IGNORECASE)


class Program(Connector):
    """Records that another program reads: a Singer tap, or a source of Airbyte's protocol.

    [docs/taps.md](taps.md) walks through one.

    The program is installed beside the hub, in an environment of its own; it is started for each
    poll. Its state is the cursor, and is stored with the records that came before it. What it
    says on standard error is in the log (at DEBUG) and, when it fails, in the source's error.

    A tap is started with `--config FILE` and `--state FILE`, an Airbyte source with `read
    --config FILE --catalog FILE --state FILE`. Both see `environment` and nothing else of the
    hub's. Records of streams that are not named here are passed over.
    """

    kinds: ClassVar[frozenset[str]] = MAPPED_KINDS
    every: ClassVar[timedelta] = timedelta(minutes=15)
    sign_in: ClassVar[str] = "As the program does, by what is in `config` and `secrets`."
    limits: ClassVar[str] = (
        "Each poll starts a program: some 70 MB and a second or more. Of one line 16 MiB are read."
    )
    freshness: ClassVar[str] = "As often as `every` says; a program that runs long delays the next."

    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and what it is told before all else: `["/opt/tap-github/bin/tap-github"]`.
    A tap's selection belongs here: `"--catalog", "/etc/hub/github.json"`, or with older taps
    `"--properties"`."""
    protocol: Literal["singer", "airbyte"] = "singer"
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """What the program's documentation calls its config, without what is secret in it."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """What joins `config`, each as `${NAME}`; `credentials.token` stands for a table within it."""
    environment: dict[str, SecretStr] = Field(default_factory=dict)
    """Variables of the program's environment, `HTTPS_PROXY` where it needs one."""
    streams: Annotated[dict[str, Fields], Field(min_length=1)]
    """What the records of a stream say, by the stream's name: as in the connector `rest`."""
    silent: Duration = timedelta(minutes=5)
    """The program is ended when it says nothing for so long,"""
    longest: Duration = timedelta(hours=1)
    """or has not finished after this time."""

    def endpoint(self) -> Endpoint:
        return Command(self.argv, self.environment, self.silent, self.longest)

    async def pull(self, api: Lines, cursor: Cursor) -> AsyncIterator[Page]:
        run = _Run(self, cursor)
        arguments, files = self._given(run.state)
        try:
            async with aclosing(api.run(*arguments, files=files)) as lines:
                async for line in lines:
                    if run.take(line):
                        yield run.page(more=True)
        except SourceUnavailable as error:
            # What came before is stored by now, as far as the state said that it was whole.
            raise _sorted(run.error or error) from None
        yield run.page()
        if run.error is not None:  # it said so, and ended as if all were well
            raise _sorted(run.error)

    def _given(self, state: Json) -> tuple[list[str], dict[str, bytes]]:
        """Put the program's files together, and how it is told of them."""
        files: dict[str, Json] = {"config": self._config()}
        words = [] if self.protocol == "singer" else ["read"]
        if self.protocol == "airbyte":
            files["catalog"] = {"streams": [_stream(name) for name in self.streams]}
            state = list(state.values()) if isinstance(state, dict) else None
        if state is not None:
            files["state"] = state
        for name in files:
            words += [f"--{name}", f"{{folder}}/{name}.json"]
        return words, {f"{name}.json": json.dumps(told).encode() for name, told in files.items()}

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(json.dumps(self.config))
        for path, secret in self.secrets.items():
            *tables, name = path.split(".")
            table = config
            for one in tables:
                table = table.setdefault(one, {})
            table[name] = secret.get_secret_value()
        return config


class _Run:
    """One run of the program: records are gathered until it says how far they reach."""

    def __init__(self, source: Program, cursor: Cursor) -> None:
        self.source = source
        self.state = cursor.get("state")
        self._told = dict(cursor)
        self.error: SourceError | None = None
        self._records: list[Mapping[str, Any]] = []
        self._odd: list[Bad] = []
        self._loose = 0  # records that are stored, and that no state speaks of yet

    def take(self, line: bytes) -> bool:
        """Take a line in; tell whether a page is complete with it."""
        if not line.strip():
            return False
        try:
            said = json.loads(line)
            kind = said["type"]
        except (ValueError, LookupError, TypeError):
            if not line.endswith(b"\n"):
                raise SourceUnavailable("the program broke off in the middle of a line") from None
            self._odd.append(Bad("the program wrote no message", line[:2000].decode("latin-1")))
            return False
        try:
            return self._message(kind, said)
        except (LookupError, TypeError, AttributeError):
            self._odd.append(Bad(f"a message {kind} that lacks what it must have", said))
            return False

    def _message(self, kind: str, said: Mapping[str, Any]) -> bool:
        match kind, self.source.protocol:
            case "RECORD", "singer":
                return self._record(said["stream"], said["record"])
            case "RECORD", _:
                return self._record(said["record"]["stream"], said["record"]["data"])
            case "STATE", "singer":
                self.state = said["value"]
            case "STATE", _:
                self.state = _merged(self.state, said["state"])
            case "TRACE", _ if said["trace"]["type"] == "ERROR":
                self.error = SourceUnavailable(
                    f"the program says: {said['trace']['error']['message']}"
                )
                return False
            case "BATCH", _:
                raise SourceMisbehaved(
                    "the program hands records over in files", "Turn its batches off"
                )
            case _:  # SCHEMA, LOG, ACTIVATE_VERSION and what may come: nothing to be stored
                return False
        self._loose = 0
        return self._cursor() != self._told  # else what was gathered joins the next page

    def _record(self, stream: str, record: Any) -> bool:
        if stream in self.source.streams:
            self._records.append({"stream": stream, "record": record})
        if len(self._records) < _PAGE:
            return False
        self._loose += len(self._records)
        return True

    def _cursor(self) -> dict[str, Json]:
        """Say where to resume; what is `loose` will be read again, and is known by then."""
        told: dict[str, Json] = {} if self.state is None else {"state": self.state}
        return told | ({"loose": self._loose} if self._loose else {})

    def page(self, *, more: bool = False) -> Page:
        seen = now()

        def read(one: Mapping[str, Any]) -> Draft | None:
            return self.source.streams[one["stream"]].draft(one["record"], seen)

        self._loose = self._loose if more else 0
        self._told = self._cursor()
        page = Page.read(self._records, read, self._told, more=more)
        odd, self._odd, self._records = self._odd, [], []
        return Page(page.drafts, page.cursor, [*page.bad, *odd], more)


def _stream(name: str) -> Json:
    """Select a stream for a source of Airbyte's, which wants to be told all of this."""
    modes: Json = ["full_refresh", "incremental"]
    return {
        "stream": {"name": name, "json_schema": {}, "supported_sync_modes": modes},
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    }


def _merged(state: Json, said: Mapping[str, Any]) -> Json:
    """Keep the newest state of each stream, as Airbyte's sources tell them one by one."""
    about = (said.get("stream") or {}).get("stream_descriptor") or {}
    name = f"{about.get('namespace') or ''}/{about.get('name') or ''}"
    return {**(state if isinstance(state, dict) else {}), name: dict(said)}


def _sorted(error: SourceError) -> SourceError:
    """Tell from a program's last words what is to be done: it has no other way to say it."""
    if _LIMIT.search(error.message):
        return RateLimited(error.message)
    if _SIGN_IN.search(error.message):
        return AuthFailed(error.message)
    return error
