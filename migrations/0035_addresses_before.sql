-- Taken addresses as clients see them. Either half is found by its own indexes.
CREATE VIEW used_addresses AS
    SELECT n.uuid, u.ip_range_uuid, u.l3_network_uuid, 4 AS ip_version, n.ip, n.netmask, n.gateway, NULL AS used_for,
           u.value AS ip_in_long, n.uuid AS vm_nic_uuid, n.create_date, n.last_op_date, o.account_uuid
    FROM vm_nics n JOIN used_ips u ON u.vm_nic_uuid = n.uuid LEFT JOIN resource_owners o ON o.resource_uuid = n.uuid
    UNION ALL
    SELECT p.uuid, u.ip_range_uuid, u.l3_network_uuid, 4, p.ip, p.netmask, p.gateway, 'Vip', u.value, NULL, p.create_date,
           p.last_op_date, o.account_uuid
    FROM vips p JOIN used_ips u ON u.vip_uuid = p.uuid LEFT JOIN resource_owners o ON o.resource_uuid = p.uuid;
