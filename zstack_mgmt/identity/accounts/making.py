"""How accounts begin and end, whichever API asks for it."""

from __future__ import annotations

from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts import store
from zstack_mgmt.identity.accounts.events import account_deletions
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.policies.model import Policy, default_statements
from zstack_mgmt.identity.quotas.store import create_quotas
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import own


async def furnish(conn: Connection, account: Account) -> None:
    """Give a new account its default policies and, unless it is an administrator, its quotas."""
    for name, statements in default_statements(account.uuid):
        policy = {"uuid": new_uuid(), "account_uuid": account.uuid, "name": name, "statements": statements}
        await own(conn, account.uuid, (await rows.insert(conn, Policy, policy)).uuid)
    if account.type == "Normal":  # administrators have no limits
        await create_quotas(conn, account.uuid)


async def remove(conn: Connection, uuid: str) -> None:
    """Delete an account with everything that exists for it alone; the rest passes to the built-in admin."""
    await account_deletions.tell(conn, uuid)
    await store.delete_account(conn, uuid)
