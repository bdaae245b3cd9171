"""Reading what an IMAP server answers: values in parentheses, and the many ways of saying no.

https://www.rfc-editor.org/rfc/rfc3501#section-9 · https://www.rfc-editor.org/rfc/rfc5530
"""

import re
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import unquote_to_bytes

from hub.errors import (
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.hidden import redact

_EXCERPT = 200
_TOKEN = re.compile(
    rb"""\s*(?:(?P<open>\()|(?P<close>\))
    |"(?P<quoted>(?:[^"\\]|\\.)*)"
    |(?P<literal>\{\d+\}\Z)
    |(?P<atom>(?:[^\s()"\[{]|\[[^\]]*\])+))""",
    re.VERBOSE | re.DOTALL,
)
_CODE = re.compile(r"\[([A-Z]+)[^\]]*\]")
_AWAY = {"UNAVAILABLE", "SERVERBUG", "INUSE", "CONTACTADMIN"}
_BUSY = {"LIMIT", "OVERQUOTA", "THROTTLED"}
_SIGN_IN = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "ALERT"}


def messages(data: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Read the answers to FETCH, each as its items by name; what is no answer to UID is left out.

    A server may tell at any time that the flags of some other message have changed.
    """
    for items in _values(data):
        if isinstance(items, list):
            pairs = zip(items[::2], items[1::2], strict=False)
            found = {name.decode(errors="replace").upper(): value for name, value in pairs}
            if "UID" in found:
                yield found


def _values(data: Sequence[Any]) -> list[Any]:
    """Read values: a list for what stands in parentheses, bytes for a word, None for NIL.

    imaplib gives bytes, and a pair where a literal (which ends in `{123}`) follows.
    """
    top: list[Any] = []
    stack = [top]
    for chunk in data:
        text, literal = chunk if isinstance(chunk, tuple) else (chunk, None)
        at, text = 0, (text or b"").rstrip()
        while at < len(text):
            if (token := _TOKEN.match(text, at)) is None:
                raise SourceMisbehaved(
                    f"an answer of IMAP cannot be read at {text[at : at + 40]!r}"
                )
            at = token.end()
            match token.lastgroup:
                case "open":
                    stack[-1].append([])
                    stack.append(stack[-1][-1])
                case "close" if len(stack) > 1:
                    stack.pop()
                case "close":
                    raise SourceMisbehaved("an answer of IMAP closes more than it opened")
                case "quoted":
                    stack[-1].append(re.sub(rb"\\(.)", rb"\1", token["quoted"], flags=re.DOTALL))
                case "literal":
                    stack[-1].append(literal)
                case _:
                    stack[-1].append(None if token["atom"].upper() == b"NIL" else token["atom"])
    return top


def files(structure: Any) -> Iterator[str]:
    """Name the attachments in a BODYSTRUCTURE."""
    if not isinstance(structure, list):
        return
    words = [part.upper() if isinstance(part, bytes) else None for part in structure]
    for name, value in zip(words[::2], structure[1::2], strict=False):
        # The name is told twice: of the part, and of its disposition. The latter is the one to
        # show (RFC 2183); the former is all that some programs write.
        if name in {b"FILENAME", b"FILENAME*"} and isinstance(value, bytes):
            yield _extended(value) if name.endswith(b"*") else _word(value)
    for part in structure:
        yield from files(part)


def _word(value: bytes) -> str:
    text = value.decode(errors="replace")
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def _extended(value: bytes) -> str:
    """Read `utf-8'en'%C3%9C.png`: https://www.rfc-editor.org/rfc/rfc2231#section-4."""
    charset, _, rest = value.partition(b"'")
    raw = unquote_to_bytes(rest.partition(b"'")[2])
    try:
        return raw.decode(charset.decode("ascii", "replace") or "utf-8", "replace")
    except LookupError:
        return raw.decode(errors="replace")


def refusal(host: str, said: object, *, signing_in: bool = False) -> SourceError:
    """Sort a NO, a BAD or a BYE by what to do about it."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    text = redact(" ".join(text.split()))[:_EXCERPT]
    code = found[1] if (found := _CODE.search(text.upper())) else ""
    words = f"{host} answered: {text}"
    if code in _BUSY:
        return RateLimited(words)
    if code in _AWAY or text.startswith("* BYE"):
        return SourceUnavailable(words)
    if code in _SIGN_IN or signing_in:
        return AuthFailed(words)
    return SourceMisbehaved(words)
