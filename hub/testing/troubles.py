"""The faults of HTTP, each as a function between a request and the twin's answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import orjson

from hub.testing.faults import No
from hub.testing.front import Answered, Ask, Asked, Trouble
from hub.testing.twins import Twin

MEGABYTE = 1024 * 1024


def refusing(no: No) -> Trouble:
    """Refuse whatever is asked."""

    async def refuse(asked: Asked, ask: Ask) -> Answered:
        del asked, ask
        headers = {"content-type": "application/json", **no.headers}
        body = no.body if isinstance(no.body, bytes) else orjson.dumps(no.body)
        return Answered(no.status, headers, body)

    return refuse


def redirecting(to: str) -> Trouble:
    """Send whoever asks to another host."""

    async def redirect(asked: Asked, ask: Ask) -> Answered:
        del ask
        return Answered(302, {"location": f"{to}{asked.path}?{asked.query}"}, b"")

    return redirect


def linking(own: str, to: str) -> Trouble:
    """Let every link of an answer lead to another host."""

    async def link(asked: Asked, ask: Ask) -> Answered:
        del asked
        answered = await ask()
        headers = {name: value.replace(own, to) for name, value in answered.headers.items()}
        body = answered.body.replace(own.encode(), to.encode())
        # orjson writes "/" as it is, others escape it.
        body = body.replace(own.replace("/", r"\/").encode(), to.replace("/", r"\/").encode())
        return Answered(answered.status, headers, body)

    return link


def drifting(twin: Twin, turn: int | None) -> Trouble:
    """Change the records of each answer as the twin says."""

    async def drift(asked: Asked, ask: Ask) -> Answered:
        del asked
        answered = await ask()
        if not answered.body or answered.status >= 300:
            return answered
        return answered.saying(twin.strange(answered.content_type, answered.body, turn))

    return drift


def swelling(megabytes: int) -> Trouble:
    """Blow answers up: in JSON a field that nobody knows, elsewhere blanks at the end."""

    async def swell(asked: Asked, ask: Ask) -> Answered:
        del asked
        answered = await ask()
        if answered.status >= 300:
            return answered
        size = megabytes * MEGABYTE
        if "json" not in answered.content_type:
            return answered.saying(answered.body + b" " * size)
        read = orjson.loads(answered.body)
        if not _swell(read, "x" * size):
            if not isinstance(read, dict):
                return answered.saying(answered.body + b" " * size)
            read["x_new_field"] = "x" * size
        return answered.saying(orjson.dumps(read))

    return swell


def _swell(value: object, text: str) -> bool:
    """Put a text into the first record there is, else into the whole answer."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            value[0]["x_new_field"] = text
            return True
        return any(_swell(item, text) for item in value)
    return isinstance(value, dict) and any(_swell(part, text) for part in value.values())


async def cutting(asked: Asked, ask: Ask) -> Answered:
    """Send half of the body, and call it the whole."""
    del asked
    answered = await ask()
    return answered.saying(answered.body[: len(answered.body) // 2])


async def breaking_off(asked: Asked, ask: Ask) -> Answered:
    """Send half of the body, and then nothing more."""
    del asked
    answered = await ask()
    half = answered.body[: len(answered.body) // 2]
    return replace(answered.saying(half), declares=len(answered.body))


def repeating(twin: Twin) -> Trouble:
    """Give the first page of each list twice, as one does whose order changes while one pages."""
    first: dict[str, Answered] = {}
    again: set[str] = set()

    async def repeat(asked: Asked, ask: Ask) -> Answered:
        series = f"{asked.method} {twin.series(asked.path, asked.query, asked.body)}"
        if series in first and series not in again:
            again.add(series)
            return first[series]
        answered = await ask()
        if answered.status < 300:
            first.setdefault(series, answered)
        return answered

    return repeat


def from_page(pages: Callable[[], int], first: int, trouble: Trouble) -> Trouble:
    """Play a fault only once so many pages have been stored."""

    async def play(asked: Asked, ask: Ask) -> Answered:
        return await trouble(asked, ask) if pages() >= first else await ask()

    return play


def hanging(reached: asyncio.Event, released: asyncio.Event) -> Trouble:
    """Tell that somebody waits, and let him wait."""

    async def hang(asked: Asked, ask: Ask) -> Answered:
        del asked
        reached.set()
        await released.wait()
        return await ask()

    return hang
