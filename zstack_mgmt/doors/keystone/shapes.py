"""Rows in Keystone's wire form. The built-in account is the domain `default` here, and only here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.identity.tokens.model import Token

Row = Mapping[str, Any]
DEFAULT_ID, DEFAULT_NAME = "default", "Default"
_MAY_LACK = {"default_project_id": "default_project_uuid", "email": "email"}


def domain_id(uuid: str) -> str:
    """The id of the account as a domain."""
    return DEFAULT_ID if uuid == ADMIN_UUID else uuid


def account_of(domain_id: str) -> str:
    """The account of a domain's id."""
    return ADMIN_UUID if domain_id == DEFAULT_ID else domain_id


def domain_name(uuid: str, name: str) -> str:
    """The name of the account as a domain."""
    return DEFAULT_NAME if uuid == ADMIN_UUID else name


def account_name_of(domain_name: str) -> str:
    """The name of the account of a domain's name."""
    return "admin" if domain_name == DEFAULT_NAME else domain_name


def time_of(value: datetime | None) -> str | None:
    """The time in Keystone's form."""
    return None if value is None else f"{value.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def domain_ref(uuid: str, name: str) -> dict[str, Any]:
    """A domain where another thing names it."""
    return {"id": domain_id(uuid), "name": domain_name(uuid, name)}


def _self(base: str, path: str, id: str) -> dict[str, str]:  # noqa: A002 (Keystone's word)
    return {"self": f"{base}/{path}/{id}"}


def domain(row: Row, base: str) -> dict[str, Any]:
    """A domain."""
    id = domain_id(row["uuid"])  # noqa: A001
    return {
        **orjson.loads(row["extra"]),
        "id": id,
        "name": domain_name(row["uuid"], row["name"]),
        "description": row["description"] or "",
        "enabled": row["enabled"],
        "tags": row["tags"],
        "options": {},
        "links": _self(base, "domains", id),
    }


def domain_as_project(row: Row, base: str) -> dict[str, Any]:
    """A domain in a list of projects."""
    shown = domain(row, base)
    links = _self(base, "projects", shown["id"])
    return {**shown, "domain_id": None, "parent_id": None, "is_domain": True, "links": links}


def project(row: Row, base: str) -> dict[str, Any]:
    """A project."""
    return {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "name": row["name"],
        "domain_id": domain_id(row["account_uuid"]),
        "description": row["description"] or "",
        "enabled": row["enabled"],
        "parent_id": row["parent_uuid"] or domain_id(row["account_uuid"]),
        "is_domain": False,
        "tags": row["tags"],
        "options": {},
        "links": _self(base, "projects", row["uuid"]),
    }


def role(row: Row, base: str) -> dict[str, Any]:
    """A role."""
    return {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "name": row["name"],
        "domain_id": None,
        "description": row["description"],
        "options": {"immutable": True} if row["built_in"] else {},
        "links": _self(base, "roles", row["uuid"]),
    }


def group(row: Row, base: str) -> dict[str, Any]:
    """A group."""
    return {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "name": row["name"],
        "domain_id": domain_id(row["account_uuid"]),
        "description": row["description"] or "",
        "links": _self(base, "groups", row["uuid"]),
    }


def user(row: Row, base: str) -> dict[str, Any]:
    """A user as lists show it, with what EOS adds."""
    shown: dict[str, Any] = {
        **orjson.loads(row["extra"]),
        "id": row["uuid"],
        "name": row["name"],
        "domain_id": domain_id(row["account_uuid"]),
        "description": row["description"] or "",
        "enabled": row["enabled"],
        "password_expires_at": time_of(row["password_expires_at"]),
        "options": orjson.loads(row["options"]),
        "pwd_status": row["password_reset"],
        "last_project_id": row["last_project_uuid"] or "",
        "federated": [],
        "links": _self(base, "users", row["uuid"]),
    }
    for key, column in _MAY_LACK.items():
        if row[column] is not None:
            shown[key] = row[column]
    return shown


def user_detail(row: Row, base: str) -> dict[str, Any]:
    """A user alone: the strength of its password too, where it is known."""
    strength = row["password_strength"]
    return user(row, base) | ({"pwd_strength": strength} if strength else {})


def changed_user(row: Row, base: str) -> dict[str, Any]:
    """A user as the answer to its change, which lacks nothing; what only clients know is in `extra` too."""
    shown = user_detail(row, base)
    extra = orjson.loads(row["extra"])
    extra |= {key: row[key] for key in ("email", "description") if row[key] is not None}
    return {**dict.fromkeys(_MAY_LACK), **shown, "extra": extra}


def application_credential(row: Row, base: str) -> dict[str, Any]:
    """An application credential, without its secret."""
    expires_at: datetime | None = row["expires_at"]
    path = f"users/{row['login_uuid']}/application_credentials"
    return {
        "id": row["uuid"],
        "name": row["name"],
        "description": row["description"],
        "project_id": row["project_uuid"],
        "roles": [{**role, "domain_id": None} for role in orjson.loads(row["roles"])],
        # Keystone has no zone letter here, and clients compare the text with what they have sent.
        "expires_at": None if expires_at is None else expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "unrestricted": row["unrestricted"],
        "links": _self(base, path, row["uuid"]),
    }


def registered_limit(row: Row, base: str) -> dict[str, Any]:
    """A registered limit."""
    return {
        "id": row["uuid"],
        "service_id": row["service_id"],
        "region_id": row["region_id"],
        "resource_name": row["resource_name"],
        "default_limit": row["default_limit"],
        "description": row["description"],
        "links": _self(base, "registered_limits", row["uuid"]),
    }


def limit(row: Row, base: str) -> dict[str, Any]:
    """The limit of a project or a domain."""
    return {
        "id": row["uuid"],
        "service_id": row["service_id"],
        "region_id": row["region_id"],
        "resource_name": row["resource_name"],
        "resource_limit": row["value"],
        "project_id": row["project_uuid"],
        "domain_id": None if row["domain_uuid"] is None else domain_id(row["domain_uuid"]),
        "description": row["description"],
        "links": _self(base, "limits", row["uuid"]),
    }


def assignment(row: Row, base: str, *, with_names: bool) -> dict[str, Any]:
    """A role assignment."""
    actor_domain = domain_ref(row["actor_domain"] or "", row["actor_domain_name"] or "")
    actor: dict[str, Any] = {"id": row["login_uuid"]}
    a_role: dict[str, Any] = {"id": row["role_uuid"]}
    if with_names:
        actor |= {"name": row["actor_name"], "domain": actor_domain}
        a_role["name"] = row["role_name"]
    if row["project_uuid"]:
        place: dict[str, Any] = {"id": row["project_uuid"]}
        if with_names:
            place |= {
                "name": row["project_name"],
                "domain": domain_ref(row["domain_uuid"], row["domain_name"]),
            }
        scope, path = {"project": place}, f"projects/{row['project_uuid']}"
    elif row["domain_uuid"]:
        place = (
            domain_ref(row["domain_uuid"], row["domain_name"])
            if with_names
            else {"id": domain_id(row["domain_uuid"])}
        )
        scope, path = {"domain": place}, f"domains/{place['id']}"
    else:
        scope, path = {"system": {"all": True}}, "system"
    kind = "group" if row["is_group"] else "user"
    link = f"{base}/{path}/{kind}s/{row['login_uuid']}/roles/{row['role_uuid']}"
    return {kind: actor, "role": a_role, "scope": scope, "links": {"assignment": link}}


def token(found: Token, catalog: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The body of a token; one without a scope has neither roles nor catalog."""
    place, credential = found.authority.place, found.credential
    body: dict[str, Any] = {
        "methods": list(found.methods),
        "user": {
            "id": found.user_uuid,
            "name": found.user_name,
            "domain": domain_ref(found.account_uuid, found.account_name),
            "password_expires_at": time_of(found.password_expires_at),
        },
        "audit_ids": list(found.audit_ids),
        "issued_at": time_of(found.issued_at),
        "expires_at": time_of(found.expires_at),
    }
    if credential is not None:
        body["application_credential"] = {
            "id": credential.uuid,
            "name": credential.name,
            "restricted": not credential.unrestricted,
        }
    if place.kind == "unscoped":
        return body
    body["roles"] = [{"id": uuid, "name": name} for uuid, name in found.authority.roles]
    if place.kind == "project":
        domain = domain_ref(place.domain_uuid, place.domain_name)
        body |= {"project": {"id": place.uuid, "name": place.name, "domain": domain}, "is_domain": False}
    elif place.kind == "domain":
        body["domain"] = domain_ref(place.domain_uuid, place.domain_name)
    else:
        body["system"] = {"all": True}
    if catalog is not None:
        body["catalog"] = catalog
    return body
