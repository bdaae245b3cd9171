"""Every signature that vendors publish, and each way to spoil it, by the connector that reads it.

And by `webhook`, which is told the scheme in hub.toml. A vendor or a scheme of the file that
nobody has looked at fails: see `vectors.KNOWN`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from hub import registry
from hub.bus.local import LocalBus
from hub.config import SourceConfig
from hub.connector import Accepted, BadRecord, Connector, Pushed, PushRefused, Reply, TakesNoPushes
from hub.jobs.local import LocalWaker
from hub.push import Inbox
from hub.store import open_store
from hub.store.tables import PushRow, table
from tests.running import migrated
from tests.vendors.vectors import KNOWN, UNSIGNED, Known, Vector, vector, vectors

pytestmark = pytest.mark.vendors

TOLERANCE, SECOND = timedelta(minutes=5), timedelta(seconds=1)
ANOTHER = "another-secret-of-the-same-kind"
# A command of Slack's is signed as its events are, but is none: it is told so, and not stored.
NO_EVENT = {("slack", "slack")}

Spoilt = Iterator[tuple[Pushed, str]]


def _truncated(sound: Vector, known: Known) -> Spoilt:
    del known
    body = sound.request.body
    for kept in {0, 1, len(body) // 2, len(body) - 1}:
        yield replace(sound.request, body=body[:kept]), sound.secret


def _altered(sound: Vector, known: Known) -> Spoilt:
    del known
    body = sound.request.body
    for other in (body + b" ", b" " + body, body[:-1] + bytes([body[-1] ^ 1]), body * 2):
        yield replace(sound.request, body=other), sound.secret


def _wrong_key(sound: Vector, known: Known) -> Spoilt:
    del known
    for other in (ANOTHER, sound.secret[:-1], sound.secret + " ", sound.secret.swapcase()):
        yield sound.request, other
    yield from ((sound.request, one.secret) for one in vectors() if one.secret != sound.secret)


def _missing(sound: Vector, known: Known) -> Spoilt:
    for name in filter(None, (known.header, known.timestamp)):
        yield _with(sound.request, {name: None}), sound.secret
        yield _with(sound.request, {name: ""}), sound.secret
    yield replace(sound.request, headers={}), sound.secret


def _another_signature(sound: Vector, known: Known) -> Spoilt:
    given = sound.request.headers[known.header.lower()]
    flipped = given[:-2] + ("0" if given[-2] != "0" else "1") + given[-1]
    bare = given.removeprefix(known.signed.get("prefix", ""))
    others = {given[:-1], given + "0", flipped, bare[: len(bare) // 2], "é", f"sha512={bare}"}
    for other in others:
        yield _with(sound.request, {known.header: other}), sound.secret


def _stale(sound: Vector, known: Known) -> Spoilt:
    assert known.timestamp
    at = sound.request.received_at
    for late in (TOLERANCE + SECOND, timedelta(days=400)):
        yield replace(sound.request, received_at=at + late), sound.secret
        yield replace(sound.request, received_at=at - late), sound.secret
    stamp = sound.request.headers[known.timestamp.lower()]
    # Another time than the one that was signed, though a good one; and what is none.
    for other in (at + SECOND, at - SECOND):
        written = str(int(other.timestamp() * 1000)) if len(stamp) == 13 else other.isoformat()
        yield _with(sound.request, {known.timestamp: written}), sound.secret
    for stray in ("yesterday", "-1", f"{stamp}x", "9" * 30):
        yield _with(sound.request, {known.timestamp: stray}), sound.secret


def _elsewhere(sound: Vector, known: Known) -> Spoilt:
    del known
    for method in ("GET", "PUT", "post"):
        yield replace(sound.request, method=method), sound.secret
    for url in (sound.request.url + "?a=1", sound.request.url.replace("https", "http"), ""):
        yield replace(sound.request, url=url), sound.secret


SPOILT: Mapping[str, Callable[[Vector, Known], Spoilt]] = {
    "truncated body": _truncated,
    "altered body": _altered,
    "wrong key": _wrong_key,
    "missing header": _missing,
    "another signature": _another_signature,
    "stale": _stale,
    "another method or address": _elsewhere,
}


def _can_be(what: str, known: Known) -> bool:
    """Tell whether a vendor's scheme signs what would be spoilt."""
    if what == "stale":
        return known.timestamp is not None
    if what == "another method or address":
        return {"{method}", "{decoded_url}"} <= {f"{{{p}}}" for p in _places(known)}
    return True


def _places(known: Known) -> set[str]:
    return {part.partition("}")[0] for part in known.signed.get("signed", "{body}").split("{")[1:]}


def _with(request: Pushed, headers: Mapping[str, str | None]) -> Pushed:
    changed = {**request.headers, **{name.lower(): value for name, value in headers.items()}}
    return replace(request, headers={k: v for k, v in changed.items() if v is not None})


WAYS = [(vendor, through) for vendor, known in KNOWN.items() for through in known.through]
SPOILS = [
    (vendor, through, what)
    for vendor, through in WAYS
    for what in SPOILT
    if _can_be(what, KNOWN[vendor])
]


def test_every_vector_of_the_file_is_known_and_every_known_one_is_there() -> None:
    found = vectors()
    assert sorted(one.vendor for one in found) == sorted(KNOWN)
    for one in found:
        known = KNOWN[one.vendor]
        assert one.scheme == known.scheme, f"{one.vendor}: read the scheme, it is said anew"
        signing = {known.header, *filter(None, [known.timestamp])}
        assert set(one.names) == {*signing, *known.beside}, one.vendor


def test_every_connector_that_takes_pushes_has_a_vector_or_signs_nothing() -> None:
    taking = {
        name for name in registry.names() if registry.find(name).verify is not Connector.verify
    }
    assert taking == {*filter(None, (one.connector for one in KNOWN.values())), *UNSIGNED}


@pytest.mark.parametrize(("vendor", "through"), WAYS)
def test_what_the_vendor_signed_is_taken(vendor: str, through: str) -> None:
    known, sound = KNOWN[vendor], vector(vendor)
    source = known.source(through, sound.secret)
    if (vendor, through) in NO_EVENT:
        with pytest.raises(BadRecord):
            source.verify(sound.request)
        return
    assert isinstance(source.verify(sound.request), Accepted)
    # While a secret is replaced there are two, which have no space in them and 16 letters.
    if len(sound.secret.split(" ")[0]) >= 16:
        both = known.source(through, f"{ANOTHER} {sound.secret}")
        assert isinstance(both.verify(sound.request), Accepted)
    # No other header matters.
    signing = {known.header.lower(), (known.timestamp or known.header).lower()}
    least = {name: value for name, value in sound.request.headers.items() if name in signing}
    assert isinstance(source.verify(replace(sound.request, headers=least)), Accepted)


@pytest.mark.parametrize(("vendor", "through", "what"), SPOILS)
def test_what_was_spoilt_is_refused(vendor: str, through: str, what: str) -> None:
    known, sound = KNOWN[vendor], vector(vendor)
    spoilt = list(SPOILT[what](sound, known))
    assert spoilt
    for request, secret in spoilt:
        source = known.source(through, secret)
        with pytest.raises(PushRefused):
            source.verify(request)


@pytest.mark.parametrize(("vendor", "through"), WAYS)
def test_without_a_secret_nobody_is_believed(vendor: str, through: str) -> None:
    known, sound = KNOWN[vendor], vector(vendor)
    with pytest.raises(TakesNoPushes):
        known.source(through, "").verify(sound.request)


def test_pagerduty_signs_by_several_secrets_while_one_is_replaced() -> None:
    known, sound = KNOWN["pagerduty"], vector("pagerduty")
    good = sound.request.headers[known.header.lower()]
    for through in known.through:
        source = known.source(through, sound.secret)
        several = _with(sound.request, {known.header: f"v1={'0' * 64}, {good}"})
        assert isinstance(source.verify(several), Accepted)
        none = _with(sound.request, {known.header: f"v1={'0' * 64},v2={good[3:]}"})
        with pytest.raises(PushRefused):
            source.verify(none)


@pytest.mark.parametrize(("vendor", "through"), WAYS)
async def test_what_is_sent_again_is_stored_once_and_what_is_refused_never(
    database_url: str, vendor: str, through: str
) -> None:
    known, sound = KNOWN[vendor], vector(vendor)
    source = _config(known.source(through, sound.secret), through)
    stranger = _config(known.source(through, ANOTHER), through)
    is_event = (vendor, through) not in NO_EVENT
    again = [sound.request, replace(sound.request, received_at=sound.request.received_at + SECOND)]
    if known.timestamp is None:  # nothing says how old it is: that it is known must do
        a_year = sound.request.received_at + timedelta(days=365)
        again.append(replace(sound.request, received_at=a_year))
    async with open_store(await migrated(database_url)) as store:
        inbox = Inbox(store, LocalBus(), LocalWaker())
        with pytest.raises(PushRefused):
            await inbox.take(stranger, sound.request)
        for request in again:
            if is_event:
                assert not isinstance(await inbox.take(source, request), Reply)
            else:
                with pytest.raises(BadRecord):
                    await inbox.take(source, request)
        async with store.read() as connection:
            count = await connection.scalar(select(func.count()).select_from(table(PushRow)))
    assert count == (1 if is_event else 0)


def _config(connector: Connector, kind: str) -> SourceConfig:
    return SourceConfig("vendor", kind, connector, timedelta(hours=1))
