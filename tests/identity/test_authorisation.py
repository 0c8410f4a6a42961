"""Who may call what: every API of the registry against every kind of caller.

Only the door is judged here: ID.1001 and ID.1002 are refusals, and any other answer means that the call has
passed.
"""

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app import Answer, Client, Service
from identity.world import UNKNOWN, Tenant, User
from zstack_mgmt.core.registry import APIS, PATH_VARIABLE, Api
from zstack_mgmt.features import FEATURES, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

load()

# Written by hand, so that a slip in a declaration is seen. Add a new API to the list of those who may call
# it: anybody; account sessions and users whose policies allow it; account sessions; sessions of SystemAdmin
# accounts, and of their users whose policies allow it.
WHO = {
    "public": """
        GetVersion LogInByAccount LogInByLdap LogInByUser LogOut ValidateSession
    """,
    "user": """
        AddImage AddSchedulerJobToSchedulerTrigger AttachDataVolumeToVm AttachEip AttachL3NetworkToVm
        AttachTagToResources CalculateAccountSpending CancelLongJob ChangeAccessKeyState
        ChangeEipState ChangeImageState ChangeInstanceOffering ChangeSchedulerState ChangeVipState
        ChangeVolumeState CheckApiPermission CheckIpAvailability CreateAccessKey CreateDataVolume
        CreateEip CreateSchedulerJob CreateSchedulerTrigger CreateSystemTag CreateTag CreateUserTag
        CreateVip CreateVmInstance CreateVolumeSnapshot DeleteAccessKey DeleteDataVolume DeleteEip
        DeleteImage DeleteLongJob DeleteSchedulerJob DeleteSchedulerTrigger DeleteTag DeleteVip
        DeleteVolumeSnapshot DestroyVmInstance DetachDataVolumeFromVm DetachEip DetachL3NetworkFromVm
        DetachTagFromResources ExplainPolicy ExpungeDataVolume ExpungeImage ExpungeVmInstance
        GetAccountQuotaUsage GetBackupStorageTypes GetCandidatePrimaryStoragesForCreatingVm
        GetDataVolumeAttachableVm GetEipAttachableVmNics GetFreeIp GetNoTriggerSchedulerJobs
        GetPrimaryStorageTypes GetQueryMetadata GetResourceNames GetSchedulerExecutions
        GetVmAttachableDataVolume GetVmAttachableL3Network GetVmConsoleAddress GetVmNicAttachableEips
        GetVmStartingCandidateClustersHosts GetWebhookDeliveries PauseVmInstance
        PreviewSchedulerTrigger QueryAccessKey QueryAccountResourceRef QueryBackupStorage
        QueryCluster QueryDiskOffering QueryEip QueryGlobalConfig QueryHost QueryImage
        QueryInstanceOffering QueryIpAddress QueryIpRange QueryL2Network QueryL2VlanNetwork
        QueryL3Network QueryLongJob QueryPolicy QueryPrimaryStorage QueryQuota QueryResourcePrice
        QueryRole QuerySchedulerJob QuerySchedulerJobHistory QuerySchedulerTrigger QuerySystemTag
        QueryTag QueryUser QueryUserGroup QueryUserTag QueryVip QueryVmInstance QueryVmNic
        QueryVolume QueryVolumeSnapshot QueryZone RebootVmInstance RecoverDataVolume RecoverImage
        RecoverVmInstance RedeliverWebhook RemoveSchedulerJobFromSchedulerTrigger RenewSession
        RequestConsoleAccess RerunLongJob ResumeVmInstance RevokeResourceSharing ShareResource
        StartVmInstance StopVmInstance SubmitLongJob UpdateEip UpdateImage UpdateLongJob
        UpdateSchedulerJob UpdateSchedulerTrigger UpdateSystemTag UpdateTag UpdateUser UpdateUserTag
        UpdateVip UpdateVmInstance UpdateVolume UpdateVolumeSnapshot
    """,
    "account": """
        AddPolicyStatementsToRole AddUserToGroup AttachPoliciesToUser AttachPolicyToUser
        AttachPolicyToUserGroup AttachRoleToAccount AttachRoleToUser ChangeRoleState CreatePolicy
        CreateRole CreateUser CreateUserGroup DeletePolicy DeleteRole DeleteUser DeleteUserGroup
        DetachPoliciesFromUser DetachPolicyFromUser DetachPolicyFromUserGroup DetachRoleFromAccount
        DetachRoleFromUser GetWebhookSecret ListWebhookDeliveries ListWebhookReceivers
        RedeliverFailedWebhooks RemovePolicyStatementsFromRole RemoveUserFromGroup RotateWebhookSecret
        SendTestWebhook UpdateAccount UpdateRole UpdateUserGroup
    """,
    "admin": """
        AddDnsToL3Network AddIpRange AddIpRangeByNetworkCidr AddKVMHost AddLdapServer AddSimulatorHost
        AttachL2NetworkToCluster ChangeClusterState ChangeDiskOfferingState ChangeHostState
        ChangeInstanceOfferingState ChangeL3NetworkState ChangeResourceOwner ChangeZoneState
        CleanInvalidLdapBinding CreateAccount CreateCluster CreateDiskOffering CreateInstanceOffering
        CreateL2NoVlanNetwork CreateL2VlanNetwork CreateL3Network CreateLdapBinding CreateResourcePrice
        CreateZone DeleteAccount DeleteCluster DeleteDiskOffering DeleteHost DeleteInstanceOffering
        DeleteIpRange DeleteL2Network DeleteL3Network DeleteLdapBinding DeleteLdapServer
        DeleteResourcePrice DeleteZone DetachL2NetworkFromCluster GetCandidateLdapEntryForBinding
        GetIpAddressCapacity GetLdapEntry GetServiceHealth QueryAccount QueryAudit
        QueryConsoleProxyAgent QueryLdapBinding QueryLdapServer QueryManagementNode QuerySharedResource
        ReconnectConsoleProxyAgent ReconnectHost RemoveDnsFromL3Network UpdateBackupStorage
        UpdateCluster UpdateConsoleProxyAgent UpdateDiskOffering UpdateGlobalConfig UpdateHost
        UpdateInstanceOffering UpdateIpRange UpdateL2Network UpdateL3Network UpdateLdapServer
        UpdatePrimaryStorage UpdateQuota UpdateZone
    """,
    # A job of an access key needs no session, and ZQLQuery asks for what the query of each type does.
    "session": """
        CancelApiJob EndSession FollowApiJob FollowApiJobs GetApiJob ListApiJobs ListSessions PollApiJob
        ZQLQuery
    """,
}
PLACE = "of WHO in tests/identity/test_authorisation.py"
TABLE = {name: who for who, names in WHO.items() for name in names.split()}
NAMES = sorted(name for name, declared in APIS.items() if declared.feature in FEATURES)

PASSED, NO_SESSION, REFUSED = "passed", "ID.1001", "ID.1002"

# Caller: what it meets at APIs for the public, for users, for accounts, for administrators, with a session.
OUTCOMES = {
    "no session": (PASSED, NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION),
    "expired session": (PASSED, NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION),
    "account": (PASSED, PASSED, PASSED, REFUSED, PASSED),
    "other account": (PASSED, PASSED, PASSED, REFUSED, PASSED),
    "user without policy": (PASSED, REFUSED, REFUSED, REFUSED, PASSED),
    "user with Allow": (PASSED, PASSED, REFUSED, REFUSED, PASSED),
    "user with Allow and Deny": (PASSED, REFUSED, REFUSED, REFUSED, PASSED),
    "admin": (PASSED, PASSED, PASSED, PASSED, PASSED),
    "admin's user without policy": (PASSED, REFUSED, REFUSED, REFUSED, PASSED),
    "admin's user with Allow": (PASSED, PASSED, REFUSED, PASSED, PASSED),
    "admin's user with Allow and Deny": (PASSED, REFUSED, REFUSED, REFUSED, PASSED),
}
RULES = ("without policy", "with Allow", "with Allow and Deny")


@dataclass
class Callers:
    """A client for each caller, and the policies whose statements the test rewrites for each API."""

    clients: dict[str, Client]
    accounts: dict[str, str]  # of each caller, for APIs whose path names one
    allow: str
    deny: str

    async def name_api(self, service: Service, declared: Api) -> None:
        action = declared.permissions[-1] if declared.permissions else "none"
        for policy, effect in ((self.allow, "Allow"), (self.deny, "Deny")):
            statements = orjson.dumps([{"effect": effect, "actions": [action]}]).decode()
            await service.db.execute(
                "UPDATE policies SET statements = $2::text::jsonb WHERE uuid = $1", policy, statements
            )


async def make_users(owner: Tenant, allow: str, deny: str) -> list[User]:
    users = [await owner.user(bare=True) for _ in RULES]
    for user, policies in zip(users, ((), (allow,), (allow, deny)), strict=True):
        await owner.service.db.executemany(
            "INSERT INTO user_policies (user_uuid, policy_uuid) VALUES ($1, $2)",
            [(user.uuid, policy) for policy in policies],
        )
    return users


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(service: Service) -> Callers:
    tenant = Tenant(service, *await service.account("tenant"))
    other_account, other = await service.account("other")
    chief = Tenant(service, *await service.account("chief", type="SystemAdmin"))
    statement = {"effect": "Allow", "actions": ["none"]}
    allow, deny = await tenant.policy(statement), await tenant.policy(statement | {"effect": "Deny"})
    expired = await service.anonymous.log_in("tenant", "secret")
    await service.db.execute(
        "UPDATE sessions SET expired_date = now() - interval '1 s' WHERE create_date = "
        "(SELECT max(create_date) FROM sessions WHERE account_uuid = $1)",
        tenant.uuid,
    )
    clients = {
        "no session": service.anonymous,
        "expired session": expired,
        "account": tenant.client,
        "other account": other,
        "admin": service.admin,
    }
    for prefix, owner in (("user", tenant), ("admin's user", chief)):
        users = await make_users(owner, allow, deny)
        clients |= {f"{prefix} {rule}": user.client for rule, user in zip(RULES, users, strict=True)}
    accounts = {caller: chief.uuid if "admin" in caller else tenant.uuid for caller in clients}
    accounts["other account"] = other_account["uuid"]
    return Callers(clients, accounts, allow, deny)


async def ask(client: Client, declared: Api, account: str) -> str:
    """Call the API with next to nothing; its handler does not run even if that should be enough."""
    path = declared.paths[0].removeprefix("/v1").replace("{accountUuid}", account)
    path = PATH_VARIABLE.sub(UNKNOWN, path)
    tags = ["ephemeral::validationOnly"]
    if declared.answer == "events":
        sent = {"Authorization": f"OAuth {client.token}"} if client.token else {}
        async with client.http.get(f"{client.base}{path}", headers=sent) as reply:
            if reply.status == 200:  # a stream that has no end
                return PASSED
            answer = Answer(reply.status, await reply.json())
    elif declared.method in ("GET", "DELETE"):
        answer = await client.call(declared.method, f"{path}?limit=1&systemTags={tags[0]}")
    else:
        answer = await client.call(declared.method, path, {declared.body_key: {}, "systemTags": tags})
    code: Any = answer.body.get("error", {}).get("code")
    if code in (NO_SESSION, REFUSED):
        assert answer.status == 503, answer
        return code
    assert answer.status != 500, answer
    return PASSED


async def test_every_api_is_in_the_table() -> None:
    missing = [name for name in NAMES if name not in TABLE]
    assert not missing, f"{missing}: say who may call it: add the name to one of the lists {PLACE}"
    gone = sorted(set(TABLE) - set(APIS))
    assert not gone, f"{gone}: no such API; take the name out {PLACE}"


@pytest.mark.parametrize("name", NAMES)
async def test_who_may_call(service: Service, callers: Callers, name: str) -> None:
    assert name in TABLE, f"say who may call {name}: add it to one of the lists {PLACE}"
    declared = APIS[name]
    await callers.name_api(service, declared)
    column = list(WHO).index(TABLE[name])
    expected = {caller: outcomes[column] for caller, outcomes in OUTCOMES.items()}
    seen = {c: await ask(callers.clients[c], declared, callers.accounts[c]) for c in OUTCOMES}
    assert seen == expected


async def test_check_api_permission_agrees_with_the_door(service: Service, callers: Callers) -> None:
    names = [name for name in NAMES if name != "CheckApiPermission"]
    for caller in ("account", "admin"):
        body = {"checkApiPermission": {"apiNames": names}}
        answer = await callers.clients[caller].call("PUT", "/accounts/permissions/actions", body)
        column = [OUTCOMES[caller][list(WHO).index(TABLE[name])] for name in names]
        expected = {n: "Allow" if o == PASSED else "Deny" for n, o in zip(names, column, strict=True)}
        assert answer.inventory == expected
