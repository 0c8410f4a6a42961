"""The 38 APIs as they are declared, and what of their parameters is refused at the door."""

from typing import Any

import pytest

from app import Client, Service
from identity.world import JAVA, UNKNOWN
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

load()
A, O, U, N = "admin", "account", "user", "public"  # noqa: E741 (the letters of the facts' table)

# API: method and path, wrapper, mode, who may call, key of the result.
ROWS: dict[str, tuple[str, str, str, str, str]] = {
    "CreateAccount": ("POST /accounts", "params", "job", A, "inventory"),
    "DeleteAccount": ("DELETE /accounts/{uuid}", "", "job", A, "inventory"),
    "QueryAccount": ("GET /accounts", "", "sync", A, ""),
    "UpdateAccount": ("PUT /accounts/{uuid}", "updateAccount", "job", O, "inventory"),
    "LogInByAccount": ("PUT /accounts/login", "logInByAccount", "sync", N, "inventory"),
    "GetAccountQuotaUsage": ("GET /accounts/quota/{uuid}/usages", "", "sync", U, "usages"),
    "QueryAccountResourceRef": ("GET /accounts/resources/refs", "", "sync", U, ""),
    "ShareResource": ("PUT /accounts/resources/actions", "shareResource", "job", U, "inventory"),
    "CreateUserGroup": ("POST /accounts/groups", "params", "job", O, "inventory"),
    "DeleteUserGroup": ("DELETE /accounts/groups/{uuid}", "", "job", O, "inventory"),
    "QueryUserGroup": ("GET /accounts/groups", "", "sync", U, ""),
    "UpdateUserGroup": ("PUT /accounts/groups/actions", "updateUserGroup", "job", O, "inventory"),
    "AddUserToGroup": ("POST /accounts/groups/{groupUuid}/users", "params", "job", O, "inventory"),
    "AttachPolicyToUserGroup": (
        "POST /accounts/groups/{groupUuid}/policies",
        "params",
        "job",
        O,
        "inventory",
    ),
    "DetachPolicyFromUserGroup": (
        "DELETE /accounts/groups/{groupUuid}/policies/{policyUuid}",
        "",
        "job",
        O,
        "inventory",
    ),
    "RemoveUserFromGroup": (
        "DELETE /accounts/groups/{groupUuid}/users/{userUuid}",
        "",
        "job",
        O,
        "inventory",
    ),
    "CreateUser": ("POST /accounts/users", "params", "job", O, "inventory"),
    "DeleteUser": ("DELETE /accounts/users/{uuid}", "", "job", O, "inventory"),
    "QueryUser": ("GET /accounts/users", "", "sync", U, ""),
    "UpdateUser": ("PUT /accounts/users/actions", "updateUser", "job", U, "inventory"),
    "LogInByUser": ("PUT /accounts/users/login", "logInByUser", "sync", N, "inventory"),
    "AttachPolicyToUser": ("POST /accounts/users/{userUuid}/policies", "params", "job", O, "inventory"),
    "DetachPolicyFromUser": (
        "DELETE /accounts/users/{userUuid}/policies/{policyUuid}",
        "",
        "job",
        O,
        "inventory",
    ),
    "AttachPoliciesToUser": (
        "POST /accounts/users/{userUuid}/policy-collection",
        "params",
        "job",
        O,
        "inventory",
    ),
    "DetachPoliciesFromUser": ("DELETE /accounts/users/{userUuid}/policies", "", "job", O, "inventory"),
    "CreatePolicy": ("POST /accounts/policies", "params", "job", O, "inventory"),
    "DeletePolicy": ("DELETE /accounts/policies/{uuid}", "", "job", O, "inventory"),
    "QueryPolicy": ("GET /accounts/policies", "", "sync", U, ""),
    "QueryQuota": ("GET /accounts/quotas", "", "sync", U, ""),
    "UpdateQuota": ("PUT /accounts/quotas/actions", "updateQuota", "job", A, "inventory"),
    "GetResourceNames": ("GET /resources/names", "", "sync", U, "inventories"),
    "QuerySharedResource": ("GET /accounts/resources", "", "sync", A, ""),
    "RevokeResourceSharing": (
        "PUT /accounts/resources/actions",
        "revokeResourceSharing",
        "job",
        U,
        "inventory",
    ),
    "ChangeResourceOwner": ("POST /account/{accountUuid}/resources", "params", "job", A, "inventory"),
    "CheckApiPermission": ("PUT /accounts/permissions/actions", "checkApiPermission", "sync", U, "inventory"),
    "ValidateSession": ("GET /accounts/sessions/{sessionUuid}/valid", "", "sync", N, "valid"),
    "RenewSession": ("PUT /accounts/sessions/{sessionUuid}/renew", "renewSession", "job", U, "inventory"),
    "LogOut": ("DELETE /accounts/sessions/{sessionUuid}", "", "sync", N, "inventory"),
}


async def test_all_38_are_here() -> None:
    assert len(ROWS) == 38
    assert set(ROWS) <= set(APIS)


@pytest.mark.parametrize("name", ROWS)
async def test_declaration_is_that_of_the_manual(name: str) -> None:
    http, wrapper, mode, who, key = ROWS[name]
    declared = APIS[name]
    method, path = http.split()
    assert (declared.method, declared.paths[0]) == (method, f"/v1{path}")
    assert (declared.body_key, declared.mode, declared.access, declared.response_key) == (
        wrapper,
        mode,
        who,
        key,
    )
    assert declared.category == ("resource" if name == "GetResourceNames" else "identity")
    package = "org.zstack.header.vo" if name == "GetResourceNames" else JAVA
    assert declared.java_class == f"{package}.API{name}Msg"
    assert declared.is_read == name.startswith(("Query", "Get", "CheckApi"))


LONG = "x" * 256
NAMES = {"a statement": {"name": "s", "effect": "Allow", "actions": [".*"]}}
STATEMENT = NAMES["a statement"]

# API: parameters that pass the door, and for each of them values that do not; None stands for leaving it out.
BAD: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "CreateAccount": (
        {"name": "n", "password": "p"},
        {
            "name": [None, LONG, 5, [], {}],
            "password": [None, LONG, 5],
            "type": ["System", "Admin", "normal"],
            "description": ["x" * 2049, 5],
            "resourceUuid": ["x", UNKNOWN.upper(), UNKNOWN + "0", "0" * 32],
        },
    ),
    "UpdateAccount": (
        {},
        {"name": [LONG, 5], "password": [LONG], "description": ["x" * 2049], "oldPassword": [LONG]},
    ),
    "LogInByAccount": (
        {"accountName": "a", "password": "p"},
        {"accountName": [None, LONG, 5], "password": [None, LONG, 5]},
    ),
    "LogInByUser": (
        {"accountName": "a", "userName": "u", "password": "p"},
        {"accountName": [None, LONG], "userName": [None, LONG], "password": [None, LONG]},
    ),
    "ShareResource": (
        {"resourceUuids": [UNKNOWN], "toPublic": True},
        {
            "resourceUuids": [None, [], "text", [None], [5], [UNKNOWN] * 1001],
            "accountUuids": ["text", [None]],
            "toPublic": ["perhaps", 7],
        },
    ),
    "RevokeResourceSharing": (
        {"resourceUuids": [UNKNOWN], "all": True},
        {"resourceUuids": [None, [], [None]], "all": ["perhaps"], "toPublic": [[]]},
    ),
    "CreateUserGroup": (
        {"name": "n"},
        {"name": [None, LONG, 5], "description": ["x" * 2049], "resourceUuid": ["x"]},
    ),
    "UpdateUserGroup": ({"uuid": UNKNOWN}, {"uuid": [None, 5], "name": [LONG], "description": ["x" * 2049]}),
    "AddUserToGroup": ({"userUuid": UNKNOWN}, {"userUuid": [None, 5, LONG]}),
    "AttachPolicyToUserGroup": ({"policyUuid": UNKNOWN}, {"policyUuid": [None, 5, LONG]}),
    "CreateUser": (
        {"name": "n", "password": "p"},
        {"name": [None, LONG], "password": [None, LONG], "description": ["x" * 2049], "resourceUuid": ["x"]},
    ),
    "UpdateUser": (
        {"uuid": UNKNOWN},
        {"uuid": [5], "name": [LONG], "password": [LONG], "description": ["x" * 2049]},
    ),
    "AttachPolicyToUser": ({"policyUuid": UNKNOWN}, {"policyUuid": [None, 5]}),
    "AttachPoliciesToUser": ({"policyUuids": [UNKNOWN]}, {"policyUuids": [None, [], "text", [None]]}),
    "CreatePolicy": (
        {"name": "n", "statements": [STATEMENT]},
        {
            "name": [None, LONG],
            "description": ["x" * 2049],
            "statements": [
                None,
                [],
                STATEMENT,
                ["text"],
                [None],
                [STATEMENT | {"effect": "Perhaps"}],
                [STATEMENT | {"effect": "allow"}],
                [{"name": "s", "actions": [".*"]}],
                [STATEMENT | {"actions": []}],
                [STATEMENT | {"actions": [None]}],
                [STATEMENT | {"actions": ".*"}],
                [{"name": "s", "effect": "Allow"}],
                [STATEMENT | {"actions": ["a"] * 1001}],
                [STATEMENT] * 101,
            ],
            "resourceUuid": ["x"],
        },
    ),
    "UpdateQuota": (
        {"identityUuid": UNKNOWN, "name": "vm.num", "value": 1},
        {
            "identityUuid": [None, 5],
            "name": [None, LONG],
            "value": [None, -1, 2**63, 20.5, "many", []],
        },
    ),
    "ChangeResourceOwner": ({"resourceUuid": UNKNOWN}, {"resourceUuid": [None, 5, LONG]}),
    "CheckApiPermission": (
        {"apiNames": ["QueryUser"]},
        {"apiNames": [None, [], "QueryUser", [None]], "userUuid": [5, LONG]},
    ),
    "RenewSession": ({}, {"duration": [59, 31536001, 60.5, "long", -1]}),
}
CASES = [
    (name, field, value)
    for name, (_, fields) in BAD.items()
    for field, values in fields.items()
    for value in values
]


def path_of(name: str) -> str:
    return (
        ROWS[name][0]
        .split()[1]
        .replace("{sessionUuid}", "token")
        .replace("{uuid}", UNKNOWN)
        .replace("{userUuid}", UNKNOWN)
        .replace("{groupUuid}", UNKNOWN)
        .replace("{accountUuid}", UNKNOWN)
        .replace("{policyUuid}", UNKNOWN)
    )


async def test_bad_parameters_are_refused_at_the_door(service: Service, admin: Client) -> None:
    before = await service.db.fetchval("SELECT count(*) FROM api_jobs")
    for name, field, value in CASES:
        params = BAD[name][0] | {field: value}
        if value is None:
            del params[field]
        method = ROWS[name][0].split()[0]
        answer = await admin.call(method, path_of(name), {ROWS[name][1]: params})
        assert answer.status == 400, (name, field, str(value)[:60], answer)
        assert answer.code == "SYS.1007"
        assert value == "" or field in answer.body["error"]["details"] or name == "LogInByUser", (
            name,
            answer,
        )
    assert await service.db.fetchval("SELECT count(*) FROM api_jobs") == before


async def test_missing_wrapper_is_all_parameters_missing(admin: Client) -> None:
    for path in ("/accounts", "/accounts/users", "/accounts/policies", "/accounts/groups"):
        for body in (None, {}, {"other": {}}):
            answer = await admin.call("POST", path, body)
            assert (answer.status, answer.code) == (400, "SYS.1007"), (path, body)


@pytest.mark.parametrize(
    "path",
    [
        f"/accounts/users/{UNKNOWN}/policies",
        f"/accounts/users/{UNKNOWN}/policies?policyUuids=",
        "/resources/names",
        f"/accounts/{UNKNOWN}?deleteMode=Sometimes",
    ],
)
async def test_bad_query_strings_are_refused_or_find_nothing(admin: Client, path: str) -> None:
    method = "GET" if "names" in path else "DELETE"
    answer = await admin.job(method, path)
    assert (answer.status, answer.code) in ((400, "SYS.1007"), (503, "SYS.1003")), answer


@pytest.mark.parametrize("base", ["/zstack/v1", "/v1"])
@pytest.mark.parametrize(
    "path", ["/accounts", "/accounts/users", "/accounts/groups", "/accounts/policies", "/accounts/quotas"]
)
async def test_both_spellings_of_the_base_serve_the_same(service: Service, base: str, path: str) -> None:
    answer = await service.admin.get(f"{service.origin}{base}{path}")
    assert answer.status == 200
    assert set(answer.body) == {"inventories", "schema"}


async def test_location_is_the_canonical_one_under_both_bases(service: Service, fresh: Any) -> None:
    for base in ("/zstack/v1", "/v1"):
        body = {"params": {"name": fresh("g")}}
        answer = await service.admin.call("POST", f"{service.origin}{base}/accounts/groups", body)
        assert answer.status == 202
        assert answer.body["location"].startswith(f"{service.origin}/zstack/v1/api-jobs/")


@pytest.mark.parametrize("mode", ["", "Permissive", "Enforcing"])
@pytest.mark.parametrize("kind", ["", "/users", "/groups", "/policies"])
async def test_delete_of_an_unknown_uuid_succeeds_and_of_a_malformed_one_does_not(
    admin: Client, kind: str, mode: str
) -> None:
    gone = await admin.job("DELETE", f"/accounts{kind}/{UNKNOWN}?deleteMode={mode}")
    assert (gone.status, gone.body) == (200, {})
    for bad in ("nonsense", UNKNOWN.upper(), UNKNOWN + "0"):
        answer = await admin.job("DELETE", f"/accounts{kind}/{bad}")
        assert (answer.status, answer.code) == (503, "SYS.1003"), (kind, bad)


async def test_validation_only_changes_nothing(service: Service, fresh: Any) -> None:
    name = fresh("ghost")
    body = {"params": {"name": name}, "systemTags": ["ephemeral::validationOnly"]}
    answer = await service.admin.job("POST", "/accounts/groups", body)
    assert (answer.status, answer.body) == (200, {})
    assert not await service.db.fetchval("SELECT count(*) FROM user_groups WHERE name = $1", name)


async def test_passwords_are_stored_nowhere(service: Service, fresh: Any) -> None:
    account, client = await service.account(fresh("tenant"))
    await client.create("/accounts/users", name="u", password="clear-Text-1")
    await client.job(
        "PUT",
        f"/accounts/{account['uuid']}",
        {"updateAccount": {"password": "clear-Text-2", "oldPassword": "secret"}},
    )
    for table in (
        "api_jobs",
        "accounts",
        "users",
        "audits",
        "sessions",
        "password_history",
        "login_failures",
    ):
        for text in ("clear-Text", 'secret"', client.token):
            rows = await service.db.fetch(f"SELECT * FROM {table} t WHERE t::text LIKE $1", f"%{text}%")
            assert not rows, (table, text)
