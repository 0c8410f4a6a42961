"""Settings of one process, read once from the environment; the only reader of environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Network = IPv4Network | IPv6Network


UTC_ZONE = ZoneInfo("UTC")


class ConfigError(Exception):
    """A setting cannot be used; the message names the variable and the accepted form."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, with the environment variable of its name in upper case (`DATABASE_URL`, `PORT`)."""

    database_url: str = "postgresql://postgres@127.0.0.1:5432/zstack_mgmt"
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_prefix: str = (
        "zstack:"  # put before every Redis key and channel, so that installations can share a server
    )
    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path(".data")
    public_url: str = ""  # scheme://host[:port] of `location`; empty: the host that the client used
    trusted_proxies: tuple[Network, ...] = ()  # peers whose X-Forwarded-* headers are believed
    time_zone: ZoneInfo = UTC_ZONE  # zone of the dates in zstack/v1 replies

    api_processes: int = 1
    worker_processes: int = 2
    webhook_processes: int = 1

    db_pool_size: int = 10  # connections of one process, its dedicated ones not counted
    statement_timeout_s: int = 10
    max_queue_depth: int = 100_000  # queued jobs past which a POST answers 503 with Retry-After
    max_body_bytes: int = 1024 * 1024

    max_account_queue_depth: int = 50_000  # queued jobs of one account past which it alone gets that 503
    worker_slots: int = 10  # jobs, or chunks of short ones, that one worker runs at the same time
    account_slots: int = 8  # of these, how many one account can have
    outside_slots: int = 160  # jobs of one worker that act outside the database at the same time
    account_outside_slots: int = 80
    host_slots: int = 8  # jobs of one worker that act on one host; the others wait and take up no slot
    lease_s: float = 15.0  # a worker that gives no sign of life for so long has died
    lease_renew_s: float = 5.0
    max_claims: int = 3  # claims of a job that keeps killing its worker, then it fails
    job_timeout_s: int = 1800  # X-API-Timeout replaces it for one call
    job_retention_s: int = 2 * 86400  # from completion
    tombstone_retention_s: int = 30 * 86400
    stop_grace_s: float = 8.0

    session_timeout_s: int = 7200
    session_max_concurrent: int = 500
    session_cache_s: float = 0.8
    login_hash_concurrency: int = 2
    password_time_cost: int = 2  # argon2id passes over the memory
    password_memory_kib: int = 19 * 1024
    login_free_failures: int = 5  # failures of one name from one address before the next must wait
    login_max_delay_s: int = 300
    login_forget_s: int = 3600
    login_lockout_failures: int = 0  # failures from anywhere that lock a name; 0: never
    login_lockout_s: int = 900
    audit_retention_s: int = 400 * 86400
    admin_password: str = (
        ""  # of the built-in admin at its creation; empty: one is generated and printed once
    )
    secret_key: str = ""  # 64 hex digits; empty: DATA_DIR/secret.key, made at the first start

    webhook_allow: tuple[Network, ...] = ()  # loopback or private ranges that webhooks may reach
    webhook_ports: tuple[int, ...] = ()  # empty: every port
    webhook_concurrency: int = 256  # deliveries in flight in one process
    webhook_per_receiver: int = 4
    webhook_connect_timeout_s: float = 3.0
    webhook_total_timeout_s: float = 15.0
    webhook_schedule_s: tuple[float, ...] = (
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
    webhook_probe_s: float = 60.0

    kvm_driver: str = "simulator"  # of KVM hosts: libvirt, or simulator, which contacts none and runs nothing
    libvirt_uri: str = "qemu+ssh://{username}@{ip}:{port}/system"  # of a KVM host, for the libvirt driver
    libvirt_virt_type: str = "auto"  # of its VMs: kvm, qemu (emulation), or auto: the best on offer
    driver_timeout_s: float = 60.0  # of one action on a hypervisor
    host_check_s: float = 60.0  # between two questions to a host for a sign of life
    simulator_latency_s: float = 0.0  # of each action of the simulator

    ldap_ca_file: str = ""  # PEM bundle of the authorities that vouch for directories; empty: the system's
    ldap_timeout_s: int = 5  # to connect to the directory, and for each of its answers
    ldap_concurrency: int = 4  # calls to the directory at the same time, in one process
    ldap_login_rate: int = 50  # logins through the directory that one process starts in a second
    ldap_entry_attributes: str = "member,uniqueMember,memberOf"  # what entries show beyond their names

    log_level: str = "info"
    metrics_dir: str = ""  # shared by all processes of a machine; empty: this process alone

    given: frozenset[str] = frozenset()  # the settings that the environment has; not one of its variables

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises ConfigError for a value that does not parse."""
        source = os.environ if env is None else env
        values: dict[str, object] = {}
        for name, kind in cls.__annotations__.items():
            text = source.get(name.upper())
            if name != "given" and text is not None and text != "":
                values[name] = _parse(name.upper(), str(kind), text)
        values["given"] = frozenset(values)
        return cls(**values)  # pyright: ignore[reportArgumentType]


def _parse(name: str, kind: str, text: str) -> object:
    try:
        match kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "Path":
                return Path(text)
            case "ZoneInfo":
                return ZoneInfo(text)
            case "tuple[Network, ...]":
                return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
            case "tuple[int, ...]":
                return tuple(int(part) for part in text.split(",") if part.strip())
            case "tuple[float, ...]":
                return tuple(float(part) for part in text.split(",") if part.strip())
            case _:
                return text
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ConfigError(f"{name}={text!r} is not usable: {error}") from error
