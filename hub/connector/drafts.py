"""What a connector gives: drafts of signals, a page at a time, each page with its cursor."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hub.connector.clock import now
from hub.errors import BadRecord
from hub.kinds import Department, Kind, Severity
from hub.signals import Classification, Json, Status

Cursor: TypeAlias = Mapping[str, Json]


class AccountRef(BaseModel):
    """The customer or prospect as the source names it; a domain joins it across sources."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    name: Annotated[str, Field(min_length=1, max_length=300)]
    domain: str | None = None


def customer(domains: Mapping[str, str], addresses: Iterable[str]) -> AccountRef | None:
    """Find the first e-mail address that is a customer's; `domains` says whose each of them is."""
    known = {domain.lower(): name for domain, name in domains.items()}
    for address in addresses:
        domain = address.rpartition("@")[2].lower()
        while domain:
            if domain in known:
                return AccountRef(name=known[domain], domain=domain)
            domain = domain.partition(".")[2]
    return None


class PersonRef(BaseModel):
    """A human as the source names one; an e-mail address joins them across sources."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    name: Annotated[str, Field(min_length=1, max_length=300)]
    email: str | None = None
    handle: str | None = None


class Draft(BaseModel):
    """One record as a connector saw it, before the hub has decided anything about it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: Kind
    external_id: Annotated[str, Field(min_length=1, max_length=500)]
    revision: Annotated[str, Field(min_length=1, max_length=200)]
    """Names this version: with source and external_id the key that is stored once."""
    revised_at: AwareDatetime
    """Orders revisions by the source's clock; a late older one never replaces the current one."""
    occurred_at: AwareDatetime
    title: Annotated[str, Field(min_length=1)]
    summary: str = ""
    body: str | None = None
    url: str | None = None
    department: Department | None = None
    severity: Severity | None = None
    status: Status = Status.INFORMATION
    classification: Classification = Classification.INTERNAL
    sentiment: Annotated[float, Field(ge=-1, le=1)] | None = None
    account: AccountRef | None = None
    author: PersonRef | None = None
    owner: PersonRef | None = None
    labels: tuple[str, ...] = ()
    attributes: dict[str, Json] = Field(default_factory=dict)
    thread: str | None = None
    goes_on: Annotated[bool, Field(exclude=True)] = False
    """For a state of which the source does not tell since when: where the current revision says the
    same, by the name that `by_content` gives, nothing has changed and none is stored."""

    def by_content(self) -> Self:
        """Name the revision by its second and what it says, for a vendor that tells only seconds.

        Two changes within one second are then two revisions, and the same one read twice is one,
        whether it was polled or pushed. What only one of both ways tells belongs in `attributes`.
        """
        said = self.model_dump_json(
            exclude={"revision", "revised_at", "occurred_at", "author", "url", "attributes"}
        )
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        # What was so before and is so again, be it within the second, is another revision.
        time = f"{self.revised_at:%Y%m%dT%H%M%S}" + self.goes_on * f".{self.revised_at:%f}"
        return self.model_copy(update={"revision": f"{time}Z/{digest}"})

    def deleted(self, title: str) -> "Draft":
        """Say that the record is gone, and repeat nothing of what it said."""
        kept = self.model_dump(
            include={"kind", "external_id", "occurred_at", "classification", "thread"}
        )
        gone = {"revision": "deleted", "revised_at": now(), "status": Status.DELETED}
        return Draft(**kept, **gone, title=title)


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that could not be read, kept with its reason for a person to look at."""

    reason: str
    raw: Json
    external_id: str | None = None


Reader: TypeAlias = Callable[[Any], Draft | Sequence[Draft] | None]


@dataclass(frozen=True, slots=True)
class Page:
    """Some drafts and where to resume after them; the hub stores both in one transaction."""

    drafts: Sequence[Draft]
    cursor: Cursor
    bad: Sequence[Bad] = ()
    more: bool = False
    """Whether another page follows at once: a cursor that then does not move is an error."""

    @classmethod
    def read(
        cls, records: Iterable[Any], reader: Reader, cursor: Cursor, *, more: bool = False
    ) -> Self:
        """Read each record into drafts; one that cannot be read is set aside, the page goes on.

        `reader` returns None for a record that is no signal. It may index without care:
        a missing key or a wrong type is what makes a record bad.
        """
        drafts: list[Draft] = []
        bad: list[Bad] = []
        for record in records:
            try:
                read = reader(record)
            except (BadRecord, LookupError, TypeError, ValueError, AttributeError) as error:
                bad.append(Bad(why(error), record, _id_of(record)))
                continue
            if isinstance(read, Draft):
                drafts.append(read)
            elif read is not None:
                drafts.extend(read)
        return cls(drafts, cursor, bad, more)


def why(error: Exception) -> str:
    """Say in one line what was wrong with a record."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'record'}: {part['msg']}"
            for part in error.errors(include_url=False, include_input=False)
        )
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    return f"{type(error).__name__}: {error}" if not isinstance(error, BadRecord) else str(error)


def _id_of(record: Any) -> str | None:
    if isinstance(record, Mapping):
        for name in ("id", "ts", "event_id", "fingerprint", "guid"):
            if record.get(name):
                return str(record[name])
    return None
