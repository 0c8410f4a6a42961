"""The APIs of AD/LDAP: the directory, its bindings, its entries and the login through it."""

from __future__ import annotations

from zstack_mgmt.ldap import api_bindings, api_entries, api_login, api_servers

__all__ = ["api_bindings", "api_entries", "api_login", "api_servers"]
