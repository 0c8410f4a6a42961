"""Signatures follow Standard Webhooks 1.0.0, and a receiver can tell a true request from any other."""

import base64

import pytest

from zstack_mgmt.webhooks.signing import (
    InvalidSecret,
    VerificationError,
    key_of,
    new_secret,
    sign,
    verify,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
NOW = 1614265330


def headers(*secrets: str, body: bytes = BODY, at: int = NOW, message_id: str = "msg_1") -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign([key_of(secret) for secret in secrets], message_id, at, body),
    }


def test_the_published_example_comes_out():
    signature = sign([key_of(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, BODY)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_secret_has_32_random_bytes_in_the_standard_form():
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert new_secret() != secret


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_another_form_is_no_secret(text):
    with pytest.raises(InvalidSecret):
        key_of(text)


def test_a_true_request_is_accepted():
    verify(SECRET, headers(SECRET), BODY, now=NOW + 300)
    verify(SECRET, headers(SECRET), BODY, now=NOW - 300)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": ""},
        {"webhook-id": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,ünïcode"},
    ],
)
def test_a_changed_header_is_refused(change):
    with pytest.raises(VerificationError):
        verify(SECRET, headers(SECRET) | change, BODY, now=NOW)


def test_a_changed_body_is_refused():
    with pytest.raises(VerificationError, match="no signature"):
        verify(SECRET, headers(SECRET), BODY + b" ", now=NOW)


@pytest.mark.parametrize("off", [-301, 301])
def test_an_old_or_early_request_is_refused(off):
    with pytest.raises(VerificationError, match="timestamp"):
        verify(SECRET, headers(SECRET), BODY, now=NOW + off)


def test_both_secrets_verify_during_an_overlap():
    old, new = new_secret(), new_secret()
    sent = headers(new, old)
    assert len(sent["webhook-signature"].split(" ")) == 2
    for held in (old, new, [old, new]):
        verify(held, sent, BODY, now=NOW)
    with pytest.raises(VerificationError):
        verify(new_secret(), sent, BODY, now=NOW)
