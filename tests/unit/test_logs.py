"""Lines of the log: no secret in any form, no words of a signal, nothing forged."""

import io
import json
import logging
from asyncio import gather, sleep
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel, HttpUrl, SecretStr

from hub import hidden
from hub.errors import HubError
from hub.hidden import hide, hide_all, redact
from hub.logs import JsonLines, Lines, about, note, noted

SECRET = 'p&ss "wörd"/\\+ of 1 canary'


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with no secrets known, and forget those of the test."""
    monkeypatch.setattr(hidden, "_values", set())
    monkeypatch.setattr(hidden, "_known", hidden._known)


class Log:
    """One logger with one formatter, and what was written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        self.logger = logging.Logger("hub.test")  # noqa: LOG001 - known to nobody else
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def line(self) -> Any:
        [line] = self.text.splitlines()
        return json.loads(line)


@pytest.fixture(params=[JsonLines, Lines])
def log(request: pytest.FixtureRequest) -> Log:
    return Log(request.param(words=False))


def fail(error: BaseException) -> None:
    raise error


def test_a_known_secret_is_hidden_wherever_it_stands_and_however_it_is_written(log: Log) -> None:
    hide(SECRET)
    try:
        fail(RuntimeError(f"GET https://u:{quote(SECRET)}@x.example/?k={quote(SECRET, safe='')}"))
    except RuntimeError as error:
        error.add_note(f"a note with {SECRET}")
        extra = {"error": error, "nested": {"a": [SECRET, {SECRET: repr(SECRET)}]}}
        log.logger.exception("about %s and %r", SECRET, {"x": SECRET}, extra=extra)
        log.logger.warning(json.dumps({"echo": SECRET}))
    for piece in ("canary", "wörd", "w%C3%B6rd", r"w\u00f6rd"):
        assert piece not in log.text
    assert "…" in log.text


def test_secrets_are_found_in_settings_by_type_by_name_and_within_urls() -> None:
    class Inner(BaseModel):
        hook: HttpUrl
        token: str
        headers: dict[str, str]

    class Outer(BaseModel):
        secret: SecretStr
        parts: list[Inner]
        database: str
        name: str

    inner = Inner(
        hook=HttpUrl("https://hooks.example/services/T0000/B0000/hook-canary"),
        token="token-canary",
        headers={"X-Api-Key": "header-canary", "X-Desk": "press-desk"},
    )
    hide_all(
        Outer(
            secret=SecretStr("new-canary old-canary"),
            parts=[inner],
            database="postgresql://hub:db%2Fcanary@localhost/hub",
            name="Acme and company",
        ),
        {"VENDOR_TOKEN": "env-canary", "PATH": "/usr/local/bin", "SHORT_SECRET": "abc"},
    )
    for secret in (
        "new-canary", "old-canary", "token-canary", "header-canary", "env-canary", "db/canary",
        "db%2Fcanary", "/services/T0000/B0000/hook-canary",
    ):  # fmt: skip
        assert "canary" not in redact(f"at {secret}, they said"), secret
    for harmless in ("press-desk", "Acme and company", "/usr/local/bin", "abc", "hub"):
        assert redact(harmless) == harmless


def test_what_looks_like_a_secret_is_hidden_though_nobody_knows_it() -> None:
    said = (
        "hub_abcdefgh1234567890 whsec_c2VjcmV0 Bearer abc.def-123 Basic dXNlcg== "
        "redis://:pass-word@host/0 postgresql://hub:pass-word@host/db "
        "token=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl"
    )
    shown = redact(said)
    for secret in (
        "1234567890",
        "c2VjcmV0",
        "abc.def",
        "dXNlcg",
        "pass-word",
        "eyJzdWIi",
        "c2lnbm",
    ):
        assert secret not in shown
    assert "hub_abcdefgh…" in shown


def test_the_words_that_an_error_quotes_are_left_out_unless_they_are_asked_for() -> None:
    class Deal(BaseModel):
        amount: int

    def write(log: Log) -> None:
        try:
            try:
                Deal(amount="Dear Sir,\nI am 'not' amused")
            except ValueError:
                int("Kind regards, Zebra")
        except ValueError:
            log.logger.exception("a connector failed")

    told = Log(JsonLines(words=False))
    write(told)
    assert "Traceback" in told.line["traceback"]
    assert "invalid literal for int() with base 10: …" in told.line["traceback"]
    assert "input_type=str" in told.line["traceback"]
    for word in ("Dear", "amused", "regards", "Zebra"):
        # The frames quote this file's own lines; the words of the errors are on none of them.
        spoken = [x for x in told.line["traceback"].splitlines() if not x.startswith("    ")]
        assert word not in "\n".join(spoken)
    asked = Log(JsonLines(words=True))
    write(asked)
    assert "base 10: 'Kind regards, Zebra'" in asked.line["traceback"]


def test_our_own_errors_keep_their_words(log: Log) -> None:
    try:
        fail(HubError("no role named 'sales'", "Add it"))
    except HubError:
        log.logger.exception("it failed")
    assert "no role named 'sales'. Add it" in log.text


@pytest.mark.parametrize("words", [True, False])
def test_nobody_forges_a_line(words: bool) -> None:
    forged = "x\n12:00:00 error   forged\r\x1b[2K\u2028\u202eforged"
    for formatter in (JsonLines(words=words), Lines(words=words)):
        log = Log(formatter)
        try:
            fail(RuntimeError(forged))
        except RuntimeError:
            log.logger.exception("said %s", forged, extra={"by": forged})
        first, *rest = log.text.split("\n")[:-1]
        assert "forged" in first
        if isinstance(formatter, JsonLines):
            assert rest == []
            assert "\x1b" not in log.text
        else:
            assert all(line.startswith("  | ") for line in rest)
            assert not {"\r", "\x1b", "\u2028", "\u202e"} & set(log.text)


def test_a_line_tells_what_it_is_about() -> None:
    log = Log(JsonLines(words=False))
    with about(source="crm", lease="1"), about(lease="2", level="own"):
        log.logger.warning("it fails", extra={"error": "why", "count": 3})
    line = log.line
    assert {**line, "at": ""} == {
        "at": "", "level": "warning", "logger": "hub.test", "message": "it fails",
        "source": "crm", "lease": "2", "level_": "own", "error": "why", "count": 3,
    }  # fmt: skip
    assert noted("source") is None


async def test_what_is_noted_stays_with_its_task() -> None:
    async def one(number: str) -> object:
        note(request=number)
        await sleep(0)
        return noted("request")

    assert [*await gather(one("a"), one("b"))] == ["a", "b"]
    assert noted("request") is None


def test_a_fact_without_end_is_cut_and_says_so(log: Log) -> None:
    log.logger.warning("long", extra={"error": "x" * 100_000})
    assert len(log.text) < 20_000
    assert "more)" in log.text


def test_a_lone_surrogate_is_written(log: Log) -> None:
    log.logger.warning("half \ud800", extra={"a": "\udfff"})
    assert r"\ud800" in log.text.replace("\\\\", "\\")
