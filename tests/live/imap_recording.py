"""Listens between the hub and an IMAP server, and writes down what the server answers."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

_PRIVATE = ("CAPABILITY", "LOGIN", "AUTHENTICATE", "LOGOUT")
_HELD = re.compile(r"\{\d+\}$")
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Recording:
    """Exchanges in the form of `connectors/twins/recorded/`: a command, its words, the answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.exchanges: list[dict[str, Any]] = []

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[int]:
        server = await asyncio.start_server(self._between, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _between(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, forth = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        with suppress(ConnectionError):
            back.write(await answers.readline())  # the greeting
            while line := await client.readline():
                tag, _, rest = line.decode("latin-1").rstrip("\r\n").partition(" ")
                forth.write(line)
                answer, literal = await self._answer(answers, forth, client, back, tag)
                back.write(answer)
                rest = _HELD.sub("", rest) + (f'"{literal}"' if _HELD.search(rest) else "")
                command = re.match(r"(UID )?\w+", rest)
                if command and command[0].upper() not in _PRIVATE:
                    before, _, status = answer.decode("latin-1").rpartition(f"{tag} ")
                    text = f"{before}TAG {status}"
                    words = rest[command.end() :].strip()
                    self.exchanges.append({"method": command[0], "path": words, "text": text})
        forth.close()
        back.close()

    async def _answer(
        self,
        answers: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
        client: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        tag: str,
    ) -> tuple[bytes, str]:
        """Read to the line with the command's tag; give also what the client was let go on with."""
        whole, literal = b"", ""
        while True:
            line = await answers.readline()
            if line.startswith(b"+"):  # the server waits for more of the command
                back.write(line)
                more = await client.readline()
                forth.write(more)
                literal = more.decode("latin-1").rstrip("\r\n")
                continue
            whole += line
            if (announced := _LITERAL.search(line)) is not None:
                whole += await answers.readexactly(int(announced[1]))
            elif not line or line.startswith(f"{tag} ".encode()):
                return whole, literal
