"""Leaves out what is too old to be kept: a source may show for ever what the hub has deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from hub.connector import Draft
from hub.ingest.address import Plan
from hub.signals import Signal


def leave_out_old(
    drafts: Sequence[Draft], known: Mapping[str, Signal], source: str, plan: Plan, at: datetime
) -> Sequence[Draft]:
    """Give the drafts of records that are kept here, or whose newest revision would be. Pure."""
    if plan.keeps is None:
        return drafts
    young = {
        draft.external_id
        for draft in drafts
        if draft.revised_at >= at - plan.keeps(source, draft.kind)
    }
    return [one for one in drafts if one.external_id in known or one.external_id in young]
