"""The features whose declarations make up the service, in the order of the documentation."""

from __future__ import annotations

from importlib import import_module

PACKAGES = (
    "identity.accounts",
    "identity.users",
    "identity.groups",
    "identity.policies",
    "identity.policy_roles",
    "identity.quotas",
    "identity.configs",
    "identity.sharing",
    "identity.sessions",
    "identity.access_keys",
    "identity.audit",
    "tags",
    "compute.zones",
    "compute.hosts",
    "compute.storages",
    "compute.images",
    "compute.offerings",
    "compute.networks",
    "compute.vips",
    "compute.vms",
    "compute.volumes",
    "compute.snapshots",
    "console",
    "webhooks",
    "ldap",
    "scheduler",
    "billing",
    "query",
    "jobs",
    "longjobs",
    "management",
)
"""Below `zstack_mgmt`, each with an `api` module."""

UNROUTED = (
    "identity.tokens",
    "identity.principals",
    "identity.domains",
    "identity.projects",
    "identity.roles",
    "identity.application_credentials",
    "identity.catalog",
    "identity.domain_quotas",
    "identity.limits",
)
"""The same, with APIs that have no place in ZStack's REST API, nor in its documentation."""

FOLDERS = {package.rpartition(".")[2]: package.replace(".", "/") for package in PACKAGES}
"""Where each feature is found below `zstack_mgmt`, by its name."""

FEATURES = tuple(package.rpartition(".")[2] for package in PACKAGES)


def load() -> None:
    """Import every feature's declarations, once."""
    for package in (*PACKAGES, *UNROUTED):
        import_module(f"zstack_mgmt.{package}.api")
    import_module("zstack_mgmt.compute.ownership")
