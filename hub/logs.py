"""Logging: lines for people on a terminal, JSON elsewhere; no secrets, and no signal's words.

A line carries what it is about (`about`): the request, the source and its lease, the delivery.
"""

import logging
import re
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import TracebackException
from types import MappingProxyType, TracebackType
from typing import Any, Literal, TypeAlias

import orjson

from hub.errors import HubError
from hub.hidden import redact

Form: TypeAlias = Literal["auto", "json", "text"]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

LONGEST = 16 * 1024  # characters of one fact or traceback; the rest is said to be cut
HUSHED = 2 * 1024  # characters of an error's words that are looked through; the rest is left out

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_STANDARD |= {"color_message"}  # uvicorn's, the message once more
_OWN = frozenset({"at", "level", "logger", "traceback"})
# What a terminal or a reader of lines would obey: controls, line ends, changes of direction.
_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# The words of an error quote what it met, and what it met may be a record's.
_QUOTED = re.compile(r"(input_value=).*?(?=, input_type=)|(['\"]).*?\2(?!\w)", re.DOTALL)
# These speak of the world outside, not of what a record said.
_PLAIN_SPOKEN = (HubError, OSError, KeyError, AttributeError, ImportError)

_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**facts: object) -> Generator[None]:
    """Put facts into every line that is written within the block."""
    token = _about.set({**_about.get(), **facts})
    try:
        yield
    finally:
        _about.reset(token)


def note(**facts: object) -> None:
    """Put facts into every line that this task, and those it starts, write from here on."""
    _about.set({**_about.get(), **facts})


def noted(name: str) -> object:
    """Tell a fact that lines carry here; None where it is not known."""
    return _about.get().get(name)


class _Formatter(logging.Formatter):
    """`words`: the words of foreign errors are shown as they are, records' words among them."""

    def __init__(self, *, words: bool) -> None:
        super().__init__()
        self._words = words

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return {
            f"{key}_" if key in _OWN else key: _clean(value)
            for key, value in {**_about.get(), **given}.items()
        }

    def traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[1] is None:
            return ""
        told = TracebackException.from_exception(record.exc_info[1])
        if not self._words:
            for one in _chain(told):
                _hush(one)
        return _clean_text("".join(told.format()).rstrip())


class JsonLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clean_text(record.getMessage()),
            **self.facts(record),
        }
        if traceback := self.traceback(record):
            line["traceback"] = traceback
        return orjson.dumps(line).decode()


class Lines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = "  ".join(f"{key}={value}" for key, value in self.facts(record).items())
        said = _clean_text(record.getMessage())
        line = _on_one_line(f"{at} {record.levelname.lower():7} {said}  {facts}".rstrip())
        # Each line of it behind a bar: none can pass for a line of the log.
        traceback = self.traceback(record).splitlines()
        return "\n".join([line, *(f"  | {_on_one_line(part)}" for part in traceback)])


def set_up_logs(level: str, form: Form = "auto") -> None:
    """Send all logging to standard error, in the form that fits who reads it.

    DEBUG is for the hub and its connectors: what others say at that level nobody can vouch for.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    words = level == "DEBUG"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(words=words) if as_text else JsonLines(words=words))
    logging.basicConfig(level="INFO" if level == "DEBUG" else level, handlers=[handler], force=True)
    for own in ("hub", "connectors"):
        logging.getLogger(own).setLevel(level)
    for loud in ("alembic", "httpx2", "httpcore2", "arq"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _at_the_end
    threading.excepthook = _in_a_thread
    sys.unraisablehook = _unraisable


def _at_the_end(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Log what ends the process: Python itself would write it as it is."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger("hub").critical("it ends", exc_info=(kind, error, traceback))


def _in_a_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        facts: ExcInfo = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("hub").error("a thread failed", exc_info=facts)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        facts: ExcInfo = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("hub").error("a clean-up failed", exc_info=facts)


def _clean(value: Any) -> Any:
    """Make a fact what JSON can carry, without secrets."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {_clean_text(str(key)): _clean(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(part) for part in value]
        case _:
            return _clean_text(str(value))


def _clean_text(text: str) -> str:
    # Hidden before it is cut: half a secret would not be recognised.
    text = redact(text).encode(errors="backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more)"


def _on_one_line(text: str) -> str:
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _chain(told: TracebackException) -> Iterator[TracebackException]:
    """Yield an error, those that it stands for and those that led to it."""
    yield told
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            yield from _chain(other)


def _hush(told: TracebackException) -> None:
    """Leave out what an error quotes: it may be a signal's words."""
    kind = told.exc_type
    if kind is None or issubclass(kind, _PLAIN_SPOKEN):
        return
    # What it will say; there is no public way to change it, and a test sees to it that it works.
    told._str = _hushed(told._str)  # type: ignore[attr-defined]  # ty: ignore[missing-attribute]  # noqa: SLF001
    if told.__notes__:
        told.__notes__ = [_hushed(one) for one in told.__notes__]


def _hushed(words: str) -> str:
    # Secrets first: what is left of one that had quotes in it would not be recognised.
    return _QUOTED.sub(lambda found: (found[1] or "") + "…", redact(words)[:HUSHED])
