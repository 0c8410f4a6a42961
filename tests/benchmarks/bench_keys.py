"""Calls with an access key against the same calls with a session, in one run.

    make bench ARGS=tests/benchmarks/bench_keys.py

One API and one worker process, 64 connections, rounds in turn. A signature opens changes for two seconds
only, so each round is shorter and has a signature of its own. Aim: 0.8 of the rate with a session.
"""

import base64
import hashlib
import hmac
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from bench_engine import BODY, load, port_of, request_of
from stack import running_stack

from app import Client
from benchmarks.sitting import Sitting

pytestmark = pytest.mark.bench

ROUNDS = 7
SECONDS = 1.2
ZONE = "a0000000000040008000000000000000"


def signed(request: bytes, method: str, path: str, key: dict[str, str]) -> bytes:
    """The request with a signature of now in place of a session."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    text = f"{method}\n{date}\n{path.removeprefix('/zstack')}".encode()
    made = base64.b64encode(hmac.new(key["AccessKeySecret"].encode(), text, hashlib.sha1).digest()).decode()
    head = f"Authorization: ZStack {key['AccessKeyID']}:{made}\r\nDate: {date}\r\nContent-Length"
    return request.replace(b"Content-Length", head.encode(), 1)


async def test_keys_and_sessions() -> None:
    sitting = Sitting("access keys", "calls/s")
    async with running_stack(WORKER_PROCESSES="1", WEBHOOK_PROCESSES="0", LOG_LEVEL="info") as stack:
        key = await Client(stack.http, stack.base, stack.token).create("/accesskeys")
        conn = await stack.db()
        await conn.execute(f"INSERT INTO zones (uuid, name) VALUES ('{ZONE}', 'z')")
        await conn.close()
        for _ in range(ROUNDS):
            for method, path, body in (
                ("GET", f"/zstack/v1/zones/{ZONE}", ""),
                ("POST", "/zstack/v1/zones", BODY),
            ):
                by_session = request_of(method, path, body, stack.token)
                for who in ("session", "key"):
                    bare = request_of(method, path, body)
                    request = by_session if who == "session" else signed(bare, method, path, key)
                    found = await load(port_of(stack), 64, SECONDS, request)
                    sitting.add(f"{method} {who}", found["rate"])
    for method in ("GET", "POST"):
        sitting.aim(f"{method} key", over=f"{method} session", at_least=0.8)
    sitting.report()
