-- A start is fewer statements.
CREATE FUNCTION place_vm(p_vm text, p_host text, p_cluster text, p_state text, p_job text)
RETURNS TABLE (vm vm_instances, host hosts) LANGUAGE plpgsql AS $$
BEGIN
    SELECT * INTO host FROM choose_host(p_vm, p_host, p_cluster);
    IF FOUND THEN
        UPDATE vm_instances v SET state = p_state, job_uuid = p_job, last_op_date = now(), host_uuid = host.uuid,
               last_host_uuid = host.uuid, cluster_uuid = host.cluster_uuid, zone_uuid = host.zone_uuid,
               hypervisor_type = host.hypervisor_type
        WHERE v.uuid = p_vm RETURNING v.* INTO vm;
        RETURN NEXT;
    END IF;
END $$;

CREATE FUNCTION pass_vm(p_uuid text, p_job text, p_before text, p_after text)
RETURNS TABLE (passed boolean, vm vm_instances, account_uuid text, nics vm_nics[], bridges text[], volumes volumes[], host hosts)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_passed boolean;
BEGIN
    UPDATE vm_instances SET state = p_after, last_op_date = now()
    WHERE uuid = p_uuid AND job_uuid = p_job AND state = p_before;
    v_passed := FOUND;
    RETURN QUERY SELECT v_passed, l.* FROM lock_vm(p_uuid, NULL) l;
END $$;
