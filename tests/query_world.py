"""Inventories and tables that exist for the tests of the query language only, and random rows for them."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import asyncpg

from zstack_mgmt.core.inventory import INVENTORIES, Inventory, Link, ListColumn, inventory

JAVA = "org.example.query"

SCHEMA = """
CREATE TABLE qt_zones (
    uuid text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL, note text, state text NOT NULL);
CREATE TABLE qt_hosts (
    uuid text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL, cpu int, open boolean, secret text,
    zone_uuid text COLLATE "C");
CREATE TABLE qt_vms (
    uuid text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL, note text, state text NOT NULL,
    cpu bigint, price numeric(9, 2), ha boolean, made timestamptz, settings jsonb,
    host_uuid text COLLATE "C");
CREATE TABLE qt_nics (
    uuid text COLLATE "C" PRIMARY KEY, vm_uuid text COLLATE "C", ip text NOT NULL, device int, mac text);
CREATE TABLE qt_users (uuid text COLLATE "C" PRIMARY KEY, name text NOT NULL, account_uuid text COLLATE "C");
CREATE TABLE qt_groups (id bigint PRIMARY KEY, name text NOT NULL, account_uuid text COLLATE "C");
CREATE TABLE qt_members (user_uuid text COLLATE "C", group_id bigint, PRIMARY KEY (user_uuid, group_id));
CREATE TABLE qt_vm_triggers (
    vm_uuid text COLLATE "C", trigger text COLLATE "C", PRIMARY KEY (vm_uuid, trigger));
CREATE TABLE qt_vm_ports (vm_uuid text COLLATE "C", port int, PRIMARY KEY (vm_uuid, port));
CREATE INDEX qt_hosts_zone_idx ON qt_hosts (zone_uuid);
CREATE INDEX qt_vms_host_idx ON qt_vms (host_uuid);
CREATE INDEX qt_vms_name_idx ON qt_vms (lower(name));
CREATE INDEX qt_nics_vm_idx ON qt_nics (vm_uuid);
CREATE INDEX qt_nics_ip_idx ON qt_nics (ip);
-- The rows of these tables are not among the resources.
ALTER TABLE tags DROP CONSTRAINT IF EXISTS tags_resource_fkey;
ALTER TABLE resource_owners DROP CONSTRAINT IF EXISTS resource_owners_resource_fkey;
ALTER TABLE resource_shares DROP CONSTRAINT IF EXISTS resource_shares_resource_fkey;
"""

State = Literal["Running", "Stopped", "Paused"]


@inventory(
    f"{JAVA}.ZoneInventory",
    table="qt_zones",
    links=(Link("host", "QtHost", "uuid", "zone_uuid"),),
)
class QtZone(Inventory):
    uuid: str
    name: str
    note: str | None
    state: Literal["Enabled", "Disabled"]


@inventory(
    f"{JAVA}.HostInventory",
    table="qt_hosts",
    not_queryable=("secret",),
    computed={"half_cpu": "{row}.cpu / 2"},
    links=(Link("zone", "QtZone", "zone_uuid", "uuid"), Link("vm", "QtVm", "uuid", "host_uuid")),
)
class QtHost(Inventory):
    uuid: str
    name: str
    cpu: int | None
    open: bool | None
    secret: str | None
    half_cpu: int | None
    zone_uuid: str | None


@inventory(f"{JAVA}.SettingInventory", table="", java_fields={"mode": f"{JAVA}.Mode"})
class QtSetting(Inventory):
    key: str
    mode: str | None


@inventory(
    f"{JAVA}.NicInventory",
    table="qt_nics",
    resource_type="QtNicVO",
    owned=True,
    links=(Link("vm", "QtVm", "vm_uuid", "uuid"),),
    aliases={"address": "ip"},
)
class QtNic(Inventory):
    uuid: str
    vm_uuid: str | None
    ip: str
    device: int | None
    mac: str | None


@inventory(
    f"{JAVA}.VmInventory",
    table="qt_vms",
    resource_type="QtVmVO",
    base_type="QtMachineVO",
    owned=True,
    links=(
        Link("host", "QtHost", "host_uuid", "uuid"),
        Link("vmNics", "QtNic", "uuid", "vm_uuid", order_by="device"),
    ),
    lists=(
        ListColumn("triggersUuid", "qt_vm_triggers", "vm_uuid", "trigger"),
        ListColumn("ports", "qt_vm_ports", "vm_uuid", "port", kind="integer"),
    ),
    nested={"vmNics": "vmNics"},
)
class QtVm(Inventory):
    uuid: str
    name: str
    note: str | None
    state: State
    cpu: int | None
    price: float | None
    ha: bool | None
    made: datetime | None
    settings: list[QtSetting] | None
    host_uuid: str | None
    triggers_uuid: list[str]
    ports: list[int]
    vm_nics: list[QtNic]


@inventory(
    f"{JAVA}.UserInventory",
    table="qt_users",
    account_column="account_uuid",
    links=(
        Link("group", "QtGroup", "uuid", "id", through=("qt_members", "user_uuid", "group_id")),
        Link("account", "QtAccount", "account_uuid", "uuid"),
    ),
    nested={"groups": "group"},
)
class QtUser(Inventory):
    uuid: str
    name: str
    account_uuid: str | None
    groups: list[Any]


@inventory(
    f"{JAVA}.GroupInventory",
    table="qt_groups",
    primary_key="id",
    account_column="account_uuid",
    links=(Link("user", "QtUser", "id", "uuid", through=("qt_members", "group_id", "user_uuid")),),
)
class QtGroup(Inventory):
    id: int
    name: str
    account_uuid: str | None


@inventory(
    f"{JAVA}.AccountInventory",
    table="accounts",
    account_column="uuid",
    links=(Link("user", "QtUser", "uuid", "account_uuid"),),
)
class QtAccount(Inventory):
    uuid: str
    name: str
    type: Literal["SystemAdmin", "Normal"]


NAMES = ("QtZone", "QtHost", "QtVm", "QtNic", "QtUser", "QtGroup", "QtAccount")
# The rest of the suite walks the registry of inventories, and must not meet these.
WORLD = {name: INVENTORIES.pop(name) for name in NAMES}
for _made in WORLD.values():
    _made.__module__ = "tests.query_world.api"  # the second part from the end names the feature

ACCOUNTS = ("a" * 32, "b" * 32, "c" * 32)
TEXTS = (
    "web",
    "Web",
    "web-1",
    "web_1",
    "db",
    "50%",
    "a\\b",
    "a!=b",
    "x,y",
    " lead",
    "é",
    "É",
    "日本",
    "O'Hara",
    '"q"',
)
TAGS = ("env::prod", "env::Prod", "env::test", "owner::ann", "50%")
MADE = datetime(2017, 1, 1, 11, 31, 6, tzinfo=UTC)
DATES = tuple(MADE + timedelta(microseconds=n) for n in (-1, 0, 1, 500_000, 999_999, 1_000_000, 60_000_000))

Rows = dict[str, list[dict[str, Any]]]


def random_rows(seed: int, size: int = 14) -> Rows:
    """Rows for every table; few distinct values, so that conditions often match."""
    r = random.Random(seed)

    def some(values: tuple[Any, ...]) -> Any:
        return None if r.random() < 0.2 else r.choice(values)

    def keys(prefix: str, count: int) -> list[str]:
        return [f"{prefix}{i:031x}" for i in range(count)]

    zones = [
        {"uuid": u, "name": r.choice(TEXTS), "note": some(TEXTS), "state": r.choice(("Enabled", "Disabled"))}
        for u in keys("1", 4)
    ]
    zone_uuids = tuple(z["uuid"] for z in zones)
    hosts = [
        {
            "uuid": u,
            "name": r.choice(TEXTS),
            "cpu": some((0, 1, 2, 8)),
            "open": some((True, False)),
            "secret": "hidden",
            "zone_uuid": some(zone_uuids),
        }
        for u in keys("2", 6)
    ]
    host_uuids = tuple(h["uuid"] for h in hosts)
    vms = [
        {
            "uuid": u,
            "name": r.choice(TEXTS),
            "note": some(TEXTS),
            "state": r.choice(("Running", "Stopped", "Paused")),
            "cpu": some((1, 2, 8, 2**62)),
            "price": some((0.5, 1.25, 100.01)),
            "ha": some((True, False)),
            "made": some(DATES),
            "settings": some(('[{"key": "boot", "mode": "cd"}]', "[]")),
            "host_uuid": some(host_uuids),
        }
        for u in keys("3", size)
    ]
    vm_uuids = tuple(v["uuid"] for v in vms)
    nics = [
        {
            "uuid": u,
            "vm_uuid": some(vm_uuids),
            "ip": r.choice(("10.0.0.1", "10.0.0.2", "10.0.1.1")),
            "device": some((0, 1, 2)),
            "mac": some(("aa", "bb")),
        }
        for u in keys("4", size * 2)
    ]
    users = [{"uuid": u, "name": r.choice(TEXTS), "account_uuid": r.choice(ACCOUNTS)} for u in keys("5", 8)]
    groups = [{"id": n, "name": r.choice(TEXTS), "account_uuid": r.choice(ACCOUNTS)} for n in range(1, 5)]
    members = [
        {"user_uuid": u["uuid"], "group_id": g["id"]} for u in users for g in groups if r.random() < 0.4
    ]
    rows: Rows = {
        "qt_zones": zones,
        "qt_hosts": hosts,
        "qt_vms": vms,
        "qt_nics": nics,
        "qt_users": users,
        "qt_groups": groups,
        "qt_members": members,
        "qt_vm_triggers": [
            {"vm_uuid": v, "trigger": t} for v in vm_uuids for t in ("t1", "t2", "t3") if r.random() < 0.3
        ],
        "qt_vm_ports": [{"vm_uuid": v, "port": p} for v in vm_uuids for p in (22, 80) if r.random() < 0.4],
        "accounts": [
            {"uuid": a, "name": f"account-{a[0]}", "type": "Normal", "password_hash": "x"} for a in ACCOUNTS
        ],
    }
    rows["tags"] = [
        {
            "uuid": f"6{len(TAGS) * i + j:031x}",
            "resource_uuid": row["uuid"],
            "resource_type": r.choice(kinds),
            "tag": tag,
            "type": r.choice(("System", "User")),
        }
        for i, (row, kinds) in enumerate(
            [(v, ("QtVmVO", "QtMachineVO", "OtherVO")) for v in vms] + [(h, ("QtHostVO",)) for h in hosts]
        )
        for j, tag in enumerate(TAGS)
        if r.random() < 0.3
    ]
    owned = [(v["uuid"], "QtMachineVO") for v in vms] + [(n["uuid"], "QtNicVO") for n in nics]
    rows["resource_owners"] = [
        {"resource_uuid": u, "resource_type": kind, "account_uuid": r.choice(ACCOUNTS)} for u, kind in owned
    ]
    rows["resource_shares"] = [
        {
            "resource_uuid": row["resource_uuid"],
            "resource_type": row["resource_type"],
            "owner_account_uuid": row["account_uuid"],
            "receiver_account_uuid": receiver,
            "to_public": receiver is None,
        }
        for row in rows["resource_owners"]
        for receiver in (r.choice(ACCOUNTS), None)
        if r.random() < 0.12
    ]
    return rows


async def store(conn: asyncpg.Connection, rows: Rows) -> None:
    """Make the tables and insert the rows."""
    await conn.execute(SCHEMA)
    await conn.execute("TRUNCATE accounts CASCADE")  # the first rows of a new installation
    for table in ("accounts", *(name for name in rows if name != "accounts")):
        for row in rows[table]:
            names = ", ".join(row)
            slots = ", ".join(f"${i + 1}" for i in range(len(row)))
            await conn.execute(f"INSERT INTO {table} ({names}) VALUES ({slots})", *row.values())
