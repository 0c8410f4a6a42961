"""The catalog: this service, at the address that the client has used, and those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import orjson

from zstack_mgmt.identity.catalog.model import IDENTITY_SERVICE, filled

INTERFACES = ("public", "internal", "admin")
Row = Mapping[str, Any]


def version(origin: str) -> dict[str, Any]:
    """The one version that is spoken here."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{origin}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def is_own_endpoint(endpoint_id: str) -> bool:
    """Whether the endpoint is one of this service itself."""
    return endpoint_id in map(_endpoint_id, INTERFACES)


@cache
def _endpoint_id(interface: str) -> str:
    return uuid5(NAMESPACE_URL, f"zstack-mgmt/identity/{interface}").hex


def catalog(
    base: str, region: str, rows: Sequence[Row], values: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """As scoped tokens show it: enabled endpoints of enabled services.

    Args:
        rows: the endpoints that are stored.
        values: what the variables of their addresses stand for; an endpoint with one that has no value is
            left out, as project_id has none in a domain.
    """
    own = [
        {
            "id": _endpoint_id(interface),
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": base,
        }
        for interface in INTERFACES
    ]
    found = {IDENTITY_SERVICE: _entry(IDENTITY_SERVICE, "identity", "keystone", own)}
    for row in rows:
        url = filled(row["url"], values)
        if url is None or not row["enabled"] or not row["service_enabled"]:
            continue
        uuid = row["service_uuid"]
        entry = found.setdefault(uuid, _entry(uuid, row["service_type"], row["service_name"] or "", []))
        entry["endpoints"].append(
            {
                "id": row["uuid"],
                "interface": row["interface"],
                "region": row["region_id"],
                "region_id": row["region_id"],
                "url": url,
            }
        )
    return list(found.values())


def _entry(uuid: str, kind: str, name: str, endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": uuid, "type": kind, "name": name, "endpoints": endpoints}


def services(base: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """As the list of services shows them."""
    links = {"self": f"{base}/services/{IDENTITY_SERVICE}"}
    own = {"id": IDENTITY_SERVICE, "type": "identity", "name": "keystone", "enabled": True, "links": links}
    return [own, *(service(row, base) for row in rows)]


def service(row: Row, base: str) -> dict[str, Any]:
    """A service that is stored."""
    shown = {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "type": row["type"],
        "enabled": row["enabled"],
        "links": {"self": f"{base}/services/{row['uuid']}"},
    }
    return shown | {name: row[name] for name in ("name", "description") if row[name] is not None}


def endpoints(base: str, region: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """As the list of endpoints shows them."""
    own = [
        {
            "id": _endpoint_id(interface),
            "service_id": IDENTITY_SERVICE,
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": base,
            "enabled": True,
            "links": {"self": f"{base}/endpoints/{_endpoint_id(interface)}"},
        }
        for interface in INTERFACES
    ]
    return [*own, *(endpoint(row, base) for row in rows)]


def endpoint(row: Row, base: str) -> dict[str, Any]:
    """An endpoint that is stored."""
    return {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "service_id": row["service_uuid"],
        "interface": row["interface"],
        "region": row["region_id"],
        "region_id": row["region_id"],
        "url": row["url"],
        "enabled": row["enabled"],
        "links": {"self": f"{base}/endpoints/{row['uuid']}"},
    }


def regions(base: str, own: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """All regions; that of the installation is there whether or not it is stored."""
    shown = [region(row, base) for row in rows]
    if own not in [one["id"] for one in shown]:
        shown.append(region({"id": own, "description": "", "parent_id": None, "extra": "{}"}, base))
    return shown


def region(row: Row, base: str) -> dict[str, Any]:
    """A region."""
    return {
        **orjson.loads(row["extra"]),
        "id": row["id"],
        "description": row["description"],
        "parent_region_id": row["parent_id"],
        "links": {"self": f"{base}/regions/{quote(row['id'], safe='')}"},
    }
