"""What takes rights away has a lane of its own at this door too: it waits behind no job of the revoked."""

from typing import Any

import pytest

from app import Service
from keystone.talking import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_takes_rights_away_goes_ahead(admin: Person, service: Service) -> None:
    domain = await admin.make("domain")
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    group = await admin.make("group", domain_id=domain["id"])
    project = await admin.make("project", domain_id=domain["id"])
    role = await admin.make("role")
    paths = {
        "user": f"users/{user['id']}",
        "group": f"groups/{group['id']}",
        "project": f"projects/{project['id']}",
        "domain": f"domains/{domain['id']}",
    }
    member = f"{paths['group']}/{paths['user']}"
    given = f"{paths['project']}/{paths['user']}/roles/{role['id']}"
    off: dict[str, Any] = {"enabled": False}
    calls: list[tuple[str, str, Any, str, bool]] = [
        ("PUT", member, None, "AddDomainGroupMember", False),
        ("PUT", given, None, "AssignRole", False),
        ("PATCH", paths["user"], {"user": {"description": "x"}}, "UpdateDomainUser", False),
        ("PATCH", paths["user"], {"user": {"password": "another"}}, "UpdateDomainUser", True),
        ("PATCH", paths["user"], {"user": off}, "UpdateDomainUser", True),
        ("PATCH", paths["user"], {"user": {"enabled": True}}, "UpdateDomainUser", False),
        ("DELETE", given, None, "UnassignRole", True),
        ("DELETE", member, None, "RemoveDomainGroupMember", True),
        ("DELETE", paths["group"], None, "DeleteDomainGroup", True),
        ("DELETE", f"roles/{role['id']}", None, "DeleteKeystoneRole", True),
        ("PATCH", paths["project"], {"project": {"description": "x"}}, "UpdateProject", False),
        ("PATCH", paths["project"], {"project": off}, "UpdateProject", True),
        ("DELETE", paths["project"], None, "DeleteProject", True),
        ("DELETE", paths["user"], None, "DeleteDomainUser", True),
        ("PATCH", paths["domain"], {"domain": {"description": "x"}}, "UpdateDomain", False),
        ("PATCH", paths["domain"], {"domain": off}, "UpdateDomain", True),
        ("DELETE", paths["domain"], None, "DeleteDomain", True),
    ]
    for method, path, body, api, revokes in calls:
        answer = await admin.call(method, path, body)
        assert answer.status in (200, 204), answer
        job = await service.db.fetchrow("SELECT api, revokes FROM api_jobs ORDER BY seq DESC LIMIT 1")
        assert (job["api"], job["revokes"]) == (api, revokes), (method, path, body)
