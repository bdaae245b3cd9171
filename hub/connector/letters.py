"""Reading a message of mail, as tolerantly as people write them.

https://www.rfc-editor.org/rfc/rfc5322 · https://www.rfc-editor.org/rfc/rfc2045
"""

import email
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value, getaddresses, parsedate_to_datetime

from hub.connector.text import plain
from hub.errors import BadRecord

_ID = re.compile(r"<([^<>\s]+)>")
_ANSWER = re.compile(
    r"\s*(?:(?:re|aw|sv|antw|r[ée]f?|fwd?|wg|tr|rv|vs|odp)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE
)
_LIST = re.compile(r'"?(?P<name>[^<"]*)"?[^<]?<(?P<id>[^<>]+)>')
# What calls itself so is Windows's in practice: https://encoding.spec.whatwg.org/#names-and-labels
_LATIN, _WINDOWS = {"iso-8859-1", "latin-1", "latin1", "iso8859-1"}, "cp1252"
_QUOTED = re.compile(r"\s*(?:>|.{0,200}\b(?:wrote|schrieb|a écrit|escribió|ha scritto)\s*:\s*$)")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is told by one message."""

    id: str
    """Its Message-ID; of one without, a fingerprint of its header."""
    refers: tuple[str, ...]
    """The Message-IDs of the conversation before it, the oldest first."""
    answers: str | None
    """The one Message-ID that it replies to."""
    subject: str
    is_answer: bool
    """Whether the subject says so: "Re:", "AW:", "Fwd:"."""
    authors: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    """To whom it went: names, each with an address."""
    sent_at: datetime | None
    text: str
    files: tuple[str, ...]
    list: tuple[str, str] | None
    """The id and the name of the mailing list or newsletter that brought it."""
    is_bulk: bool
    """Sent to many at once, by a machine or a list."""

    @property
    def fresh(self) -> str:
        """The text without what it quotes of the messages before."""
        lines = (line for line in self.text.split("\n") if not _QUOTED.match(line))
        return " ".join(" ".join(lines).split())

    @property
    def participants(self) -> frozenset[str]:
        return frozenset(address for _, address in (*self.authors, *self.others))


def read_letter(content: bytes) -> Letter:
    """Read a message, also one of which the end is missing. Raises BadRecord."""
    try:
        message = email.message_from_bytes(content)
        return _letter(message)
    except (
        RecursionError,
        MessageError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        # Of the many ways to be no message, a few thousand parts within each other is one.
        raise BadRecord(f"this is not a message of mail: {type(error).__name__}") from None


def read_heading(content: bytes) -> Letter:
    """Read what the header says alone."""
    head, _, _ = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    return read_letter(head + b"\n\n")


def _letter(message: Message) -> Letter:
    heading = _headings(message)

    def first(name: str) -> str:
        return next(iter(heading.get(name, ())), "")

    subject = " ".join(decoded(first("subject")).split())
    own = _ID.search(first("message-id"))
    listed = _LIST.match(" ".join(decoded(first("list-id")).split()))
    answered = _ID.search(first("in-reply-to"))
    precedence = first("precedence").strip().lower()
    return Letter(
        id=own[1] if own else _fingerprint(message),
        refers=tuple(dict.fromkeys(_ID.findall(" ".join(heading.get("references", ()))))),
        answers=answered[1] if answered else None,
        subject=_ANSWER.sub("", subject, count=1) if _ANSWER.match(subject) else subject,
        is_answer=_ANSWER.match(subject) is not None,
        authors=_people(heading.get("from", ()) or heading.get("sender", ())),
        others=_people([*heading.get("to", ()), *heading.get("cc", ())]),
        sent_at=_time(first("date")),
        text=_text(message).strip(),
        files=tuple(_files(message)),
        list=(listed["id"].strip(), (listed["name"] or "").strip()) if listed else None,
        is_bulk=bool(listed or first("list-unsubscribe")) or precedence in {"bulk", "list", "junk"},
    )


def _headings(message: Message) -> dict[str, list[str]]:
    """List the header's fields by name; bytes that nobody declared are read as what they are."""
    found: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        raw = str(value).encode("utf-8", "surrogateescape")
        found.setdefault(name.lower(), []).append(_guess(raw, None))
    return found


def decoded(text: str) -> str:
    """Decode the words of RFC 2047 in a header."""
    if "=?" not in text:
        return text
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError):  # a word with damaged base64: shown as it stands
        return text
    return "".join(
        part if isinstance(part, str) else _guess(part, charset) for part, charset in parts
    )


def _guess(raw: bytes, charset: str | None) -> str:
    """Decode by the charset that is named, if it can be; else as most likely meant."""
    for name in (charset, "utf-8"):
        try:
            if name:
                return raw.decode(_WINDOWS if name.lower() in _LATIN else name)
        except (LookupError, UnicodeError):
            continue
    return raw.decode(_WINDOWS, "replace")


def _people(fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read addresses, and only then the names: an encoded name may hold a comma."""
    found = {
        address.lower(): " ".join(decoded(name).split())
        for name, address in getaddresses(list(fields))
        if "@" in address
    }
    return tuple((name or address, address) for address, name in found.items())


def _time(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _text(part: Message) -> str:
    """Find what is there to be read; of alternatives the plain one."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        return _text_of_parts(part)
    if _file(part) is not None:
        return ""
    match part.get_content_type():
        case "text/html":
            return plain(_words(part))
        case "text/plain" if _parameter(part, "format") == "flowed":
            joint = "" if _parameter(part, "delsp") == "yes" else " "
            return _unflowed(_words(part).replace("\r\n", "\n"), joint)
        case "text/plain":
            return _words(part).replace("\r\n", "\n")
        case _:
            return ""


def _text_of_parts(part: Message) -> str:
    texts = [(one.get_content_type(), _text(one).strip()) for one in _parts(part)]
    said = [text for _, text in texts if text]
    if part.get_content_subtype() == "alternative":
        as_plain = (text for kind, text in texts if kind == "text/plain" and text)
        return next(as_plain, said[-1] if said else "")
    return "\n\n".join(said)


def _files(part: Message) -> Iterator[str]:
    """Name what is attached, messages that are forwarded whole among it."""
    if part.get_content_maintype() == "multipart":
        for one in _parts(part):
            yield from _files(one)
    elif (name := _file(part)) is not None:
        yield name


def _file(part: Message) -> str | None:
    if part.get_content_type() == "message/rfc822":
        inner = next(_parts(part), None)
        subject = decoded(str(inner["subject"] or "")) if inner is not None else ""
        return f"{' '.join(subject.split()) or 'message'}.eml"
    named = part.get_filename()  # decodes RFC 2231
    if named:
        return " ".join(decoded(collapse_rfc2231_value(named)).split())
    if part.get_content_disposition() == "attachment":
        return part.get_content_type()
    return None


def _parts(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    yield from (
        (one for one in payload if isinstance(one, Message)) if isinstance(payload, list) else ()
    )


def _words(part: Message) -> str:
    payload = part.get_payload(decode=True)  # of damaged base64 or quoted-printable what there is
    return _guess(payload, part.get_content_charset()) if isinstance(payload, bytes) else ""


def _parameter(part: Message, name: str) -> str:
    value = part.get_param(name)
    return value.lower() if isinstance(value, str) else ""


def _unflowed(text: str, joint: str) -> str:
    """Join lines that a program broke: https://www.rfc-editor.org/rfc/rfc3676#section-4.1."""
    return re.sub(r"(?m)(?<!^--) \n(?!>|\n|--\s)", joint, text)


def _fingerprint(message: Message) -> str:
    told = "\n".join(f"{name}: {value}" for name, value in message.raw_items())
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]
