"""Calls that provoke errors which do not follow from a declaration, and the cloud they are made in."""

from dataclasses import dataclass
from typing import Any

from app import ADMIN, BACKUP_STORAGE, Client, Service
from compute.world import build
from zstack_mgmt.core.errors import (
    ApiError,
    AuthenticationFailed,
    BadRequest,
    InvalidArgument,
    InvalidSession,
    JobFinal,
    JobNotFound,
    OperationError,
    PermissionDenied,
    QuotaExceeded,
    ResourceNotFound,
    SameOwner,
    TooManySessions,
    VmDestroyFailed,
    VmRebootFailed,
    VmStartFailed,
    VmStateRefused,
    VmStopFailed,
)

NOBODY = "0123456789ab4cde8123456789abcdef"


@dataclass
class Cloud:
    """Clients and uuids, by the names that the table uses."""

    clients: dict[str, Client]
    variables: dict[str, str]


async def build_cloud(service: Service) -> Cloud:
    """A small cloud with VMs and volumes in each state, and a tenant whose quotas are used up."""
    world = await build(service)
    await world.share()
    admin = service.admin
    account, tenant = await service.account("tenant")
    user = await tenant.create("/accounts/users", name="user", password="secret")
    await tenant.create("/accounts/users", name="other", password="secret")
    login = {"accountUuid": account["uuid"], "userName": "user", "password": "secret"}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": login})
    parts = ("zone", "cluster", "host", "image", "offering", "disk", "l2", "l3")
    names = {name: getattr(world, name) for name in parts}
    names |= {"admin": ADMIN, "account": account["uuid"], "user": user["uuid"], "range": world.ip_range}

    async def made(name: str, path: str, client: Client = admin, **params: Any) -> Any:
        inventory = await client.create(path, **{"name": name, **params})
        names[name] = inventory["uuid"]
        return inventory

    statements = [{"name": "s", "effect": "Allow", "actions": ["vm:.*"]}]
    await made("policy", "/accounts/policies", statements=statements)
    await made("group", "/accounts/groups", tenant)
    await made("group2", "/accounts/groups", tenant)
    await made("zone2", "/zones")
    await made("kvm", "/clusters", zoneUuid=names["zone2"], hypervisorType="KVM")
    await made("host2", "/hosts/simulators", managementIp="10.0.0.2", clusterUuid=names["cluster"])
    await made("same", "/l2-networks/no-vlan", zoneUuid=names["zone"], physicalInterface="eth0")
    await made("loose", "/l2-networks/no-vlan", zoneUuid=names["zone"], physicalInterface="eth9")
    await made("unattached", "/l3-networks", l2NetworkUuid=names["loose"])
    await made("unranged", "/l3-networks", l2NetworkUuid=names["l2"])
    await admin.job("POST", f"/l3-networks/{names['l3']}/dns", {"params": {"dns": "10.9.9.9"}})
    await made("vip", "/vips", l3NetworkUuid=names["l3"])
    await made("vip2", "/vips", l3NetworkUuid=names["l3"])
    await made("eip", "/eips", vipUuid=names["vip"])
    await made("closed_eip", "/eips", vipUuid=names["vip2"])
    await made("closed_vip", "/vips", l3NetworkUuid=names["l3"])
    await made("t_vip", "/vips", tenant, l3NetworkUuid=names["l3"])
    await made("closed", "/disk-offerings", diskSize=1024)
    await made("closed_size", "/instance-offerings", cpuNum=1, memorySize=1024)
    for path, action in (
        ("disk-offerings/{closed}", "changeDiskOfferingState"),
        ("instance-offerings/{closed_size}", "changeInstanceOfferingState"),
        ("eips/{closed_eip}", "changeEipState"),
        ("vips/{closed_vip}", "changeVipState"),
    ):
        await admin.job("PUT", f"/{path.format_map(names)}/actions", {action: {"stateEvent": "disable"}})
    vm_of_world = world.vm_params()
    del vm_of_world["name"]
    for name in ("running", "stopped", "destroyed", "stuck"):
        vm = await made(name, "/vm-instances", **vm_of_world)
        names |= {f"{name}_nic": vm["vmNics"][0]["uuid"], f"{name}_root": vm["rootVolumeUuid"]}
    await world.act({"uuid": names["stopped"]}, "stopVmInstance")
    await admin.job("DELETE", f"/vm-instances/{names['destroyed']}")
    for name in ("free", "attached", "deleted"):
        await made(name, "/volumes/data", diskOfferingUuid=names["disk"])
    for name in ("attached", "deleted"):
        await admin.job("POST", f"/volumes/{names[name]}/vm-instances/{names['running']}")
    await made("kept", "/volumes/data", diskOfferingUuid=names["disk"])
    await admin.job("POST", f"/volumes/{names['kept']}/vm-instances/{names['stuck']}")
    await made("snapshot", f"/volumes/{names['attached']}/volume-snapshots")
    await admin.job("DELETE", f"/volumes/{names['deleted']}/vm-instances")
    await admin.job("DELETE", f"/volumes/{names['deleted']}")
    await made("trigger", "/scheduler/triggers", schedulerType="simple", schedulerInterval=60, startTime=0)
    await made("timed", "/scheduler/jobs", type="stopVm", targetResourceUuid=names["stopped"])
    await admin.job("POST", f"/scheduler/jobs/{names['timed']}/scheduler/triggers/{names['trigger']}")

    for name in ("t_running", "t_stopped", "t_destroyed"):
        vm = await made(name, "/vm-instances", tenant, **vm_of_world)
        names[f"{name}_root"] = vm["rootVolumeUuid"]
    await world.act({"uuid": names["t_stopped"]}, "stopVmInstance", tenant)
    await made("t_deleted", "/volumes/data", tenant, diskOfferingUuid=names["disk"])
    await tenant.job("POST", f"/volumes/{names['t_deleted']}/vm-instances/{names['t_stopped']}")
    await tenant.job("DELETE", f"/volumes/{names['t_deleted']}/vm-instances")
    await tenant.job("DELETE", f"/volumes/{names['t_deleted']}")
    await tenant.job("DELETE", f"/vm-instances/{names['t_destroyed']}")
    usages = await admin.get(f"/accounts/quota/{account['uuid']}/usages")
    for usage in usages.body["usages"]:
        limit = {"identityUuid": account["uuid"], "name": usage["name"], "value": usage["used"]}
        await admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": limit})
    clients = {
        "admin": admin,
        "tenant": tenant,
        "user": Client(admin.http, admin.base, opened.inventory["uuid"]),
        "nobody": service.anonymous,
    }
    names["job"] = await service.db.fetchval("SELECT uuid FROM api_jobs WHERE state = 'succeeded' LIMIT 1")
    names |= {"session": admin.token, "tenant_session": tenant.token}
    return Cloud(clients, names)


def tenant(**params: Any) -> dict[str, Any]:
    return {"_as": "tenant", **params}


FAULT = "INSERT INTO simulator_faults (error) VALUES ('the hypervisor is unwell')"
EXPIRE = "UPDATE sessions SET expired_date = now() FROM accounts WHERE uuid = user_uuid AND name = 'tenant'"
STUCK = "UPDATE vm_instances SET state = 'Migrating' WHERE name = 'stuck'"
FIX = "UPDATE sessions SET renewable = false, expired_date = now() + interval '1 hour'"
POLICY = {"name": "s", "effect": "Allow", "actions": ["("]}
KVM = {"name": "h", "username": "root", "password": "x"}
VM = {"name": "n", "instanceOfferingUuid": "{offering}", "imageUuid": "{image}", "l3NetworkUuids": ["{l3}"]}

TABLE: dict[tuple[str, type[ApiError]], dict[str, Any]] = {
    ("CreateAccount", InvalidArgument): {"name": "admin", "password": "x"},
    ("UpdateAccount", InvalidArgument): tenant(uuid="{account}", name="admin"),
    ("UpdateAccount", OperationError): {"uuid": "{admin}", "name": "root"},
    ("DeleteAccount", InvalidArgument): {"uuid": "{admin}"},
    ("CreateUser", InvalidArgument): tenant(name="user", password="x"),
    ("UpdateUser", InvalidArgument): tenant(uuid="{user}", name="other"),
    ("AttachPolicyToUser", InvalidArgument): {"userUuid": "{user}", "policyUuid": "{policy}"},
    ("AttachPoliciesToUser", InvalidArgument): {"userUuid": "{user}", "policyUuids": ["{policy}"]},
    ("DetachPolicyFromUser", InvalidArgument): {"userUuid": "{user}", "policyUuid": "{policy}"},
    ("DetachPoliciesFromUser", InvalidArgument): {"userUuid": "{user}", "policyUuids": "{policy}"},
    ("CreateUserGroup", InvalidArgument): tenant(name="group"),
    ("UpdateUserGroup", InvalidArgument): tenant(uuid="{group}", name="group2"),
    ("AddUserToGroup", InvalidArgument): {"userUuid": "{user}", "groupUuid": "{group}"},
    ("AttachPolicyToUserGroup", InvalidArgument): {"policyUuid": "{policy}", "groupUuid": "{group}"},
    ("DetachPolicyFromUserGroup", InvalidArgument): {"policyUuid": "{policy}", "groupUuid": "{group}"},
    ("CreatePolicy", InvalidArgument): {
        "name": "p",
        "statements": [POLICY],
    },
    ("CheckApiPermission", InvalidArgument): {"apiNames": ["Nonsense"]},
    ("ExplainPolicy", InvalidArgument): {"statements": [POLICY], "apiNames": ["Nonsense"]},
    ("CheckApiPermission", OperationError): {"userUuid": NOBODY, "apiNames": ["QueryUser"]},
    ("UpdateQuota", InvalidArgument): {"identityUuid": "{account}", "name": "nonsense", "value": 1},
    ("UpdateQuota", OperationError): {"identityUuid": "{account}", "name": "vm.totalNum", "value": 0},
    ("ShareResource", InvalidArgument): {"resourceUuids": ["{image}"]},
    ("RevokeResourceSharing", InvalidArgument): {"resourceUuids": ["{image}"]},
    ("ChangeResourceOwner", InvalidArgument): {"accountUuid": "{account}", "resourceUuid": "{zone}"},
    ("ChangeResourceOwner", SameOwner): {"accountUuid": "{admin}", "resourceUuid": "{running}"},
    ("ChangeResourceOwner", QuotaExceeded): {"accountUuid": "{account}", "resourceUuid": "{stopped}"},
    ("ChangeResourceOwner", OperationError): {"accountUuid": "{account}", "resourceUuid": "{stopped_root}"},
    ("RenewSession", InvalidSession): {
        "_first": [EXPIRE],
        "sessionUuid": "{tenant_session}",
    },
    ("RenewSession", PermissionDenied): {"_as": "user", "sessionUuid": "{tenant_session}"},
    ("RenewSession", OperationError): {
        "_first": [FIX],
        "sessionUuid": "{session}",
    },
    ("AddSimulatorHost", InvalidArgument): {
        "name": "h",
        "managementIp": "10.0.0.1",
        "clusterUuid": "{cluster}",
    },
    ("AddKVMHost", InvalidArgument): KVM | {"managementIp": "10.0.0.9", "clusterUuid": "{cluster}"},
    ("UpdateHost", InvalidArgument): {"uuid": "{host}", "managementIp": "10.0.0.2"},
    ("AddImage", QuotaExceeded): {
        "_as": "tenant",
        "name": "i",
        "url": "http://x/i",
        "format": "qcow2",
        "backupStorageUuids": [BACKUP_STORAGE],
    },
    ("AddImage", ResourceNotFound): {
        "name": "i",
        "url": "http://x/i",
        "format": "qcow2",
        "backupStorageUuids": [NOBODY],
    },
    ("ExpungeImage", OperationError): {"uuid": "{image}"},
    ("UpdateGlobalConfig", ResourceNotFound): {"category": "identity", "name": "nonsense", "value": "1"},
    ("UpdateGlobalConfig", InvalidArgument): {
        "category": "identity",
        "name": "session.timeout",
        "value": "0",
    },
    ("ZQLQuery", ResourceNotFound): {"zql": "query zonne"},
    ("AttachL2NetworkToCluster", InvalidArgument): {"l2NetworkUuid": "{l2}", "clusterUuid": "{cluster}"},
    ("AttachL2NetworkToCluster", OperationError): {"l2NetworkUuid": "{same}", "clusterUuid": "{cluster}"},
    ("AddIpRange", InvalidArgument): {
        "l3NetworkUuid": "{l3}",
        "name": "r",
        "startIp": "10.0.0.9",
        "endIp": "10.0.0.2",
        "netmask": "255.255.255.0",
        "gateway": "10.0.0.1",
    },
    ("AddIpRangeByNetworkCidr", InvalidArgument): {
        "l3NetworkUuid": "{l3}",
        "name": "r",
        "networkCidr": "10.0.0.0/31",
    },
    ("AddDnsToL3Network", InvalidArgument): {"l3NetworkUuid": "{l3}", "dns": "10.9.9.9"},
    ("DeleteIpRange", OperationError): {"uuid": "{range}"},
    ("GetIpAddressCapacity", InvalidArgument): {},
    ("GetFreeIp", InvalidArgument): {"l3NetworkUuid": "{l3}", "start": "x"},
    ("CheckIpAvailability", InvalidArgument): {"l3NetworkUuid": "{l3}", "ip": "x"},
    ("CreateVip", InvalidArgument): {"name": "v", "l3NetworkUuid": "{l3}", "requiredIp": "1.2.3.4"},
    ("CreateVip", OperationError): {"name": "v", "l3NetworkUuid": "{unranged}"},
    ("CreateVip", QuotaExceeded): tenant(name="v", l3NetworkUuid="{l3}"),
    ("CreateEip", InvalidArgument): {"name": "e", "vipUuid": "{vip}"},
    ("AttachEip", InvalidArgument): {"eipUuid": "{eip}", "vmNicUuid": "{running_nic}"},
    ("AttachEip", OperationError): {"eipUuid": "{closed_eip}", "vmNicUuid": "{running_nic}"},
    ("CreateEip", OperationError): {"name": "e", "vipUuid": "{closed_vip}"},
    ("CreateEip", QuotaExceeded): tenant(name="e", vipUuid="{t_vip}"),
    ("AttachL3NetworkToVm", InvalidArgument): {"vmInstanceUuid": "{running}", "l3NetworkUuid": "{l3}"},
    ("AttachL3NetworkToVm", OperationError): {"vmInstanceUuid": "{running}", "l3NetworkUuid": "{unattached}"},
    ("AttachL3NetworkToVm", VmStateRefused): {"vmInstanceUuid": "{destroyed}", "l3NetworkUuid": "{unranged}"},
    ("DetachL3NetworkFromVm", VmStateRefused): {"vmNicUuid": "{destroyed_nic}"},
    ("GetVmConsoleAddress", OperationError): {"uuid": "{stopped}"},
    ("CreateVmInstance", InvalidArgument): VM | {"l3NetworkUuids": ["{l3}", "{l3}"]},
    ("CreateVmInstance", OperationError): VM | {"dataDiskOfferingUuids": ["{closed}"]},
    ("CreateVmInstance", QuotaExceeded): tenant(**VM),
    ("StartVmInstance", QuotaExceeded): tenant(uuid="{t_stopped}"),
    ("RecoverVmInstance", QuotaExceeded): tenant(uuid="{t_destroyed}"),
    ("RecoverVmInstance", VmStateRefused): {"uuid": "{running}"},
    ("PauseVmInstance", VmStateRefused): {"uuid": "{stopped}"},
    ("ResumeVmInstance", VmStateRefused): {"uuid": "{stopped}"},
    ("ExpungeVmInstance", VmStateRefused): {"uuid": "{running}"},
    ("CreateInstanceOffering", InvalidArgument): {
        "name": "o",
        "cpuNum": 1,
        "memorySize": 1,
        "reservedMemorySize": 2,
    },
    ("UpdateVmInstance", InvalidArgument): {"uuid": "{running}", "defaultL3NetworkUuid": "{unranged}"},
    ("UpdateVmInstance", OperationError): {"uuid": "{running}", "memorySize": 2**50},
    ("UpdateVmInstance", VmStateRefused): {"uuid": "{destroyed}", "cpuNum": 2},
    ("UpdateVmInstance", QuotaExceeded): tenant(uuid="{t_running}", cpuNum=2),
    ("ChangeInstanceOffering", VmStateRefused): {
        "vmInstanceUuid": "{running}",
        "instanceOfferingUuid": "{offering}",
    },
    ("ChangeInstanceOffering", OperationError): {
        "vmInstanceUuid": "{stopped}",
        "instanceOfferingUuid": "{closed_size}",
    },
    ("CreateDataVolume", InvalidArgument): {"name": "v"},
    ("CreateDataVolume", OperationError): {"name": "v", "diskOfferingUuid": "{closed}"},
    ("CreateDataVolume", QuotaExceeded): tenant(name="v", diskOfferingUuid="{disk}"),
    ("AttachDataVolumeToVm", OperationError): {"volumeUuid": "{attached}", "vmInstanceUuid": "{running}"},
    ("AttachDataVolumeToVm", VmStateRefused): {"volumeUuid": "{free}", "vmInstanceUuid": "{destroyed}"},
    ("DetachDataVolumeFromVm", InvalidArgument): {"uuid": "{attached}", "vmUuid": "{stopped}"},
    ("DetachDataVolumeFromVm", OperationError): {"uuid": "{running_root}"},
    ("DetachDataVolumeFromVm", VmStateRefused): {"_first": [STUCK], "uuid": "{kept}"},
    ("CreateVolumeSnapshot", OperationError): {"volumeUuid": "{free}", "name": "s"},
    ("CreateVolumeSnapshot", QuotaExceeded): tenant(volumeUuid="{t_stopped_root}", name="s"),
    ("CreateVolumeSnapshot", VmStateRefused): {"volumeUuid": "{destroyed_root}", "name": "s"},
    ("DeleteDataVolume", OperationError): {"uuid": "{attached}"},
    ("RecoverDataVolume", OperationError): {"uuid": "{attached}"},
    ("RecoverDataVolume", QuotaExceeded): tenant(uuid="{t_deleted}"),
    ("ExpungeDataVolume", OperationError): {"uuid": "{attached}"},
    ("RedeliverFailedWebhooks", BadRequest): {"since": "yesterday"},
    ("RedeliverFailedWebhooks", PermissionDenied): tenant(since="2026-01-31 12:00:00", allAccounts=True),
    ("ListWebhookDeliveries", BadRequest): {"since": "yesterday"},
    ("ListWebhookDeliveries", PermissionDenied): tenant(accountUuid=NOBODY),
    ("PollApiJob", JobNotFound): {"uuid": NOBODY},
    ("FollowApiJob", JobNotFound): {"uuid": NOBODY},
    ("CancelApiJob", JobNotFound): {"uuid": NOBODY},
    ("CancelApiJob", JobFinal): {"uuid": "{job}"},
    ("CreateSchedulerJob", InvalidArgument): {"name": "j", "type": "startVm", "targetResourceUuid": "{free}"},
    ("CreateSchedulerTrigger", InvalidArgument): {"name": "t", "schedulerType": "cron"},
    ("AddSchedulerJobToSchedulerTrigger", InvalidArgument): {
        "schedulerJobUuid": "{timed}",
        "schedulerTriggerUuid": "{trigger}",
    },
    ("UpdateSchedulerTrigger", InvalidArgument): {"uuid": "{trigger}", "cron": "0 0 3 * * ?"},
    ("DeleteSchedulerTrigger", InvalidArgument): {"uuid": "{trigger}"},
    ("CreateResourcePrice", InvalidArgument): {"resourceName": "nonsense", "timeUnit": "h", "price": 1},
    ("CalculateAccountSpending", PermissionDenied): tenant(accountUuid="{admin}"),
    ("CalculateAccountSpending", ResourceNotFound): {"accountUuid": NOBODY},
    ("GetQueryMetadata", ResourceNotFound): {"resource": "Nonsense"},
    ("AddSimulatorHost", OperationError): {
        "_first": [FAULT],
        "name": "h",
        "managementIp": "10.0.0.7",
        "clusterUuid": "{cluster}",
    },
    ("AddKVMHost", OperationError): KVM | {"managementIp": "10.0.0.8", "clusterUuid": "{kvm}"},
    ("DeleteVolumeSnapshot", OperationError): {"uuid": "{snapshot}"},
    ("DetachL3NetworkFromVm", OperationError): {"vmNicUuid": "{running_nic}"},
    ("CreateVmInstance", VmStartFailed): VM,
    ("StartVmInstance", VmStartFailed): {"uuid": "{stopped}"},
    ("RebootVmInstance", VmRebootFailed): {"uuid": "{running}"},
    ("StopVmInstance", VmStopFailed): {"uuid": "{running}"},
    ("DestroyVmInstance", VmDestroyFailed): {"uuid": "{running}"},
    ("ReconnectHost", OperationError): {"uuid": "{host}"},
    ("LogInByAccount", AuthenticationFailed): {"_as": "nobody", "accountName": "admin", "password": "wrong"},
    ("LogInByUser", AuthenticationFailed): {
        "_as": "nobody",
        "accountUuid": "{account}",
        "userName": "user",
        "password": "wrong",
    },
    ("LogInByAccount", TooManySessions): {
        "_as": "nobody",
        "_repeat": 21,
        "accountName": "tenant",
        "password": "secret",
    },
    ("LogInByUser", TooManySessions): {
        "_as": "nobody",
        "_repeat": 21,
        "accountUuid": "{account}",
        "userName": "user",
        "password": "secret",
    },
}
"""(API, error) -> parameters by their names on the wire, for calls in this order.

`{name}` is a uuid of the cloud. `_as` names the client, `_first` holds statements that are run before, and
`_repeat` says how often the call is made until it fails.
"""
