"""The shapes of the query language, and the SQL that a person would write for each."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zstack_mgmt.query.parser import Query, parse_parameters

ROW = """v.uuid, v.name, v.description, v.zone_uuid, v.cluster_uuid, v.image_uuid, v.host_uuid,
    v.last_host_uuid, v.instance_offering_uuid, v.root_volume_uuid, v.platform, v.default_l3_network_uuid,
    v.type, v.hypervisor_type, v.memory_size, v.reserved_memory_size, v.cpu_num, v.cpu_speed,
    v.allocator_strategy, v.guest_os_type, v.architecture, v.state, v.create_date, v.last_op_date"""
PAGE = f"SELECT {ROW} FROM {{vms}} WHERE {{where}} ORDER BY {{order}} {{rest}}"
FIELDS = "SELECT v.uuid, v.name FROM {vms} WHERE {where} ORDER BY {order} {rest}"
COUNT = "SELECT count(*) FROM {vms} WHERE {where}"
GROUPS = (
    f"SELECT * FROM (SELECT DISTINCT ON (v.host_uuid) {ROW} FROM {{vms}} WHERE {{where}} "
    "ORDER BY v.host_uuid, v.uuid) v ORDER BY {order} {rest}"
)
GROUP_COUNT = "SELECT count(*) FROM (SELECT DISTINCT v.host_uuid FROM {vms} WHERE {where}) g"
OF_THE_ROWS = tuple(
    f"SELECT * FROM {table} WHERE vm_instance_uuid = ANY ($1::text[]) ORDER BY device_id"
    for table in ("vm_nics", "volumes")
)
"""What a whole row has besides its columns."""


@dataclass(frozen=True)
class Shape:
    """What a client asks for, and the parts of the SQL for the same."""

    parameters: str
    where: str = "true"
    order: str = "v.uuid"
    rest: str = "LIMIT 20"
    sql: str = PAGE

    def query(self) -> Query:
        asked = "" if "limit=" in self.parameters else "&limit=20"
        pairs = [part.partition("=") for part in (self.parameters + asked).split("&")]
        return parse_parameters("VmInstance", [(name, value) for name, _, value in pairs])

    def bare(self, account: str | None) -> str:
        """The statement for the VMs of an account, or for all."""
        vms = "vm_instances v"
        if account is not None:
            vms += (
                " JOIN resource_owners o ON o.resource_uuid = v.uuid AND o.resource_type = 'VmInstanceVO'"
                f" AND o.account_uuid = '{account}'"
            )
        return self.sql.format(vms=vms, where=self.where, order=self.order, rest=self.rest)


NIC = "EXISTS (SELECT FROM vm_nics n WHERE n.vm_instance_uuid = v.uuid AND "
NET = """EXISTS (SELECT FROM vm_nics n JOIN l3_networks l3 ON l3.uuid = n.l3_network_uuid
    JOIN l2_networks l2 ON l2.uuid = l3.l2_network_uuid JOIN zones z ON z.uuid = l2.zone_uuid
    WHERE n.vm_instance_uuid = v.uuid AND """
HOST = "EXISTS (SELECT FROM hosts h WHERE h.uuid = v.host_uuid AND "
HOST_ZONE = """EXISTS (SELECT FROM hosts h JOIN zones z ON z.uuid = h.zone_uuid
    WHERE h.uuid = v.host_uuid AND """
VOLUME = "EXISTS (SELECT FROM volumes r WHERE r.uuid = v.root_volume_uuid AND "
TAG = "EXISTS (SELECT FROM tags t WHERE t.resource_uuid = v.uuid AND t.type = 'User' AND "


def shapes(vms: int) -> dict[str, Shape]:
    """By name; for data of so many VMs."""
    uuid = hashlib.md5(b"vm61", usedforsecurity=False).hexdigest()
    names = [f"vm-{number}" for number in (61, 62, 70, vms // 2, vms - 1)]
    listed = ", ".join(f"'{name}'" for name in names)
    date = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=20 * (vms // 2))
    newest, moment = "v.create_date DESC, v.uuid DESC", f"{date:%Y-%m-%d %H:%M:%S}"
    return {
        "uuid=": Shape(f"q=uuid={uuid}", f"v.uuid = '{uuid}'"),
        "name=": Shape("q=name=vm-61", "lower(v.name) = 'vm-61'"),
        "state=": Shape("q=state=Running", "v.state = 'Running'"),
        "state!=": Shape("q=state!=Running", "v.state <> 'Running'"),
        "state=, of none": Shape("q=state=Paused", "v.state = 'Paused'"),
        "name?=": Shape(f"q=name?={','.join(names)}", f"lower(v.name) IN ({listed})"),
        "name!?=": Shape(f"q=name!?={','.join(names)}", f"lower(v.name) NOT IN ({listed})"),
        "name~=, begins": Shape("q=name~=vm-123%", "lower(v.name) LIKE 'vm-123%'"),
        "name~=, contains": Shape("q=name~=%-1234%", "lower(v.name) LIKE '%-1234%'"),
        "name!~=": Shape("q=name!~=vm-1%", "lower(v.name) NOT LIKE 'vm-1%'"),
        "is null": Shape("q=hostUuid is null", "v.host_uuid IS NULL"),
        "not null": Shape("q=description not null", "v.description IS NOT NULL"),
        "cpuNum>=": Shape("q=cpuNum>=6", "v.cpu_num >= 6"),
        "cpuNum>, of none": Shape("q=cpuNum>7", "v.cpu_num > 7"),
        "cpuNum>= and memorySize<": Shape(
            "q=cpuNum>=6&q=memorySize<4294967296", "v.cpu_num >= 6 AND v.memory_size < 4294967296"
        ),
        "createDate<": Shape(f"q=createDate<{moment}", f"v.create_date < '{moment}'"),
        "hostUuid=": Shape("q=hostUuid=h77", "v.host_uuid = 'h77'"),
        "vmNics.ip=": Shape("q=vmNics.ip=10.0.39.16", f"{NIC} n.ip = '10.0.39.16')"),
        "rootVolume.name=": Shape("q=rootVolume.name=root-of-61", f"{VOLUME} lower(r.name) = 'root-of-61')"),
        "host.name=": Shape("q=host.name=host-77", f"{HOST} lower(h.name) = 'host-77')"),
        "host.zone.name=": Shape("q=host.zone.name=zone-3", f"{HOST_ZONE} lower(z.name) = 'zone-3')"),
        "vmNics.l3Network.l2Network.zone.name=": Shape(
            "q=vmNics.l3Network.l2Network.zone.name=zone-3", f"{NET} lower(z.name) = 'zone-3')"
        ),
        "the same, of no zone": Shape(
            "q=vmNics.l3Network.l2Network.zone.name=zone-x", f"{NET} lower(z.name) = 'zone-x')"
        ),
        "__userTag__=": Shape("q=__userTag__=env::41", f"{TAG} lower(t.tag) = 'env::41')"),
        "__userTag__~=": Shape("q=__userTag__~=env::4%", f"{TAG} lower(t.tag) LIKE 'env::4%')"),
        "__userTag__!=": Shape("q=__userTag__!=env::41", f"NOT {TAG} lower(t.tag) = 'env::41')"),
        "__userTag__ is null": Shape("q=__userTag__ is null", f"NOT {TAG} true)"),
        "sort=name": Shape("sort=name", order="lower(v.name), v.uuid"),
        "sort=-createDate": Shape("sort=-createDate", order=newest),
        "state=, sort=-memorySize": Shape(
            "q=state=Running&sort=-memorySize",
            "v.state = 'Running'",
            order="v.memory_size DESC, v.uuid DESC",
        ),
        "start in the middle": Shape(f"start={vms // 2}", rest=f"LIMIT 20 OFFSET {vms // 2}"),
        "keyset by uuid": Shape(f"q=uuid>{uuid}", f"v.uuid > '{uuid}'"),
        "keyset by createDate": Shape(
            f"q=createDate<={moment}&sort=-createDate&start=1",
            f"v.create_date <= '{moment}'",
            order=newest,
            rest="LIMIT 20 OFFSET 1",
        ),
        "no condition": Shape("start=0"),
        "limit=1000": Shape("limit=1000", rest="LIMIT 1000"),
        "limit=5000": Shape("limit=5000", rest="LIMIT 5000"),
        "fields, limit=1000": Shape("fields=uuid,name&limit=1000", rest="LIMIT 1000", sql=FIELDS),
        "count": Shape("count=true", sql=COUNT),
        "count, state=": Shape("count=true&q=state=Running", "v.state = 'Running'", sql=COUNT),
        "count, host.zone.name=": Shape(
            "count=true&q=host.zone.name=zone-3", f"{HOST_ZONE} lower(z.name) = 'zone-3')", sql=COUNT
        ),
        "replyWithCount, state=": Shape("replyWithCount=true&q=state=Running", "v.state = 'Running'"),
        "groupBy": Shape("groupBy=hostUuid", sql=GROUPS),
        "groupBy, count": Shape("groupBy=hostUuid&count=true", sql=GROUP_COUNT),
    }
