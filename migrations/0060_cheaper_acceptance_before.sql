-- Accepting a job looks up what it names, and nothing else. It had read all resources for each job of a tenant.
CREATE OR REPLACE FUNCTION own_keys(p_keys text, p_account text, p_admin boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_admin THEN p_keys ELSE (
        SELECT string_agg(key, ' ') FROM string_to_table(p_keys, ' ') AS key
        WHERE ltrim(key, '~') = p_account OR coalesce((  -- a value, as PostgreSQL would read all of them for an EXISTS
            SELECT o.account_uuid IS NOT DISTINCT FROM p_account
            FROM resources r LEFT JOIN resource_owners o ON o.resource_uuid = r.uuid
            WHERE r.uuid = ltrim(key, '~')), true)) END
$$;

CREATE OR REPLACE FUNCTION accept_jobs(
    p_uuids text[], p_accounts text[], p_users text[], p_admins boolean[], p_apis text[], p_fingerprints bytea[],
    p_requests text[], p_secrets text[], p_request_ids text[], p_keys text[], p_outside boolean[], p_schemas boolean[],
    p_hooks text[], p_timeouts_s int[], p_remotes text[], p_targets text[], p_revokes boolean[], p_access_keys text[], p_signatures bytea[],
    p_ends timestamptz[], p_by_uuid boolean[]
) RETURNS TABLE (uuid text, account_uuid text, fingerprint bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_made int;
    v_keyed boolean := array_remove(p_keys, NULL) <> '{}';
    v_refused text[] := '{}';
BEGIN
    IF array_remove(p_signatures, NULL) <> '{}' THEN
        v_refused := ARRAY(SELECT n.uuid FROM (
            SELECT s.* FROM unnest(p_uuids, p_signatures, p_remotes, p_ends) AS s (uuid, signature, remote, ends_at)
            WHERE s.signature IS NOT NULL ORDER BY s.signature) n  -- in one order, so that two batches do not wait for each other
            WHERE NOT use_signature(n.signature, n.remote, n.ends_at));
    END IF;
    IF v_keyed THEN
        p_keys := ARRAY(SELECT own_keys(n.keys, n.account, n.is_admin)
                        FROM unnest(p_keys, p_accounts, p_admins) WITH ORDINALITY AS n (keys, account, is_admin, i) ORDER BY n.i);
    END IF;
    IF v_keyed THEN
        PERFORM pg_advisory_xact_lock(7316002, k.hash) FROM (
            SELECT DISTINCT hashtext(ltrim(key, '~')) AS hash
            FROM unnest(p_keys) AS job_keys, string_to_table(job_keys, ' ') AS key ORDER BY 1) k;
    END IF;
    WITH made AS (
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, secrets, request_id,
                              keyed, outside, with_schema, web_hook, deadline_at, remote, target, revokes, access_key_uuid,
                              by_uuid)
        SELECT n.uuid, n.account, n.usr, n.is_admin, n.api, n.fingerprint, n.request, n.secrets, n.request_id,
               n.keys IS NOT NULL, n.outside, n.with_schema, n.hook, now() + make_interval(secs => n.timeout_s), n.remote, n.target,
               n.revokes, n.access_key, n.by_uuid
        FROM unnest(p_uuids, p_accounts, p_users, p_admins, p_apis, p_fingerprints, p_requests, p_secrets,
                    p_request_ids, p_keys, p_outside, p_schemas, p_hooks, p_timeouts_s, p_remotes, p_targets,
                    p_revokes, p_access_keys, p_by_uuid)
             AS n (uuid, account, usr, is_admin, api, fingerprint, request, secrets, request_id, keys, outside,
                   with_schema, hook, timeout_s, remote, target, revokes, access_key, by_uuid)
        WHERE n.uuid <> ALL (v_refused)
        ON CONFLICT DO NOTHING
        RETURNING seq, uuid, user_uuid
    ), named AS (
        INSERT INTO api_job_keys (key, seq, shared, job_uuid, submitter)
        SELECT ltrim(key, '~'), m.seq, bool_and(left(key, 1) = '~'), m.uuid, m.user_uuid
        FROM made m JOIN unnest(p_uuids, p_keys) AS n (uuid, keys) ON n.uuid = m.uuid, string_to_table(n.keys, ' ') AS key
        GROUP BY ltrim(key, '~'), m.seq, m.uuid, m.user_uuid
    )
    SELECT count(*) INTO v_made FROM made;
    IF v_made < cardinality(p_uuids) THEN
        RETURN QUERY SELECT j.uuid, j.account_uuid, j.fingerprint FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
        RETURN QUERY SELECT r.uuid, NULL::text, NULL::bytea FROM unnest(v_refused) AS r (uuid)
                     WHERE NOT EXISTS (SELECT FROM api_jobs j WHERE j.uuid = r.uuid);
    END IF;
END $$;
