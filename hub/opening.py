"""Opens a connector's endpoint for one poll, whatever it speaks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from hub.command import Program
from hub.connector import Command, Endpoint, Http, Imap, Opened
from hub.http import Clients
from hub.imap import mailbox


@asynccontextmanager
async def opened(endpoint: Endpoint, clients: Clients) -> AsyncGenerator[Opened]:
    """Give what `Connector.pull` is handed. Raises SourceError, as everything it gives does."""
    match endpoint:
        case Http():
            yield clients.api(endpoint)
        case Imap():
            async with mailbox(endpoint, clients) as box:
                yield box
        case Command():
            yield Program(endpoint)
