"""Policies: what CreatePolicy takes, how they decide, and what CheckApiPermission says about it."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from app import Client
from identity.world import JAVA, UNKNOWN, Tenant, User, allow, deny, uuids
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.identity.policies.explaining import MAX_EXPLANATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = "identity:APIQueryUserMsg"


async def create(client: Client, *statements: Any, **params: Any) -> Any:
    body = {"params": {"name": "p", "statements": list(statements)} | params}
    return await client.job("POST", "/accounts/policies", body)


async def may_query(user: User) -> bool:
    answer = await user.client.get("/accounts/users")
    assert answer.status == 200 or answer.code == "ID.1002"
    return answer.status == 200


async def check(client: Client, *names: str, **params: Any) -> Any:
    body = {"checkApiPermission": {"apiNames": list(names)} | params}
    return await client.call("PUT", "/accounts/permissions/actions", body)


async def test_created_policy_has_exactly_these_fields(tenant: Tenant) -> None:
    statement = {
        "name": "s",
        "effect": "Deny",
        "actions": ["identity:.*"],
        "principals": ["account:x"],
        "resources": ["y"],
    }
    answer = await create(tenant.client, statement, {"effect": "Allow", "actions": ["a"]}, description="kept")
    made = answer.inventory
    assert set(made) == {"uuid", "name", "description", "accountUuid", "statements"}
    assert made["statements"] == [statement, {"effect": "Allow", "actions": ["a"]}]
    assert made["description"] == "kept"
    queried = await tenant.client.get(f"/accounts/policies/{made['uuid']}")
    assert queried.body["inventories"] == [made]


async def test_schema_names_the_classes_of_statements(tenant: Tenant) -> None:
    policy = await tenant.policy(allow(".*"), deny("a"))
    answer = await tenant.client.get(f"/accounts/policies?q=uuid={policy}")
    path, statement = "inventories[0]", "org.zstack.header.identity.PolicyInventory$Statement"
    schema = answer.body["schema"]
    assert schema[path] == f"{JAVA}.PolicyInventory"
    assert schema[f"{path}.statements[1]"] == statement
    assert schema[f"{path}.statements[1].effect"] == f"{JAVA}.AccountConstant$StatementEffect"
    assert list(schema).index(path) < list(schema).index(f"{path}.statements[0]")


async def test_names_need_not_be_unique(tenant: Tenant) -> None:
    assert await tenant.policy(allow("a")) != await tenant.policy(allow("a"))


async def test_statements_are_no_column(tenant: Tenant) -> None:
    for field in ("statements", "description"):
        answer = await tenant.client.get(f"/accounts/policies?q={field}~=%25")
        assert (answer.status, answer.code) == (503, "SYS.1007")


@pytest.mark.parametrize(
    "rule",
    [
        "(",
        "[a",
        "*",
        "a{2,1}",
        r"(a)\1",
        "(?=a)b",
        "(?<!a)b",
        "a" * 1025,
        r"\p{L}",
        r"(?:\pL\pL){0}",
        ".{1000}" * 100,
        "((a{1000}){1000}){1000}",
        "(?P<x",
        "*Msg",
        "org.zstack..vm.APIStartVmInstanceMsg",
        "org.zstack.header.vm.APIUpdateVmInstanceMsg:name,description",
        "org.zstack.header.**:name",
        "a\\",
    ],
)
async def test_hostile_patterns_are_refused(tenant: Tenant, rule: str) -> None:
    began = time.perf_counter()
    answer = await create(tenant.client, allow("fine", rule))
    assert (answer.status, answer.code) == (503, "SYS.1007")
    assert answer.body["error"]["details"]
    assert time.perf_counter() - began < 5


async def test_rules_are_bounded_together(tenant: Tenant) -> None:
    assert (await create(tenant.client, *[allow("a")] * 100)).status == 200
    too_many = [allow(*["a"] * 600)] * 2
    assert (await create(tenant.client, *too_many)).code == "SYS.1007"
    began = time.perf_counter()
    too_complex = allow(*[f"({'.?' * 300}){{1}}{i}" for i in range(1000)])
    assert (await create(tenant.client, too_complex)).code == "SYS.1007"
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "rule", ["(a+)+$", "(a|a)*b", "(.*)*x", "(?i)IDENTITY:.*", r"identity\:.*", "a|b", ""]
)
async def test_what_backtracking_engines_fear_is_harmless(tenant: Tenant, rule: str) -> None:
    user = await tenant.user(allow(QUERY), deny(rule), bare=True)
    began = time.perf_counter()
    await may_query(user)
    assert time.perf_counter() - began < 5


async def test_user_with_far_too_many_rules_may_do_nothing(tenant: Tenant) -> None:
    user = await tenant.user(allow(".*"), bare=True)
    assert await may_query(user)
    for i in range(30):
        rules = [f"{'[a-f]?' * 100}{i}{j}" for j in range(60)]
        await tenant.bind(user.uuid, await tenant.policy(deny(*rules)))
    assert not await may_query(user)


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (".*", True),
        (".*:read", True),
        ("identity:.*", True),
        ("identity:read", True),
        (QUERY, True),
        (f"identity:{JAVA}.APIQueryUserMsg", True),
        (r"identity:org\.zstack\..*QueryUserMsg", True),
        ("identity:API(Query|Create)UserMsg", True),
        (f"x|{QUERY}", True),
        ("APIQueryUserMsg", False),
        ("identity:APIQueryUser", False),
        ("identity:APIQueryUserMsgs", False),
        ("identity:apiqueryusermsg", False),
        ("resource:.*", False),
        ("^identity:APIQuery", False),
        ("QueryUser", False),
        ("", False),
        ("**", True),
        ("org.zstack.**", True),
        (".header.identity.**", True),
        (f"{JAVA}.*", True),
        (f"{JAVA}.APIQueryUserMsg", True),
        (".header.identity.APIQuery*Msg", True),
        ("org.*.header.**.APIQuery**", True),
        ("**.APIQueryUserMsg", True),
        ("**.read", False),
        ("read.**", False),
        ("org.zstack.*", False),
        ("org.zstack.header.vm.**", False),
        (f"{JAVA}.APIQueryUser", False),
    ],
)
async def test_rules_match_whole_strings(tenant: Tenant, rule: str, matches: bool) -> None:
    assert await may_query(await tenant.user(allow(rule), bare=True)) == matches


async def test_deny_of_a_pattern_beats_every_form_of_allow(tenant: Tenant) -> None:
    for rule in (f"{JAVA}.**", "**.APIQueryUserMsg", "org.**.APIQuery*"):
        assert not await may_query(await tenant.user(allow("**", ".*", QUERY), deny(rule), bare=True))
    assert not await may_query(await tenant.user(allow("**"), deny("identity:read"), bare=True))


async def test_deny_beats_allow_in_every_order(tenant: Tenant) -> None:
    for order in itertools.permutations((allow(QUERY), deny("identity:read"), allow(".*"))):
        assert not await may_query(await tenant.user(*order, bare=True))
        user = await tenant.user(bare=True)
        for statement in order:
            await tenant.bind(user.uuid, await tenant.policy(statement))
        assert not await may_query(user)


@pytest.mark.parametrize("own_effect", ["Allow", "Deny"])
async def test_deny_of_a_group_and_of_the_user_weigh_the_same(tenant: Tenant, own_effect: str) -> None:
    own, group_s = (allow(QUERY), deny(QUERY)) if own_effect == "Allow" else (deny(QUERY), allow(QUERY))
    user, group = await tenant.user(own, bare=True), await tenant.group()
    await tenant.bind_group(group["uuid"], await tenant.policy(group_s))
    before = await may_query(user)
    await tenant.join(group["uuid"], user.uuid)
    assert (before, await may_query(user)) == (own_effect == "Allow", False)


async def test_policies_of_several_groups_add_up_and_end_with_the_membership(tenant: Tenant) -> None:
    user, group, other = await tenant.user(bare=True), await tenant.group(), await tenant.group()
    await tenant.bind_group(group["uuid"], await tenant.policy(allow(QUERY)))
    await tenant.join(other["uuid"], user.uuid)
    assert not await may_query(user)
    await tenant.join(group["uuid"], user.uuid)
    assert await may_query(user)
    await tenant.client.job("DELETE", f"/accounts/groups/{group['uuid']}/users/{user.uuid}")
    assert not await may_query(user)


async def test_deleted_policy_holds_no_longer(tenant: Tenant, stranger: Tenant) -> None:
    user, policy = await tenant.user(bare=True), await tenant.policy(allow(QUERY))
    await tenant.bind(user.uuid, policy)
    assert (await stranger.client.job("DELETE", f"/accounts/policies/{policy}")).body == {}
    assert await may_query(user)
    assert (await tenant.client.job("DELETE", f"/accounts/policies/{policy}")).body == {}
    assert not await may_query(user)


async def test_users_of_an_administrator_obey_policies(new_tenant: Any) -> None:
    chief = await new_tenant(type="SystemAdmin")
    nobody, reader = await chief.user(bare=True), await chief.user(allow("identity:.*"), bare=True)
    assert (await nobody.client.get("/accounts")).code == "ID.1002"
    assert (await reader.client.get("/accounts")).status == 200
    refused = await reader.client.call("POST", "/accounts/users", {"params": {"name": "x", "password": "p"}})
    assert refused.code == "ID.1002"
    denied = await chief.user(allow(".*"), deny("identity:APICreateAccountMsg"), bare=True)
    made = await denied.client.call("POST", "/accounts", {"params": {"name": "x", "password": "p"}})
    assert made.code == "ID.1002"


async def test_no_policy_opens_what_is_for_accounts_or_administrators(tenant: Tenant) -> None:
    user = await tenant.user(allow(".*"))
    for method, path in (
        ("GET", "/accounts"),
        ("POST", "/accounts/policies"),
        ("DELETE", f"/accounts/{UNKNOWN}"),
    ):
        assert (await user.client.call(method, path)).code == "ID.1002", path


async def test_check_takes_full_and_short_names_and_echoes_them(tenant: Tenant) -> None:
    names = (f"{JAVA}.APIQueryUserMsg", "APICreateAccountMsg", "CreateUser", f"{JAVA}.APILogOutMsg")
    answer = await check(tenant.client, *names)
    assert answer.inventory == dict(zip(names, ("Allow", "Deny", "Allow", "Allow"), strict=True))


@pytest.mark.parametrize(
    "name", ["APINonsenseMsg", "queryUser", "org.example.APIQueryUserMsg", "", "QueryUserMsg"]
)
async def test_check_refuses_unknown_names(tenant: Tenant, name: str) -> None:
    answer = await check(tenant.client, "QueryUser", name)
    assert (answer.status, answer.code) == (503, "SYS.1007")


async def test_check_answers_for_every_api(admin: Client) -> None:
    answer = await check(admin, *(declared.java_class for declared in APIS.values()))
    assert set(answer.inventory.values()) == {"Allow"}


async def test_check_as_a_user_answers_for_the_user(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    user = await tenant.user(deny("identity:APIQueryPolicyMsg"))
    expected = {"QueryUser": "Allow", "QueryPolicy": "Deny", "CreateUser": "Deny", "QueryAccount": "Deny"}
    assert (await check(user.client, *expected)).inventory == expected
    assert (await check(tenant.client, *expected, userUuid=user.uuid)).inventory == expected
    assert (await check(admin, *expected, userUuid=user.uuid)).inventory == expected
    for client, uuid in (
        (stranger.client, user.uuid),
        (tenant.client, UNKNOWN),
        (tenant.client, tenant.uuid),
    ):
        answer = await check(client, "QueryUser", userUuid=uuid)
        assert (answer.status, answer.code) == (503, "SYS.1006")


async def test_check_knows_users_of_another_administrator(admin: Client, new_tenant: Any) -> None:
    chief = await new_tenant(type="SystemAdmin")
    user = await chief.user(allow("identity:APIQueryAccountMsg"), bare=True)
    answer = await check(admin, "QueryAccount", "CreateAccount", userUuid=user.uuid)
    assert answer.inventory == {"QueryAccount": "Allow", "CreateAccount": "Deny"}


async def test_links_of_a_policy(tenant: Tenant) -> None:
    user, group, policy = await tenant.user(), await tenant.group(), await tenant.policy(allow("a"))
    await tenant.bind(user.uuid, policy)
    await tenant.bind_group(group["uuid"], policy)
    condition = f"q=user.uuid={user.uuid}&q=group.name={group['name']}&q=account.name={tenant.name}"
    assert uuids(await tenant.client.get(f"/accounts/policies?{condition}")) == {policy}


async def explain(client: Client, *statements: Any, **params: Any) -> Any:
    body = {"explainPolicy": {"statements": list(statements)} | params}
    return await client.call("PUT", "/accounts/permissions/explanations", body)


async def test_a_policy_is_explained_before_it_is_kept(tenant: Tenant) -> None:
    statements = [allow("resource:.*", "identity:.*"), deny("x", "identity:APIQueryPolicyMsg"), allow("**")]
    names = (f"{JAVA}.APIQueryUserMsg", "APIQueryPolicyMsg", "QueryZone", "CreatePolicy", "LogOut")
    answer = await explain(tenant.client, *statements, apiNames=names)
    assert answer.body["inventories"] == [
        {"apiName": api, "decision": decision, "decidedBy": by, **why}
        for api, decision, by, why in (
            (names[0], "Allow", "statement", {"statement": 0, "action": "identity:.*"}),
            (names[1], "Deny", "statement", {"statement": 1, "action": "identity:APIQueryPolicyMsg"}),
            (names[2], "Allow", "statement", {"statement": 2, "action": "**"}),
            (names[3], "Deny", "api", {}),
            (names[4], "Allow", "api", {}),
        )
    ]
    (other,) = (await explain(tenant.client, deny("x"), apiNames=["QueryUser"])).body["inventories"]
    assert other == {"apiName": "QueryUser", "decision": "Deny", "decidedBy": "nothing"}


@pytest.mark.parametrize("kind", ["Normal", "SystemAdmin"])
async def test_an_explanation_says_what_is_true_of_a_user_with_the_policy(new_tenant: Any, kind: str) -> None:
    owner = await new_tenant(type=kind)
    rules = [
        f"instance:API{verb}.*" for verb in ("Start", "Stop", "Create", "Query")
    ]  # more than one compilation
    statements = [
        allow("identity:read", "**.APIQueryZoneMsg", *rules, *rules, *rules),
        deny(".*Quota.*", "instance:APIStop(Vm|X)InstanceMsg", "org.zstack.header.image.**"),
        allow(".*:read", "org.zstack.header.image.*", ".*Host.*", ".*"),
    ]
    user = await owner.user(*statements, bare=True)
    explained = (await explain(owner.client, *statements)).body["inventories"]
    assert [one["apiName"] for one in explained] == sorted(APIS)
    told = {one["apiName"]: one["decision"] for one in explained}
    assert told == (await check(user.client, *APIS)).inventory
    assert {"Allow", "Deny"} == set(told.values())
    for one in explained:
        if one["decidedBy"] == "statement":
            statement = statements[one["statement"]]
            assert (statement["effect"], one["action"] in statement["actions"]) == (one["decision"], True)


async def test_explanations_are_for_whoever_policies_let_ask(tenant: Tenant) -> None:
    asked = (allow("**"), {"apiNames": ["CreateAccount"]})
    reader = await tenant.user(allow("identity:APIExplainPolicyMsg"), bare=True)
    assert (await explain(reader.client, asked[0], **asked[1])).status == 200
    nobody = await tenant.user(bare=True)
    assert (await explain(nobody.client, asked[0], **asked[1])).code == "ID.1002"
    assert (await explain(tenant.service.anonymous, asked[0], **asked[1])).code == "ID.1001"


async def test_explanations_have_the_limits_of_policies(tenant: Tenant, admin: Client) -> None:
    for statements in (
        [allow("a\\")],
        [allow("fine", r"\p{L}")],
        [allow(*["a"] * 600)] * 2,
        [allow(*[f"({'.?' * 300}){{1}}{i}" for i in range(1000)])],
        [allow(*[f"{i}{'a' * 1000}" for i in range(70)])],
    ):
        assert (await explain(tenant.client, *statements)).code == "SYS.1007"
    assert (await explain(tenant.client, allow("a"), apiNames=["Nonsense"])).code == "SYS.1007"
    for bad in ([], [allow("a")] * 101, [{"effect": "Maybe", "actions": ["a"]}], [allow()]):
        assert (await explain(tenant.client, *bad)).status == 400
    assert (await explain(tenant.client, allow("a"), apiNames=["QueryUser"] * 1001)).status == 400


async def test_explanations_of_one_account_are_made_in_turn_and_delay_no_other(
    tenant: Tenant, stranger: Tenant
) -> None:
    slow = [allow(*[f"{'([a-z]*x)*' * 20}{i}" for i in range(300)])]
    first = [asyncio.create_task(explain(tenant.client, *slow)) for _ in range(MAX_EXPLANATIONS + 5)]
    done, waiting = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    assert (await explain(stranger.client, allow("**"), apiNames=["QueryUser"])).status == 200
    assert sum(not task.done() for task in waiting) > len(first) // 2  # the stranger had the next turn
    answers = await asyncio.gather(*first)
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.code for answer in refused} == {"SYS.1010"}
    assert len(answers) - len(refused) == MAX_EXPLANATIONS + 1
    assert done
