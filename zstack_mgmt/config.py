"""Settings of one process, read once from the environment; the only reader of environment variables."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zstack_mgmt.addresses import SENTINEL_SCHEMES, sentinels_of
from zstack_mgmt.doc import Bound, Doc

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Within:
    """The numbers that a setting takes; by itself it takes none below 0."""

    least: float
    most: float = math.inf


Count = Annotated[int, Within(1)]
Duration = Annotated[float, Within(0.001)]

KvmDriver = Literal["simulator", "libvirt"]
QueryCase = Literal["ignored", "exact"]
VirtType = Literal["auto", "kvm", "qemu"]
LogFormat = Literal["auto", "json", "text"]
Traces = Literal["off", "otlp"]
LogLevel = Literal["debug", "info", "warning", "error"]

UTC_ZONE = ZoneInfo("UTC")


MAX_LINE_BYTES: Annotated[int, Doc("bytes of a request line"), Bound("BadRequest")] = 64 * 1024
"""Some GETs name a thousand uuids."""
MAX_PAGE_BYTES: Annotated[int, Doc("bytes of a page in the reply to a message"), Bound("BadRequest")] = 2**26
MAX_JSON_LEVELS: Annotated[int, Doc("levels of lists and objects in a body"), Bound("BadRequest")] = 100


class ConfigError(Exception):
    """The process cannot work as it is set; the message names the variable, in one line for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, with the environment variable of its name in upper case (`DATABASE_URL`, `PORT`)."""

    database_url: Annotated[
        str,
        Doc("of several hosts between commas, a primary and its standbys, the one that takes writes is used"),
    ] = "postgresql://postgres@127.0.0.1:5432/zstack_mgmt"
    direct_database_url: Annotated[
        str,
        Doc("PostgreSQL itself, where DATABASE_URL is PgBouncer in transaction mode; empty: it is not"),
    ] = ""
    read_database_url: Annotated[
        str, Doc("for queries that may be a second late: standbys, and the primary last; empty: DATABASE_URL")
    ] = ""
    database_password: Annotated[
        str, Doc("of the user in DATABASE_URL, as it is; a password in a URL needs percent-encoding")
    ] = ""
    redis_url: Annotated[
        str,
        Doc("or `redis+sentinel://host:26379,host/master/0`: what the sentinels call the master"),
    ] = "redis://127.0.0.1:6379/0"
    redis_prefix: Annotated[
        str, Doc("put before every Redis key and channel, so that installations can share a server")
    ] = "zstack:"
    host: Annotated[str, Doc("the address at which the API listens")] = "127.0.0.1"
    port: Annotated[int, Within(0, 65535), Doc("its port")] = 8080
    data_dir: Annotated[Path, Doc("what `run` keeps: the servers' data, keys and logs")] = Path(".data")
    assets_dir: Annotated[
        Path, Doc("the page's libraries, which `run` fetches from npm beside its first start")
    ] = Path("build/assets")
    public_url: Annotated[
        str, Doc("scheme://host[:port] of `location`; empty: the host that the client used")
    ] = ""
    trusted_proxies: Annotated[
        tuple[Network, ...], Doc("peers whose X-Forwarded-* headers are believed")
    ] = ()
    time_zone: Annotated[ZoneInfo, Doc("zone of the dates in zstack/v1 replies")] = UTC_ZONE

    api_processes: Annotated[Count, Doc("that `run` starts to answer calls")] = 1
    worker_processes: Annotated[int, Within(0), Doc("that it starts to run jobs")] = 2
    webhook_processes: Annotated[int, Within(0), Doc("that it starts to send webhooks")] = 1
    console_processes: Annotated[int, Within(0, 1), Doc("console proxy agents that it starts")] = 1

    db_pool_size: Annotated[
        Count, Doc("connections of one process, its dedicated ones not counted; an account has a third")
    ] = 10
    statement_timeout_s: Annotated[
        Count, Doc("seconds of one statement in the database"), Bound("InternalError")
    ] = 10
    query_case: Annotated[
        QueryCase,
        Doc("of the letters a to z in the conditions of queries; ZStack's database ignores it"),
    ] = "ignored"
    max_queue_depth: Annotated[
        Count,
        Doc("queued jobs; past it a call that makes a job answers 503 with Retry-After"),
        Bound("TooBusy"),
    ] = 100_000
    max_body_bytes: Annotated[Count, Doc("bytes of a request's body"), Bound("BodyTooLarge")] = 1024 * 1024
    max_connections_per_address: Annotated[
        Count,
        Doc("open connections of one address, trusted proxies excepted; further ones are closed"),
        Bound(),
    ] = 4096
    max_account_streams: Annotated[
        Count, Doc("event streams of one account at one API process"), Bound("TooBusy")
    ] = 100
    max_streams_per_address: Annotated[
        Count, Doc("event streams of one address at one API process"), Bound("TooBusy")
    ] = 200
    request_timeout_s: Annotated[
        Count, Doc("seconds for the whole of a request to arrive"), Bound("RequestTimedOut")
    ] = 30
    metrics_token: Annotated[
        str, Doc("that /metrics asks for as `Authorization: Bearer`; empty: only this machine reads it")
    ] = ""
    cors_origins: Annotated[tuple[str, ...], Doc("scheme://host[:port] of pages that may call the API")] = ()

    max_account_queue_depth: Annotated[
        Count, Doc("queued jobs of one account; past it that account alone gets this 503"), Bound("TooBusy")
    ] = 50_000
    max_account_kept_bytes: Annotated[
        Count,
        Doc(
            "of the jobs and deliveries of one account; past it its oldest ended ones are forgotten before "
            "their time, past twice as much its calls that create jobs get this 503"
        ),
        Bound("TooBusy"),
    ] = 1024**3
    worker_slots: Annotated[
        Count, Doc("jobs, or chunks of short ones, that one worker runs at the same time")
    ] = 10
    account_slots: Annotated[Count, Doc("of these, how many one account can have")] = 8
    outside_slots: Annotated[
        Count, Doc("jobs of one worker that act outside the database at the same time")
    ] = 160
    account_outside_slots: Annotated[Count, Doc("of these, how many one account can have")] = 80
    host_slots: Annotated[
        Count, Doc("jobs of one worker that act on one host; the others wait and take up no slot")
    ] = 8
    lease_s: Annotated[Duration, Doc("a worker that gives no sign of life for so long has died")] = 15.0
    lease_renew_s: Annotated[Duration, Doc("between two signs of life of a worker")] = 5.0
    max_claims: Annotated[Count, Doc("claims of a job that keeps killing its worker, then it fails")] = 3
    job_timeout_s: Annotated[
        Count,
        Doc("seconds from a job's acceptance to its end; X-API-Timeout replaces it for one call"),
        Bound("JobTimedOut"),
    ] = 1800
    poll_hold_s: Annotated[
        float, Within(0, 30), Doc("how long a poll without `Prefer` waits for the job's end")
    ] = 0.5
    job_retention_s: Annotated[int, Doc("from completion")] = 2 * 86400
    tombstone_retention_s: Annotated[
        int, Doc("for which a job is listed, and its uuid known, after its result has gone")
    ] = 30 * 86400
    stop_grace_s: Annotated[
        float, Within(3), Doc("for which a stopping process goes on with what is under way")
    ] = 8.0

    session_timeout_s: Annotated[Count, Doc("seconds that a session lives"), Bound("InvalidSession")] = 7200
    session_max_concurrent: Annotated[
        Count, Doc("live sessions of one account or user"), Bound("TooManySessions")
    ] = 500
    session_cache_s: Annotated[
        float, Doc("for which a process trusts what it knows of a session; changes are told to it at once")
    ] = 0.8
    login_hash_concurrency: Annotated[Count, Doc("passwords that one process hashes at the same time")] = 2
    password_time_cost: Annotated[Count, Doc("argon2id passes over the memory")] = 2
    password_memory_kib: Annotated[int, Within(8), Doc("that argon2id fills for one hash")] = 19 * 1024
    login_address_free_failures: Annotated[
        Count, Doc("the same of all names from one address; of a network, four times that")
    ] = 50
    login_free_failures: Annotated[
        int, Doc("failures of one name from one address before the next must wait")
    ] = 5
    login_max_delay_s: Annotated[int, Doc("the longest such wait; each failure doubles it")] = 300
    login_forget_s: Annotated[int, Doc("without a failure, after which those before count no more")] = 3600
    login_lockout_failures: Annotated[int, Doc("failures from anywhere that lock a name; 0: never")] = 0
    login_lockout_s: Annotated[int, Doc("for which it is locked")] = 900
    access_key_tolerance_s: Annotated[
        Count, Doc("how far the Date of a signed request may be off"), Bound("InvalidSession")
    ] = 900
    token_timeout_s: Annotated[Count, Doc("of Keystone tokens; they cannot be renewed")] = 3600
    password_expires_days: Annotated[int, Doc("after which a password must be changed; 0: never")] = 0
    password_history: Annotated[
        int, Doc("a login's own new password must differ from so many, itself counted")
    ] = 0
    password_min_age_days: Annotated[int, Doc("before its owner may change a password again")] = 0
    password_regex: Annotated[str, Doc("that clear passwords must match on /v3; empty: any")] = ""
    password_regex_description: Annotated[str, Doc("what the refusal of one that does not match says")] = (
        "the password does not meet the rules"  # noqa: S105 (a sentence)
    )
    password_change_on_first_use: Annotated[
        int, Within(0, 1), Doc("1: one that another has set is expired")
    ] = 0
    user_inactive_days: Annotated[int, Doc("without a login, after which one is refused; 0: never")] = 0
    domain_quota_limits: Annotated[
        str, Doc("JSON: the most that quotas of a domain can be set to, by item")
    ] = "{}"
    region: Annotated[str, Doc("in the catalog of Keystone tokens")] = "RegionOne"
    audit_retention_s: Annotated[int, Doc("for which audit lines are kept")] = 400 * 86400
    max_account_audit_lines: Annotated[
        Count, Doc("audit lines of one account; past it its oldest ones go before their time"), Bound()
    ] = 5_000_000
    admin_password: Annotated[
        str, Doc("of the built-in admin at its creation; empty: one is generated and printed once")
    ] = ""
    secret_key: Annotated[str, Doc("64 hex digits; empty: DATA_DIR/secret.key, made at the first start")] = ""
    secret_key_fallbacks: Annotated[
        tuple[str, ...], Doc("keys that still open what they sealed, while SECRET_KEY is replaced")
    ] = ()

    webhook_allow: Annotated[
        tuple[Network, ...], Doc("loopback or private ranges that webhooks may reach")
    ] = ()
    webhook_ports: Annotated[tuple[int, ...], Doc("empty: every port")] = ()
    webhook_concurrency: Annotated[Count, Doc("deliveries in flight in one process")] = 256
    webhook_per_receiver: Annotated[Count, Doc("of these, to one receiver")] = 4
    webhook_connect_timeout_s: Annotated[Duration, Doc("to connect to a receiver")] = 3.0
    webhook_total_timeout_s: Annotated[Duration, Doc("for the whole of a delivery")] = 15.0
    webhook_schedule_s: Annotated[
        tuple[float, ...], Doc("the waits before the second attempt of a delivery and each one after it")
    ] = (
        2,
        5,
        15,
        30,
        60,
        300,
        900,
        1800,
        3600,
        7200,
        14400,
        28800,
        28800,
    )
    webhook_probe_s: Annotated[Duration, Doc("between two probes of a receiver that keeps failing")] = 60.0

    kvm_driver: Annotated[
        KvmDriver, Doc("of KVM hosts: libvirt; or simulator: contacts none, runs nothing")
    ] = "simulator"
    libvirt_uri: Annotated[str, Doc("of a KVM host, for the libvirt driver")] = (
        "qemu+ssh://{username}@{ip}:{port}/system"
    )
    libvirt_virt_type: Annotated[
        VirtType, Doc("of its VMs: kvm, qemu (emulation), or auto: the best on offer")
    ] = "auto"
    driver_timeout_s: Annotated[Duration, Doc("of one action on a hypervisor")] = 60.0
    host_check_s: Annotated[Duration, Doc("between two questions to a host for a sign of life")] = 60.0
    simulator_latency_s: Annotated[float, Doc("of each action of the simulator")] = 0.0

    console_port: Annotated[int, Within(0, 65535), Doc("of console proxy agents")] = 4900
    console_address: Annotated[
        str, Doc("of this machine, as clients of its console proxy agent reach it; empty: where it listens")
    ] = ""
    console_public_url: Annotated[
        str, Doc("scheme://host[:port] of a proxy before all agents; empty: each has its own address")
    ] = ""
    console_token_s: Annotated[
        Count, Doc("seconds in which the token of RequestConsoleAccess opens its console, once"), Bound()
    ] = 1800
    console_idle_s: Annotated[
        Count, Doc("seconds after which a console that is still is closed"), Bound()
    ] = 1800
    console_max_bytes: Annotated[Count, Doc("bytes that one console carries, both ways"), Bound()] = (
        64 * 2**30
    )
    console_max_connections: Annotated[Count, Doc("consoles open at one agent"), Bound()] = 1000
    console_account_connections: Annotated[
        Count, Doc("consoles of one account open at one agent"), Bound()
    ] = 100

    ldap_ca_file: Annotated[
        str, Doc("PEM bundle of the authorities that vouch for directories; empty: the system's")
    ] = ""
    ldap_timeout_s: Annotated[Count, Doc("to connect to the directory, and for each of its answers")] = 5
    ldap_concurrency: Annotated[Count, Doc("calls to the directory at the same time, in one process")] = 4
    ldap_login_rate: Annotated[
        Count, Doc("logins through the directory that one process starts in a second")
    ] = 50
    ldap_entry_attributes: Annotated[str, Doc("what entries show beyond their names")] = (
        "member,uniqueMember,memberOf"
    )

    traces: Annotated[
        Traces,
        Doc("otlp: OpenTelemetry traces, sent where OTEL_* says; needs the extra `traces`"),
    ] = "off"
    log_level: Annotated[LogLevel, Doc("of the lines that are written")] = "info"
    log_format: Annotated[
        LogFormat, Doc("json, text, or auto: text on a terminal, a JSON object a line elsewhere")
    ] = "auto"
    operations_port: Annotated[
        int, Within(0, 65535), Doc("at HOST, for /healthz, /readyz and /metrics of any process; 0: none")
    ] = 0
    metrics_dir: Annotated[str, Doc("shared by all processes of a machine; empty: this process alone")] = ""

    given: frozenset[str] = frozenset()  # the settings that the environment has; not one of its variables

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises ConfigError for values that cannot be used, alone or together."""
        source = os.environ if env is None else env
        values: dict[str, object] = {}
        for name, kind in get_type_hints(cls, include_extras=True).items():
            text = source.get(name.upper())
            if name != "given" and text is not None and text != "":
                values[name] = _parse(name.upper(), kind, text)
        values["given"] = frozenset(values)
        if "database_password" in values:
            values.setdefault("database_url", cls().database_url)
            for name in ("database_url", "direct_database_url", "read_database_url"):
                if name in values:
                    values[name] = _with_password(str(values[name]), str(values["database_password"]))
        settings = cls(**values)  # pyright: ignore[reportArgumentType]
        complaint = _complaint(settings)
        if complaint:
            raise ConfigError(complaint)
        return settings

    @property
    def server_urls(self) -> tuple[str, ...]:
        """The URLs of the servers that we stand on."""
        urls = (self.database_url, self.direct_database_url, self.read_database_url, self.redis_url)
        return tuple(filter(None, urls))

    @property
    def session_url(self) -> str:
        """The database without a pooler: for leases, which must not wait in one, the schema and backups."""
        return self.direct_database_url or self.database_url


def _with_password(url: str, password: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"DATABASE_URL is not usable: {error}") from error
    user, _, place = parts.netloc.rpartition("@")
    user = user.partition(":")[0] or "postgres"
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))


def _complaint(s: Settings) -> str:
    """What is wrong with settings that each parse; empty: nothing."""
    if _scheme(s.database_url) not in ("postgresql", "postgres"):
        return "DATABASE_URL must begin with postgresql://"
    for name, url in (
        ("DIRECT_DATABASE_URL", s.direct_database_url),
        ("READ_DATABASE_URL", s.read_database_url),
    ):
        if url and _scheme(url) not in ("postgresql", "postgres"):
            return f"{name} must begin with postgresql://"
    if s.direct_database_url and "database_url" not in s.given:
        return "DIRECT_DATABASE_URL is only for a DATABASE_URL that names PgBouncer"
    if _scheme(s.redis_url) not in ("redis", "rediss", "unix", *SENTINEL_SCHEMES):
        return "REDIS_URL must begin with redis://, rediss://, unix:// or redis+sentinel://"
    try:
        if _scheme(s.redis_url) in SENTINEL_SCHEMES:
            sentinels_of(s.redis_url)
    except ValueError as error:
        return f"REDIS_URL: {error}"
    for name, url in (("PUBLIC_URL", s.public_url), ("CONSOLE_PUBLIC_URL", s.console_public_url)):
        if url and _scheme(url) not in ("http", "https"):
            return f"{name} must begin with http:// or https://"
    try:
        re.compile(s.password_regex)
    except re.error:
        return "PASSWORD_REGEX is no regular expression"
    try:
        limits = json.loads(s.domain_quota_limits)
        if not all(isinstance(value, int | float) for value in dict(limits).values()):
            raise ValueError
    except (ValueError, TypeError):
        return "DOMAIN_QUOTA_LIMITS must be a JSON object of numbers"
    if s.lease_renew_s >= s.lease_s:
        return "LEASE_RENEW_S must be less than LEASE_S: a lease must not end before it is renewed"
    if s.webhook_connect_timeout_s > s.webhook_total_timeout_s:
        return "WEBHOOK_CONNECT_TIMEOUT_S must not be more than WEBHOOK_TOTAL_TIMEOUT_S"
    if s.webhook_per_receiver > s.webhook_concurrency:
        return "WEBHOOK_PER_RECEIVER must not be more than WEBHOOK_CONCURRENCY"
    return ""


def _scheme(url: str) -> str:
    """The scheme; empty for what is no URL."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _parse(name: str, kind: Any, text: str) -> object:
    limits = Within(0)
    if get_origin(kind) is Annotated:
        kind, *marks = get_args(kind)
        limits = next((mark for mark in marks if isinstance(mark, Within)), limits)
    try:
        if get_origin(kind) is Literal:
            if text.lower() not in get_args(kind):
                raise ValueError(f"it takes {', '.join(get_args(kind))}")
            return text.lower()
        if get_origin(kind) is tuple:
            one = get_args(kind)[0]
            return tuple(_one(one, part.strip(), limits) for part in text.split(",") if part.strip())
        return _one(kind, text, limits)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ConfigError(f"{name}={text!r} is not usable: {error}") from error


def _one(kind: Any, text: str, limits: Within) -> object:
    if kind in (int, float):
        number = kind(text)
        if not math.isfinite(number) or not limits.least <= number <= limits.most:
            most = "" if limits.most == math.inf else f" and at most {limits.most:g}"
            raise ValueError(f"it must be at least {limits.least:g}{most}")
        return number
    return ip_network(text) if kind == Network else kind(text)
