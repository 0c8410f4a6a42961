ALTER TABLE api_jobs ADD COLUMN changes jsonb;
ALTER TABLE audits ADD COLUMN changes jsonb;

-- As before, but for the line's `changes`.
CREATE OR REPLACE FUNCTION finish_jobs(
    p_from text, p_uuids text[], p_epochs int[], p_states text[], p_results text[], p_retention_s float8
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
    v_keyed bigint[];
    v_hooked boolean;
BEGIN
    WITH ended AS (
        UPDATE api_jobs j SET state = e.state, result = e.result, finished_at = clock_timestamp(), owner = NULL,
               waits_for = NULL, expires_at = now() + make_interval(secs => p_retention_s)
        FROM unnest(p_uuids, p_epochs, p_states, p_results) AS e (uuid, epoch, state, result)
        WHERE j.uuid = e.uuid AND j.epoch = e.epoch AND j.state = p_from
          AND NOT (j.cancel_asked AND NOT j.outside AND e.state = 'succeeded')
        RETURNING j.*
    ), noted AS (
        INSERT INTO audits (account_uuid, user_uuid, access_key_uuid, api, target, job_uuid, request_id, remote, outcome,
                            error_code, changes)
        SELECT j.account_uuid, j.user_uuid, j.access_key_uuid, j.api, j.target, j.uuid, j.request_id, j.remote, j.state,
               CASE WHEN j.state <> 'succeeded' THEN j.result::json -> 'error' ->> 'code' END, j.changes
        FROM ended j
    )
    SELECT count(*), array_agg(j.seq) FILTER (WHERE j.keyed), coalesce(bool_or(j.web_hook IS NOT NULL), false)
    INTO v_count, v_keyed, v_hooked FROM ended j;
    IF v_count < cardinality(p_uuids) THEN
        RAISE EXCEPTION 'a job is no longer held by this worker' USING ERRCODE = 'ZS001';
    END IF;
    IF v_keyed IS NOT NULL THEN
        DELETE FROM api_job_keys k WHERE k.seq = ANY (v_keyed);
        UPDATE api_jobs j SET waits_for = NULL WHERE j.waits_for = ANY (p_uuids);
    END IF;
    IF v_hooked THEN
        INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body)
        SELECT 'msg_' || j.uuid, j.uuid, j.account_uuid, j.web_hook,
               lower(substring(j.web_hook FROM '^[A-Za-z]+://[^/?#]+')), j.state = 'succeeded', j.result
        FROM api_jobs j WHERE j.uuid = ANY (p_uuids) AND j.web_hook IS NOT NULL
        ON CONFLICT (id) DO NOTHING;
    END IF;
    RETURN v_hooked;
END $$;
