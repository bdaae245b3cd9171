"""`/metrics` for Prometheus: what this process counted, and what the database says.

Only who knows HUB_METRICS_TOKEN may read it. Names and volumes of sources are the company's own;
an address proves nothing behind a proxy; and a key of the API could not be looked up when the
database is away, which is when the numbers are wanted.
"""

from collections.abc import Iterator
from secrets import compare_digest

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub import metrics
from hub.errors import StoreUnavailable
from hub.metrics import Sample
from hub.store.sources import State
from hub.store.state import Watched, lag
from hub.web.auth import bearer
from hub.web.watch import watch_of


async def scrape(request: Request) -> Response:
    """Answer Prometheus. Needs `app.state.runtime`; tells of `app.state.tail` where there is one.

    The answer comes also when the database is away: it says so.
    """
    token = request.app.state.runtime.settings.metrics_token
    if token is None:
        why = "Nobody may read this: set HUB_METRICS_TOKEN, and send it as a bearer token"
        return JSONResponse({"error": why}, 403)
    given = (bearer(request) or "").encode()
    if not compare_digest(given, token.get_secret_value().encode()):
        why = "Send HUB_METRICS_TOKEN: Authorization: Bearer ..."
        return JSONResponse({"error": why}, 401, {"WWW-Authenticate": "Bearer"})
    try:
        watched = await watch_of(request.app).state()
    except StoreUnavailable:
        samples = [Sample(metrics.DATABASE_UP, 0)]
    else:
        samples = [Sample(metrics.DATABASE_UP, 1), *_samples(watched)]
        if (tail := getattr(request.app.state, "tail", None)) is not None:
            # The head is as old as the answer: the stream may be further by now.
            samples.append(Sample(metrics.STREAM_LAG, max(watched.head - tail.seq, 0)))
    text, media = metrics.written(samples, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": media, "Cache-Control": "no-store"})


def _samples(watched: Watched) -> Iterator[Sample]:
    yield Sample(metrics.LOG_HEAD, watched.head)
    for source in watched.sources:
        name = (source.name,)
        due = None if source.state is State.PAUSED else source.next_poll_at
        waits = lag(watched.at, due, source.lease_until)
        if source.state not in {State.WAITING, State.PAUSED}:
            yield Sample(metrics.SOURCE_UP, source.state is State.OK, name)
        yield Sample(metrics.SOURCE_FAILURES, source.failures, name)
        if source.last_success_at is not None:
            yield Sample(metrics.SOURCE_SUCCESS, source.last_success_at.timestamp(), name)
        yield Sample(metrics.SOURCE_PROBLEM, source.name in watched.problems, name)
        yield Sample(metrics.POLL_LAG, waits.total_seconds(), name)
        if source.name in watched.pushes:
            yield Sample(metrics.PUSH_LAG, watched.pushes[source.name].total_seconds(), name)
    for queue in watched.queues:
        for state in ("due", "leased", "later", "held", "dead"):
            yield Sample(metrics.QUEUE, getattr(queue, state), (queue.endpoint, state))
        yield Sample(metrics.DELIVERY_LAG, queue.lag.total_seconds(), (queue.endpoint,))
    for chore, waits in watched.chores.items():
        yield Sample(metrics.CHORE_LAG, waits.total_seconds(), (chore,))
