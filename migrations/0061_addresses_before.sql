-- Who takes an address waits for nobody else who does.
DROP FUNCTION take_address(text, bigint);
CREATE FUNCTION take_address(p_l3 text, p_wanted bigint DEFAULT NULL, p_range text DEFAULT NULL)
RETURNS TABLE (range_uuid text, value bigint, netmask text, gateway text) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    v_range ip_ranges;
    v_from bigint;
    v_busy bigint;
BEGIN
    FOR range_uuid IN
        SELECT r.uuid FROM ip_ranges r
        WHERE r.l3_network_uuid = p_l3 AND (p_wanted IS NULL OR p_wanted BETWEEN r.start_value AND r.end_value)
          AND (p_range IS NULL OR r.uuid = p_range)
        ORDER BY r.create_date, r.uuid
    LOOP
        SELECT r.* INTO v_range FROM ip_ranges r WHERE r.uuid = range_uuid FOR KEY SHARE;
        CONTINUE WHEN NOT FOUND;
        netmask := v_range.netmask;
        gateway := v_range.gateway;
        IF p_wanted IS NOT NULL THEN
            PERFORM pg_advisory_xact_lock(7316007, hashtext(p_l3 || p_wanted));
            IF NOT EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = p_wanted) THEN
                value := p_wanted;
                RETURN NEXT;
            END IF;
            RETURN;
        END IF;
        v_from := v_range.next_value;
        v_busy := NULL;
        LOOP
            value := free_value(p_l3, v_from, v_range.end_value);
            IF value IS NULL THEN
                EXIT WHEN v_busy IS NULL;
                PERFORM pg_advisory_xact_lock(7316007, hashtext(p_l3 || v_busy));
                v_from := v_busy;
                v_busy := NULL;
            ELSIF NOT pg_try_advisory_xact_lock(7316007, hashtext(p_l3 || value)) THEN
                v_busy := coalesce(v_busy, value);
                v_from := value + 1;
            ELSE  -- who had the lock until now may have taken it
                EXIT WHEN NOT EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = value);
            END IF;
        END LOOP;
        IF coalesce(value, v_range.end_value) - v_range.next_value >= 32 THEN
            SELECT r.next_value INTO v_from FROM ip_ranges r WHERE r.uuid = range_uuid FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN
                UPDATE ip_ranges r SET next_value = coalesce(free_value(p_l3, v_from, v_range.end_value), v_range.end_value + 1)
                WHERE r.uuid = range_uuid;
            END IF;
        END IF;
        IF value IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
END $$;
