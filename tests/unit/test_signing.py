import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from hub.signing import key, new_secret, sign, verify

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

secrets = st.binary(min_size=24, max_size=32).map(
    lambda raw: "whsec_" + base64.b64encode(raw).decode()
)
ids = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."),
    min_size=1,
    max_size=40,
)


def test_the_example_of_the_specification() -> None:
    """Reproduce the signature that the specification's reference libraries test themselves by.

    https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries
    """
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(secret=secrets, id_=ids, body=st.text().map(str.encode))
def test_what_we_sign_the_reference_library_accepts(secret: str, id_: str, body: bytes) -> None:
    headers = sign([secret], id_, datetime.now(UTC), body)
    assert Webhook(secret).verify(body, headers, json_parse=False) is None


@given(secret=secrets, id_=ids, body=st.text())
def test_what_the_reference_library_signs_we_accept(secret: str, id_: str, body: str) -> None:
    headers = {
        "Webhook-Id": id_,
        "Webhook-Timestamp": str(int(NOW.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(id_, NOW, body),
    }
    assert verify([secret], headers, body.encode(), now=NOW)


@given(secret=secrets, id_=ids, body=st.binary(), data=st.data())
def test_any_bit_flipped_fails(secret: str, id_: str, body: bytes, data: st.DataObject) -> None:
    headers = sign([secret], id_, NOW, body)
    assert verify([secret], headers, body, now=NOW)
    parts = {"body": body} | {name: value.encode() for name, value in headers.items()}
    name = data.draw(st.sampled_from(sorted(name for name, part in parts.items() if part)))
    bit = data.draw(st.integers(0, len(parts[name]) * 8 - 1))
    flipped = bytearray(parts[name])
    flipped[bit // 8] ^= 1 << bit % 8
    changed = dict(headers)
    if name != "body":
        changed[name] = flipped.decode("latin-1")
    assert not verify([secret], changed, bytes(flipped) if name == "body" else body, now=NOW)


@given(old=secrets, new=secrets, body=st.binary())
def test_during_a_rotation_both_secrets_verify(old: str, new: str, body: bytes) -> None:
    headers = sign([new, old], "msg_1", NOW, body)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verify([old], headers, body, now=NOW)
    assert verify([new], headers, body, now=NOW)
    assert verify([old, new], sign([old], "msg_1", NOW, body), body, now=NOW)


def test_the_reference_library_accepts_either_signature_of_a_rotation() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = sign([new, old], "msg_1", datetime.now(UTC), b"{}")
    for secret in (old, new):
        assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(b"{}", headers)
    assert not verify([other], headers, b"{}", now=datetime.now(UTC))


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_the_tolerance(seconds: float, accepted: bool) -> None:
    headers = sign([SECRET], "msg_1", NOW + timedelta(seconds=seconds), b"{}")
    assert verify([SECRET], headers, b"{}", now=NOW) is accepted


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize(
    "value",
    ["", " ", "v1", "v1,", ",", "v1a,AAAA", "-1", "9" * 12, "1e9", "\u0661\u0662", "\udcff"],
)
def test_a_damaged_header_is_refused_not_raised(name: str, value: str) -> None:
    headers = sign([SECRET], "msg_1", NOW, b"{}")
    assert not verify([SECRET], headers | {name: value}, b"{}", now=NOW)
    del headers[name]
    assert not verify([SECRET], headers, b"{}", now=NOW)


def test_no_secret_verifies_nothing() -> None:
    assert not verify([], sign([SECRET], "msg_1", NOW, b"{}"), b"{}", now=NOW)


def test_a_new_secret_is_random_and_within_the_specification() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(secret.startswith("whsec_") and 24 <= len(key(secret)) <= 64 for secret in made)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!!", "whsec_A"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        sign([secret], "msg_1", NOW, b"{}")


def test_nothing_goes_out_unsigned_or_ambiguous() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], "msg_1", NOW, b"{}")
    for wrong in ("", "msg.1"):
        with pytest.raises(ValueError, match="id"):
            sign([SECRET], wrong, NOW, b"{}")
