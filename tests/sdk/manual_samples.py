"""The Python samples of the manual as a user types them in: with Python's words for Java's, and real uuids.

They make one story, run against an empty service. The manual's 67 actions are all here; one of them also
stands where it should have DetachPolicyFromUser.
"""

import time
from dataclasses import dataclass
from typing import Any

from app import BACKUP_STORAGE
from zstack_sdk import (
    AddImageAction,
    AddIpRangeAction,
    AddLdapServerAction,
    AddSchedulerJobToSchedulerTriggerAction,
    AddSimulatorHostAction,
    AddUserToGroupAction,
    AttachL2NetworkToClusterAction,
    AttachPoliciesToUserAction,
    AttachPolicyToUserAction,
    AttachPolicyToUserGroupAction,
    CalculateAccountSpendingAction,
    ChangeResourceOwnerAction,
    ChangeSchedulerStateAction,
    CheckApiPermissionAction,
    CleanInvalidLdapBindingAction,
    CreateAccountAction,
    CreateClusterAction,
    CreateDiskOfferingAction,
    CreateInstanceOfferingAction,
    CreateL2NoVlanNetworkAction,
    CreateL3NetworkAction,
    CreateLdapBindingAction,
    CreatePolicyAction,
    CreateResourcePriceAction,
    CreateSchedulerJobAction,
    CreateSchedulerTriggerAction,
    CreateUserAction,
    CreateUserGroupAction,
    CreateVmInstanceAction,
    CreateZoneAction,
    DeleteAccountAction,
    DeleteLdapBindingAction,
    DeleteLdapServerAction,
    DeletePolicyAction,
    DeleteResourcePriceAction,
    DeleteSchedulerJobAction,
    DeleteSchedulerTriggerAction,
    DeleteUserAction,
    DeleteUserGroupAction,
    DetachPoliciesFromUserAction,
    DetachPolicyFromUserAction,
    DetachPolicyFromUserGroupAction,
    GetAccountQuotaUsageAction,
    GetCandidateLdapEntryForBindingAction,
    GetLdapEntryAction,
    GetNoTriggerSchedulerJobsAction,
    GetResourceNamesAction,
    LogInByAccountAction,
    LogInByLdapAction,
    LogInByUserAction,
    LogOutAction,
    QueryAccountAction,
    QueryAccountResourceRefAction,
    QueryConsoleProxyAgentAction,
    QueryLdapBindingAction,
    QueryLdapServerAction,
    QueryPolicyAction,
    QueryQuotaAction,
    QueryResourcePriceAction,
    QuerySchedulerJobAction,
    QuerySchedulerTriggerAction,
    QuerySharedResourceAction,
    QueryUserAction,
    QueryUserGroupAction,
    ReconnectConsoleProxyAgentAction,
    RemoveSchedulerJobFromSchedulerTriggerAction,
    RemoveUserFromGroupAction,
    RenewSessionAction,
    RequestConsoleAccessAction,
    RevokeResourceSharingAction,
    ShareResourceAction,
    UpdateAccountAction,
    UpdateConsoleProxyAgentAction,
    UpdateLdapServerAction,
    UpdateQuotaAction,
    UpdateSchedulerJobAction,
    UpdateSchedulerTriggerAction,
    UpdateUserAction,
    UpdateUserGroupAction,
    ValidateSessionAction,
)

GIB = 1024**3


@dataclass
class Place:
    """What is in the service already, and the directory beside it."""

    ldap: dict[str, str]
    person: str
    login: str
    password: str


def log_in() -> str:
    """The admin's session."""
    action = LogInByAccountAction()
    action.accountName = "admin"
    action.password = "password"
    res: LogInByAccountAction.Result[Any] = action.call()
    return res.value.inventory.uuid


def accounts(session: str) -> tuple[str, str]:
    """Accounts; two of them stay."""
    action = CreateAccountAction()
    action.name = "test"
    action.password = "password"
    action.sessionId = session
    res = action.call()
    test = res.value.inventory.uuid
    assert res.value.inventory.type == "Normal"

    action = CreateAccountAction()
    action.name = "other"
    action.password = "password"
    action.sessionId = session
    other = action.call().value.inventory.uuid

    action = QueryAccountAction()
    action.conditions = ["name=test"]
    action.sessionId = session
    res = action.call()
    assert [account.uuid for account in res.value.inventories] == [test]

    action = UpdateAccountAction()
    action.uuid = other
    action.password = "updatepassword"
    action.name = "updatename"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.name == "updatename"

    action = GetAccountQuotaUsageAction()
    action.uuid = test
    action.sessionId = session
    res = action.call()
    assert "vm.num" in {usage.name for usage in res.value.usages}

    action = QueryQuotaAction()
    action.conditions = ["name=vm.num"]
    action.sessionId = session
    res = action.call()
    assert res.value.inventories[0].name == "vm.num"

    action = UpdateQuotaAction()
    action.identityUuid = test
    action.name = "vm.num"
    action.value = 20.0  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.value == 20
    return test, other


def users(session: str) -> None:
    """Users, groups and policies of the admin's account."""
    action = CreateUserGroupAction()
    action.name = "usergroup"
    action.sessionId = session
    group = action.call().value.inventory.uuid

    action = QueryUserGroupAction()
    action.conditions = ["name=usergroup"]
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [group]

    action = UpdateUserGroupAction()
    action.uuid = group
    action.name = "newname"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.name == "newname"

    action = CreateUserAction()
    action.name = "testuser"
    action.password = "testpassword"
    action.sessionId = session
    user = action.call().value.inventory.uuid

    action = QueryUserAction()
    action.conditions = ["name=testuser"]
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [user]

    action = AddUserToGroupAction()
    action.userUuid = user
    action.groupUuid = group
    action.sessionId = session
    assert action.call().error is None

    action = CreatePolicyAction()
    action.name = "USER-RESET-PASSWORD"
    action.statements = [
        {"name": "user-reset-password", "effect": "Allow", "actions": ["identity:APIUpdateUserMsg"]}
    ]
    action.sessionId = session
    policy = action.call().value.inventory.uuid

    action = QueryPolicyAction()
    action.conditions = ["name=USER-RESET-PASSWORD"]
    action.sessionId = session
    res = action.call()
    assert policy in [each.uuid for each in res.value.inventories]

    action = AttachPolicyToUserGroupAction()
    action.policyUuid = policy
    action.groupUuid = group
    action.sessionId = session
    assert action.call().error is None

    action = DetachPolicyFromUserGroupAction()
    action.policyUuid = policy
    action.groupUuid = group
    action.sessionId = session
    assert action.call().error is None

    action = AttachPolicyToUserAction()
    action.userUuid = user
    action.policyUuid = policy
    action.sessionId = session
    assert action.call().error is None

    action = DetachPolicyFromUserAction()
    action.policyUuid = policy
    action.userUuid = user
    action.sessionId = session
    assert action.call().error is None

    action = AttachPoliciesToUserAction()
    action.userUuid = user
    action.policyUuids = [policy]
    action.sessionId = session
    assert action.call().error is None

    action = CheckApiPermissionAction()
    action.userUuid = user
    action.apiNames = ["APICheckApiPermissionMsg"]
    action.sessionId = session
    res = action.call()
    assert res.value.inventory == {"APICheckApiPermissionMsg": "Deny"}

    action = DetachPoliciesFromUserAction()
    action.policyUuids = [policy]
    action.userUuid = user
    action.sessionId = session
    assert action.call().error is None

    action = UpdateUserAction()
    action.uuid = user
    action.name = "new"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.name == "new"

    action = LogInByUserAction()
    action.accountName = "admin"
    action.userName = "new"
    action.password = "testpassword"
    res = action.call()
    assert res.value.inventory.userUuid == user

    action = RemoveUserFromGroupAction()
    action.userUuid = user
    action.groupUuid = group
    action.sessionId = session
    assert action.call().error is None

    action = DeletePolicyAction()
    action.uuid = policy
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None

    action = DeleteUserAction()
    action.uuid = user
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None

    action = DeleteUserGroupAction()
    action.uuid = group
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None


def cloud(session: str) -> tuple[str, str]:
    """A VM and its disk offering, made as the manual's overview makes one."""
    zone = CreateZoneAction(name="zone", sessionId=session).call().value.inventory.uuid
    cluster = CreateClusterAction(name="c", zoneUuid=zone, hypervisorType="Simulator", sessionId=session)
    cluster = cluster.call().value.inventory.uuid
    host = AddSimulatorHostAction(name="h", managementIp="10.1.0.3", clusterUuid=cluster, sessionId=session)
    assert host.call().error is None
    image = AddImageAction(name="i", url="file:///i.qcow2", format="qcow2", sessionId=session)
    image.backupStorageUuids = [BACKUP_STORAGE]
    offering = CreateInstanceOfferingAction(name="o", cpuNum=1, memorySize=GIB, sessionId=session)
    disk = CreateDiskOfferingAction(name="d", diskSize=GIB, sessionId=session)
    l2 = CreateL2NoVlanNetworkAction(name="l2", zoneUuid=zone, physicalInterface="eth0", sessionId=session)
    l2 = l2.call().value.inventory.uuid
    joined = AttachL2NetworkToClusterAction(l2NetworkUuid=l2, clusterUuid=cluster, sessionId=session)
    assert joined.call().error is None
    l3 = CreateL3NetworkAction(name="l3", l2NetworkUuid=l2, sessionId=session).call().value.inventory.uuid
    addresses = AddIpRangeAction(
        l3NetworkUuid=l3,
        name="r",
        startIp="10.1.0.10",
        endIp="10.1.0.20",
        netmask="255.255.255.0",
        gateway="10.1.0.1",
        sessionId=session,
    )
    assert addresses.call().error is None

    action = CreateVmInstanceAction()
    action.name = "vm1"
    action.instanceOfferingUuid = offering.call().value.inventory.uuid
    action.imageUuid = image.call().value.inventory.uuid
    action.l3NetworkUuids = [l3]
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.vmNics[0].ip.startswith("10.1.0.")
    return res.value.inventory.uuid, disk.call().value.inventory.uuid


def sharing(session: str, test: str, other: str, vm: str, disk: str) -> None:
    """Who owns and sees what."""
    action = ShareResourceAction()
    action.resourceUuids = [disk, vm]
    action.accountUuids = [test, other]
    action.toPublic = False
    action.sessionId = session
    assert action.call().error is None

    action = QuerySharedResourceAction()
    action.conditions = [f"receiverAccountUuid={test}"]
    action.sessionId = session
    res = action.call()
    assert {each.resourceUuid for each in res.value.inventories} == {disk, vm}

    action = RevokeResourceSharingAction()
    action.resourceUuids = [disk, vm]
    action.toPublic = False
    action.accountUuids = [test, other]
    action.all = False
    action.sessionId = session
    assert action.call().error is None

    action = GetResourceNamesAction()
    action.uuids = [disk, vm]
    action.sessionId = session
    res = action.call()
    assert {each.resourceName for each in res.value.inventories} == {"d", "vm1"}

    action = ChangeResourceOwnerAction()
    action.accountUuid = test
    action.resourceUuid = vm
    action.sessionId = session
    assert action.call().error is None

    action = QueryAccountResourceRefAction()
    action.conditions = [f"accountUuid={test}", "resourceType=VmInstanceVO"]
    action.sessionId = session
    res = action.call()
    assert [each.resourceUuid for each in res.value.inventories] == [vm]


def sessions(session: str) -> None:
    """A session from its login to its end."""
    action = LogInByAccountAction()
    action.accountName = "test"
    action.password = "password"
    mine = action.call().value.inventory.uuid

    action = ValidateSessionAction()
    action.sessionId = mine
    res = action.call()
    assert res.value.valid is True

    action = RenewSessionAction()
    action.sessionUuid = mine
    action.duration = 100
    action.sessionId = mine
    res = action.call()
    assert res.error is None

    action = LogOutAction()
    action.sessionId = mine
    res = action.call()
    assert res.error is None

    action = ValidateSessionAction()
    action.sessionId = mine
    assert action.call().value.valid is False


def billing(session: str, test: str) -> None:
    """A price, and what an account spent."""
    action = CreateResourcePriceAction()
    action.resourceName = "cpu"
    action.timeUnit = "s"
    action.price = 100.0
    action.dateInLong = 0.0  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    price = action.call().value.inventory.uuid

    action = QueryResourcePriceAction()
    action.conditions = [f"uuid={price}"]
    action.sessionId = session
    res = action.call()
    assert res.value.inventories[0].resourceName == "cpu"

    action = CalculateAccountSpendingAction()
    action.accountUuid = test
    action.dateStart = 0.0  # pyright: ignore[reportAttributeAccessIssue]
    action.dateEnd = 1.494480179344e12  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    res = action.call()
    assert res.value.total == 0

    action = DeleteResourcePriceAction()
    action.uuid = price
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None


def scheduler(session: str, vm: str) -> None:
    """A trigger, a job, and what binds them."""
    action = CreateSchedulerTriggerAction()
    action.name = "scheduler trigger"
    action.schedulerInterval = 1000.0  # pyright: ignore[reportAttributeAccessIssue]
    action.repeatCount = 10.0  # pyright: ignore[reportAttributeAccessIssue]
    action.startTime = 1.500257934177e12  # pyright: ignore[reportAttributeAccessIssue]
    action.schedulerType = "simple"
    action.sessionId = session
    trigger = action.call().value.inventory.uuid

    action = QuerySchedulerTriggerAction()
    action.conditions = ["name=scheduler trigger"]
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [trigger]

    action = UpdateSchedulerTriggerAction()
    action.uuid = trigger
    action.name = "Test2"
    action.description = "new test"
    action.schedulerInterval = 3600.0  # pyright: ignore[reportAttributeAccessIssue]
    action.repeatCount = 100.0  # pyright: ignore[reportAttributeAccessIssue]
    action.startTime = float(int(time.time() + 3600) * 1000)  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.name == "Test2"

    action = CreateSchedulerJobAction()
    action.name = "TestScheduler"
    action.targetResourceUuid = vm
    action.type = "stopVm"
    action.sessionId = session
    job = action.call().value.inventory.uuid

    action = GetNoTriggerSchedulerJobsAction()
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [job]

    action = AddSchedulerJobToSchedulerTriggerAction()
    action.schedulerJobUuid = job
    action.schedulerTriggerUuid = trigger
    action.sessionId = session
    assert action.call().error is None

    action = QuerySchedulerJobAction()
    action.conditions = ["name=TestScheduler", "state=Enabled"]
    action.sessionId = session
    res = action.call()
    assert res.value.inventories[0].triggersUuid == [trigger]

    action = UpdateSchedulerJobAction()
    action.uuid = job
    action.name = "Test2"
    action.description = "new test"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.description == "new test"

    action = ChangeSchedulerStateAction()
    action.uuid = job
    action.stateEvent = "disable"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.state == "Disabled"

    action = RemoveSchedulerJobFromSchedulerTriggerAction()
    action.schedulerJobUuid = job
    action.schedulerTriggerUuid = trigger
    action.sessionId = session
    assert action.call().error is None

    action = DeleteSchedulerTriggerAction()
    action.uuid = trigger
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None

    action = DeleteSchedulerJobAction()
    action.uuid = job
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None


def directory(session: str, place: Place, test: str) -> None:
    """A directory, and a person of it who logs in."""
    action = AddLdapServerAction()
    action.name = "miao"
    action.description = "miao desc"
    action.url = place.ldap["url"]
    action.base = place.ldap["base"]
    action.username = place.ldap["username"]
    action.password = place.ldap["password"]
    action.encryption = "None"
    action.sessionId = session
    server = action.call().value.inventory.uuid

    action = QueryLdapServerAction()
    action.conditions = ["name=miao"]
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [server]

    action = UpdateLdapServerAction()
    action.ldapServerUuid = server
    action.name = "new name"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.name == "new name"

    action = GetLdapEntryAction()
    action.ldapFilter = f"(cn={place.login})"
    action.limit = 2500.0  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    res = action.call()
    assert len(res.value.inventories) == 1

    action = GetCandidateLdapEntryForBindingAction()
    action.ldapFilter = f"(cn={place.login})"
    action.limit = 2500.0  # pyright: ignore[reportAttributeAccessIssue]
    action.sessionId = session
    res = action.call()
    assert len(res.value.inventories) == 1

    action = CreateLdapBindingAction()
    action.ldapUid = place.person
    action.accountUuid = test
    action.sessionId = session
    binding = action.call().value.inventory.uuid

    action = QueryLdapBindingAction()
    action.conditions = [f"accountUuid={test}"]
    action.sessionId = session
    res = action.call()
    assert [each.uuid for each in res.value.inventories] == [binding]

    action = LogInByLdapAction()
    action.uid = place.login
    action.password = place.password
    res = action.call()
    assert res.value.inventory.accountUuid == test

    action = CleanInvalidLdapBindingAction()
    action.sessionId = session
    res = action.call()
    assert res.value.inventories == []

    action = DeleteLdapBindingAction()
    action.uuid = binding
    action.sessionId = session
    assert action.call().error is None

    action = DeleteLdapServerAction()
    action.uuid = server
    action.deleteMode = "Permissive"
    action.sessionId = session
    assert action.call().error is None


def consoles(session: str, vm: str) -> None:
    """A console, and the agent that serves it."""
    action = RequestConsoleAccessAction()
    action.vmInstanceUuid = vm
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.token

    action = QueryConsoleProxyAgentAction()
    action.conditions = ["uuid not null"]
    action.sessionId = session
    res = action.call()
    agent = res.value.inventories[0].uuid

    action = ReconnectConsoleProxyAgentAction()
    action.agentUuids = [agent]
    action.sessionId = session
    res = action.call()
    assert agent in res.value.inventory

    action = UpdateConsoleProxyAgentAction()
    action.uuid = agent
    action.consoleProxyOverriddenIp = "127.0.0.1"
    action.sessionId = session
    res = action.call()
    assert res.value.inventory.consoleProxyOverriddenIp == "127.0.0.1"


def endings(session: str, other: str) -> None:
    """What goes last."""
    action = DeleteAccountAction()
    action.uuid = other
    action.deleteMode = "Permissive"
    action.sessionId = session
    res = action.call()
    assert res.error is None


def play(place: Place) -> None:
    """All of them. The default client is the service's."""
    session = log_in()
    test, other = accounts(session)
    users(session)
    vm, disk = cloud(session)
    consoles(session, vm)
    scheduler(session, vm)
    sharing(session, test, other, vm, disk)
    sessions(session)
    billing(session, test)
    directory(session, place, test)
    endings(session, other)
