"""The features whose declarations make up the service."""

from __future__ import annotations

from importlib import import_module

FEATURES = (
    "accounts",
    "users",
    "groups",
    "policies",
    "quotas",
    "sharing",
    "sessions",
    "audit",
    "zones",
    "hosts",
    "images",
    "offerings",
    "networks",
    "vms",
    "volumes",
    "webhooks",
    "ldap",
    "scheduler",
    "billing",
    "query",
)


def load() -> None:
    """Import every feature's declarations, once."""
    for feature in FEATURES:
        import_module(f"zstack_mgmt.{feature}.api")
