"""What the service answers with: resources, and the other objects of answers."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zstack_sdk.record import Record


class AccessKeyInventory(Record):
    """A key of an account or a user. Source: ZStack's access keys, which came after the manual."""

    uuid: str
    """of the resource: 32 hex digits"""
    accountUuid: str
    """the account that it belongs to"""
    userUuid: str
    """whom it acts for; of an account itself the account's uuid"""
    AccessKeyID: str
    """which requests name"""
    state: str
    """`Enabled` or `Disabled`"""
    description: str | None
    """free text"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class AccountInventory(Record):
    """A tenant, and the login of its owner. Source: manual, "Identity > CreateAccount"."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """by which it logs in; no two accounts have the same"""
    description: str | None
    """free text"""
    type: str
    """`SystemAdmin` or `Normal`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class AccountResourceRefInventory(Record):
    """The owner of a resource. Source: manual, "Identity > QueryAccountResourceRef"."""

    id: int
    """ascending"""
    accountUuid: str
    """the account that owns the resource"""
    ownerAccountUuid: str
    """the account that owns the resource"""
    resourceUuid: str
    """the resource"""
    resourceType: str
    """type of the resource, such as VmInstanceVO"""
    permission: int
    """always 2: the owner may do anything"""
    isShared: bool
    """always false: shares are in SharedResource"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class AuditInventory(Record):
    """One mutating call: accepted jobs when they end, sync calls and refusals when they are answered.

    Source: ours.
    """

    id: int
    """ascending"""
    createDate: str
    """when it happened"""
    accountUuid: str | None
    """the account that called"""
    userUuid: str | None
    """the user that called; of an account itself the account's uuid"""
    accessKeyUuid: str | None
    """by which it was called, if not by a session"""
    api: str
    """what was called, such as CreateZone"""
    target: str | None
    """the resource that the call named"""
    jobUuid: str | None
    """the API job, if it was one"""
    requestId: str | None
    """of the answer's header X-Request-ID"""
    remote: str | None
    """the client's address"""
    outcome: str
    """what came of it: succeeded, failed, canceled or refused"""
    errorCode: str | None
    """code of the error, if it did not succeed"""
    changes: dict[str, Any] | None
    """of quotas and limits: the `old` and the `new` value of each, by its name"""


class BackupStorageInventory(Record):
    """Where images are said to be; their data stays where their urls say. Source: ZStack's storage API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    url: str
    """where its data is"""
    type: str
    """its kind, in ZStack's words"""
    state: str
    """`Enabled` or `Disabled`"""
    status: str
    """`Connected`"""
    totalCapacity: int | None
    """bytes, as an administrator has said; nothing here measures storages"""
    availableCapacity: int | None
    """bytes: what is left of the total when all of it is written; without a total unknown"""
    usedCapacity: int
    """bytes that it would take if all were written"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    attachedZoneUuids: list[str]
    """all zones"""


class CheckApiPermissionValue(Record):
    """CheckApiPermissionValue"""

    inventory: dict[str, Any]


class CheckIpAvailabilityValue(Record):
    """Whether an address is free."""

    available: bool
    reason: str | None


class ClusterInventory(Record):
    """Hosts of one kind that share their networks. Source: ZStack's cluster API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    state: str
    """`Enabled` or `Disabled`"""
    hypervisorType: str
    """`KVM` or `Simulator`"""
    zoneUuid: str
    """the zone that it is in"""
    type: str
    """its kind, in ZStack's words"""
    architecture: str | None
    """of the processor, such as x86_64"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ConsoleInventory(Record):
    """What opens a console, once. Source: manual, "Console > RequestConsoleAccess"."""

    scheme: str
    """http or https; a browser opens <scheme>://<hostname>:<port>/?token=<token>"""
    hostname: str
    """of the agent that carries the console"""
    port: int
    """of the agent that carries the console"""
    token: str
    """which opens the console once; ws://<hostname>:<port>/?token=<token> carries it"""
    targetScheme: str
    """`vnc` or `serial`"""
    expiredDate: str
    """until which the token opens it"""


class ConsoleProxyAgentInventory(Record):
    """A process that carries consoles to browsers. Source: manual, "Console > QueryConsoleProxyAgent"."""

    uuid: str
    """of the resource: 32 hex digits"""
    description: str | None
    """free text"""
    managementIp: str
    """where it runs"""
    consoleProxyOverriddenIp: str
    """which clients are told instead; 0.0.0.0: none"""
    consoleProxyPort: int
    """which clients are told"""
    type: str
    """its kind, in ZStack's words"""
    status: str
    """`Connected` or `Connecting` or `Disconnected`"""
    state: str
    """`Enabled` or `Disabled`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class DeliverySummaryInventory(Record):
    """A delivery in a list; GetWebhookDeliveries has its attempts."""

    id: str
    """the webhook-id header"""
    jobUuid: str
    """the API job"""
    accountUuid: str
    """the account that it belongs to"""
    url: str
    """where it goes"""
    receiver: str
    """scheme://host:port"""
    state: str
    """`pending` or `delivered` or `dead` or `gone`"""
    attempts: int
    """of the current round"""
    lastStatus: int | None
    """of the newest attempt"""
    lastError: str | None
    """class of the newest attempt's failure"""
    nextDate: str | None
    """when a pending one is due"""
    createDate: str
    """when it was made"""
    finishDate: str | None
    """when it ended"""


class DiskOfferingInventory(Record):
    """A size of data volume, in bytes. Source: ZStack's configuration API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    diskSize: int
    """bytes"""
    sortKey: int
    """a number that clients may order by"""
    state: str
    """`Enabled` or `Disabled`"""
    type: str
    """its kind, in ZStack's words"""
    allocatorStrategy: str
    """how a place is chosen, in ZStack's words; kept for clients"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class EipInventory(Record):
    """A public address that leads to a NIC. Source: ZStack's EIP API.

    The alias `ip` is the manual's overview.
    """

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    vmNicUuid: str | None
    """the NIC that it leads to"""
    vipUuid: str
    """the VIP whose address it uses"""
    state: str
    """`Enabled` or `Disabled`"""
    vipIp: str
    """the address outside"""
    guestIp: str | None
    """the address of the NIC that it leads to"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class FreeIpInventory(Record):
    """An address that nobody has taken. Source: ZStack's L3 network API."""

    ipRangeUuid: str
    """the range that the address is from"""
    ip: str
    """an IPv4 address"""
    netmask: str
    """of the subnet, such as 255.255.255.0"""
    gateway: str
    """of the subnet"""


class GetAccountQuotaUsageValue(Record):
    """GetAccountQuotaUsageValue"""

    usages: list[QuotaUsageInventory]

    _parts: ClassVar[Mapping[str, str]] = {"usages": "QuotaUsageInventory"}


class GetApiJobInventory(Record):
    """A job with all that its reader may see of it."""

    uuid: str
    accountUuid: str
    userUuid: str
    api: str
    targetUuid: str | None
    state: str
    """`queued` or `running` or `succeeded` or `failed` or `canceled` or `expired`"""
    acceptedAt: str
    startedAt: str | None
    finishedAt: str | None
    deadlineAt: str
    claims: int
    requestId: str | None
    remote: str | None
    webHook: str | None
    accessKeyUuid: str | None
    waitsFor: str | None
    cancelAsked: bool | None
    request: dict[str, Any] | None
    result: dict[str, Any] | None


class GetBackupStorageTypesValue(Record):
    """GetBackupStorageTypesValue"""

    types: list[str]


class GetCandidatePrimaryStoragesForCreatingVmValue(Record):
    """Primary storages for the root volume, and for the volume of each disk offering."""

    rootVolumePrimaryStorages: list[PrimaryStorageInventory]
    dataVolumePrimaryStorages: dict[str, Any]

    _parts: ClassVar[Mapping[str, str]] = {"rootVolumePrimaryStorages": "PrimaryStorageInventory"}


class GetIpAddressCapacityValue(Record):
    """How many addresses there are."""

    totalCapacity: int
    availableCapacity: int
    usedIpAddressNumber: int


class GetPrimaryStorageTypesValue(Record):
    """GetPrimaryStorageTypesValue"""

    types: list[str]


class GetServiceHealthInventory(Record):
    """What an operator looks at first. Ages in seconds."""

    version: str
    database: dict[str, Any]
    redis: dict[str, Any]
    workers: list[Worker]
    queued: int
    heldBack: int
    running: int
    oldestSeconds: float
    webhooksPending: int
    webhooksPaused: int
    sessions: int
    acceptedPerMinute: int
    finishedPerMinute: int
    failedPerMinute: int

    _parts: ClassVar[Mapping[str, str]] = {"workers": "Worker"}


class GetVersionValue(Record):
    """A release."""

    version: str


class GetVmConsoleAddressValue(Record):
    """Where a VM's console is served."""

    hostIp: str
    port: int
    protocol: str


class GetVmStartingCandidateClustersHostsValue(Record):
    """Where a VM can be started."""

    hosts: list[HostInventory]
    clusters: list[ClusterInventory]

    _parts: ClassVar[Mapping[str, str]] = {"hosts": "HostInventory", "clusters": "ClusterInventory"}


class GlobalConfigInventory(Record):
    """A setting of the whole service. Source: ZStack's API of global configurations."""

    uuid: str
    """ours; it follows from category and name"""
    category: str
    """group of settings, such as quota"""
    name: str
    """unique in its category"""
    description: str
    """free text"""
    defaultValue: str
    """of the environment at the last start, or the first quota"""
    value: str
    """what is in force"""


class HostInventory(Record):
    """A machine that runs VMs. Capacities: virtual CPUs and bytes. Source: ZStack's host API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    zoneUuid: str
    """the zone that it is in"""
    clusterUuid: str
    """the cluster that it is in"""
    managementIp: str
    """address at which the driver reaches it"""
    hypervisorType: str
    """`KVM` or `Simulator`"""
    state: str
    """`Enabled` or `Disabled` or `PreMaintenance` or `Maintenance`"""
    status: str
    """`Connecting` or `Connected` or `Disconnected`"""
    totalCpuCapacity: int
    """virtual CPUs that it can give out"""
    availableCpuCapacity: int
    """virtual CPUs that are free"""
    cpuSockets: int
    """processors of the machine"""
    cpuNum: int
    """CPUs of the machine"""
    totalMemoryCapacity: int
    """bytes that it can give out"""
    availableMemoryCapacity: int
    """bytes that are free"""
    architecture: str | None
    """of the processor, such as x86_64"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ImageBackupStorageRefInventory(Record):
    """Where a copy of an image is kept. Source: ZStack's image API."""

    imageUuid: str
    """the image"""
    backupStorageUuid: str
    """the backup storage"""
    installPath: str
    """where its data is"""
    status: str
    """of the copy: Ready, or Deleted"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ImageInventory(Record):
    """What a volume starts from. Sizes in bytes. Source: ZStack's image API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    state: str
    """`Enabled` or `Disabled`"""
    status: str
    """`Creating` or `Downloading` or `Ready` or `Error` or `Deleted` or `Migrating`"""
    size: int
    """bytes"""
    actualSize: int
    """bytes on the storage"""
    md5Sum: str | None
    """of its data, if it is known"""
    url: str
    """where its data is"""
    mediaType: str
    """`RootVolumeTemplate` or `DataVolumeTemplate` or `ISO`"""
    guestOsType: str | None
    """free text, such as CentOS"""
    type: str
    """its kind, in ZStack's words"""
    platform: str
    """of the guest, such as Linux"""
    format: str
    """of the disk's file, such as qcow2"""
    system: bool
    """kept for clients; it has no effect"""
    architecture: str | None
    """of the processor, such as x86_64"""
    virtio: bool
    """always true"""
    exportUrl: str | None
    """always absent: nothing is exported"""
    exportMd5Sum: str | None
    """always absent: nothing is exported"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    backupStorageRefs: list[ImageBackupStorageRefInventory]
    """its copies"""

    _parts: ClassVar[Mapping[str, str]] = {"backupStorageRefs": "ImageBackupStorageRefInventory"}


class InstanceOfferingInventory(Record):
    """A size of VM. Memory in bytes. Source: ZStack's configuration API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    cpuNum: int
    """virtual CPUs"""
    cpuSpeed: int
    """MHz; kept for clients"""
    memorySize: int
    """bytes"""
    reservedMemorySize: int
    """bytes; kept for clients"""
    type: str
    """its kind, in ZStack's words"""
    allocatorStrategy: str
    """how a place is chosen, in ZStack's words; kept for clients"""
    sortKey: int
    """a number that clients may order by"""
    state: str
    """`Enabled` or `Disabled`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class IpRangeInventory(Record):
    """Addresses that an L3 network gives out. Source: ZStack's L3 network API."""

    uuid: str
    """of the resource: 32 hex digits"""
    l3NetworkUuid: str
    """the L3 network that it belongs to"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    startIp: str
    """the first address"""
    endIp: str
    """the last address"""
    netmask: str
    """of the subnet, such as 255.255.255.0"""
    gateway: str
    """of the subnet"""
    networkCidr: str
    """the subnet, such as 192.168.0.0/24"""
    ipRangeType: str
    """always Normal"""
    ipVersion: int
    """4, which is all there is"""
    prefixLen: int
    """bits of the subnet's prefix"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class JobSummary(Record):
    """A job in a list."""

    uuid: str
    accountUuid: str
    userUuid: str
    api: str
    targetUuid: str | None
    state: str
    """`queued` or `running` or `succeeded` or `failed` or `canceled` or `expired`"""
    acceptedAt: str
    startedAt: str | None
    finishedAt: str | None


class L2NetworkInventory(Record):
    """A broadcast domain of a zone. Source: ZStack's L2 network API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    zoneUuid: str
    """the zone that it is in"""
    physicalInterface: str
    """of the hosts, such as eth0"""
    type: str
    """`L2NoVlanNetwork` or `L2VlanNetwork`"""
    vSwitchType: str
    """always LinuxBridge"""
    virtualNetworkId: int
    """the VLAN's number; 0 without one"""
    isolated: bool
    """always false"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    attachedClusterUuids: list[str]
    """clusters whose hosts have the network"""


class L2VlanNetworkInventory(Record):
    """A broadcast domain with a VLAN number. Source: ZStack's L2 network API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    zoneUuid: str
    """the zone that it is in"""
    physicalInterface: str
    """of the hosts, such as eth0"""
    type: str
    """`L2VlanNetwork`"""
    vlan: int
    """number of the VLAN, 1 to 4094"""
    vSwitchType: str
    """always LinuxBridge"""
    virtualNetworkId: int
    """the VLAN's number; 0 without one"""
    isolated: bool
    """always false"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    attachedClusterUuids: list[str]
    """clusters whose hosts have the network"""


class L3NetworkInventory(Record):
    """A subnet on an L2 network. Source: ZStack's L3 network API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    type: str
    """its kind, in ZStack's words"""
    zoneUuid: str
    """the zone that it is in"""
    l2NetworkUuid: str
    """the L2 network that it is on"""
    state: str
    """`Enabled` or `Disabled`"""
    dnsDomain: str | None
    """domain of the guests' names"""
    system: bool
    """kept for clients; it has no effect"""
    category: str
    """`Public` or `Private` or `System`"""
    ipVersion: int
    """4, which is all there is"""
    enableIPAM: bool
    """always true: the service gives out the addresses"""
    isolated: bool
    """always false"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    dns: list[str]
    """addresses of name servers"""
    ipRanges: list[IpRangeInventory]
    """the addresses that it gives out"""
    hostRoute: list[Any]
    """always empty"""
    networkServices: list[Any]
    """always empty"""
    reservedIpRanges: list[Any]
    """always empty"""

    _parts: ClassVar[Mapping[str, str]] = {"ipRanges": "IpRangeInventory"}


class LdapBindingInventory(Record):
    """An entry that logs in to an account. Source: manual, "AD/LDAP > CreateLdapBinding"."""

    uuid: str
    """of the resource: 32 hex digits"""
    ldapUid: str
    """distinguished name of the entry"""
    ldapServerUuid: str
    """the directory"""
    accountUuid: str
    """the account that the entry logs in to"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class LdapServerInventory(Record):
    """The directory; its bind password is never shown. Source: manual, "AD/LDAP > AddLdapServer"."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    url: str
    """address, such as ldaps://ldap.example.org:636"""
    base: str
    """distinguished name below which entries are looked for"""
    username: str
    """distinguished name that the service binds as"""
    encryption: str
    """`None` or `TLS`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ListApiJobsValue(Record):
    """A page of jobs, and the path of the next one if there may be more."""

    inventories: list[JobSummary]
    next: str | None

    _parts: ClassVar[Mapping[str, str]] = {"inventories": "JobSummary"}


class LogInByLdapValue(Record):
    """The session, and the account that it is of."""

    inventory: SessionInventory
    accountInventory: AccountInventory

    _parts: ClassVar[Mapping[str, str]] = {"inventory": "SessionInventory", "accountInventory": "AccountInventory"}


class LongJobInventory(Record):
    """An API job under a name. Source: ZStack's API of long jobs."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    apiId: str
    """uuid of the API job"""
    jobName: str
    """message class of the API, `APIAddImageMsg`"""
    jobData: str
    """the API's parameters as JSON text, without secrets"""
    jobResult: str | None
    """the answer as JSON text, once it has ended"""
    state: str
    """`Waiting` or `Running` or `Canceling` or `Succeeded` or `Failed` or `Canceled`"""
    targetResourceUuid: str | None
    """the resource that is acted on"""
    executeTime: int | None
    """seconds that it has run"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ManagementNodeInventory(Record):
    """One process that answers calls, and gave a sign of life lately. Source: ZStack's management API."""

    uuid: str
    """new at each start of the process"""
    hostName: str
    """address of the machine"""
    joinDate: str
    """when the process started"""
    heartBeat: str
    """its newest sign of life"""


class NewAccessKeyInventory(Record):
    """A key as its creation shows it, once, with its secret."""

    uuid: str
    """of the resource: 32 hex digits"""
    accountUuid: str
    """the account that it belongs to"""
    userUuid: str
    """whom it acts for; of an account itself the account's uuid"""
    AccessKeyID: str
    """which requests name"""
    AccessKeySecret: str
    """which signs; kept sealed, and never shown again"""
    state: str
    """`Enabled` or `Disabled`"""
    description: str | None
    """free text"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class OlderSecretInventory(Record):
    """A secret that was replaced and signs along until `end_date`."""

    uuid: str
    """of the resource: 32 hex digits"""
    createDate: str
    """when it was made"""
    endDate: str
    """until which it signs along"""


class OpenSessionInventory(Record):
    """A live session as its account sees it. Source: ours."""

    id: str
    """by which the session can be ended; it opens nothing"""
    userUuid: str
    """the user; of an account itself the account's uuid"""
    name: str | None
    """of the user"""
    origin: str
    """which login opened it"""
    expiredDate: str
    """until which it is valid"""
    createDate: str
    """when it was made"""


class PolicyExplanationInventory(Record):
    """Whether a user who has only this policy may call an API, and why."""

    apiName: str
    """of the API, `CreateZone`"""
    decision: str
    """`Allow` or `Deny`"""
    decidedBy: str
    """`statement` or `nothing` or `api`"""
    statement: int | None
    """place in `statements` of the one that decides, from 0"""
    action: str | None
    """the rule of it that fits"""


class PolicyInventory(Record):
    """A policy; it never changes after its creation. Source: manual, "Identity > CreatePolicy"."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    accountUuid: str
    """the account that it belongs to"""
    statements: list[StatementInventory]
    """what is allowed and denied"""

    _parts: ClassVar[Mapping[str, str]] = {"statements": "StatementInventory"}


class PreviewSchedulerTriggerValue(Record):
    """PreviewSchedulerTriggerValue"""

    dates: list[str]


class PriceInventory(Record):
    """What a unit of a resource costs from a moment on. Source: manual, "CreateResourcePrice"."""

    uuid: str
    """of the resource: 32 hex digits"""
    resourceName: str
    """what it is for, such as cpu or memory"""
    resourceUnit: str | None
    """of sizes, such as GB; absent for pieces"""
    timeUnit: str
    """what the price is per, such as h"""
    price: float
    """of one unit for one time unit"""
    dateInLong: int
    """milliseconds since 1970 from which it holds"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class PrimaryStorageInventory(Record):
    """Where volumes are: a directory on each host, in every zone. Source: ZStack's storage API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    url: str
    """where its data is"""
    type: str
    """its kind, in ZStack's words"""
    state: str
    """`Enabled` or `Disabled`"""
    status: str
    """`Connected`"""
    mountPath: str
    """the directory on each host"""
    totalCapacity: int | None
    """bytes, as an administrator has said; nothing here measures storages"""
    availableCapacity: int | None
    """bytes: what is left of the total when all of it is written; without a total unknown"""
    usedCapacity: int
    """bytes that it would take if all were written"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    attachedClusterUuids: list[str]
    """all clusters"""


class QuotaInventory(Record):
    """The limit of one account for one kind of resource, in that kind's unit.

    Source: manual, "Identity > UpdateQuota".
    """

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what is limited, such as vm.num"""
    identityUuid: str
    """the account"""
    identityType: str
    """always AccountVO"""
    value: int
    """the limit: pieces, or bytes where the name ends in Size"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class QuotaUsageInventory(Record):
    """Limit and use of one quota. Source: manual, "Identity > GetAccountQuotaUsage"."""

    name: str
    """what is limited, such as vm.num"""
    total: int
    """the limit, in the unit of the name"""
    used: int
    """what is in use, in the unit of the name"""


class ReceiverInventory(Record):
    """Where an account's webhooks go. `breaker` is open while failures in a row hold the deliveries back."""

    accountUuid: str
    """the account that it belongs to"""
    receiver: str
    """scheme://host:port"""
    breaker: str
    """`open` or `closed`"""
    failures: int
    """in a row"""
    openDate: str | None
    """when the breaker opened"""
    probeDate: str | None
    """when the receiver is tried again at the latest"""
    pending: int
    """deliveries that are not done"""
    delivered: int
    """deliveries that arrived"""
    failed: int
    """given up, or refused with 410"""
    lastDate: str
    """when the newest delivery was made"""


class ReconnectConsoleProxyAgentValue(Record):
    """ReconnectConsoleProxyAgentValue"""

    inventory: dict[str, Any]


class RedeliverFailedWebhooksValue(Record):
    """What is sent again."""

    redelivered: int
    more: bool


class ResourceNameInventory(Record):
    """Uuid, name and type of a resource. Source: manual, "Identity > GetResourceNames"."""

    uuid: str
    """of the resource: 32 hex digits"""
    resourceName: str | None
    """what its owner calls it"""
    resourceType: str
    """type of the resource, such as VmInstanceVO"""


class RoleInventory(Record):
    """A named set of statements. Source: ZStack's API of roles.

    The link `user` leads to those to whom the role was attached themselves.
    """

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    accountUuid: str
    """the owner"""
    type: str
    """`Customized`"""
    state: str
    """`Enabled` or `Disabled`"""
    statements: list[RoleStatementInventory]
    """what is allowed and denied"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""

    _parts: ClassVar[Mapping[str, str]] = {"statements": "RoleStatementInventory"}


class RoleStatementInventory(Record):
    """A statement of a role, by its uuid. Source: ZStack's API of roles."""

    uuid: str
    """of the resource: 32 hex digits"""
    statement: StatementInventory
    """what is allowed or denied"""

    _parts: ClassVar[Mapping[str, str]] = {"statement": "StatementInventory"}


class SchedulerExecutionInventory(Record):
    """What became of one due time. Source: ours; later versions of the product have a history too."""

    id: int
    """ascending"""
    schedulerJobUuid: str
    """the scheduler's job"""
    schedulerTriggerUuid: str
    """the trigger"""
    targetResourceUuid: str
    """the resource that is acted on"""
    dueDate: str
    """when it was due"""
    fireDate: str
    """when it was fired"""
    apiJobUuid: str | None
    """the API job; none if it could not be made"""
    state: str
    """`Waiting` or `Running` or `Succeeded` or `Failed` or `Canceled` or `Skipped` or `Missed`"""
    finishDate: str | None
    """when it ended"""
    details: str | None
    """why it did not succeed"""


class SchedulerJobHistoryInventory(Record):
    """A fire whose API job has ended. Source: ZStack's API of the scheduler."""

    id: int
    """ascending"""
    triggerUuid: str
    """the trigger"""
    schedulerJobUuid: str
    """the scheduler's job"""
    jobType: str
    """`startVm` or `stopVm` or `rebootVm` or `volumeSnapshot`"""
    startTime: str
    """when it was fired"""
    executeTime: int
    """milliseconds from the fire to the end"""
    targetResourceUuid: str
    """the resource that is acted on"""
    resultDump: str
    """the answer as JSON text; of older ones the error's details alone"""
    success: bool
    """whether it succeeded"""
    fireInstanceId: str | None
    """uuid of the API job; none if it could not be made"""


class SchedulerJobInventory(Record):
    """What is done to which resource. Source: manual, "CreateSchedulerJob"; type and parameters are ours."""

    uuid: str
    """of the resource: 32 hex digits"""
    targetResourceUuid: str
    """the resource that is acted on"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    type: str
    """`startVm` or `stopVm` or `rebootVm` or `volumeSnapshot`"""
    parameters: dict[str, Any]
    """of what is done, such as the snapshot's name"""
    state: str
    """`Enabled` or `Disabled`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    triggersUuid: list[str]
    """the triggers that fire it"""


class SchedulerJobSchedulerTriggerInventory(Record):
    """A job on a trigger. Source: manual, "AddSchedulerJobToSchedulerTrigger"."""

    uuid: str
    """of the resource: 32 hex digits"""
    schedulerJobUuid: str
    """the scheduler's job"""
    schedulerTriggerUuid: str
    """the trigger"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class SchedulerTriggerInventory(Record):
    """When something is due. Source: manual, "CreateSchedulerTrigger"; `cron` is of later versions."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    schedulerType: str
    """`simple` or `cron`"""
    schedulerInterval: int | None
    """seconds between two due times of a simple one"""
    repeatCount: int | None
    """how often it is due in all; 0 means forever"""
    startTime: str | None
    """the first due time; without it, when the first job was added"""
    stopTime: str | None
    """after which it is not due any more"""
    cron: str | None
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    jobsUuid: list[str]
    """the jobs that it fires"""


class SendTestWebhookValue(Record):
    """What the receiver is sent."""

    test: bool


class SessionInventory(Record):
    """A login.

    `uuid` is the bearer token; only the login and the renewal show it, each to whoever made the call.

    Source: manual, "Identity > LogInByAccount".
    """

    uuid: str
    """the token"""
    accountUuid: str
    """the account that it belongs to"""
    userUuid: str
    """the user; of an account itself the account's uuid"""
    expiredDate: str
    """until which it is valid"""
    createDate: str
    """when it was made"""


class SharedResourceInventory(Record):
    """A share of a resource with an account or with the public.

    Source: manual, "Identity > QuerySharedResource".
    """

    ownerAccountUuid: str
    """the account that owns the resource"""
    receiverAccountUuid: str | None
    """whom it is shared with; none if with everybody"""
    toPublic: bool
    """whether it is shared with everybody"""
    resourceType: str
    """type of the resource, such as VmInstanceVO"""
    resourceUuid: str
    """the resource"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class StatementInventory(Record):
    """One rule list of a policy. Source: manual, "Identity > CreatePolicy"."""

    name: str | None
    """free text"""
    effect: str
    """Allow or Deny; any Deny wins"""
    actions: list[str]
    """permission names: patterns of class names, or regular expressions"""
    principals: list[str] | None
    """as it was sent; it has no effect"""
    resources: list[str] | None
    """as it was sent; it has no effect"""


class SystemTagInventory(Record):
    """A tag that means something to the service or to a tool. Source: ZStack's tag API."""

    uuid: str
    """of the resource: 32 hex digits"""
    resourceUuid: str
    """the resource"""
    resourceType: str
    """type of the resource, such as VmInstanceVO"""
    tag: str
    """the text, such as ldapServerType::OpenLdap"""
    type: str
    """`System`"""
    inherent: bool
    """the service made it and keeps it; none here are"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class TagPatternInventory(Record):
    """A tag to be attached to resources. Source: ZStack's API of tags."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    value: str
    """the text of the attached ones; `withToken`: with {names} to be filled in"""
    description: str | None
    """free text"""
    color: str | None
    """for pages, such as #1E90FF"""
    type: str
    """`simple` or `withToken`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class UsedIpInventory(Record):
    """An address that a NIC or a VIP has taken. Source: ZStack's L3 network API."""

    uuid: str
    """of the NIC or VIP that has taken it"""
    ipRangeUuid: str
    """the range that the address is from"""
    l3NetworkUuid: str
    """the L3 network that it belongs to"""
    ipVersion: int
    """4, which is all there is"""
    ip: str
    """an IPv4 address"""
    netmask: str
    """of the subnet, such as 255.255.255.0"""
    gateway: str
    """of the subnet"""
    usedFor: str | None
    """`Vip`, or nothing for a NIC"""
    ipInLong: int
    """the address as a number"""
    vmNicUuid: str | None
    """the NIC that has taken it, if one has"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class UserGroupInventory(Record):
    """A group of users of one account. Source: manual, "Identity > CreateUserGroup"."""

    uuid: str
    """of the resource: 32 hex digits"""
    accountUuid: str
    """the account that it belongs to"""
    name: str
    """unique in its account"""
    description: str | None
    """free text"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class UserInventory(Record):
    """A user of an account. Source: manual, "Identity > CreateUser"."""

    uuid: str
    """of the resource: 32 hex digits"""
    accountUuid: str
    """the account that it belongs to"""
    name: str
    """by which it logs in; unique in its account"""
    description: str | None
    """free text"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class UserTagInventory(Record):
    """A tag that means something to people. Source: ZStack's tag API."""

    uuid: str
    """of the resource: 32 hex digits"""
    resourceUuid: str
    """the resource"""
    resourceType: str
    """type of the resource, such as VmInstanceVO"""
    tag: str
    """the text"""
    type: str
    """`User`"""
    tagPatternUuid: str | None
    """the tag that was attached, if it was not made alone"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class ValidateSessionValue(Record):
    """ValidateSessionValue"""

    valid: bool


class VipInventory(Record):
    """An address that a network service uses. Source: ZStack's VIP API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    l3NetworkUuid: str
    """the L3 network that it belongs to"""
    ip: str
    """an IPv4 address"""
    state: str
    """`Enabled` or `Disabled`"""
    gateway: str
    """of the subnet"""
    netmask: str
    """of the subnet, such as 255.255.255.0"""
    serviceProvider: str | None
    """kept for clients"""
    peerL3NetworkUuid: str | None
    """the network of the NIC that it leads to"""
    useFor: str | None
    """Eip once it is used; absent before"""
    system: bool
    """always false"""
    prefixLen: int
    """bits of the subnet's prefix"""
    peerL3NetworkUuids: list[str]
    """the network of the NIC that it leads to, as a list"""
    servicesRefs: list[Any]
    """the services that use it"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class VmInstanceInventory(Record):
    """A virtual machine. Memory in bytes. Source: manual, "Overview > API operations"."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    zoneUuid: str | None
    """the zone that it is in"""
    clusterUuid: str | None
    """the cluster that it is in"""
    imageUuid: str | None
    """the image that it was made from"""
    hostUuid: str | None
    """the host that it runs on"""
    lastHostUuid: str | None
    """the host that it ran on last"""
    instanceOfferingUuid: str | None
    """the instance offering that it was made from"""
    rootVolumeUuid: str | None
    """the volume that it starts from"""
    platform: str
    """of the guest, such as Linux"""
    defaultL3NetworkUuid: str | None
    """the network whose gateway it uses"""
    type: str
    """its kind, in ZStack's words"""
    hypervisorType: str | None
    """which driver runs it"""
    memorySize: int
    """bytes"""
    reservedMemorySize: int
    """bytes; kept for clients"""
    cpuNum: int
    """virtual CPUs"""
    cpuSpeed: int
    """MHz; kept for clients"""
    allocatorStrategy: str | None
    """how a place is chosen, in ZStack's words; kept for clients"""
    guestOsType: str | None
    """free text, such as CentOS"""
    architecture: str | None
    """of the processor, such as x86_64"""
    state: str
    """`Created` or `Starting` or `Running` or `Stopping` or `Stopped` or `Rebooting` or `Destroying` or
    `Destroyed` or `Migrating` or `Expunging` or `Pausing` or `Paused` or `Resuming` or
    `VolumeMigrating` or `Unknown`
    """
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
    vmCdRoms: list[Any]
    """always empty"""
    vmNics: list[VmNicInventory]
    """its NICs"""
    allVolumes: list[VolumeInventory]
    """its root volume and the data volumes that are attached"""

    _parts: ClassVar[Mapping[str, str]] = {"vmNics": "VmNicInventory", "allVolumes": "VolumeInventory"}


class VmNicInventory(Record):
    """A NIC of a VM. Source: manual, "Overview > queries across tables"."""

    uuid: str
    """of the resource: 32 hex digits"""
    vmInstanceUuid: str
    """the VM that has it"""
    l3NetworkUuid: str
    """the L3 network that it belongs to"""
    ip: str
    """an IPv4 address"""
    mac: str
    """hardware address"""
    netmask: str
    """of the subnet, such as 255.255.255.0"""
    gateway: str
    """of the subnet"""
    metaData: str | None
    """kept for clients"""
    deviceId: int
    """its place among the VM's NICs, from 0"""
    driverType: str
    """always virtio"""
    ipVersion: int
    """4, which is all there is"""
    state: str
    """always enable"""
    type: str
    """its kind, in ZStack's words"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class VolumeInventory(Record):
    """A disk of a VM, or one that can become one. Sizes in bytes. Source: ZStack's volume API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    primaryStorageUuid: str | None
    """the primary storage that it is on"""
    vmInstanceUuid: str | None
    """the VM that it is attached to"""
    diskOfferingUuid: str | None
    """the disk offering that it was made from"""
    rootImageUuid: str | None
    """the image that it was made from"""
    installPath: str | None
    """where its data is"""
    type: str
    """`Root` or `Data`"""
    format: str | None
    """of the disk's file, such as qcow2"""
    size: int
    """bytes"""
    actualSize: int
    """bytes on the storage"""
    deviceId: int | None
    """its place among the VM's disks; 0 is the root volume"""
    state: str
    """`Enabled` or `Disabled`"""
    status: str
    """`Creating` or `Ready` or `NotInstantiated` or `Deleted` or `Migrating`"""
    isShareable: bool
    """always false"""
    lastAttachDate: str | None
    """when it was attached last"""
    lastDetachDate: str | None
    """when it was detached last"""
    lastVmInstanceUuid: str | None
    """the VM that it was attached to last"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class VolumeSnapshotInventory(Record):
    """The kept content of a volume. Source: ZStack's volume snapshot API."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    type: str
    """its kind, in ZStack's words"""
    volumeUuid: str | None
    """the volume whose content it keeps"""
    treeUuid: str
    """the same for all snapshots that stand on one another"""
    parentUuid: str | None
    """the snapshot that it stands on"""
    primaryStorageUuid: str | None
    """the primary storage that it is on"""
    primaryStorageInstallPath: str | None
    """where its data is"""
    volumeType: str
    """Root or Data"""
    format: str | None
    """of the disk's file, such as qcow2"""
    latest: bool
    """whether it is the volume's newest"""
    size: int
    """bytes"""
    state: str
    """`Enabled` or `Disabled`"""
    status: str
    """`Creating` or `Ready` or `Deleting`"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""


class WebhookAttemptInventory(Record):
    """One attempt: `outcome` is delivered, gone, failed, or unknown if the sender died meanwhile."""

    startDate: str
    """when it began"""
    durationMs: int | None
    """milliseconds until its end"""
    outcome: str
    """delivered, gone, failed, or unknown if the sender died meanwhile"""
    error: str | None
    """class of the failure: timeout, refused, dns, tls, blocked:<rule>, redirect, http-status, ..."""
    status: int | None
    """HTTP status of the reply"""
    address: str | None
    """the address and port that was dialled"""
    reply: str | None
    """its first 4 KiB; none for a body with a secret"""


class WebhookDeliveryInventory(Record):
    """The delivery of one job's result: `state` is pending, delivered, gone (answered with 410) or dead."""

    id: str
    """the webhook-id header"""
    jobUuid: str
    """the API job"""
    url: str
    """where it goes"""
    state: str
    """pending, delivered, gone (answered with 410) or dead (given up)"""
    attempts: int
    """of the current round"""
    nextDate: str | None
    """when a pending one is due; an open breaker may hold it back"""
    createDate: str
    """when it was made"""
    finishDate: str | None
    """when it ended"""
    log: list[WebhookAttemptInventory]
    """the newest 100 attempts of all rounds, the oldest of them first"""

    _parts: ClassVar[Mapping[str, str]] = {"log": "WebhookAttemptInventory"}


class WebhookSecretInventory(Record):
    """The signing secret of an account. `secret` is there only in the one reply that hands it out."""

    uuid: str
    """of the resource: 32 hex digits"""
    secret: str | None
    """the text, in the answer that hands it out"""
    createDate: str
    """when it was made"""
    readDate: str | None
    """when it was handed out"""
    older: list[OlderSecretInventory]
    """those that sign along still"""

    _parts: ClassVar[Mapping[str, str]] = {"older": "OlderSecretInventory"}


class Worker(Record):
    """A worker process with a lease: `host:pid:number`."""

    process: str
    leaseUntil: str
    jobs: int


class ZoneInventory(Record):
    """A data centre: the outermost part of the inventory. Source: manual, "Overview > basic workflow"."""

    uuid: str
    """of the resource: 32 hex digits"""
    name: str
    """what its owner calls it"""
    description: str | None
    """free text"""
    state: str
    """`Enabled` or `Disabled`"""
    type: str
    """its kind, in ZStack's words"""
    isDefault: bool
    """whether clients should offer it first"""
    createDate: str
    """when it was made"""
    lastOpDate: str
    """when it was changed last"""
