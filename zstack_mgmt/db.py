"""Connections to PostgreSQL: the pool, and what the database's own errors mean to a client."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString, cast

import asyncpg
import orjson

from zstack_mgmt import absence, sockets
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.core.errors import (
    ApiError,
    DuplicateResource,
    EntryBoundAlready,
    InternalError,
    InvalidArgument,
    OneDirectoryOnly,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    TooBusy,
)
from zstack_mgmt.pool import Connection, DatabaseLost, Pool, RawConnection, losses
from zstack_mgmt.primary import Primary

if TYPE_CHECKING:
    from asyncpg import Record


class Lock(IntEnum):
    """The first half of each advisory lock's number: what is locked. `schema.sql` uses them too."""

    SCHEMA = 7316001
    JOB_KEYS = 7316002  # with the hash of a resource: the queue of its jobs
    SESSIONS = 7316003  # with the hash of whom they belong to
    LOGIN_FAILURES = 7316004  # with the hash of a name
    WEBHOOK_SECRETS = 7316005  # with the hash of their account
    ADDRESSES = 7316007  # with the hash of a network and an address: who takes it
    CATALOG = 7316006  # with 0: the regions, services and endpoints of `/v3`


async def fetch_one(conn: Connection, query: LiteralString, *args: Any) -> Record:
    """The row of a statement that returns one, such as an INSERT with RETURNING."""
    row = await conn.fetchrow(query, *args)
    if row is None:
        raise LookupError("the statement returned no row")
    return row


async def fetch_planned(conn: Connection, query: LiteralString, *args: Any) -> list[Record]:
    """The rows of a statement that is planned for these very values.

    `fetch` keeps statements, and after five times PostgreSQL may keep the plan too, one that is good for
    usual values. That spares a fifth of a millisecond, and costs seconds where the values are unusual, such
    as the account that has a tenth of all VMs.

    What the statement takes and returns is asked for once on each connection. From then on its text goes
    along with the values, in one round trip.
    """
    raw = cast("Any", conn)  # asyncpg has no public way to it
    statement = await raw._get_statement(query, None, named="")
    if not statement.name:  # else `fetch` has asked in the same words, and keeps them
        statement.mark_unprepared()
    return await raw._protocol.bind_execute(statement, args, "", 0, False, None)


def touched(status: str) -> int:
    """The number of rows in what `execute` returns.

    >>> touched("DELETE 3")
    3
    """
    return int(status.rpartition(" ")[2])


CONSTRAINTS: dict[str, tuple[type[ApiError], str]] = {
    "accounts_name_key": (InvalidArgument, "another account has this name"),
    "users_account_name_key": (InvalidArgument, "another user of the account has this name"),
    "projects_account_name_key": (InvalidArgument, "another project of the domain has this name"),
    "application_credentials_login_name_key": (
        InvalidArgument,
        "another application credential of the user has this name",
    ),
    "catalog_regions_pkey": (InvalidArgument, "another region has this id"),
    "roles_name_key": (InvalidArgument, "another role has this name"),
    "registered_limits_resource_key": (InvalidArgument, "a limit is registered for this resource already"),
    "limits_of_key": (InvalidArgument, "the project or domain has a limit for this resource already"),
    "access_keys_id_key": (InvalidArgument, "another access key has this id"),
    "user_groups_account_name_key": (InvalidArgument, "another group of the account has this name"),
    "tags_resource_tag_key": (InvalidArgument, "the resource has this tag already"),
    "resource_owners_resource_key": (DuplicateResource, "another resource has this uuid"),
    "hosts_management_ip_key": (InvalidArgument, "another host has this managementIp"),
    "hosts_capacity_check": (OperationError, "the host has not enough free CPU or memory"),
    "l2_network_clusters_pkey": (InvalidArgument, "the L2 network is attached to the cluster already"),
    "l3_network_dns_pkey": (InvalidArgument, "the L3 network has this DNS server already"),
    "used_ips_address_key": (OperationError, "the address is in use"),
    "eips_vip_key": (InvalidArgument, "another EIP uses the VIP"),
    "eips_nic_key": (InvalidArgument, "another EIP is attached to the NIC"),
    "scheduler_job_triggers_trigger_fkey": (InvalidArgument, "the trigger is still attached to a job"),
    "scheduler_job_triggers_pair_key": (InvalidArgument, "the job is attached to the trigger already"),
    "ldap_servers_singleton_key": (OneDirectoryOnly, "delete the LDAP server that is there, or update it"),
    "ldap_bindings_dn_key": (EntryBoundAlready, "the LDAP entry is bound to an account already"),
}
"""What the breach of a constraint means, where `translate` has no rule for it.

`tests/migration/test_constraints.py` holds these names against the live schema, and the schema against them.
"""


FULL = (asyncpg.exceptions.DiskFullError, asyncpg.exceptions.OutOfMemoryError)
"""The server has no room for what it was asked; it has undone the transaction."""

UNAVAILABLE = (
    DatabaseLost,
    *FULL,
    asyncpg.exceptions.PostgresConnectionError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.TooManyConnectionsError,
)
"""The database cannot be reached just now; the same statement may succeed on another connection later."""

CONFLICTS = (
    asyncpg.exceptions.SerializationError,
    asyncpg.exceptions.DeadlockDetectedError,
    asyncpg.exceptions.LockNotAvailableError,  # `lock_timeout`
)
"""The transaction lost against another one and can be tried again from its start."""


def create_pool(
    settings: Settings, *, application: str, size: int | None = None, standby: bool = False
) -> Pool:
    """A pool of connections, which are made when they are needed.

    Args:
        standby: for reads that may be late, from READ_DATABASE_URL.
    """
    url = settings.read_database_url if standby else settings.database_url
    pooled = bool(settings.direct_database_url) and not standby
    options = _options(settings, application, pooled=pooled)
    make = partial(Primary(url, writes=not standby).connect, **options)
    return Pool(make, size or settings.db_pool_size, absence.of_database(url))


async def connect(settings: Settings, *, application: str, direct: bool = False) -> RawConnection:
    """One connection that belongs to the caller.

    Args:
        direct: to PostgreSQL itself, past a pooler.
    """
    url = settings.session_url if direct else settings.database_url
    pooled = url != settings.session_url
    with losses():
        return await Primary(url).connect(**_options(settings, application, pooled=pooled))


def _options(settings: Settings, application: str, *, pooled: bool) -> dict[str, Any]:
    """How a connection is made; a pooler in transaction mode keeps neither statements nor most settings."""
    settled = {"application_name": application, "timezone": "UTC"}
    return {
        "timeout": 5,
        "command_timeout": settings.statement_timeout_s + 5,
        "statement_cache_size": 0 if pooled else 500,
        "max_cacheable_statement_size": 4096,  # longer ones are hardly asked twice
        "max_cached_statement_lifetime": 0,
        "server_settings": settled if pooled else settled | _limits(settings) | sockets.POSTGRESQL,
    }


def _limits(settings: Settings) -> dict[str, str]:
    """What each session of the service has; times are in milliseconds."""
    return {
        "statement_timeout": str(settings.statement_timeout_s * 1000),
        # Sooner, so that a wait for others' locks is told from a slow statement.
        "lock_timeout": str(settings.statement_timeout_s * 800),
        "idle_in_transaction_session_timeout": "10000",  # a paused process must not keep its locks
        "jit": "off",
    }


async def check_limits(conn: Connection, settings: Settings) -> None:
    """See that sessions which a pooler opens have the service's limits. Raises ConfigError."""
    limits = _limits(settings)
    found = await conn.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", list(limits))
    if {row["name"]: row["setting"] for row in found} != limits:
        needed = "; ".join(f"SET {name} = {value}" for name, value in limits.items())
        raise ConfigError(f"DATABASE_URL: PgBouncer lacks connect_query='{needed}'")


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncGenerator[Connection]:
    """A connection inside a transaction, committed at the end of the block, rolled back by an exception."""
    async with pool.acquire() as conn, conn.transaction():
        yield conn


def translate(error: asyncpg.PostgresError) -> ApiError | None:
    """The catalogue error that a database error stands for; None when it is unforeseen."""
    name = str(getattr(error, "constraint_name", None) or "")
    if name in CONSTRAINTS:
        kind, details = CONSTRAINTS[name]
        return kind(details)
    if isinstance(error, asyncpg.exceptions.UniqueViolationError) and name.endswith("_pkey"):
        return DuplicateResource("another resource has this uuid")
    if isinstance(error, asyncpg.exceptions.ForeignKeyViolationError):
        return _broken_reference(str(getattr(error, "detail", "")))
    if isinstance(error, CONFLICTS):
        return TooBusy("other calls are changing the same resources; try again")
    if error.sqlstate == "ZS003":
        return QuotaExceeded(str(error.args[0]), **orjson.loads(str(getattr(error, "detail", ""))))
    if isinstance(error, FULL):
        return TooBusy("the database has no room left; nothing was changed, try again later")
    if isinstance(error, asyncpg.exceptions.QueryCanceledError):
        return InternalError("the database took too long; narrow the request down")
    return None


_KEY = re.compile(r"\((\w+)\)=\((\w+)\)")


def _broken_reference(detail: str) -> ApiError:
    """What the detail of a breach names: `Key (zone_uuid)=(...) is not present ...`, in any language.

    The key is the referring column when what it refers to is missing, and `uuid` when that was to go.

    >>> _broken_reference('Key (l3_network_uuid)=(1f) is not present in table "l3_networks".').details
    'no l3 network has the uuid 1f'
    >>> _broken_reference('Key (uuid)=(1f) is still referenced from table "vm_instances".').details
    'the resource 1f is still in use'
    """
    found = _KEY.search(detail)
    if found is None:
        return ResourceNotFound("a resource that the call refers to does not exist")
    column, uuid = found.groups()
    if column == "uuid":
        return OperationError(f"the resource {uuid} is still in use")
    return ResourceNotFound(f"no {column.removesuffix('_uuid').replace('_', ' ')} has the uuid {uuid}")
