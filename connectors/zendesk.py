"""Zendesk: tickets as they change, with who asked and for which customer."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from zlib import crc32

from pydantic import AwareDatetime, Field

from hub.connector import (
    Accepted,
    AccountRef,
    Api,
    Basic,
    Bearer,
    Connector,
    Cursor,
    Delta,
    Draft,
    Duration,
    Endpoint,
    Hmac,
    Http,
    Json,
    OpaqueToken,
    Page,
    PersonRef,
    Pushed,
    SecretStr,
    Severity,
    SourceMisbehaved,
    Status,
    now,
    utc,
)

_OPENED, _UPDATED, _SOLVED = (f"support.ticket.{name}" for name in ("opened", "updated", "solved"))
_ESCALATED, _RECURRING, _RATED = "support.escalation", "support.issue.recurring", "support.csat"
_EXPORT = "/api/v2/incremental/tickets/cursor"
_SIGNED = Hmac(
    "X-Zendesk-Webhook-Signature",
    encoding="base64",
    signed="{timestamp}{body}",
    timestamp="X-Zendesk-Webhook-Signature-Timestamp",
)
_PLACES = OpaqueToken(frozenset({400, 404, 410, 422}))
_SEVERITY = {
    "urgent": Severity.CRITICAL,
    "high": Severity.HIGH,
    "normal": Severity.MEDIUM,
    "low": Severity.LOW,
}


class Zendesk(Connector):
    """Tickets of Zendesk Support, through the incremental export (for administrators).

    One signal per ticket (`ticket/<id>`), whose kind moves with it, and one per rating given
    (`ticket/<id>/csat`). The tickets of a problem share its thread. The server withholds the last
    minute, so a change is seen after one to two minutes. Ratings are those of the older CSAT
    feature: the newer survey responses are not part of a ticket.

    Attributes of a ticket: number, priority, type (question, incident, problem, task), channel,
    problem (its number), has_incidents; of a rating: number, rating (good, bad), reason.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_OPENED, _UPDATED, _SOLVED, _ESCALATED, _RECURRING, _RATED}
    )
    sign_in: ClassVar[str] = "An API token of an administrator (`email`), or an OAuth token."
    scopes: ClassVar[tuple[str, ...]] = ("the role of an administrator, or OAuth's `read`",)
    limits: ClassVar[str] = "Ten exports a minute, 30 with the High Volume add-on."
    freshness: ClassVar[str] = "Zendesk withholds the last minute."

    url: str
    """https://<subdomain>.zendesk.com"""
    token: SecretStr
    """An API token of `email`, or, without `email`, an OAuth access token."""
    email: str | None = None
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads every ticket there is."""
    escalation_tags: frozenset[str] = frozenset({"escalated", "escalation"})
    per_minute: Annotated[int, Field(gt=0)] = 10
    """What Zendesk allows for exports; its High Volume API add-on allows 30."""
    signing_secret: SecretStr | None = None
    """Of a webhook that is called for tickets, by its events or by a trigger."""
    withheld: Duration = timedelta(seconds=65)
    """How long after a webhook its ticket is in the export, which leaves out the last minute."""

    def endpoint(self) -> Endpoint:
        # https://developer.zendesk.com/api-reference/introduction/rate-limits/
        auth = Basic(f"{self.email}/token", self.token) if self.email else Bearer(self.token)
        return Http(self.url, auth, self.per_minute)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        # https://developer.zendesk.com/documentation/ticketing/managing-tickets/using-the-incremental-export-api/#cursor-based-incremental-exports
        export = _Export({"tickets": ()}, self.escalation_tags)

        async def ask(token: Json) -> Delta:
            nonlocal export
            where = {"cursor": token} if token else {"start_time": self._start_time()}
            body = await api.get(_EXPORT, **where, include="users,organizations", per_page=500)
            try:
                export = _Export(body, self.escalation_tags)
                # Where nothing follows `start_time` there is no cursor yet: ask the same again.
                return Delta(
                    export.tickets, body["after_cursor"] or token, more=not body["end_of_stream"]
                )
            except (LookupError, TypeError) as error:
                raise SourceMisbehaved(f"Zendesk's export is not one: {error!r}") from error

        # Up to 0.1.0 the token was kept by Zendesk's name for it.
        kept = {"token": cursor["cursor"]} if "cursor" in cursor else cursor

        def read(ticket: Mapping[str, Any]) -> Sequence[Draft]:
            return export.read(ticket)  # of the page that was asked for last

        async for page in _PLACES.pages(kept, ask, read=read):
            yield page

    def verify(self, request: Pushed) -> Accepted:
        # https://developer.zendesk.com/documentation/webhooks/verifying/
        _SIGNED.check(request, self.signing_secret)
        return Accepted(request.headers.get("x-zendesk-webhook-invocation-id"), self.withheld)

    def read(self, event: Pushed) -> Sequence[Draft]:
        """Read nothing: a webhook knows the people and the customer by number only.

        And not when the ticket was generated, which is what tells its versions apart. Made of it,
        every version would replace a better one and come twice. The export has it a minute later.
        https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events
        """
        del event
        return ()

    def _start_time(self) -> int:
        """Begin at `since`; Zendesk refuses a time within the last minute."""
        latest = now() - timedelta(seconds=61)
        return int(min(self.since, latest).timestamp()) if self.since else 0


class _Export:
    """One page of the export: tickets, and the users and organizations that they name."""

    def __init__(self, body: Mapping[str, Any], escalation_tags: frozenset[str]) -> None:
        self.tickets = body["tickets"]
        self.users = {user["id"]: user for user in body.get("users") or ()}
        self.organizations = {one["id"]: one for one in body.get("organizations") or ()}
        self.escalation_tags = escalation_tags

    def read(self, ticket: Mapping[str, Any]) -> Sequence[Draft]:
        about = self._ticket(ticket)
        return [about, *_rating(ticket.get("satisfaction_rating") or {}, about)]

    def _ticket(self, ticket: Mapping[str, Any]) -> Draft:
        number, kind = ticket["id"], self._kind(ticket)
        opened, changed = utc(ticket["created_at"]), utc(ticket["updated_at"])
        draft: dict[str, Any] = {
            "kind": kind,
            "external_id": f"ticket/{number}",
            # A change by the system moves this stamp and not `updated_at`:
            # https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/
            "revision": str(ticket["generated_timestamp"]),
            "revised_at": utc(ticket["generated_timestamp"]),
            "occurred_at": opened if kind == _OPENED else changed,
            "thread": f"ticket/{ticket.get('problem_id') or number}",
        }
        if ticket["status"] == "deleted":
            return Draft(**draft, title=f"Ticket {number} was deleted", status=Status.DELETED)
        severity = _SEVERITY.get(ticket.get("priority") or "")
        if kind == _ESCALATED:
            severity = max(severity or Severity.HIGH, Severity.HIGH)
        requester = self.users.get(ticket.get("requester_id"))
        facts = {
            "number": number,
            "channel": (ticket.get("via") or {}).get("channel"),
            "problem": ticket.get("problem_id"),
        } | {name: ticket.get(name) for name in ("priority", "type", "has_incidents")}
        return Draft(
            **draft,
            title=ticket.get("subject") or ticket.get("raw_subject") or f"Ticket {number}",
            body=ticket.get("description"),
            url=_page(ticket.get("url")),
            severity=None if kind == _SOLVED else severity,
            status=Status.RESOLVED if kind == _SOLVED else Status.OPEN,
            account=self._account(ticket.get("organization_id"), requester or {}),
            author=_person(requester),
            owner=_person(self.users.get(ticket.get("assignee_id"))),
            labels=tuple(ticket.get("tags") or ()),
            attributes={name: fact for name, fact in facts.items() if fact is not None},
        )

    def _kind(self, ticket: Mapping[str, Any]) -> str:
        if ticket["status"] in {"solved", "closed"}:
            return _SOLVED
        if ticket.get("type") == "problem" and ticket.get("has_incidents"):
            return _RECURRING
        if ticket.get("priority") == "urgent" or self.escalation_tags & set(
            ticket.get("tags") or ()
        ):
            return _ESCALATED
        untouched = ticket["status"] == "new" or ticket["updated_at"] == ticket["created_at"]
        return _OPENED if untouched else _UPDATED

    def _account(self, organization: int | None, requester: Mapping[str, Any]) -> AccountRef | None:
        """Name the customer; of several domains take the one that the requester writes from."""
        if (found := self.organizations.get(organization)) is None:
            return None
        domains = found.get("domain_names") or [None]
        writes_from = (requester.get("email") or "").rpartition("@")[2]
        return AccountRef(
            name=found["name"], domain=writes_from if writes_from in domains else domains[0]
        )


def _rating(rating: Mapping[str, Any], about: Draft) -> Iterator[Draft]:
    """Read a rating, once for each answer: its revision is made of what was answered."""
    said = rating.get("score") or ""  # "offered" and "unoffered" are no answers
    score = next((score for score in ("good", "bad") if said.startswith(score)), None)
    if score is None:
        return
    words = rating.get("comment")
    what: dict[str, Any] = {"kind": _RATED, "external_id": f"{about.external_id}/csat"}
    if about.status is not Status.DELETED:
        what |= {
            "revision": f"{rating.get('id')}/{score}/{crc32((words or '').encode()):08x}",
            "title": f"Rated {score}: {about.title}",
            "body": words,
            "severity": Severity.MEDIUM if score == "bad" else None,
            "status": Status.INFORMATION,
            "sentiment": 1.0 if score == "good" else -1.0,
            "attributes": {"number": about.attributes["number"], "rating": score}
            | ({"reason": rating["reason"]} if rating.get("reason") else {}),
        }
    yield Draft(**(dict(about) | what))


def _person(user: Mapping[str, Any] | None) -> PersonRef | None:
    if user is None:
        return None
    email = user.get("email")
    return PersonRef(name=user.get("name") or email or f"User {user['id']}", email=email)


def _page(url: str | None) -> str | None:
    """Turn a ticket's address in the API into the one that a person opens."""
    return url and url.replace("/api/v2/tickets/", "/agent/tickets/").removesuffix(".json")
