"""What is told of an event: the same text for everybody who asked for the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One result of an operation as JSON, for any transport to frame.

    `cursor`: where to go on after it, if that can be; `seq`: its place in the log. `executed`: else
    it is a request error, with which the operation ends.
    """

    text: str
    cursor: str | None = None
    seq: int | None = None
    executed: bool = True
