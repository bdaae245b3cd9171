"""What is told of an event: the same text for everybody who asked for the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One result of an operation as JSON, for any transport to frame.

    `cursor`: where to go on after it, if that can be; `seq`: its place in the log. `executed`: else
    it is a request error, with which the operation ends. `errors`: those in it, in public form.
    """

    text: str
    cursor: str | None = None
    seq: int | None = None
    executed: bool = True
    errors: Sequence[Any] = ()


class Behind(Exception):
    """The client took nothing for too long. It may go on after `cursor`, if there is one."""

    def __init__(self, cursor: str | None) -> None:
        super().__init__("the client fell behind")
        self.cursor = cursor
