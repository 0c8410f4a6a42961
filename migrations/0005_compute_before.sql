-- Compute asks in one statement each.
CREATE OR REPLACE FUNCTION can_use(p_resource text, p_account text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT p_account IS NULL OR EXISTS (
        SELECT FROM resource_owners o WHERE o.resource_uuid = p_resource AND (o.account_uuid = p_account OR EXISTS (
            SELECT FROM resource_shares s
            WHERE s.resource_uuid = p_resource AND (s.to_public OR s.receiver_account_uuid = p_account))))
$$;

CREATE OR REPLACE FUNCTION bridge_of(p_l2 l2_networks) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'br_' || p_l2.physical_interface || coalesce('_' || p_l2.vlan, '')
$$;

CREATE OR REPLACE FUNCTION lock_vm(p_uuid text, p_account text)
RETURNS TABLE (vm vm_instances, account_uuid text, nics vm_nics[], bridges text[], volumes volumes[], host hosts)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM vm_instances v JOIN resource_owners o ON o.resource_uuid = v.uuid
    WHERE v.uuid = p_uuid AND (p_account IS NULL OR o.account_uuid = p_account) FOR NO KEY UPDATE OF v;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT v, o.account_uuid,
        ARRAY(SELECT n FROM vm_nics n WHERE n.vm_instance_uuid = v.uuid ORDER BY n.device_id),
        ARRAY(SELECT bridge_of(l) FROM vm_nics n JOIN l3_networks l3 ON l3.uuid = n.l3_network_uuid
              JOIN l2_networks l ON l.uuid = l3.l2_network_uuid WHERE n.vm_instance_uuid = v.uuid ORDER BY n.device_id),
        ARRAY(SELECT d FROM volumes d WHERE d.vm_instance_uuid = v.uuid ORDER BY d.device_id, d.uuid),
        h
    FROM vm_instances v JOIN resource_owners o ON o.resource_uuid = v.uuid
    LEFT JOIN hosts h ON h.uuid = coalesce(v.host_uuid, v.last_host_uuid)
    WHERE v.uuid = p_uuid AND (p_account IS NULL OR o.account_uuid = p_account);
END $$;

CREATE OR REPLACE FUNCTION fitting_hosts(p_vm text, p_host text, p_cluster text, p_roomy boolean)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT h.uuid FROM vm_instances v CROSS JOIN hosts h
    JOIN clusters c ON c.uuid = h.cluster_uuid AND c.state = 'Enabled'
    JOIN zones z ON z.uuid = h.zone_uuid AND z.state = 'Enabled'
    WHERE v.uuid = p_vm AND h.state = 'Enabled' AND h.status = 'Connected' AND (p_host IS NULL OR h.uuid = p_host)
      AND (p_cluster IS NULL OR h.cluster_uuid = p_cluster) AND (v.zone_uuid IS NULL OR h.zone_uuid = v.zone_uuid)
      AND (v.hypervisor_type IS NULL OR h.hypervisor_type = v.hypervisor_type)
      AND (NOT p_roomy OR (h.available_cpu_capacity >= v.cpu_num AND h.available_memory_capacity >= v.memory_size))
      AND NOT EXISTS (
          SELECT FROM vm_nics n JOIN l3_networks l ON l.uuid = n.l3_network_uuid
          WHERE n.vm_instance_uuid = p_vm AND NOT EXISTS (
              SELECT FROM l2_network_clusters a WHERE a.l2_network_uuid = l.l2_network_uuid AND a.cluster_uuid = h.cluster_uuid))
      AND NOT EXISTS (SELECT FROM stray_domains s WHERE s.vm_uuid = p_vm AND s.host_uuid = h.uuid)
    ORDER BY h.available_memory_capacity DESC, h.uuid
$$;

CREATE OR REPLACE FUNCTION choose_host(p_vm text, p_host text, p_cluster text) RETURNS SETOF hosts LANGUAGE plpgsql AS $$
DECLARE
    v_hosts text[] := ARRAY(SELECT fitting_hosts(p_vm, p_host, p_cluster, true));
    v_vm vm_instances;
    v_host text;
BEGIN
    SELECT * INTO v_vm FROM vm_instances WHERE uuid = p_vm;
    FOREACH v_host IN ARRAY v_hosts LOOP
        RETURN QUERY SELECT * FROM hosts h
        WHERE h.uuid = v_host AND h.state = 'Enabled' AND h.status = 'Connected'
          AND h.available_cpu_capacity >= v_vm.cpu_num AND h.available_memory_capacity >= v_vm.memory_size
        FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
    FOREACH v_host IN ARRAY v_hosts LOOP
        RETURN QUERY SELECT * FROM hosts h
        WHERE h.uuid = v_host AND h.state = 'Enabled' AND h.status = 'Connected'
          AND h.available_cpu_capacity >= v_vm.cpu_num AND h.available_memory_capacity >= v_vm.memory_size
        FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION take_address(p_l3 text, p_wanted bigint DEFAULT NULL)
RETURNS TABLE (range_uuid text, value bigint, netmask text, gateway text) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    v_uuid text;
    v_range ip_ranges;
BEGIN
    FOR v_uuid IN
        SELECT r.uuid FROM ip_ranges r
        WHERE r.l3_network_uuid = p_l3 AND (p_wanted IS NULL OR p_wanted BETWEEN r.start_value AND r.end_value)
        ORDER BY r.create_date, r.uuid
    LOOP
        SELECT r.* INTO v_range FROM ip_ranges r WHERE r.uuid = v_uuid FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND;
        IF p_wanted IS NULL THEN
            value := free_value(p_l3, v_range.next_value, v_range.end_value);
            IF coalesce(value, v_range.end_value) + 1 <> v_range.next_value THEN
                UPDATE ip_ranges r SET next_value = coalesce(value, v_range.end_value) + 1 WHERE r.uuid = v_uuid;
            END IF;
        ELSE
            value := (SELECT p_wanted WHERE NOT EXISTS (
                SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = p_wanted));
        END IF;
        IF value IS NOT NULL THEN
            range_uuid := v_uuid;
            netmask := v_range.netmask;
            gateway := v_range.gateway;
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION simulator_faults_for(p_actions text[], p_host text, p_vm text)
RETURNS TABLE (latency_s float8, error text, lost boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM simulator_faults) THEN
        RETURN;
    END IF;
    RETURN QUERY WITH hit AS (
        SELECT f.id FROM simulator_faults f
        WHERE (f.action IS NULL OR f.action = ANY (p_actions)) AND (f.host_uuid IS NULL OR f.host_uuid = p_host)
          AND (f.vm_uuid IS NULL OR f.vm_uuid = p_vm) AND (f.remaining IS NULL OR f.remaining > 0)
    ), used AS (
        UPDATE simulator_faults f SET remaining = f.remaining - 1 FROM hit h WHERE f.id = h.id AND f.remaining > 0
        RETURNING f.id, f.latency_s, f.error, f.lost
    )
    SELECT u.latency_s, u.error, u.lost FROM used u
    UNION ALL
    SELECT f.latency_s, f.error, f.lost FROM simulator_faults f JOIN hit h ON h.id = f.id WHERE f.remaining IS NULL;
END $$;
