"""The services of this installation: identity alone, at the address that the client has used."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

INTERFACES = ("public", "internal", "admin")
SERVICE_ID = uuid5(NAMESPACE_URL, "zstack-mgmt/identity").hex


def version(origin: str) -> dict[str, Any]:
    """The one version that is spoken here."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{origin}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _endpoint_id(interface: str) -> str:
    return uuid5(NAMESPACE_URL, f"zstack-mgmt/identity/{interface}").hex


def catalog(base: str, region: str) -> list[dict[str, Any]]:
    """As scoped tokens show it."""
    endpoints = [
        {
            "id": _endpoint_id(interface),
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": base,
        }
        for interface in INTERFACES
    ]
    return [{"id": SERVICE_ID, "type": "identity", "name": "keystone", "endpoints": endpoints}]


def services(base: str) -> list[dict[str, Any]]:
    """As the list of services shows it."""
    links = {"self": f"{base}/services/{SERVICE_ID}"}
    return [{"id": SERVICE_ID, "type": "identity", "name": "keystone", "enabled": True, "links": links}]


def endpoints(base: str, region: str) -> list[dict[str, Any]]:
    """As the list of endpoints shows them."""
    return [
        {
            "id": _endpoint_id(interface),
            "service_id": SERVICE_ID,
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": base,
            "enabled": True,
            "links": {"self": f"{base}/endpoints/{_endpoint_id(interface)}"},
        }
        for interface in INTERFACES
    ]


def regions(base: str, region: str) -> list[dict[str, Any]]:
    """The one region."""
    links = {"self": f"{base}/regions/{region}"}
    return [{"id": region, "description": "", "parent_region_id": None, "links": links}]
