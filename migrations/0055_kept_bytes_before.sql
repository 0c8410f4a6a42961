-- How many bytes the jobs and deliveries of an account keep, as changes that add up: statements only insert here, so that no
-- job waits for another of its account. `trim_jobs` adds them up.
CREATE TABLE kept_bytes (
    account_uuid  text COLLATE "C" NOT NULL,
    bytes         bigint NOT NULL
);

-- What a job keeps, its row with the index entries included.
CREATE FUNCTION job_bytes(p_job api_jobs) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT 500 + coalesce(octet_length(p_job.request), 0) + coalesce(octet_length(p_job.secrets), 0)
         + coalesce(octet_length(p_job.result), 0)
$$;

CREATE FUNCTION note_kept_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept_bytes (account_uuid, bytes)
    SELECT c.account_uuid, sum(CASE TG_OP WHEN 'INSERT' THEN job_bytes(c) ELSE -job_bytes(c) END) FROM changed c GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER note_kept_more AFTER INSERT ON api_jobs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_kept_jobs();
CREATE TRIGGER note_kept_less AFTER DELETE ON api_jobs REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_kept_jobs();

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
    ), kept AS (
        INSERT INTO kept_bytes (account_uuid, bytes)
        SELECT j.account_uuid, sum(coalesce(octet_length(j.result), 0)) FROM ended j GROUP BY 1
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

CREATE OR REPLACE FUNCTION expire_jobs(p_tombstone_s float8, p_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
    v_more int;
BEGIN
    WITH old AS (
        SELECT d.uuid, d.account_uuid, job_bytes(d) AS bytes FROM api_jobs d
        WHERE d.expires_at < now() AND d.state <> 'expired' LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), expired AS (
        UPDATE api_jobs j SET state = 'expired', result = NULL, request = NULL, secrets = NULL,
               expires_at = now() + make_interval(secs => p_tombstone_s)
        FROM old WHERE j.uuid = old.uuid RETURNING j.account_uuid, job_bytes(j) - old.bytes AS bytes
    ), kept AS (
        INSERT INTO kept_bytes (account_uuid, bytes) SELECT e.account_uuid, sum(e.bytes) FROM expired e GROUP BY 1
    )
    SELECT count(*) INTO v_count FROM expired;
    DELETE FROM api_jobs j
    WHERE j.uuid IN (SELECT d.uuid FROM api_jobs d WHERE d.expires_at < now() AND d.state = 'expired'
                     LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    UPDATE api_jobs j SET waits_for = NULL
    WHERE j.waits_for IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM api_jobs b WHERE b.uuid = j.waits_for AND b.state IN ('queued', 'running'));
    RETURN v_count + v_more;
END $$;

-- A delivery keeps its body, and the replies of its attempts, which go with it.
CREATE FUNCTION note_kept_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept_bytes (account_uuid, bytes)
    SELECT c.account_uuid, sum(500 + octet_length(c.body)) FROM changed c GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER note_kept_more AFTER INSERT ON webhook_deliveries REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_kept_deliveries();

CREATE FUNCTION note_kept_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept_bytes (account_uuid, bytes)
    SELECT d.account_uuid, sum(200 + coalesce(octet_length(c.reply), 0))
    FROM changed c JOIN webhook_deliveries d ON d.id = c.delivery_id GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER note_kept_more AFTER INSERT ON webhook_attempts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_kept_attempts();

CREATE FUNCTION forget_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH attempts AS (
        DELETE FROM webhook_attempts a USING changed c WHERE a.delivery_id = c.id
        RETURNING c.account_uuid, 200 + coalesce(octet_length(a.reply), 0) AS bytes
    )
    INSERT INTO kept_bytes (account_uuid, bytes)
    SELECT account_uuid, -sum(bytes) FROM (
        SELECT account_uuid, bytes FROM attempts UNION ALL SELECT account_uuid, 500 + octet_length(body) FROM changed) gone
    GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_attempts AFTER DELETE ON webhook_deliveries REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_attempts();

-- Forgets the oldest ended jobs, with their settled deliveries, of the accounts that keep more than so many bytes; as many
-- jobs of each as its excess takes, at most p_limit. Returns the jobs it deleted.
CREATE FUNCTION trim_jobs(p_max bigint, p_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    v_over record;
    v_uuids text[];
    v_count int := 0;
BEGIN
    WITH gone AS (DELETE FROM kept_bytes RETURNING account_uuid, bytes)
    INSERT INTO kept_bytes SELECT account_uuid, sum(bytes) FROM gone GROUP BY 1 HAVING sum(bytes) > 0;
    FOR v_over IN SELECT account_uuid, sum(bytes) - p_max AS excess FROM kept_bytes GROUP BY 1 HAVING sum(bytes) > p_max LOOP
        v_uuids := ARRAY(SELECT o.uuid FROM (
            SELECT j.uuid, sum(job_bytes(j)) OVER (ORDER BY j.seq) - job_bytes(j) AS before
            FROM api_jobs j WHERE j.account_uuid = v_over.account_uuid AND j.state NOT IN ('queued', 'running')
            ORDER BY j.seq LIMIT p_limit) o
            WHERE o.before < v_over.excess);
        DELETE FROM webhook_deliveries d WHERE d.id IN (SELECT 'msg_' || u FROM unnest(v_uuids) u) AND d.state <> 'pending';
        DELETE FROM api_jobs j WHERE j.uuid = ANY (v_uuids);
        v_count := v_count + cardinality(v_uuids);
    END LOOP;
    RETURN v_count;
END $$;
