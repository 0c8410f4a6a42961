-- What later ZStack keeps of zones, clusters, images and offerings.
ALTER TABLE zones ADD COLUMN is_default boolean NOT NULL DEFAULT false;
ALTER TABLE clusters ADD COLUMN architecture text;
ALTER TABLE images ADD COLUMN architecture text;
ALTER TABLE instance_offerings ADD COLUMN reserved_memory_size bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION fitting_hosts(p_vm text, p_host text, p_cluster text, p_roomy boolean)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT h.uuid FROM vm_instances v CROSS JOIN hosts h
    JOIN clusters c ON c.uuid = h.cluster_uuid AND c.state = 'Enabled'
    JOIN zones z ON z.uuid = h.zone_uuid AND z.state = 'Enabled'
    WHERE v.uuid = p_vm AND h.state = 'Enabled' AND h.status = 'Connected' AND (p_host IS NULL OR h.uuid = p_host)
      AND (p_cluster IS NULL OR h.cluster_uuid = p_cluster) AND (v.zone_uuid IS NULL OR h.zone_uuid = v.zone_uuid)
      AND (v.hypervisor_type IS NULL OR h.hypervisor_type = v.hypervisor_type)
      AND (c.architecture IS NULL OR v.architecture IS NULL OR c.architecture = v.architecture)
      AND (NOT p_roomy OR (h.available_cpu_capacity >= v.cpu_num AND h.available_memory_capacity >= v.memory_size))
      AND NOT EXISTS (
          SELECT FROM vm_nics n JOIN l3_networks l ON l.uuid = n.l3_network_uuid
          WHERE n.vm_instance_uuid = p_vm AND NOT EXISTS (
              SELECT FROM l2_network_clusters a WHERE a.l2_network_uuid = l.l2_network_uuid AND a.cluster_uuid = h.cluster_uuid))
      AND NOT EXISTS (SELECT FROM stray_domains s WHERE s.vm_uuid = p_vm AND s.host_uuid = h.uuid)
    ORDER BY h.available_memory_capacity DESC, h.uuid
$$;
