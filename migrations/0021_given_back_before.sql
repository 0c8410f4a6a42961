CREATE FUNCTION give_back_jobs(
    p_uuids text[], p_epochs int[], p_counted boolean, p_max_claims int, p_lost_result text, p_canceled_result text,
    p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
    v_canceled boolean[];
    v_hooked boolean;
BEGIN
    SELECT array_agg(l.uuid), array_agg(l.epoch), array_agg(l.cancel_asked) INTO v_uuids, v_epochs, v_canceled FROM (
        SELECT j.uuid, j.epoch, j.cancel_asked FROM api_jobs j JOIN unnest(p_uuids, p_epochs) AS h (uuid, epoch)
            ON j.uuid = h.uuid AND j.epoch = h.epoch
        WHERE j.state = 'running' AND (j.cancel_asked OR p_counted AND j.claims >= p_max_claims)
        ORDER BY j.seq FOR UPDATE OF j) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs(
            'running', v_uuids, v_epochs,
            ARRAY(SELECT CASE WHEN c THEN 'canceled' ELSE 'failed' END FROM unnest(v_canceled) AS c),
            ARRAY(SELECT CASE WHEN c THEN p_canceled_result ELSE p_lost_result END FROM unnest(v_canceled) AS c),
            p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
    UPDATE api_jobs j SET state = 'queued', owner = NULL, claims = j.claims - (NOT p_counted)::int,
           started_at = CASE WHEN p_counted OR j.claims > 1 THEN j.started_at END
    FROM unnest(p_uuids, p_epochs) AS h (uuid, epoch)
    WHERE j.uuid = h.uuid AND j.epoch = h.epoch AND j.state = 'running';
END $$;

CREATE OR REPLACE FUNCTION leave_workers(
    p_owners text[], p_died boolean, p_max_claims int, p_lost_result text, p_canceled_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
BEGIN
    DELETE FROM workers w WHERE w.owner = ANY (p_owners);
    SELECT array_agg(j.uuid), array_agg(j.epoch) INTO v_uuids, v_epochs
    FROM api_jobs j WHERE j.state = 'running' AND j.owner = ANY (p_owners);
    RETURN QUERY SELECT * FROM give_back_jobs(v_uuids, v_epochs, p_died, p_max_claims, p_lost_result, p_canceled_result,
                                              p_retention_s);

    -- The attempts under way have no known outcome.
    WITH left_over AS (
        UPDATE webhook_deliveries d SET owner = NULL FROM webhook_receivers r
        WHERE r.owner = ANY (p_owners) AND d.receiver = r.receiver AND d.state = 'pending' AND d.owner = r.owner
        RETURNING d.id, d.epoch, d.claimed_at
    )
    INSERT INTO webhook_attempts (delivery_id, epoch, outcome, error, started_at)
    SELECT l.id, l.epoch, 'unknown', 'sender-lost', l.claimed_at FROM left_over l WHERE p_died
    ON CONFLICT DO NOTHING;
    DELETE FROM webhook_receivers r WHERE r.owner = ANY (p_owners);
END $$;
