"""What the twin's server answers: the commands of `_answer`, which are RFC 3501's.

Whatever else is asked gets BAD, and so does what would change the mailbox (SELECT, BODY[] without
PEEK). https://www.rfc-editor.org/rfc/rfc3501#section-6
"""

import asyncio
import base64
import email
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from typing import Protocol

from connectors.twins import Fault

USER, PASSWORD = "hub@hub.example", "not-a-real-password-4711"
RFC = "https://www.rfc-editor.org/rfc/rfc3501"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PARTS = re.compile(r"\(|\)|\"((?:[^\"\\]|\\.)*)\"|[^\s()\"]+")
_BODY = re.compile(r"BODY\.PEEK\[(HEADER|)\](?:<(\d+)\.(\d+)>)?")
_BIG = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A message in a folder."""

    uid: int
    received: datetime
    content: bytes

    @property
    def heading(self) -> bytes:
        return self.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@dataclass(slots=True)
class Shelf:
    """A folder: its messages, in the order in which they came."""

    validity: int = 1
    next: int = 1
    kept: list[Kept] = field(default_factory=list)


class Server(Protocol):
    """What a session must know of the twin that it belongs to."""

    folders: dict[str, Shelf]
    asked: list[str]
    offers: tuple[str, ...]
    tells_next: bool
    fault: Fault | None
    turn: int | None
    """Which fields of a message's header are left out while Fault.DRIFT plays."""
    recorded: Mapping[str, str] | None
    """What a real server answered, by command, with TAG for the tag; it replaces all below."""
    read_to: int
    """The last message that somebody got."""


class Session:
    """One connection, in the states of RFC 3501, section 3."""

    def __init__(
        self, twin: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.twin, self.reader, self.writer = twin, reader, writer
        self.is_signed_in = False
        self.shelf: Shelf | None = None

    async def run(self) -> None:
        if self.twin.fault is Fault.BROKEN:
            await self.say("* BYE [UNAVAILABLE] Server shutting down.")
            return
        await self.say(f"* OK [CAPABILITY {' '.join(self.twin.offers)}] ready")
        while (command := await self._command()) is not None:
            tag, _, rest = command.partition(" ")
            self.twin.asked.append(re.sub(r"^(LOGIN .*)$", "LOGIN …", rest))
            if not await self._answer(tag, rest):
                return

    async def say(self, text: str) -> None:
        self.writer.write(text.encode("latin-1") + b"\r\n")
        await self.writer.drain()

    async def _command(self) -> str | None:
        """Read a command with its literals, which become quoted."""
        command = ""
        while line := (await self.reader.readline()).decode("latin-1"):
            if (literal := re.search(r"\{(\d+)\}\r\n$", line)) is None:
                return command + line.rstrip("\r\n")
            await self.say("+ go on")
            given = (await self.reader.readexactly(int(literal[1]))).decode("latin-1")
            command += f'{line[: literal.start()]}"{given}"'
        return None

    async def _answer(self, tag: str, rest: str) -> bool:
        words = [part[1] if part[0].startswith('"') else part[0] for part in _PARTS.finditer(rest)]
        words = [re.sub(r"\\(.)", r"\1", word) for word in words]
        name = words[0].upper() if words else ""
        if name == "UID" and len(words) > 1:
            name = f"UID {words.pop(1).upper()}"
        if name == "LOGOUT":
            await self.say("* BYE Logging out")
            await self.say(f"{tag} OK done")
            return False
        allowed = {
            "CAPABILITY": self._capability,
            "LOGIN": self._login,
            "AUTHENTICATE": self._authenticate,
        }
        if self.is_signed_in and self.twin.recorded is not None:
            text = self.twin.recorded.get(rest, "TAG BAD not recorded\r\n").encode("latin-1")
            before, _, status = text.rpartition(b"TAG ")
            self.writer.write(before + tag.encode() + b" " + status)
            await self.writer.drain()
            return True
        if self.is_signed_in:
            allowed["EXAMINE"] = self._examine
        if self.shelf is not None:
            allowed |= {"UID SEARCH": self._search, "UID FETCH": self._fetch}
        if name not in allowed:
            await self.say(f"{tag} BAD {name} is not in the table, or not in this state")
            return True
        said = await allowed[name](words[1:])
        await self.say(f"{tag} {said}")
        return not self.writer.is_closing()

    async def _capability(self, _: Sequence[str]) -> str:
        await self.say(f"* CAPABILITY {' '.join(self.twin.offers)}")
        return "OK done"

    async def _login(self, words: Sequence[str]) -> str:
        return self._sign_in([*words] == [USER, PASSWORD])

    async def _authenticate(self, words: Sequence[str]) -> str:
        await self.say("+ ")
        given = base64.b64decode(await self.reader.readline()).decode()
        if words == ["XOAUTH2"]:
            is_right = given == f"user={USER}\1auth=Bearer {PASSWORD}\1\1"
            if not is_right:
                # https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
                await self.say("+ " + base64.b64encode(b'{"status":"400"}').decode())
                assert await self.reader.readline() == b"\r\n"
            return self._sign_in(is_right)
        return self._sign_in(words == ["PLAIN"] and given == f"\0{USER}\0{PASSWORD}")

    def _sign_in(self, is_right: bool) -> str:
        match self.twin.fault:
            case Fault.LIMITED:
                return "NO [LIMIT] Too many connections"
            case Fault.TOKEN_EXPIRED:
                return "NO [EXPIRED] The password has expired"
        if not is_right:
            return "NO [AUTHENTICATIONFAILED] Invalid credentials"
        self.is_signed_in = True
        return "OK [CAPABILITY IMAP4rev1] Logged in"

    async def _examine(self, words: Sequence[str]) -> str:
        if self.twin.fault is Fault.FORBIDDEN:
            return "NO [NOPERM] Permission denied"
        self.shelf = self.twin.folders.get(words[0])
        if self.shelf is None:
            return "NO [NONEXISTENT] Mailbox doesn't exist"
        if self.twin.fault is Fault.CUT_SHORT and self.twin.read_to >= self.shelf.next - 1:
            return self._cut(b"* FLAGS (")  # no message will be asked for
        await self.say(r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)")
        await self.say(f"* {len(self.shelf.kept)} EXISTS")
        await self.say(f"* OK [UIDVALIDITY {self.shelf.validity}] UIDs valid")
        if self.twin.tells_next:
            await self.say(f"* OK [UIDNEXT {self.shelf.next}] Predicted next UID")
        return "OK [READ-ONLY] done"

    async def _search(self, words: Sequence[str]) -> str:
        assert self.shelf is not None
        found = self.shelf.kept
        rest = [*words]
        while rest:
            match rest.pop(0).upper():
                case "CHARSET" if rest.pop(0) == "UTF-8":
                    pass
                case "UID":
                    numbers = self._numbers(rest.pop(0))
                    found = [one for one in found if one.uid in numbers]
                case "SINCE":
                    day, month, year = rest.pop(0).split("-")
                    since = datetime(int(year), _MONTHS.index(month) + 1, int(day), tzinfo=UTC)
                    found = [one for one in found if one.received.date() >= since.date()]
                case "HEADER":
                    name, text = rest.pop(0), rest.pop(0).encode("latin-1").decode()
                    found = [one for one in found if text.lower() in _told(one, name).lower()]
                case other:
                    return f"BAD {other} is not in the table"
        await self.say(" ".join(["* SEARCH", *(str(one.uid) for one in found)]))
        return "OK done"

    async def _fetch(self, words: Sequence[str]) -> str:
        assert self.shelf is not None
        numbers = self._numbers(words[0])
        items = [word.upper() for word in words[1:] if word not in {"(", ")"}]
        # Whoever has a folder open is told of others' flags at any time.
        await self.say(r"* 1 FETCH (FLAGS (\Seen))")
        for position, one in enumerate(self.shelf.kept, start=1):
            if one.uid not in numbers:
                continue
            content = one.content
            if self.twin.fault is Fault.DRIFT:
                content = _strange(content, position, self.twin.turn)
            if self.twin.fault is Fault.LARGE_BODY:
                content += b"And so on, and so on.\r\n" * (_BIG // 23)
            told = {
                "UID": str(one.uid),
                "RFC822.SIZE": str(len(content)),
                "INTERNALDATE": f'"{_internal(one.received)}"',
            }
            if "BODYSTRUCTURE" in items:
                told["BODYSTRUCTURE"] = _structure(one.content)
            self.writer.write(f"* {position} FETCH (".encode())
            for gap, item in zip(("", *" " * len(items)), items, strict=False):
                if (body := _BODY.fullmatch(item)) is not None:
                    self._part(gap, body, one.heading if body[1] else content)
                elif item in told:
                    self.writer.write(f"{gap}{item} {told[item]}".encode())
                else:
                    return f"BAD {item} is not in the table"
            if self.writer.is_closing():
                return ""
            self.twin.read_to = max(self.twin.read_to, one.uid)
            await self.say(")")
        return "OK done"

    def _part(self, gap: str, asked: re.Match[str], part: bytes) -> None:
        named = f"BODY[{asked[1]}]"
        if asked[2] is not None:
            part = part[int(asked[2]) :][: int(asked[3])]
            named += f"<{asked[2]}>"
        self.writer.write(f"{gap}{named} {{{len(part)}}}\r\n".encode())
        if self.twin.fault is Fault.CUT_SHORT:
            self._cut(part[: len(part) // 2])
        else:
            self.writer.write(part)

    def _cut(self, start: bytes) -> str:
        self.writer.write(start)
        self.writer.close()
        return ""

    def _numbers(self, text: str) -> set[int]:
        """Read a set of UIDs; `*` is the last message's, and in a range the ends have no order."""
        assert self.shelf is not None
        last = self.shelf.kept[-1].uid if self.shelf.kept else 0
        numbers: set[int] = set()
        for part in text.split(","):
            ends = sorted(last if end == "*" else int(end) for end in part.split(":"))
            numbers |= {*range(ends[0], ends[-1] + 1)}
        return numbers


def _told(one: Kept, name: str) -> str:
    header = BytesHeaderParser().parsebytes(one.heading)
    return str(make_header(decode_header(str(header.get(name, "")))))


def _strange(content: bytes, position: int, turn: int | None) -> bytes:
    lines = content.split(b"\r\n")
    if turn is not None and turn >= 0:
        del lines[(position + turn) % lines.index(b"")]
    return b"X-New: =?x-new?q?field?=\r\n" + b"\r\n".join(lines)


def _internal(at: datetime) -> str:
    return f"{at.day:2}-{_MONTHS[at.month - 1]}-{at:%Y %H:%M:%S %z}"


def _structure(content: bytes) -> str:
    """Describe the parts, in as many words as a client needs to name the attachments."""
    message = email.message_from_bytes(content)
    parts = [part for part in message.walk() if not part.is_multipart()]
    told = []
    for part in parts:
        kind, sub = part.get_content_type().upper().split("/")
        file = part.get_filename()
        shown = f'("ATTACHMENT" ("FILENAME" "{file}"))' if file else "NIL"
        told.append(f'("{kind}" "{sub}" NIL NIL NIL "7BIT" 1 NIL {shown} NIL)')
    return f'({"".join(told)} "MIXED" NIL NIL NIL)' if len(told) > 1 else told[0]
