"""Intercom: conversations and tickets as they change, and how customers rated them.

What is deleted only vanishes from the search: nothing but a webhook tells of it.
https://developers.intercom.com/docs/references/rest-api/api.intercom.io/conversations/searchconversations
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import AwareDatetime, Field

from hub.connector import (
    Accepted,
    AccountRef,
    Api,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Hmac,
    Http,
    Json,
    ModifiedSince,
    Page,
    PersonRef,
    Pushed,
    Reply,
    SecretStr,
    Severity,
    Status,
    plain,
    streams,
    utc,
)

Record: TypeAlias = dict[str, Any]
Part: TypeAlias = Literal["conversations", "tickets"]

_OPENED, _UPDATED, _SOLVED = (f"support.ticket.{name}" for name in ("opened", "updated", "solved"))
_RECURRING, _RATED = "support.issue.recurring", "support.csat"
# https://developers.intercom.com/docs/webhooks/setting-up-webhooks#signed-notifications
_SIGNED = Hmac("X-Hub-Signature", algorithm="sha1", prefix="sha1=")
_STATUS = {"open": Status.OPEN, "snoozed": Status.ACKNOWLEDGED, "closed": Status.RESOLVED}
_TITLE, _DESCRIPTION = "_default_title_", "_default_description_"


class Intercom(Connector):
    """Conversations and tickets of an Intercom workspace.

    One signal per conversation (`conversation/<id>`): opened until a teammate answers, solved when
    it is closed; per rating (`conversation/<id>/csat`); and per ticket (`ticket/<id>`), of which
    those that track many conversations are recurring issues. Replies are not read.

    Attributes of a conversation: state, channel, priority, delivered_as; of a ticket: number, type,
    state, category; of a rating: score (1 to 5).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_OPENED, _UPDATED, _SOLVED, _RECURRING, _RATED})
    sign_in: ClassVar[str] = "The access token of an app of your workspace's own (Developer Hub)."
    scopes: ClassVar[tuple[str, ...]] = (
        "Read conversations", "Read tickets", "Read one admin, list all admins")  # fmt: skip
    limits: ClassVar[str] = "10,000 requests a minute for an app, 25,000 for a workspace."
    freshness: ClassVar[str] = "A minute, and what Intercom's search lags; seconds by webhook."

    token: SecretStr
    url: str = "https://api.intercom.io"
    """Of a workspace in Europe https://api.eu.intercom.io, in Australia https://api.au.intercom.io"""
    parts: frozenset[Part] = frozenset(get_args(Part))
    """What to read."""
    workspace: str | None = None
    """Its id (in the address of the inbox): with it signals link to the inbox."""
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads everything there is."""
    signing_secret: SecretStr | None = None
    """The app's client secret (webhook topics: conversation.*, ticket.*)."""
    per_minute: Annotated[int, Field(gt=0)] = 300

    def endpoint(self) -> Endpoint:
        # Without, the answer's form is that of the version which is set for the app.
        version = {"Intercom-Version": "2.15"}
        return Http(self.url, Bearer(self.token), self.per_minute, version)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        reads: Mapping[str, _Reader] = {
            "conversations": self._conversation,
            "tickets": self._ticket,
        }
        admins: dict[str, PersonRef] = {}
        pulls = {
            str(part): partial(self._changed, api, part, reads[part], admins)
            for part in sorted(self.parts)
        }
        async for page in streams(cursor, pulls):
            yield page

    async def _changed(
        self, api: Api, part: str, read: "_Reader", admins: dict[str, PersonRef], cursor: Cursor
    ) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, place: Json) -> Batch:
            # Seconds, and only a bound that is left out works everywhere: the second before, then.
            value = int(since.timestamp()) - 1 if since else 0
            question = {
                "query": {"field": "updated_at", "operator": ">", "value": value},
                "sort": {"field": "updated_at", "order": "ascending"},
                "pagination": {"per_page": 150, "starting_after": place},
            }
            body = await api.post(f"{part}/search", question)
            if body[part] and not admins:
                told = (await api.get("admins")).get("admins") or ()
                admins.update({str(one["id"]): person for one in told if (person := _person(one))})
            following = (body.get("pages") or {}).get("next") or {}
            return Batch(body[part], following.get("starting_after"))

        family = ModifiedSince(overlap=timedelta(minutes=5))  # the search lags behind
        async for page in family.pages(
            cursor, ask, _updated, read=lambda record: read(record, admins), since=self.since
        ):
            yield page

    def verify(self, request: Pushed) -> Accepted | Reply:
        _SIGNED.check(request, self.signing_secret)
        told = request.json()
        return Reply() if told.get("topic") == "ping" else Accepted(told.get("id"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        told = event.json()
        item = told["data"]["item"]
        if told["topic"] == "conversation.deleted":
            gone = {"created_at": told["created_at"], "updated_at": told["created_at"]}
            [draft, *_] = self._conversation(gone | {"id": item["id"], "state": "closed"}, {})
            return [draft.deleted("A conversation was deleted")]
        if item.get("type") == "conversation":
            return self._conversation(item, {})
        ticket = item if item.get("type") == "ticket" else item.get("ticket")
        return self._ticket(ticket, {}) if ticket else []

    def _conversation(self, one: Record, admins: Mapping[str, PersonRef]) -> Sequence[Draft]:
        source, name = one.get("source") or {}, f"conversation/{_id(one)}"
        state = one.get("state") or ("open" if one["open"] else "closed")
        answered = (one.get("statistics") or {}).get("first_admin_reply_at")
        is_over, is_new = state == "closed", state == "open" and not answered
        # A webhook tells them as plain text, the search as HTML.
        subject, body = plain(source.get("subject") or ""), plain(source.get("body") or "")
        title = one.get("title") or subject or next(iter(body.splitlines()), "")
        facts = {"channel": source.get("type"), "delivered_as": source.get("delivered_as")}
        about = Draft(
            kind=_SOLVED if is_over else _OPENED if is_new else _UPDATED,
            external_id=name,
            revision="of its time",
            revised_at=_updated(one),
            occurred_at=utc(one["created_at"]) if is_new else _updated(one),
            title=title or f"Conversation {one['id']}",
            url=self._link("conversation", one["id"]),
            severity=Severity.HIGH if one.get("priority") == "priority" and not is_over else None,
            status=_STATUS.get(state, Status.OPEN),
            account=_account(one.get("company")),
            author=_person(source.get("author") or {}),
            labels=tuple(tag["name"] for tag in (one.get("tags") or {}).get("tags") or ()),
            attributes=_known(facts | {"state": state, "priority": one.get("priority")}),
            thread=name,
        ).by_content()
        owner = admins.get(str(one.get("admin_assignee_id")))
        about = about.model_copy(update={"body": body or None, "owner": owner})
        return [about, *_rating(one.get("conversation_rating") or {}, about)]

    def _ticket(self, one: Record, admins: Mapping[str, PersonRef]) -> Sequence[Draft]:
        said, kind = one.get("ticket_attributes") or {}, (one.get("ticket_type") or {}).get("name")
        state = _state(one.get("ticket_state"))
        is_over, is_new = state == "resolved" or one.get("open") is False, state == "submitted"
        category, name = one.get("category"), f"ticket/{_id(one)}"
        open_kind = _OPENED if is_new else _UPDATED
        facts = {"number": one.get("ticket_id"), "type": kind, "state": state, "category": category}
        about = Draft(
            kind=_SOLVED if is_over else _RECURRING if category == "Tracker" else open_kind,
            external_id=name,
            revision="of its time",
            revised_at=_updated(one),
            occurred_at=utc(one["created_at"]) if is_new else _updated(one),
            title=plain(said.get(_TITLE) or "") or kind or f"Ticket {one['id']}",
            url=self._link("ticket", one["id"]),
            status=Status.RESOLVED if is_over else Status.OPEN,
            attributes=_known(facts),
            thread=name,
        ).by_content()
        owner = admins.get(str(one.get("admin_assignee_id")))
        body = plain(said.get(_DESCRIPTION) or "") or None
        return [about.model_copy(update={"body": body, "owner": owner})]

    def _link(self, what: str, name: str) -> str | None:
        home = f"https://app.intercom.com/a/inbox/{self.workspace}/inbox"
        return f"{home}/{what}/{name}" if self.workspace else None


_Reader: TypeAlias = Callable[[Record, Mapping[str, PersonRef]], Sequence[Draft]]


def _rating(rating: Record, about: Draft) -> Sequence[Draft]:
    score = rating.get("rating")
    if not score:  # asked for, and not given
        return []
    at = utc(rating.get("updated_at") or rating["created_at"])
    rated = Draft(
        kind=_RATED,
        external_id=f"{about.external_id}/csat",
        revision="of its time",
        revised_at=at,
        occurred_at=at,
        title=f"Rated {score} of 5",
        body=rating.get("remark") or None,
        severity=Severity.MEDIUM if score <= 2 else None,
        sentiment=max(-1.0, min(1.0, (score - 3) / 2)),
        attributes={"score": score, "scale": 5},
        thread=about.thread,
    ).by_content()
    whose = {"title": f"{rated.title}: {about.title}", "account": about.account}
    return [rated.model_copy(update=whose | {"author": about.author})]


def _updated(record: Record) -> datetime:
    return utc(record.get("updated_at") or record["created_at"])


def _state(state: Any) -> str | None:
    """Read a ticket's state: an object, or in older versions a word."""
    return state.get("category") if isinstance(state, dict) else state


def _id(record: Record) -> str:
    if not (name := record["id"]):
        raise ValueError("a record without an id")
    return str(name)


def _person(one: Record) -> PersonRef | None:
    name = one.get("name") or one.get("email")
    return PersonRef(name=name, email=one.get("email")) if name else None


def _account(company: Record | None) -> AccountRef | None:
    name = (company or {}).get("name")
    return AccountRef(name=name) if name else None


def _known(facts: Record) -> Record:
    return {name: fact for name, fact in facts.items() if fact is not None}
