"""The schemes by which vendors sign: what each takes, and everything that each refuses.

The first four signatures are published by the vendor, the others were made with openssl.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from hub import signing
from hub.connector import (
    BasicAuth,
    BodyToken,
    Digest,
    Hmac,
    Pushed,
    PushRefused,
    Scheme,
    StandardWebhooks,
    TakesNoPushes,
    Token,
    is_secret,
)
from hub.connector.signatures import moment

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BODY = '{"ticket":{"id":35436,"subject":"Düse verstopft"}}'.encode()
EVENT = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,'
    b'"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
)
COMMAND = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK = Hmac(
    "X-Slack-Signature",
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp="X-Slack-Request-Timestamp",
)


@dataclass(frozen=True)
class Vector:
    name: str
    scheme: Scheme
    secret: str
    headers: Mapping[str, str]
    body: bytes = BODY
    at: datetime = NOW
    method: str = "POST"
    url: str = "https://hub.example.com/push/crm"
    signing: str = field(default="", kw_only=True)  # the header whose value is the signature

    @property
    def request(self) -> Pushed:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Pushed(self.method, self.url, headers, self.body, self.at)


VECTORS = [
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    Vector(
        "github",
        Hmac("X-Hub-Signature-256", prefix="sha256="),
        "It's a Secret to Everybody",
        {
            "X-Hub-Signature-256": "sha256="
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        },
        b"Hello, World!",
    ),
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    Vector(
        "slack",
        SLACK,
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0="
            "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        COMMAND,
        datetime.fromtimestamp(1531420618, UTC),
    ),
    # https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
    Vector(
        "hubspot v1",
        Digest("X-HubSpot-Signature"),
        "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        {"X-HubSpot-Signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"},
        EVENT,
    ),
    Vector(
        "hubspot v2",
        Digest("X-HubSpot-Signature", signed="{method}{url}{body}"),
        "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        {"X-HubSpot-Signature": "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"},
        b"",
        method="GET",
        url="https://www.example.com/webhook_uri",
    ),
    Vector(
        "hubspot v3",
        Hmac(
            "X-HubSpot-Signature-v3",
            encoding="base64",
            signed="{method}{decoded_url}{body}{timestamp}",
            timestamp="X-HubSpot-Request-Timestamp",
        ),
        "hubspot-secret-of-a-test",
        {
            "X-HubSpot-Signature-v3": "t0upxUHO0x6LOUPQSqApCZKX+GG0VfSuB+UChy2ETn4=",
            "X-HubSpot-Request-Timestamp": "1795521600000",
        },
        b'[{"eventId":1}]',
        url="https://hub.example.com/push/crm?at=a%3Ab%2fc%20d",  # a space stays as it is
    ),
    Vector(
        "zendesk",
        Hmac(
            "X-Zendesk-Webhook-Signature",
            encoding="base64",
            signed="{timestamp}{body}",
            timestamp="X-Zendesk-Webhook-Signature-Timestamp",
        ),
        "zendesk-secret-of-a-test",
        {
            "X-Zendesk-Webhook-Signature": "IOCNyZ2lc/C/oeqa/w+21PmD1JH0kBpXlSDjJQykEc0=",
            "X-Zendesk-Webhook-Signature-Timestamp": "2026-11-24T12:00:00Z",
        },
    ),
    Vector(
        "pagerduty, while its secret is replaced",
        Hmac("X-PagerDuty-Signature", prefix="v1="),
        "pagerduty-secret-of-a-test",
        {
            "X-PagerDuty-Signature": "v1=00,v1="
            "ff302f8c72bac5b0cb905188b4287f9d798c9a385f4b7aa61cdb34ceaab3608e"
        },
    ),
    Vector(
        "sentry",
        Hmac("Sentry-Hook-Signature"),
        "sentry-secret-of-a-test",
        {
            "Sentry-Hook-Signature": "cd4298a792f8d4b7af2f2dadbcb52aba"
            "51be2041edfb54dbcd7cb34255e701cd"
        },
    ),
    Vector(
        "intercom",
        Hmac("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
        "intercom-secret-of-a-test",
        {"X-Hub-Signature": "sha1=b9a96a6d12cb8011b43f59b361d6ae4d4e6c410c"},
    ),
    Vector(
        "jira",
        Hmac("X-Hub-Signature", prefix="sha256="),
        "jira-secret-of-a-test",
        {
            "X-Hub-Signature": "sha256="
            "61cd3486cfdeaf966118bcb427e337b22f8447a08c8ab55326725ad731937f3a"
        },
    ),
    Vector(
        "grafana, without a time",
        Hmac("X-Grafana-Alerting-Signature"),
        "grafana-secret-of-a-test",
        {
            "X-Grafana-Alerting-Signature": "b14ce8165a115f2986cd58941e79fb2a"
            "829f0f4602cb39ae41779a2c1637b9a8"
        },
    ),
    Vector(
        "grafana, with a time",
        Hmac("X-Grafana-Alerting-Signature", signed="{timestamp}:{body}", timestamp="X-Sent-At"),
        "grafana-secret-of-a-test",
        {
            "X-Grafana-Alerting-Signature": "6d53f2c7dc5307fd9ccbc971b5b2b109"
            "622909f437098fb0e289b2302f79657b",
            "X-Sent-At": "1795521600",
        },
    ),
    Vector(
        "sha512",
        Hmac("X-Signature", algorithm="sha512", encoding="base64"),
        "generic-secret-of-a-test",
        {
            "X-Signature": "aRpTKPW0JeOs8v1DdYqq5fLqJW5iYVwCiRnu5sUAlVI4kFqw"
            "GCIrh6yt/OKXDwzr9pldZmXLrlJznWf4GWyqxQ=="
        },
    ),
    # https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries
    Vector(
        "standard webhooks",
        StandardWebhooks(),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        datetime.fromtimestamp(1614265330, UTC),
    ),
]
SHARED = [
    Vector(
        "a bearer token",
        Token(prefix="Bearer "),
        "a-token-for-a-test",
        {"Authorization": "bearer a-token-for-a-test"},
    ),
    Vector(
        "a header of its own",
        Token("X-Gitlab-Token"),
        "a-token-for-a-test",
        {"X-Gitlab-Token": "a-token-for-a-test"},
    ),
    Vector(
        "a user and a password",
        BasicAuth("pipedrive"),
        "pässword:with-a-colon",
        {
            "Authorization": "Basic "
            + base64.b64encode("pipedrive:pässword:with-a-colon".encode()).decode()
        },
    ),
    Vector(
        "a field of a form",
        BodyToken(),
        "bu8jf3fqtbgyt",
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"token=bu8jf3fqtbgyt&team_id=t1&text=hello",
    ),
    Vector(
        "a field of JSON",
        BodyToken(),
        "bu8jf3fqtbgyt",
        {"Content-Type": "application/json"},
        b'{"token": "bu8jf3fqtbgyt"}',
    ),
]

of_all = pytest.mark.parametrize("vector", [*VECTORS, *SHARED], ids=lambda one: one.name)
of_signed = pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.name)
of_dated = pytest.mark.parametrize(
    "vector",
    [
        one
        for one in VECTORS
        if isinstance(one.scheme, StandardWebhooks) or getattr(one.scheme, "timestamp", None)
    ],
    ids=lambda one: one.name,
)


def refused(vector: Vector, request: Pushed, secret: str | None = None) -> PushRefused:
    with pytest.raises(PushRefused) as caught:
        vector.scheme.check(request, SecretStr(vector.secret if secret is None else secret))
    assert vector.secret not in str(caught.value)
    return caught.value


@of_all
def test_what_the_vendor_signed_is_taken(vector: Vector) -> None:
    vector.scheme.check(vector.request, SecretStr(vector.secret))


@of_all
def test_another_key_is_refused(vector: Vector) -> None:
    other = (
        signing.new_secret() if isinstance(vector.scheme, StandardWebhooks) else "another-secret-x"
    )
    refused(vector, vector.request, other)


@of_all
def test_without_a_secret_nothing_is_taken(vector: Vector) -> None:
    for none in (None, SecretStr("")):
        with pytest.raises(TakesNoPushes):
            vector.scheme.check(vector.request, none)


@of_signed
def test_a_body_that_was_cut_or_grew_is_refused(vector: Vector) -> None:
    refused(vector, replace(vector.request, body=vector.body + b" "))
    if vector.body:
        refused(vector, replace(vector.request, body=vector.body[:-1]))


@of_signed
def test_a_body_that_was_written_anew_is_refused(vector: Vector) -> None:
    """The same words in other bytes, as after parsing: only what came is what was signed."""
    refused(vector, replace(vector.request, body=vector.body.replace(b":", b": ") + b"\n"))


@of_all
def test_each_header_is_needed(vector: Vector) -> None:
    for name in vector.request.headers:
        rest = {other: value for other, value in vector.request.headers.items() if other != name}
        if isinstance(vector.scheme, BodyToken):  # it says how to read the body, and signs nothing
            continue
        assert name in str(refused(vector, replace(vector.request, headers=rest))).lower()


@of_all
def test_headers_that_are_not_ascii_are_refused(vector: Vector) -> None:
    if isinstance(vector.scheme, BodyToken):
        refused(vector, replace(vector.request, body="token=ÿé\x80".encode("latin-1")))
        return
    for name in vector.request.headers:
        for value in ("ÿé\x80", "v0=ÿ", "Basic ÿ", "²³"):
            headers = {**vector.request.headers, name: value}
            refused(vector, replace(vector.request, headers=headers))


@of_dated
@pytest.mark.parametrize("away", [timedelta(minutes=5, seconds=1), -timedelta(minutes=6)])
def test_an_old_request_and_one_of_the_future_are_refused(vector: Vector, away: timedelta) -> None:
    """So is one that was recorded and is sent once more after that time."""
    refused(vector, replace(vector.request, received_at=vector.at + away))


@of_dated
def test_a_request_just_within_the_time_is_taken(vector: Vector) -> None:
    late = replace(vector.request, received_at=vector.at + timedelta(minutes=4, seconds=59))
    vector.scheme.check(late, SecretStr(vector.secret))


@of_dated
def test_a_recorded_request_with_a_new_time_is_refused(vector: Vector) -> None:
    later = vector.at + timedelta(hours=1)
    name = getattr(vector.scheme, "timestamp", "webhook-timestamp").lower()
    was = vector.request.headers[name]
    now = {
        "Z": later.isoformat().replace("+00:00", "Z"),
        "0": str(int(later.timestamp() * (1000 if len(was) > 11 else 1))),
    }
    headers = {**vector.request.headers, name: now["Z" if was.endswith("Z") else "0"]}
    refused(vector, replace(vector.request, headers=headers, received_at=later))


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, method="PUT"),
        lambda request: replace(request, url=request.url.replace("crm", "other")),
        lambda request: replace(request, url=request.url.replace("https", "http")),
        lambda request: replace(request, url=request.url.replace("%20", " ")),
    ],
    ids=["method", "path", "scheme", "decoded too much"],
)
def test_hubspot_signs_method_and_address_too(change: Callable[[Pushed], Pushed]) -> None:
    vector = next(one for one in VECTORS if one.name == "hubspot v3")
    refused(vector, change(vector.request))


def test_the_prefix_tells_two_vendors_apart_that_use_one_header() -> None:
    """Intercom's sha1= and Jira's sha256= come in the same X-Hub-Signature."""
    intercom, jira = (
        next(one for one in VECTORS if one.name == name) for name in ("intercom", "jira")
    )
    refused(jira, intercom.request, intercom.secret)
    refused(intercom, jira.request, jira.secret)


@of_all
def test_while_a_secret_is_replaced_the_old_and_the_new_are_taken(vector: Vector) -> None:
    if isinstance(vector.scheme, StandardWebhooks):
        other = signing.new_secret()
    elif len(vector.secret) < 16 or " " in vector.secret:
        return  # such a one cannot be told from one secret with spaces in it
    else:
        other = "the-other-secret-of-a-test"
    for both in (f"{vector.secret} {other}", f"{other} {vector.secret}"):
        vector.scheme.check(vector.request, SecretStr(both))


def test_a_word_of_a_secret_with_spaces_is_no_secret() -> None:
    """GitHub's own example has spaces in it: `Secret` may not sign for the whole."""
    request = Pushed("POST", "https://hub", {"x-key": "Secret"}, b"", NOW)
    with pytest.raises(PushRefused):
        Token("x-key").check(request, SecretStr("It's a Secret to Everybody"))


@pytest.mark.parametrize(
    ("signed", "timestamp", "why"),
    [
        ("{timestamp}", "X-At", "without {body}"),
        ("{body}{secret}", None, "no {secret}"),
        ("{timestamp}{body}", None, "names its header"),
        ("{body}", "X-At", "names its header"),  # a time that nobody signed proves nothing
    ],
)
def test_a_scheme_that_proves_nothing_cannot_be_made(
    signed: str, timestamp: str | None, why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Hmac("X-Signature", signed=signed, timestamp=timestamp)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1795521600", NOW),
        ("1795521600000", NOW),
        ("2026-11-24T12:00:00Z", NOW),
        ("2026-11-24T13:00:00+01:00", NOW),
        ("2026-11-24T12:00:00", NOW),
        ("-1795521600", None),
        ("1e9", None),
        ("9" * 14 + "9", None),
        ("²", None),
        ("", None),
    ],
)
def test_times_are_read_in_every_form_that_vendors_sign(said: str, meant: datetime | None) -> None:
    assert moment(said) == meant


def test_a_secret_in_the_body_that_no_scheme_knows_is_compared_all_the_same() -> None:
    secret = SecretStr("the-client-state-of-a-graph-subscription")
    assert is_secret("the-client-state-of-a-graph-subscription", secret)
    assert not is_secret("the-client-state-of-a-graph-subscriptio", secret)
    assert not is_secret("", secret)
    with pytest.raises(TakesNoPushes):
        is_secret("", None)
