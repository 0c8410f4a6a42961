"""Many accounts with users, groups, policies, quotas, tags, owners and shares, made with SQL alone."""

from typing import Any


def account_uuid(n: int) -> str:
    """The uuid of `account-n`."""
    return f"{n:012x}4000a000000000000000"


def user_uuid(account: int, n: int) -> str:
    """The uuid of the n-th user of `account-<account>`."""
    return f"{account * 1000 + n:012x}4000b000000000000000"


async def populate(conn: Any, accounts: int, users: int) -> None:
    """Accounts `account-1`, …, each with `users` users, two groups and three policies; every third user is
    tagged.

    Triggers are off meanwhile, which spares half of the time; what they would have written is written here.
    """
    await conn.execute(
        f"""
        SET session_replication_role = replica;
        INSERT INTO accounts (uuid, name, type, password_hash)
        SELECT lpad(to_hex(a), 12, '0') || '4000a000000000000000', 'account-' || a, 'Normal', ''
        FROM generate_series(1, {accounts}) a;
        INSERT INTO users (uuid, account_uuid, name, password_hash)
        SELECT lpad(to_hex(a * 1000 + u), 12, '0') || '4000b000000000000000',
               lpad(to_hex(a), 12, '0') || '4000a000000000000000', 'user-' || a || '-' || u, ''
        FROM generate_series(1, {accounts}) a, generate_series(1, {users}) u;
        INSERT INTO user_groups (uuid, account_uuid, name)
        SELECT lpad(to_hex(a * 1000 + g), 12, '0') || '4000c000000000000000',
               lpad(to_hex(a), 12, '0') || '4000a000000000000000', 'group-' || a || '-' || g
        FROM generate_series(1, {accounts}) a, generate_series(1, 2) g;
        INSERT INTO policies (uuid, account_uuid, name, statements)
        SELECT lpad(to_hex(a * 1000 + p), 12, '0') || '4000d000000000000000',
               lpad(to_hex(a), 12, '0') || '4000a000000000000000', 'policy-' || a || '-' || p, '[]'
        FROM generate_series(1, {accounts}) a, generate_series(1, 3) p;
        INSERT INTO quotas (uuid, name, identity_uuid, value)
        SELECT lpad(to_hex(a * 1000 + row_number() OVER (PARTITION BY a)), 12, '0') || '4000e000000000000000',
               d.name,
               lpad(to_hex(a), 12, '0') || '4000a000000000000000', d.value
        FROM generate_series(1, {accounts}) a, quota_defaults d;
        INSERT INTO group_members (group_uuid, user_uuid)
        SELECT g.uuid, u.uuid FROM users u JOIN user_groups g ON g.account_uuid = u.account_uuid
        WHERE right(u.name, 1) < '5' AND g.name LIKE '%-1';
        INSERT INTO user_policies (user_uuid, policy_uuid)
        SELECT u.uuid, p.uuid FROM users u JOIN policies p ON p.account_uuid = u.account_uuid
        WHERE p.name LIKE '%-1';
        INSERT INTO group_policies (group_uuid, policy_uuid)
        SELECT g.uuid, p.uuid FROM user_groups g JOIN policies p ON p.account_uuid = g.account_uuid
        WHERE p.name LIKE '%-2';
        INSERT INTO resources (uuid, resource_name, resource_type, base_type)
        SELECT uuid, name, 'AccountVO', 'AccountVO' FROM accounts WHERE name LIKE 'account-%' UNION ALL
        SELECT uuid, name, 'UserVO', 'UserVO' FROM users UNION ALL
        SELECT uuid, name, 'UserGroupVO', 'UserGroupVO' FROM user_groups UNION ALL
        SELECT uuid, name, 'PolicyVO', 'PolicyVO' FROM policies UNION ALL
        SELECT uuid, name, 'QuotaVO', 'QuotaVO' FROM quotas;
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'UserVO', account_uuid FROM users UNION ALL
        SELECT uuid, 'UserGroupVO', account_uuid FROM user_groups UNION ALL
        SELECT uuid, 'PolicyVO', account_uuid FROM policies UNION ALL
        SELECT uuid, 'QuotaVO', identity_uuid FROM quotas;
        INSERT INTO resource_shares (resource_uuid, resource_type, owner_account_uuid, receiver_account_uuid)
        SELECT u.uuid, 'UserVO', u.account_uuid, a.uuid FROM users u
        JOIN accounts a ON a.name = 'account-' || (split_part(u.name, '-', 2)::int % {accounts} + 1)
        WHERE u.name ~ '-[1-5]$';
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
        SELECT 't' || substr(uuid, 2), uuid, 'UserVO', 'shift::' || right(name, 2), 'User' FROM users
        WHERE right(name, 1) IN ('1', '4', '7');
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, expired_date)
        SELECT sha256(uuid::bytea), account_uuid, uuid, now() + interval '1 h' FROM users
        WHERE name ~ '-[1-5]$';
        INSERT INTO audits (account_uuid, user_uuid, api, target, outcome)
        SELECT account_uuid, account_uuid, 'CreateUser', uuid, 'succeeded' FROM users;
        SET session_replication_role = origin;
        """
    )
    await conn.execute("VACUUM ANALYZE")
