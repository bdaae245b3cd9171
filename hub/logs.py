"""Logging: lines for people on a terminal, JSON elsewhere; secrets never."""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What must never be read in a log: our keys, bearer tokens, webhook secrets, passwords in URLs.
_SECRET = re.compile(
    r"(hub_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+|(whsec_)[A-Za-z0-9+/=]+"
    r"|((?:Bearer|Basic|Token)\s+)[A-Za-z0-9._~+/=-]+|(://[^/\s:@]+:)[^@/\s]+(?=@)"
)


def redact(text: str) -> str:
    return _SECRET.sub(lambda found: next(g for g in found.groups() if g is not None) + "…", text)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return redact(orjson.dumps(line, default=str).decode())


class Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = "  ".join(f"{key}={value}" for key, value in _facts(record).items())
        line = f"{at} {record.levelname.lower():7} {record.getMessage()}  {facts}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


def set_up_logs(level: str) -> None:
    """Send all logging to standard error in the form that fits who reads it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("arq").setLevel(logging.WARNING)
