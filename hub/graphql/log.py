"""The change log as a list that another tool follows."""

from hub.access import Condition
from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.relay import LOG, PageInfo, log_cursor, read_log_cursor, window
from hub.graphql.types import ChangeConnection, ChangeEdge, change_type, concerns, said_by
from hub.store import Connection, log

SCANNED = 2000  # log lines read for one page, however few of them the viewer may see


async def read_changes(info: Info, after: str | None, first: int) -> ChangeConnection:
    """Read what changed after a cursor, oldest first.

    A page may be short, or empty, and still have a next one: `endCursor` moves on also over what
    the viewer may not see. Raises Refused(CURSOR_EXPIRED) when the log no longer reaches back.
    """
    visible = info.context.visible
    size = window(LOG, (int,), first, None, None, None).size
    start = read_log_cursor(after) if after else 0
    async with info.context.runtime.store.read() as connection:
        lines, more = await _lines(connection, start, size, visible)
        if after is not None and not await log.reaches(connection, start):
            raise _expired(await log.oldest(connection))
        seen = [line for line in lines if concerns(line, visible)]
        page, end = seen[:size], (lines[-1].seq if lines else start)
        if len(seen) > size:
            end = page[-1].seq
        said = await said_by(info, connection, page)
    return ChangeConnection(
        edges=[
            ChangeEdge(cursor=log_cursor(change.seq), node=change_type(change, said, visible))
            for change in page
        ],
        page_info=PageInfo(
            has_next_page=len(seen) > size or more,
            has_previous_page=start > 0,
            start_cursor=log_cursor(page[0].seq) if page else None,
            end_cursor=log_cursor(end),
        ),
    )


async def _lines(
    connection: Connection, start: int, size: int, visible: Condition
) -> tuple[list[log.Change], bool]:
    """Read on until the viewer may see more than a page, or enough was read; say if more follow."""
    wanted = size + 1
    lines = await log.after(connection, start, wanted)
    more = len(lines) == wanted
    seen = sum(concerns(line, visible) for line in lines)
    while more and seen <= size and len(lines) < SCANNED:
        wanted = min(len(lines), SCANNED - len(lines))
        part = await log.after(connection, lines[-1].seq, wanted)
        more = len(part) == wanted
        seen += sum(concerns(line, visible) for line in part)
        lines += part
    if len(lines) > size + 1 and not await log.reaches(connection, lines[0].seq):
        # Lines were trimmed between two reads, perhaps some that neither had: read at once.
        lines = await log.after(connection, start, SCANNED)
        more = len(lines) == SCANNED
    return lines, more


def _expired(oldest: int) -> Refused:
    return Refused(
        Code.CURSOR_EXPIRED,
        "The log does not reach to that cursor",
        f"Read the signals anew and go on from resumeFrom; the oldest cursor is "
        f"{log_cursor(oldest - 1)}",
        {"oldest": log_cursor(oldest - 1)},
    )
