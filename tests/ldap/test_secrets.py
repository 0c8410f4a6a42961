"""No password that meets the directory is kept or told anywhere, with the processes as they run and log."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from directory import Directory
from directory_data import BASE, SERVICE, SERVICE_PASSWORD

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
from stack import Stack, running_stack

pytestmark = pytest.mark.faults
SECRETS = (SERVICE_PASSWORD, "alice-secret", "wrong-secret-1", "wrong-secret-2", "wrong-secret-3")


async def ask(stack: Stack, method: str, path: str, body: Any) -> str:
    """The status and the body, of a job when it has ended."""
    headers = stack.headers(Prefer="wait=20")
    async with stack.http.request(method, f"{stack.base}{path}", json=body, headers=headers) as reply:
        return f"{reply.status} {await reply.text()}"


async def everything_stored(stack: Stack) -> str:
    conn = await stack.db()
    try:
        tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await conn.fetch(f'SELECT t::text FROM "{table[0]}" t') for table in tables]
    finally:
        await conn.close()
    return "\n".join(row[0] for found in rows for row in found)


async def test_passwords_are_nowhere_in_clear(directory: Directory) -> None:
    settings = {"LDAP_CA_FILE": str(directory.authority.file), "LDAP_TIMEOUT_S": "2"}
    async with running_stack(LOG_LEVEL="debug", **settings) as stack:
        server = {
            "name": "directory",
            "url": directory.url,
            "base": BASE,
            "username": SERVICE,
            "encryption": "None",
        }
        added = {"params": server | {"password": SERVICE_PASSWORD, "resourceUuid": "a" * 12 + "4" + "a" * 19}}
        path = f"/ldap/servers/{added['params']['resourceUuid']}"
        account = await ask(stack, "POST", "/accounts", {"params": {"name": "tenant", "password": "x"}})
        assert account.startswith("200")
        uuid = account.partition('"uuid":"')[2][:32]
        binding = {"params": {"ldapUid": "cn=Alice,ou=people", "accountUuid": uuid}}
        told = [
            await ask(stack, "POST", "/ldap/servers", {"params": server | {"password": "wrong-secret-1"}}),
            await ask(stack, "POST", "/ldap/servers", added),
            await ask(stack, "POST", "/ldap/bindings", binding),
            await log_in(stack, "alice-secret"),
            await log_in(stack, "wrong-secret-2"),
            await log_in(stack, ["wrong-secret-2"]),
            await ask(stack, "PUT", path, {"updateLdapServer": {"password": "wrong-secret-3"}}),
            await log_in(stack, "alice-secret"),
            await ask(stack, "PUT", path, {"updateLdapServer": {"url": "ldap://localhost:1"}}),
            await log_in(stack, "alice-secret"),
            await ask(stack, "PUT", "/ldap/bindings/actions", {"cleanInvalidLdapBinding": {}}),
            await ask(stack, "GET", "/api-jobs", None),
            await ask(stack, "GET", "/audits", None),
        ]
        assert [answer[:3] for answer in told] == [
            *("503", "200", "200", "200", "503", "400", "200", "503", "200", "503", "503", "200", "200")
        ]
        await asyncio.sleep(1)  # lines of the log and of the audit are written in groups
        stored = await everything_stored(stack)
        logged = (stack.data_dir / "log").read_text()
    assert "LogInByLdap" in stored
    assert "AddLdapServer" in logged
    for where in ("\n".join(told), stored, logged):
        assert not [secret for secret in SECRETS if secret in where]


async def log_in(stack: Stack, password: Any) -> str:
    return await ask(stack, "PUT", "/ldap/login", {"logInByLdap": {"uid": "Alice", "password": password}})
