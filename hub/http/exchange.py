"""One request and its whole answer, or why there is none."""

from dataclasses import dataclass

import httpx2

from hub.errors import AddressRefused, SourceMisbehaved, SourceUnavailable
from hub.http.answers import read_body
from hub.http.network import NoAnswer, Pool, Timeouts

AGENT = "team-signals-hub"
LARGEST_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back; `whole` tells that the body is not longer than what was read of it."""

    status: int
    headers: httpx2.Headers
    body: bytes
    whole: bool


async def exchange(
    pool: Pool,
    method: str,
    url: httpx2.URL,
    *,
    headers: httpx2.Headers,
    content: bytes | None,
    timeouts: Timeouts,
) -> Exchange:
    """Ask a source. Raises SourceUnavailable, SourceMisbehaved; every status is an answer."""
    try:
        async with pool.stream(
            method, url, headers=headers, content=content, timeouts=timeouts
        ) as response:
            body, whole = await read_body(response, LARGEST_BODY)
    except NoAnswer as error:
        raise SourceUnavailable(f"{url.host} {error}") from None
    except AddressRefused as error:
        raise SourceMisbehaved(f"{url.host} is not called: {error.message}") from None
    except httpx2.DecodingError:
        raise SourceMisbehaved(f"{url.host} answered with a damaged compression") from None
    return Exchange(response.status_code, response.headers, body, whole)
