"""From a JSON record to a draft, by what hub.toml says alone."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from enum import Enum, IntEnum
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from hub.connector.described import Described
from hub.connector.drafts import AccountRef, Draft, PersonRef, why
from hub.connector.paths import Filter, is_nothing, text_of, texts_of
from hub.connector.times import AnyTime
from hub.connector.values import AnyValue, Value
from hub.errors import BadRecord
from hub.kinds import KINDS, Department, Severity
from hub.signals import Classification, Json, Status

MAPPED_KINDS = frozenset(kind for kind in KINDS if not kind.startswith("hub."))
"""What a mapping may say: every kind of the catalogue but those about the hub itself."""


def _kind(value: Any) -> str:
    if value in MAPPED_KINDS:
        return str(value)
    text = str(value)
    near = [one for one in sorted(MAPPED_KINDS) if text and one.endswith(f".{text}")]
    near = near or get_close_matches(text, MAPPED_KINDS)
    hint = f"; do you mean {' or '.join(near[:3])}?" if near else ""
    raise ValueError(f"there is no kind {value!r}{hint}")


def _one_of(choices: type[Enum]) -> Callable[[Any], Any]:
    names = {one.name.casefold(): one for one in choices}

    def read(value: Any) -> Any:
        text = value.name if isinstance(value, Enum) else text_of(value)
        if text is not None and text.casefold() in names:
            return names[text.casefold()]
        raise ValueError(f"{value!r} is not one of {', '.join(names)}")

    return read


_severity, _status = _one_of(Severity), _one_of(Status)
_classification, _department = _one_of(Classification), _one_of(Department)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")  # noqa: TRY004 - it is one value
    return float(value)


def _meaning(read: Callable[[Any], Any]) -> AfterValidator:
    """Check what stands in hub.toml when that is read, not at the first record."""

    def check(value: Value) -> Value:
        for where, constant in value.constants():
            try:
                read(constant)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: {error}") from None
        return value

    return AfterValidator(check)


KindName: TypeAlias = Annotated[str, AfterValidator(_kind)]


class Company(Described):
    name: AnyValue
    domain: AnyValue | None = None
    """Joins a customer across sources; of an address or an e-mail address the host."""


class Human(Described):
    name: AnyValue
    email: AnyValue | None = None
    """Joins a person across sources."""
    handle: AnyValue | None = None


_SHORT = BeforeValidator(
    lambda given: (
        {"name": given}
        if isinstance(given, (str, list)) or (isinstance(given, dict) and "name" not in given)
        else given
    )
)
AnyCompany: TypeAlias = Annotated[Company, _SHORT]
AnyHuman: TypeAlias = Annotated[Human, _SHORT]


def _several(given: object) -> object:
    return given if isinstance(given, (list, tuple)) else [given]


_EXAMPLE: dict[str, Json] = {"id": "$.id", "kind": "team.post", "title": "$.title"}


class Fields(Described):
    """Where the fields of a signal are found in a record."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: AnyValue
    """Names the record at its source; what changes is a revision of it."""
    kind: Annotated[AnyValue, _meaning(_kind)]
    title: AnyValue
    summary: AnyValue | None = None
    body: AnyValue | None = None
    url: AnyValue | None = None
    """Where a person opens it."""
    revised_at: AnyTime | None = None
    """When the record was changed, by the source's clock; without it, when the hub saw that."""
    occurred_at: AnyTime | None = None
    """When it happened; without it, when it was changed."""
    revision: AnyValue | None = None
    """Names the version; without it, a digest of what the signal says and of `revised_at`."""
    severity: Annotated[AnyValue, _meaning(_severity)] | None = None
    """info, low, medium, high or critical; without it, what is usual for the kind."""
    status: Annotated[AnyValue, _meaning(_status)] | None = None
    """information, open, acknowledged, resolved, or deleted: then its words are withdrawn."""
    classification: Annotated[AnyValue, _meaning(_classification)] | None = None
    """public, internal, confidential or restricted."""
    department: Annotated[AnyValue, _meaning(_department)] | None = None
    sentiment: Annotated[AnyValue, _meaning(_number)] | None = None
    """From -1 to 1."""
    account: AnyCompany | None = None
    author: AnyHuman | None = None
    owner: AnyHuman | None = None
    labels: Annotated[tuple[AnyValue, ...], BeforeValidator(_several)] = ()
    attributes: Mapping[str, AnyValue] = Field(default_factory=dict)
    """Whatever else is worth keeping, by the name it shall have."""
    thread: AnyValue | None = None
    """What signals that belong together have in common."""
    only: Filter | None = None
    """Records of which this does not hold are no signals: `@.type == 'incident'`."""
    skip: Filter | None = None
    """Records of which this holds are no signals: `@.draft == true`."""

    def draft(self, record: Any, seen: datetime, *, seen_before: int = 0) -> Draft | None:
        """Read a record; None for one that is no signal. Raises BadRecord.

        `seen` is when the hub got it. A snapshot says how often it has `seen_before` that things
        changed, so that what looks again as it once did is news.
        """
        if (self.only and not self.only.holds(record)) or (self.skip and self.skip.holds(record)):
            return None
        parts: dict[str, Any] = {"external_id": self._need("id", record, text_of)}
        parts |= {name: self._need(name, record, read) for name, read in _NEEDED.items()}
        parts |= {name: self._get(name, record, read) for name, read in _OPTIONAL.items()}
        revised, occurred = (self._time(f"{name}_at", record) for name in ("revised", "occurred"))
        parts["revised_at"], parts["occurred_at"] = revised or seen, occurred or revised or seen
        parts["account"] = self._company(record)
        parts["author"], parts["owner"] = (
            self._human("author", record),
            self._human("owner", record),
        )
        parts["labels"] = _labels(self.labels, record)
        parts["attributes"] = {
            name: found
            for name, value in self.attributes.items()
            if not is_nothing(found := _of(f"attributes.{name}", value, record, _as_it_is))
        }
        given = {name: part for name, part in parts.items() if part is not None}
        revision = self._get("revision", record, text_of)
        given["revision"] = revision or _digest(given, (revised, occurred), seen_before)
        try:
            return Draft(**given)
        except ValueError as error:
            raise BadRecord(why(error)) from None

    def _need(self, name: str, record: Any, read: Callable[[Any], Any]) -> Any:
        found = self._get(name, record, read)
        if found is None:
            raise BadRecord(f"{name}: the record has none")
        return found

    def _get(self, name: str, record: Any, read: Callable[[Any], Any]) -> Any:
        return _of(name, getattr(self, name), record, read)

    def _time(self, name: str, record: Any) -> datetime | None:
        time = getattr(self, name)
        try:
            found: datetime | None = time and time.find(record)
        except BadRecord as error:
            raise BadRecord(f"{name}: {error}") from None
        return found

    def _company(self, record: Any) -> AccountRef | None:
        if self.account is None:
            return None
        name = _of("account.name", self.account.name, record, text_of)
        domain = _of("account.domain", self.account.domain, record, text_of)
        return AccountRef(name=name, domain=domain and _host(domain)) if name else None

    def _human(self, role: str, record: Any) -> PersonRef | None:
        if (human := getattr(self, role)) is None:
            return None
        parts = {
            name: _of(f"{role}.{name}", getattr(human, name), record, text_of)
            for name in ("name", "email", "handle")
        }
        parts["name"] = parts["name"] or parts["email"] or parts["handle"]
        return PersonRef(**parts) if parts["name"] else None


def _as_it_is(value: Any) -> Json:
    found: Json = value
    return found


_NEEDED: Mapping[str, Callable[[Any], Any]] = {"kind": _kind, "title": text_of}
_OPTIONAL: Mapping[str, Callable[[Any], Any]] = {
    "summary": text_of,
    "body": text_of,
    "url": text_of,
    "thread": text_of,
    "severity": _severity,
    "status": _status,
    "classification": _classification,
    "department": _department,
    "sentiment": _number,
}


def _of(name: str, value: Value | None, record: Any, read: Callable[[Any], Any]) -> Any:
    """Find and read one value, and say of a bad one which field it was for."""
    try:
        found = None if value is None else value.find(record)
        return None if is_nothing(found) else read(found)
    except (BadRecord, TypeError, ValueError) as error:
        raise BadRecord(f"{name}: {error}") from None


def _labels(values: tuple[Value, ...], record: Any) -> tuple[str, ...]:
    found = [one for value in values for one in _of("labels", value, record, texts_of) or ()]
    return tuple(dict.fromkeys(found))


def _host(text: str) -> str:
    """Take the host of an address or an e-mail address; a domain is one already."""
    host = text.rpartition("@")[2].partition("://")
    return (host[2] or host[0]).partition("/")[0].partition(":")[0].removeprefix("www.").lower()


def _digest(given: Mapping[str, Any], times: tuple[datetime | None, ...], seen_before: int) -> str:
    """Name a version by what it says: two changes within one tick of the source's clock differ.

    Not by when it was seen, where the source does not say when it changed: what is read twice is
    one version.
    """
    said = {name: part for name, part in given.items() if name not in {"revised_at", "occurred_at"}}
    said |= {"times": times, "seen_before": seen_before}
    text = json.dumps(said, sort_keys=True, default=_plainly)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _plainly(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return value.value if isinstance(value, IntEnum) else str(value)
