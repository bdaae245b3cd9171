"""What is told of a signal to whoever may know only that it is there.

Everything that was said is left out: by a person, or by a source whose names of things may speak.
What remains is what visibility, counts and orders go by, so that none of these tells more.
"""

from dataclasses import replace
from typing import Final

from hub.kinds import kind_info
from hub.signals import Relevance, Signal

# The reasons of a relevance that look at what was said; see `hub.route`.
_OF_WORDS: Final = frozenset({"keyword", "addressed"})


def outline(signal: Signal) -> Signal:
    """Leave out what was said; in place of the title stands what its kind is about."""
    return replace(
        signal,
        title=kind_info(signal.kind).about,
        summary="",
        body=None,
        url=None,
        external_id="",
        revision="",
        sentiment=None,
        author=None,
        owner=None,
        labels=(),
        attributes={},
        thread=None,
        is_outline=True,
    )


def weighed(relevance: Relevance, *, is_outline: bool) -> Relevance:
    """Leave out of an outline's relevance what goes by what was said, and what that added.

    A role that has outlines is judged without; this is for what was judged before it had them.
    """
    if not is_outline:
        return relevance
    reasons = tuple(one for one in relevance.reasons if one.name not in _OF_WORDS)
    if len(reasons) == len(relevance.reasons):
        return relevance
    score = round(min(1.0, max(0.0, sum(one.weight for one in reasons))), 4)
    return replace(relevance, reasons=reasons, score=score)
