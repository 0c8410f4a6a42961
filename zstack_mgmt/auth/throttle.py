"""Login protection for all doors: failures are counted, each further one makes the next wait longer.

They count for a name at an address, and for all names at an address and in the network around it.

The name is counted whether or not it exists. A blocked attempt is answered like a
wrong password, after the same work.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.db import Connection, Lock, touched

_ALL_NAMES = b"all names"  # no keyed hash has this length
_PREFIX_SHARE = 4  # a network around an address may fail so many times as often
_PLACE_DAYS = 90


def subject_of(sealer: Sealer, kind: str, *names: str) -> bytes:
    """What failures are counted under: a keyed hash, so that the table tells no names."""
    return sealer.keyed_hash("\0".join((kind, *names)).encode(), "login")


def network_of(address: str) -> str:
    """The address, an IPv6 one cut to its /64: one client has all of that."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:  # how a dual-stack socket shows its IPv4 clients
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


def prefix_of(address: str) -> str:
    """The network around the address: /24 of IPv4, /48 of IPv6."""
    try:
        parsed = ip_address(network_of(address).partition("/")[0])
    except ValueError:
        return ""
    return str(ip_network((parsed, 48 if isinstance(parsed, IPv6Address) else 24), strict=False))


async def take_turn(conn: Connection, subject: bytes, *, shared: bool = False) -> None:
    """Let the attempts for one name be judged one after the other, until the transaction ends.

    Args:
        shared: beside others that are; no failure is counted meanwhile.
    """
    if shared:
        await conn.execute(
            "SELECT pg_advisory_xact_lock_shared($1, hashtext(encode($2, 'hex')))",
            Lock.LOGIN_FAILURES,
            subject,
        )
    else:
        await conn.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext(encode($2, 'hex')))", Lock.LOGIN_FAILURES, subject
        )


async def is_blocked(conn: Connection, subject: bytes, address: str, login_uuid: str | None = None) -> bool:
    """Whether attempts for the name from this address, or from anywhere, must wait.

    Failures with other names do not shut out one that has logged in from there before.

    Args:
        login_uuid: of the account or user with the name; its option may keep the lockout from it.
    """
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM login_failures
            WHERE blocked_until > now() AND (
                subject = $1 AND (address = $2 OR address = '' AND NOT EXISTS (
                    SELECT FROM logins
                    WHERE uuid = $5 AND options ->> 'ignore_lockout_failure_attempts' = 'true'))
                OR subject = $3 AND address IN ($2, $4) AND NOT EXISTS (
                    SELECT FROM login_places p WHERE p.subject = $1 AND p.address = $2))
            LIMIT 1
            """,
            subject,
            network_of(address),
            _ALL_NAMES,
            prefix_of(address),
            login_uuid,
        )
    )


async def note_failure(conn: Connection, settings: Settings, subject: bytes, address: str) -> None:
    """Count a failure: past the free ones each doubles the delay; a lockout blocks the name everywhere."""
    many = settings.login_address_free_failures
    await _count(conn, settings, subject, network_of(address), settings.login_free_failures)
    await _count(conn, settings, _ALL_NAMES, network_of(address), many)
    await _count(conn, settings, _ALL_NAMES, prefix_of(address), many * _PREFIX_SHARE)
    if settings.login_lockout_failures > 0:
        await conn.execute(
            """
            INSERT INTO login_failures AS f (subject, address, failures, blocked_until)
            VALUES ($1, '', 1,
                    CASE WHEN $2::int <= 1 THEN now() + make_interval(secs => $3) ELSE '-infinity' END)
            ON CONFLICT (subject, address) DO UPDATE SET last_at = now(),
                failures = CASE WHEN f.last_at < now() - make_interval(secs => $3) THEN 1
                                ELSE f.failures + 1 END,
                blocked_until = CASE WHEN f.last_at >= now() - make_interval(secs => $3)
                                          AND f.failures + 1 >= $2
                    THEN now() + make_interval(secs => $3) ELSE f.blocked_until END
            """,
            subject,
            settings.login_lockout_failures,
            float(settings.login_lockout_s),
        )


async def _count(conn: Connection, settings: Settings, subject: bytes, address: str, free: int) -> None:
    await conn.execute(
        """
        INSERT INTO login_failures AS f (subject, address, failures, blocked_until)
        VALUES ($1, $2, 1, CASE WHEN $3::int < 1 THEN now() + interval '1 s' ELSE '-infinity' END)
        ON CONFLICT (subject, address) DO UPDATE SET last_at = now(),
            failures = CASE WHEN f.last_at < now() - make_interval(secs => $5) THEN 1 ELSE f.failures + 1 END,
            blocked_until = CASE WHEN f.failures + 1 < $3 OR f.last_at < now() - make_interval(secs => $5)
                THEN f.blocked_until
                ELSE now() + make_interval(secs => least($4, power(2, least(f.failures + 1 - $3, 20)))) END
        """,
        subject,
        address,
        free,
        float(settings.login_max_delay_s),
        float(settings.login_forget_s),
    )


async def forget_failures(conn: Connection, subject: bytes, address: str) -> None:
    """After a success, start again at zero, and remember the place. Mostly there is nothing to write."""
    await conn.execute(
        """
        WITH forgotten AS (DELETE FROM login_failures WHERE subject = $1 AND address IN ($2, ''))
        INSERT INTO login_places (subject, address)
        SELECT $1, $2 WHERE NOT EXISTS (
            SELECT FROM login_places
            WHERE subject = $1 AND address = $2 AND last_at >= now() - interval '1 day')
        ON CONFLICT (subject, address) DO UPDATE SET last_at = now()
        """,
        subject,
        network_of(address),
    )


async def forget_old(conn: Connection, settings: Settings, limit: int) -> int:
    """Drop counters that no longer count, and places that were not used for long.

    Of each at most `limit`; the greater of the two numbers.
    """
    places = await conn.execute(
        """
        DELETE FROM login_places WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM login_places WHERE last_at < now() - make_interval(days => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED))
        """,
        _PLACE_DAYS,
        limit,
    )
    failures = await conn.execute(
        """
        DELETE FROM login_failures WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM login_failures
            WHERE last_at < now() - make_interval(secs => $1) AND blocked_until < now()
            LIMIT $2 FOR UPDATE SKIP LOCKED))
        """,
        float(max(settings.login_forget_s, settings.login_lockout_s)),
        limit,
    )
    return max(touched(places), touched(failures))
