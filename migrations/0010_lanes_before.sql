ALTER TABLE api_jobs ADD COLUMN revokes boolean NOT NULL DEFAULT false;
ALTER TABLE api_jobs ADD COLUMN lane text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (CASE WHEN revokes THEN '!' || account_uuid ELSE account_uuid END) STORED;
ALTER TABLE api_job_keys ADD COLUMN submitter text COLLATE "C";
DROP INDEX api_jobs_runnable_idx;
CREATE INDEX api_jobs_runnable_idx ON api_jobs (outside, lane, seq)
    WHERE state = 'queued' AND waits_for IS NULL AND claims = 0;

CREATE FUNCTION own_keys(p_keys text, p_account text, p_admin boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_admin THEN p_keys ELSE (
        SELECT string_agg(key, ' ') FROM string_to_table(p_keys, ' ') AS key
        WHERE ltrim(key, '~') = p_account OR NOT EXISTS (
            SELECT FROM resources r LEFT JOIN resource_owners o ON o.resource_uuid = r.uuid
            WHERE r.uuid = ltrim(key, '~') AND o.account_uuid IS DISTINCT FROM p_account)) END
$$;

DROP FUNCTION accept_jobs(text[], text[], text[], boolean[], text[], bytea[], text[], text[], text[], text[], boolean[], boolean[], text[], int[], text[], text[]);
CREATE FUNCTION accept_jobs(
    p_uuids text[], p_accounts text[], p_users text[], p_admins boolean[], p_apis text[], p_fingerprints bytea[],
    p_requests text[], p_secrets text[], p_request_ids text[], p_keys text[], p_outside boolean[], p_schemas boolean[],
    p_hooks text[], p_timeouts_s int[], p_remotes text[], p_targets text[], p_revokes boolean[], p_access_keys text[], p_signatures bytea[],
    p_ends timestamptz[], p_by_uuid boolean[]
) RETURNS TABLE (uuid text, account_uuid text, fingerprint bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_made bigint[];
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
        RETURNING seq
    )
    SELECT array_agg(seq) INTO v_made FROM made;
    IF v_keyed THEN
        INSERT INTO api_job_keys (key, seq, shared, job_uuid, submitter)
        SELECT ltrim(key, '~'), j.seq, bool_and(left(key, 1) = '~'), j.uuid, j.user_uuid
        FROM unnest(p_uuids, p_keys) AS n (uuid, keys) JOIN api_jobs j ON j.uuid = n.uuid AND j.seq = ANY (v_made),
             string_to_table(n.keys, ' ') AS key
        GROUP BY ltrim(key, '~'), j.seq, j.uuid, j.user_uuid;
    END IF;
    IF coalesce(cardinality(v_made), 0) < cardinality(p_uuids) THEN
        RETURN QUERY SELECT j.uuid, j.account_uuid, j.fingerprint FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
        RETURN QUERY SELECT r.uuid, NULL::text, NULL::bytea FROM unnest(v_refused) AS r (uuid)
                     WHERE NOT EXISTS (SELECT FROM api_jobs j WHERE j.uuid = r.uuid);
    END IF;
END $$;

DROP FUNCTION claim_jobs(text, int, int, boolean, text[], int[], int, text[], boolean[], int[], int[], text[]);
CREATE FUNCTION claim_jobs(
    p_owner text, p_inside int, p_outside int, p_suspects boolean, p_after text[], p_rooms int[], p_size int,
    p_lanes text[], p_lane_outside boolean[], p_lane_rooms int[], p_lane_sizes int[], p_unknown text[]
) RETURNS TABLE (uuid text, epoch int, api text, request text, secrets text, account_uuid text, user_uuid text,
                 is_admin boolean, request_id text, outside boolean, with_schema boolean, keyed boolean, claims int,
                 accepted_at timestamptz, lane text, remaining_s float8, more boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_free text[] := '{}';
    v_keyed bigint[] := '{}';
    v_durable boolean := false;
    v_more boolean := false;
    v_held text[];
    v_blockers text[];
    v_outside boolean;
    v_slots int;
    v_lanes text[];
    v_lane text;
    v_wrapped boolean;
    v_limit int;
    v_uuids text[];
    v_seqs bigint[];
BEGIN
    FOREACH v_outside IN ARRAY ARRAY[false, true] LOOP
        v_slots := CASE WHEN v_outside THEN p_outside ELSE p_inside END;
        v_lanes := '{}';
        v_lane := p_after[1 + v_outside::int];
        v_wrapped := false;
        WHILE cardinality(v_lanes) < v_slots LOOP
            SELECT j.lane INTO v_lane FROM api_jobs j
            WHERE j.state = 'queued' AND j.waits_for IS NULL AND j.claims = 0 AND j.outside = v_outside
              AND j.lane > v_lane
            ORDER BY j.lane LIMIT 1;
            IF v_wrapped AND (v_lane IS NULL OR v_lane > p_after[1 + v_outside::int]) THEN
                EXIT;
            ELSIF v_lane IS NULL THEN
                v_wrapped := true;
                v_lane := '';
            ELSIF NOT EXISTS (SELECT FROM unnest(p_lanes, p_lane_outside, p_lane_rooms) AS l (lane, outside, room)
                              WHERE l.lane = v_lane AND l.outside = v_outside AND l.room <= 0) THEN
                v_lanes := v_lanes || v_lane;
            END IF;
        END LOOP;
        v_slots := v_slots / greatest(1, cardinality(v_lanes));
        FOREACH v_lane IN ARRAY v_lanes LOOP
            SELECT least(v_slots, l.room) * l.size INTO v_limit
            FROM unnest(p_lanes, p_lane_outside, p_lane_rooms, p_lane_sizes) AS l (lane, outside, room, size)
            WHERE l.lane = v_lane AND l.outside = v_outside;
            v_limit := coalesce(v_limit, CASE WHEN v_outside THEN least(v_slots, p_rooms[2])
                                              ELSE least(v_slots, p_rooms[1]) * p_size END);
            SELECT array_agg(c.uuid), array_agg(c.seq) FILTER (WHERE c.keyed) INTO v_uuids, v_seqs FROM (
                SELECT j.uuid, j.seq, j.keyed FROM api_jobs j
                WHERE j.state = 'queued' AND j.waits_for IS NULL AND j.claims = 0 AND j.outside = v_outside
                  AND j.lane = v_lane AND NOT j.api = ANY (p_unknown)
                ORDER BY j.seq LIMIT v_limit FOR UPDATE SKIP LOCKED) c;
            v_free := v_free || v_uuids;
            v_keyed := v_keyed || v_seqs;
            v_more := v_more OR coalesce(cardinality(v_uuids) >= v_limit, false);
            v_durable := v_durable OR v_outside AND v_uuids IS NOT NULL;
        END LOOP;
    END LOOP;
    IF p_suspects THEN
        SELECT array_agg(c.uuid), array_agg(c.seq) FILTER (WHERE c.keyed) INTO v_uuids, v_seqs FROM (
            SELECT j.uuid, j.seq, j.keyed FROM api_jobs j
            WHERE j.state = 'queued' AND j.claims > 0 AND j.waits_for IS NULL AND NOT j.api = ANY (p_unknown)
            ORDER BY j.seq LIMIT 1 FOR UPDATE SKIP LOCKED) c;
        v_free := v_free || v_uuids;
        v_keyed := v_keyed || v_seqs;
        v_durable := v_durable OR v_uuids IS NOT NULL;
    END IF;
    IF v_free = '{}' THEN
        RETURN;
    END IF;

    -- A claim that a crash of the database undoes is only made again: what is done under it ends the job in the same
    -- transaction, so it cannot be done twice. Only work outside needs the claim on disk before it begins.
    IF NOT v_durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;

    PERFORM FROM workers w WHERE w.owner = p_owner FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- A held-back job leaves the index of runnable ones until its blocker ends. The blocker's row is locked and looked at
    -- again, so that it cannot end in between; if it is locked or has ended, the job simply stays runnable.
    IF v_keyed <> '{}' THEN
        SELECT array_agg(h.uuid), array_agg(h.blocker) INTO v_held, v_blockers FROM (
            SELECT j.uuid, (
                SELECT before.job_uuid FROM api_job_keys mine
                JOIN api_job_keys before ON before.key = mine.key AND before.seq < mine.seq
                                            AND NOT (before.shared AND mine.shared)
                                            AND NOT (j.revokes AND before.submitter = mine.key)
                WHERE mine.seq = j.seq ORDER BY before.seq DESC LIMIT 1) AS blocker
            FROM api_jobs j WHERE j.seq = ANY (v_keyed)) h
        WHERE h.blocker IS NOT NULL;
    END IF;
    IF v_held IS NOT NULL THEN
        v_free := ARRAY(SELECT unnest(v_free) EXCEPT SELECT unnest(v_held));
        WITH alive AS MATERIALIZED (
            SELECT j.uuid FROM api_jobs j WHERE j.uuid = ANY (v_blockers) AND j.state IN ('queued', 'running')
            FOR UPDATE SKIP LOCKED
        )
        UPDATE api_jobs j SET waits_for = h.blocker
        FROM unnest(v_held, v_blockers) AS h (uuid, blocker) JOIN alive a ON a.uuid = h.blocker
        WHERE j.uuid = h.uuid;
    END IF;

    RETURN QUERY WITH claimed AS (
        UPDATE api_jobs j SET state = 'running', epoch = j.epoch + 1, claims = j.claims + 1, owner = p_owner,
               started_at = coalesce(j.started_at, now())
        WHERE j.uuid = ANY (v_free) RETURNING j.*
    )
    SELECT c.uuid, c.epoch, c.api, c.request, c.secrets, c.account_uuid, c.user_uuid, c.is_admin, c.request_id,
           c.outside, c.with_schema, c.keyed, c.claims, c.accepted_at, c.lane,
           extract(epoch FROM c.deadline_at - now())::float8, v_more
    FROM claimed c ORDER BY c.seq;
END $$;
