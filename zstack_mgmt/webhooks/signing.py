"""Standard Webhooks 1.0.0, scheme v1: HMAC-SHA256 over id, time and body.

A receiver written in Python can copy this module: it needs nothing but the standard library.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence

PREFIX = "whsec_"
_SECRET_BYTES = 32
TOLERANCE_S = 300


class InvalidSecret(ValueError):
    """The text is not a secret of the form `whsec_<base64>`."""


class VerificationError(Exception):
    """Nothing proves that the request comes from the secret's holder, or it is too old. Do not act on it."""


def new_secret() -> str:
    """A random secret in the form that receivers' libraries take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key bytes of a secret; InvalidSecret for another form.

    >>> key_of("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").hex()[:16]
    '0b6155b0140886bb'
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise InvalidSecret(f"a secret has the form {PREFIX}<base64>")
    return key


def sign(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature per key, so that both sides of a rotation can verify.

    >>> sign([key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
    ...      b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        [f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode('ascii')}" for key in keys]
    )


def verify(
    secrets_held: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance_s: int = TOLERANCE_S,
) -> None:
    """What a receiver does first: check the headers of a request against its body as received, byte for byte.

    Args:
        secrets_held: the secret, or both during a rotation.
        headers: with lower-case names, or a mapping that ignores their case.
        now: seconds since 1970.
        tolerance_s: how far the timestamp may be away, in either direction.

    Raises: VerificationError saying what is wrong.
    """
    held = [secrets_held] if isinstance(secrets_held, str) else secrets_held
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not (stamp.isascii() and stamp.isdigit()):
        raise VerificationError("webhook-id or webhook-timestamp is missing or malformed")
    if abs(now - int(stamp)) > tolerance_s:
        raise VerificationError("the timestamp is too far away: an old request, or a wrong clock")
    given = [
        part.encode() for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")
    ]
    right = False
    for secret in held:
        expected = sign([key_of(secret)], message_id, int(stamp), body).encode()
        for signature in given:
            # No early end: the time taken tells nothing about which one matched.
            right |= hmac.compare_digest(expected, signature)
    if not right:
        raise VerificationError("no signature matches")
