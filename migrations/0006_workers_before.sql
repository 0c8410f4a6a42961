-- Leases belong to worker processes, secrets travel beside the request, and accounts take turns.
CREATE TABLE workers (
    owner        text COLLATE "C" CONSTRAINT workers_pkey PRIMARY KEY,  -- host:pid:number
    lease_until  timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE periodic_tasks (
    name     text COLLATE "C" CONSTRAINT periodic_tasks_pkey PRIMARY KEY,
    next_at  timestamptz NOT NULL
);
ALTER TABLE api_jobs ADD COLUMN secrets text;
ALTER TABLE api_jobs ALTER COLUMN owner TYPE text COLLATE "C";
ALTER TABLE webhook_deliveries ADD COLUMN claimed_at timestamptz;
DROP INDEX api_jobs_runnable_idx;
CREATE INDEX api_jobs_runnable_idx ON api_jobs (outside, account_uuid, seq)
    WHERE state = 'queued' AND waits_for IS NULL AND claims = 0;
CREATE INDEX api_jobs_owner_idx ON api_jobs (owner) WHERE state = 'running';
CREATE INDEX api_jobs_queued_idx ON api_jobs (deadline_at) WHERE state = 'queued';

CREATE OR REPLACE FUNCTION accept_jobs(
    p_uuids text[], p_accounts text[], p_users text[], p_admins boolean[], p_apis text[], p_fingerprints bytea[],
    p_requests text[], p_secrets text[], p_request_ids text[], p_keys text[], p_outside boolean[], p_schemas boolean[],
    p_hooks text[], p_timeouts_s int[], p_remotes text[], p_targets text[]
) RETURNS TABLE (uuid text, account_uuid text, fingerprint bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_made bigint[];
    v_keyed boolean := array_remove(p_keys, NULL) <> '{}';
BEGIN
    IF v_keyed THEN
        PERFORM pg_advisory_xact_lock(7316002, k.hash) FROM (
            SELECT DISTINCT hashtext(ltrim(key, '~')) AS hash
            FROM unnest(p_keys) AS job_keys, string_to_table(job_keys, ' ') AS key ORDER BY 1) k;
    END IF;
    WITH made AS (
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, secrets, request_id,
                              keyed, outside, with_schema, web_hook, deadline_at, remote, target)
        SELECT n.uuid, n.account, n.usr, n.is_admin, n.api, n.fingerprint, n.request, n.secrets, n.request_id,
               n.keys IS NOT NULL, n.outside, n.with_schema, n.hook, now() + make_interval(secs => n.timeout_s), n.remote, n.target
        FROM unnest(p_uuids, p_accounts, p_users, p_admins, p_apis, p_fingerprints, p_requests, p_secrets,
                    p_request_ids, p_keys, p_outside, p_schemas, p_hooks, p_timeouts_s, p_remotes, p_targets)
             AS n (uuid, account, usr, is_admin, api, fingerprint, request, secrets, request_id, keys, outside,
                   with_schema, hook, timeout_s, remote, target)
        ON CONFLICT DO NOTHING
        RETURNING seq
    )
    SELECT array_agg(seq) INTO v_made FROM made;
    IF v_keyed THEN
        INSERT INTO api_job_keys (key, seq, shared, job_uuid)
        SELECT ltrim(key, '~'), j.seq, bool_and(left(key, 1) = '~'), j.uuid
        FROM unnest(p_uuids, p_keys) AS n (uuid, keys) JOIN api_jobs j ON j.uuid = n.uuid AND j.seq = ANY (v_made),
             string_to_table(n.keys, ' ') AS key
        GROUP BY ltrim(key, '~'), j.seq, j.uuid;
    END IF;
    IF coalesce(cardinality(v_made), 0) < cardinality(p_uuids) THEN
        RETURN QUERY SELECT j.uuid, j.account_uuid, j.fingerprint FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION claim_jobs(
    p_owner text, p_inside int, p_outside int, p_suspects boolean, p_after text[], p_rooms int[], p_size int,
    p_lanes text[], p_lane_outside boolean[], p_lane_rooms int[], p_lane_sizes int[], p_unknown text[]
) RETURNS TABLE (uuid text, epoch int, api text, request text, secrets text, account_uuid text, user_uuid text,
                 is_admin boolean, request_id text, outside boolean, with_schema boolean, keyed boolean, claims int,
                 accepted_at timestamptz, remaining_s float8, more boolean) LANGUAGE plpgsql AS $$
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
            SELECT j.account_uuid INTO v_lane FROM api_jobs j
            WHERE j.state = 'queued' AND j.waits_for IS NULL AND j.claims = 0 AND j.outside = v_outside
              AND j.account_uuid > v_lane
            ORDER BY j.account_uuid LIMIT 1;
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
                  AND j.account_uuid = v_lane AND NOT j.api = ANY (p_unknown)
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
           c.outside, c.with_schema, c.keyed, c.claims, c.accepted_at,
           extract(epoch FROM c.deadline_at - now())::float8, v_more
    FROM claimed c ORDER BY c.seq;
END $$;

-- What the function below writes, which the older release calls too.
ALTER TABLE api_jobs ADD COLUMN access_key_uuid text COLLATE "C";
ALTER TABLE audits ADD COLUMN access_key_uuid text COLLATE "C";

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
                            error_code)
        SELECT j.account_uuid, j.user_uuid, j.access_key_uuid, j.api, j.target, j.uuid, j.request_id, j.remote, j.state,
               CASE WHEN j.state <> 'succeeded' THEN j.result::json -> 'error' ->> 'code' END
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

CREATE OR REPLACE FUNCTION leave_workers(
    p_owners text[], p_died boolean, p_max_claims int, p_lost_result text, p_canceled_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
    v_canceled boolean[];
    v_hooked boolean;
BEGIN
    DELETE FROM workers w WHERE w.owner = ANY (p_owners);
    SELECT array_agg(l.uuid), array_agg(l.epoch), array_agg(l.cancel_asked) INTO v_uuids, v_epochs, v_canceled FROM (
        SELECT j.uuid, j.epoch, j.cancel_asked FROM api_jobs j
        WHERE j.state = 'running' AND j.owner = ANY (p_owners)
          AND (j.cancel_asked OR p_died AND j.claims >= p_max_claims)
        ORDER BY j.seq FOR UPDATE) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs(
            'running', v_uuids, v_epochs,
            ARRAY(SELECT CASE WHEN c THEN 'canceled' ELSE 'failed' END FROM unnest(v_canceled) AS c),
            ARRAY(SELECT CASE WHEN c THEN p_canceled_result ELSE p_lost_result END FROM unnest(v_canceled) AS c),
            p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
    UPDATE api_jobs j SET state = 'queued', owner = NULL, claims = j.claims - (NOT p_died)::int
    WHERE j.state = 'running' AND j.owner = ANY (p_owners);

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

CREATE OR REPLACE FUNCTION sweep_jobs(
    p_limit int, p_max_claims int, p_lost_result text, p_canceled_result text, p_late_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_dead text[];
    v_uuids text[];
    v_epochs int[];
    v_hooked boolean;
BEGIN
    v_dead := ARRAY(SELECT w.owner FROM workers w WHERE w.lease_until < now() FOR UPDATE SKIP LOCKED);
    IF v_dead <> '{}' THEN
        RETURN QUERY SELECT * FROM leave_workers(v_dead, true, p_max_claims, p_lost_result, p_canceled_result,
                                                 p_retention_s);
    END IF;
    SELECT array_agg(l.uuid), array_agg(l.epoch) INTO v_uuids, v_epochs FROM (
        SELECT j.uuid, j.epoch FROM api_jobs j WHERE j.state = 'queued' AND j.deadline_at < now()
        ORDER BY j.deadline_at LIMIT p_limit FOR UPDATE SKIP LOCKED) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs('queued', v_uuids, v_epochs, array_fill('failed'::text, ARRAY[cardinality(v_uuids)]),
                                array_fill(p_late_result, ARRAY[cardinality(v_uuids)]), p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION expire_jobs(p_tombstone_s float8, p_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
    v_more int;
BEGIN
    UPDATE api_jobs j SET state = 'expired', result = NULL, request = NULL, secrets = NULL,
           expires_at = now() + make_interval(secs => p_tombstone_s)
    WHERE j.uuid IN (SELECT d.uuid FROM api_jobs d WHERE d.expires_at < now() AND d.state <> 'expired'
                     LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    DELETE FROM api_jobs j
    WHERE j.uuid IN (SELECT d.uuid FROM api_jobs d WHERE d.expires_at < now() AND d.state = 'expired'
                     LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    UPDATE api_jobs j SET waits_for = NULL
    WHERE j.waits_for IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM api_jobs b WHERE b.uuid = j.waits_for AND b.state IN ('queued', 'running'));
    RETURN v_count + v_more;
END $$;

-- For the release before, until 0007. It leases each job and receiver by itself. It runs only the jobs that it accepted,
-- which it knows by their lease: it would not find the secrets of others. It takes back none that a new worker holds.
UPDATE api_jobs SET lease_until = '-infinity' WHERE state = 'queued';
ALTER TABLE webhook_receivers ALTER COLUMN lease_until SET DEFAULT 'infinity';

CREATE OR REPLACE FUNCTION accept_jobs(
    p_uuids text[], p_accounts text[], p_users text[], p_admins boolean[], p_apis text[], p_fingerprints bytea[],
    p_requests text[], p_request_ids text[], p_keys text[], p_outside boolean[], p_schemas boolean[], p_hooks text[],
    p_timeouts_s int[], p_remotes text[], p_targets text[]
) RETURNS TABLE (uuid text, account_uuid text, fingerprint bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_made bigint[];
    v_keyed boolean := array_remove(p_keys, NULL) <> '{}';
BEGIN
    IF v_keyed THEN
        PERFORM pg_advisory_xact_lock(7316002, k.hash) FROM (
            SELECT DISTINCT hashtext(ltrim(key, '~')) AS hash
            FROM unnest(p_keys) AS job_keys, string_to_table(job_keys, ' ') AS key ORDER BY 1) k;
    END IF;
    WITH made AS (
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, request_id, keyed,
                              outside, with_schema, web_hook, deadline_at, remote, target, lease_until)
        SELECT n.uuid, n.account, n.usr, n.is_admin, n.api, n.fingerprint, n.request, n.request_id, n.keys IS NOT NULL,
               n.outside, n.with_schema, n.hook, now() + make_interval(secs => n.timeout_s), n.remote, n.target,
               '-infinity'
        FROM unnest(p_uuids, p_accounts, p_users, p_admins, p_apis, p_fingerprints, p_requests, p_request_ids, p_keys,
                    p_outside, p_schemas, p_hooks, p_timeouts_s, p_remotes, p_targets)
             AS n (uuid, account, usr, is_admin, api, fingerprint, request, request_id, keys, outside, with_schema,
                   hook, timeout_s, remote, target)
        ON CONFLICT DO NOTHING
        RETURNING seq
    )
    SELECT array_agg(seq) INTO v_made FROM made;
    IF v_keyed THEN
        INSERT INTO api_job_keys (key, seq, shared, job_uuid)
        SELECT ltrim(key, '~'), j.seq, bool_and(left(key, 1) = '~'), j.uuid
        FROM unnest(p_uuids, p_keys) AS n (uuid, keys) JOIN api_jobs j ON j.uuid = n.uuid AND j.seq = ANY (v_made),
             string_to_table(n.keys, ' ') AS key
        GROUP BY ltrim(key, '~'), j.seq, j.uuid;
    END IF;
    IF coalesce(cardinality(v_made), 0) < cardinality(p_uuids) THEN
        RETURN QUERY SELECT j.uuid, j.account_uuid, j.fingerprint FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION claim_jobs(p_owner text, p_limit int, p_lease_s float8, p_suspects boolean)
RETURNS TABLE (uuid text, epoch int, api text, request text, account_uuid text, user_uuid text, is_admin boolean,
               request_id text, outside boolean, with_schema boolean, keyed boolean, claims int, accepted_at timestamptz,
               remaining_s float8) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_free text[];
    v_keyed bigint[];
    v_outside boolean;
    v_held text[];
    v_blockers text[];
BEGIN
    SELECT array_agg(c.uuid), array_agg(c.seq) FILTER (WHERE c.keyed), bool_or(c.outside)
    INTO v_free, v_keyed, v_outside FROM (
        SELECT j.uuid, j.seq, j.keyed, j.outside FROM api_jobs j
        WHERE j.state = 'queued' AND j.waits_for IS NULL AND (j.claims > 0) = p_suspects AND j.lease_until IS NOT NULL
        ORDER BY j.seq LIMIT p_limit FOR UPDATE SKIP LOCKED) c;
    IF v_free IS NULL THEN
        RETURN;
    END IF;

    -- A claim that a crash of the database undoes is only made again: what is done under it ends the job in the same
    -- transaction, so it cannot be done twice. Only work outside needs the claim on disk before it begins.
    IF NOT v_outside THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;

    -- A held-back job leaves the index of runnable ones until its blocker ends. The blocker's row is locked and looked at
    -- again, so that it cannot end in between; if it is locked or has ended, the job simply stays runnable.
    IF v_keyed IS NOT NULL THEN
        SELECT array_agg(h.uuid), array_agg(h.blocker) INTO v_held, v_blockers FROM (
            SELECT j.uuid, (
                SELECT before.job_uuid FROM api_job_keys mine
                JOIN api_job_keys before ON before.key = mine.key AND before.seq < mine.seq
                                            AND NOT (before.shared AND mine.shared)
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
               lease_until = now() + make_interval(secs => p_lease_s), started_at = coalesce(j.started_at, now())
        WHERE j.uuid = ANY (v_free) RETURNING j.*
    )
    SELECT c.uuid, c.epoch, c.api, c.request, c.account_uuid, c.user_uuid, c.is_admin, c.request_id, c.outside,
           c.with_schema, c.keyed, c.claims, c.accepted_at,
           extract(epoch FROM c.deadline_at - now())::float8
    FROM claimed c ORDER BY c.seq;
END $$;

CREATE OR REPLACE FUNCTION reap_jobs(
    p_limit int, p_max_claims int, p_lost_result text, p_late_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
    v_hooked boolean;
BEGIN
    UPDATE api_jobs j SET state = 'queued', owner = NULL, lease_until = '-infinity'
    FROM (SELECT l.uuid FROM api_jobs l
          WHERE l.state = 'running' AND l.lease_until < now() AND l.claims < p_max_claims
          AND NOT EXISTS (SELECT FROM workers w WHERE w.owner = l.owner)
          ORDER BY l.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED) lost
    WHERE j.uuid = lost.uuid;

    SELECT array_agg(l.uuid), array_agg(l.epoch) INTO v_uuids, v_epochs FROM (
        SELECT j.uuid, j.epoch FROM api_jobs j
        WHERE j.state = 'running' AND j.lease_until < now() AND j.claims >= p_max_claims
          AND NOT EXISTS (SELECT FROM workers w WHERE w.owner = j.owner)
        ORDER BY j.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs('running', v_uuids, v_epochs, array_fill('failed'::text, ARRAY[cardinality(v_uuids)]),
                                array_fill(p_lost_result, ARRAY[cardinality(v_uuids)]), p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;

    SELECT array_agg(l.uuid), array_agg(l.epoch) INTO v_uuids, v_epochs FROM (
        SELECT j.uuid, j.epoch FROM api_jobs j
        WHERE j.state = 'queued' AND j.waits_for IS NULL AND j.deadline_at < now()
        ORDER BY j.seq LIMIT p_limit FOR UPDATE SKIP LOCKED) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs('queued', v_uuids, v_epochs, array_fill('failed'::text, ARRAY[cardinality(v_uuids)]),
                                array_fill(p_late_result, ARRAY[cardinality(v_uuids)]), p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
END $$;
