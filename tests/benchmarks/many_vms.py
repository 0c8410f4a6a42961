"""Many VMs of many accounts, each with a NIC and a root volume, made with SQL alone."""

from typing import Any

from zstack_mgmt.core.values import ADMIN_UUID

BIG, SMALL = "big", "account-7"


async def populate(conn: Any, vms: int) -> None:
    """VMs `vm-1`, … on 1,000 hosts of 10 zones; a tenth of them belongs to the account `big`, the others to
    one account for each hundred of them.

    Triggers are off meanwhile; what they would have written is written here. Uuids are in no order, as real
    ones are.
    """
    await conn.execute(
        f"""
        SET session_replication_role = replica;
        INSERT INTO accounts (uuid, name, type, password_hash)
        SELECT name, name, 'Normal', ''
        FROM (SELECT 'account-' || a AS name FROM generate_series(1, {vms // 100}) a UNION SELECT '{BIG}');
        INSERT INTO zones (uuid, name) SELECT 'z' || i, 'zone-' || i FROM generate_series(0, 9) i;
        INSERT INTO clusters (uuid, name, hypervisor_type, zone_uuid)
        SELECT 'c' || i, 'cluster-' || i, 'Simulator', 'z' || i % 10 FROM generate_series(0, 99) i;
        INSERT INTO hosts (uuid, name, zone_uuid, cluster_uuid, management_ip, hypervisor_type, status,
                           total_cpu_capacity, available_cpu_capacity, total_memory_capacity,
                           available_memory_capacity)
        SELECT 'h' || i, 'host-' || i, 'z' || i % 10, 'c' || i % 100, 'h' || i, 'Simulator', 'Connected',
               9999, 9999, 9999, 9999
        FROM generate_series(0, 999) i;
        INSERT INTO l2_networks (uuid, name, zone_uuid, physical_interface, type)
        SELECT 'l2-' || i, 'l2-' || i, 'z' || i, 'eth0', 'L2NoVlanNetwork' FROM generate_series(0, 9) i;
        INSERT INTO l3_networks (uuid, name, zone_uuid, l2_network_uuid)
        SELECT 'l3-' || i, 'l3-' || i, 'z' || i, 'l2-' || i FROM generate_series(0, 9) i;
        INSERT INTO vm_instances (uuid, name, description, zone_uuid, cluster_uuid, host_uuid,
                                  last_host_uuid, root_volume_uuid, platform, hypervisor_type, memory_size,
                                  cpu_num, state, default_l3_network_uuid, create_date)
        SELECT md5('vm' || i), 'vm-' || i, CASE WHEN i % 4 = 0 THEN 'made by the benchmark' END,
               'z' || h % 10, 'c' || h % 100, CASE WHEN i % 3 > 0 THEN 'h' || h END, 'h' || h,
               md5('volume' || i), 'Linux', 'Simulator', (1 + i % 13) * 1073741824::bigint, 1 + i % 7,
               CASE WHEN i % 3 > 0 THEN 'Running' ELSE 'Stopped' END, 'l3-' || h % 10,
               '2026-01-01'::timestamptz - i * interval '20 seconds'
        FROM generate_series(1, {vms}) i, LATERAL (SELECT (i * 7919::bigint >> 3) % 1000 AS h);
        INSERT INTO vm_nics (uuid, vm_instance_uuid, l3_network_uuid, ip, mac, netmask, gateway, device_id)
        SELECT md5('nic' || i), md5('vm' || i), 'l3-' || (i * 7919::bigint >> 3) % 10,
               '10.' || (i >> 16) || '.' || (i >> 8) % 256 || '.' || i % 256, 'fa:' || i, '255.0.0.0',
               '10.0.0.1', 0
        FROM generate_series(1, {vms}) i;
        INSERT INTO volumes (uuid, name, vm_instance_uuid, type, size, device_id, status)
        SELECT md5('volume' || i), 'root-of-' || i, md5('vm' || i), 'Root', 10737418240, 0, 'Ready'
        FROM generate_series(1, {vms}) i;
        INSERT INTO resources (uuid, resource_name, resource_type, base_type)
        SELECT uuid, name, 'L3NetworkVO', 'L3NetworkVO' FROM l3_networks UNION ALL
        SELECT uuid, name, 'VmInstanceVO', 'VmInstanceVO' FROM vm_instances UNION ALL
        SELECT uuid, NULL, 'VmNicVO', 'VmNicVO' FROM vm_nics UNION ALL
        SELECT uuid, name, 'VolumeVO', 'VolumeVO' FROM volumes;
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT md5(kind || i), type,
               CASE WHEN i % 10 = 0 THEN '{BIG}' ELSE 'account-' || 1 + i / 10 % {vms // 100} END
        FROM generate_series(1, {vms}) i, (VALUES ('vm', 'VmInstanceVO'), ('nic', 'VmNicVO'),
                                                  ('volume', 'VolumeVO')) AS k (kind, type);
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'L3NetworkVO', '{ADMIN_UUID}' FROM l3_networks;
        INSERT INTO resource_shares (resource_uuid, resource_type, owner_account_uuid, to_public)
        SELECT uuid, 'L3NetworkVO', '{ADMIN_UUID}', true FROM l3_networks;
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
        SELECT md5('tag' || i), md5('vm' || i), 'VmInstanceVO', 'env::' || i % 1000, 'User'
        FROM generate_series(1, {vms}, 2) i;
        SET session_replication_role = origin;
        """,
        timeout=3600,
    )
    await conn.execute("VACUUM ANALYZE", timeout=3600)
