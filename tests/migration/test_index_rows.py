"""What is accepted fits into the indexes: a row of a btree has a limit, and text is limited in characters."""

from typing import Any

from migration.conftest import Connection
from zstack_mgmt import schema
from zstack_mgmt.core.registry import MAX_TAG_BYTES
from zstack_mgmt.core.values import Reference, ResourceName
from zstack_mgmt.ldap.model import MAX_DN_BYTES
from zstack_mgmt.webhooks.egress import MAX_URL_BYTES

ROW_BYTES = 2704  # a third of a page; the server says so when a row is larger
OVERHEAD_BYTES = 16 + 8  # of the row and of each of its columns
WIDEST = 4  # bytes of a character in UTF-8
UUID, WORD, ADDRESS = 32, 64, 64

TEXTS = """
SELECT t.relname AS of, i.relname AS name,
       array_agg(a.attname::text ORDER BY k.n) FILTER (WHERE a.atttypid = 'text'::regtype) AS texts,
       sum(CASE WHEN a.atttypid = 'text'::regtype THEN 0 WHEN a.attlen > 0 THEN a.attlen ELSE 64 END)::int
           AS others
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL unnest(x.indkey::int[]) WITH ORDINALITY AS k (number, n)
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE m.amname = 'btree' AND t.relnamespace = 'public'::regnamespace
GROUP BY 1, 2 HAVING bool_or(a.atttypid = 'text'::regtype)
"""


def most(kind: Any) -> int:
    """The bytes that text of the type can have."""
    return WIDEST * next(mark.max_length for mark in kind.__metadata__ if hasattr(mark, "max_length"))


OURS = {  # names, words and numbers that the service makes itself, and ids in ASCII
    "access_keys.access_key_id",
    "api_job_keys.key", "api_jobs.lane", "api_jobs.owner", "api_jobs.state", "api_jobs.waits_for",
    "workers.owner",
    "domain_quotas.item", "global_configs.category", "installation.name", "periodic_tasks.name",
    "quota_defaults.name", "quotas.name",
    "prices.resource_name", "registered_limits.region_id", "registered_limits.service_id",
    "resource_owners.resource_type", "schema_steps.name", "sessions.origin", "tags.resource_type",
    "tags.type", "usages.kind", "webhook_attempts.delivery_id", "webhook_deliveries.id",
}  # fmt: skip
ADDRESSES = {
    "eips.vip_ip", "l3_network_dns.dns", "login_failures.address", "login_places.address", "vips.ip",
    "vm_nics.ip", "vm_nics.mac",
}  # fmt: skip
BYTES = {
    "audits.target": 64 * WIDEST,  # it is cut there
    "catalog_endpoints.region_id": 255,  # in ASCII
    "catalog_regions.id": 255,
    "catalog_regions.parent_id": 255,
    "console_agents.management_ip": 253 * WIDEST,  # a CHECK says so
    "hosts.management_ip": most(ResourceName),
    "image_backup_storages.backup_storage_uuid": most(Reference),
    "ldap_bindings.dn_key": MAX_DN_BYTES,
    "registered_limits.resource_name": most(ResourceName),
    "tags.tag": MAX_TAG_BYTES,
    "webhook_breakers.receiver": MAX_URL_BYTES,
    "webhook_deliveries.receiver": MAX_URL_BYTES,
    "webhook_receivers.receiver": MAX_URL_BYTES,
}


def bytes_of(column: str) -> int:
    """The bytes that a text column can have; a new one is to be named here."""
    if column in BYTES:
        return BYTES[column]
    if column in OURS:
        return WORD
    if column in ADDRESSES:
        return ADDRESS
    if column.endswith("uuid"):
        return UUID
    assert column.endswith(".name"), f"how long can {column} be?"
    return most(ResourceName)


async def test_every_row_that_is_accepted_fits_into_every_index(empty: Connection) -> None:
    await schema.apply(empty)
    rows = await empty.fetch(TEXTS)
    assert len(rows) > 50
    for row in rows:
        texts = [bytes_of(f"{row['of']}.{column}") for column in row["texts"]]
        size = sum(texts) + row["others"] + OVERHEAD_BYTES * (len(texts) + 1)
        assert size <= ROW_BYTES, f"{row['name']}: {size} bytes"
