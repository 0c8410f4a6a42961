-- The whole database, top to bottom. Applying it to a database that has it already changes nothing.
-- Times are the database's own; a uuid is 32 lower-case hex digits.

BEGIN;

SELECT pg_advisory_xact_lock(7316001);  -- two processes that apply the schema at once take turns

CREATE TABLE IF NOT EXISTS schema_version (
    version     int PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

------------------------------------------------------------------------------------------------------------------------
-- Identity
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS accounts (
    uuid           text COLLATE "C" PRIMARY KEY,
    name           text COLLATE "C" NOT NULL CONSTRAINT accounts_name_key UNIQUE,
    description    text,
    type           text NOT NULL CONSTRAINT accounts_type_check CHECK (type IN ('SystemAdmin', 'Normal')),
    password_hash  text NOT NULL,  -- argon2id of the canonical password
    password_expires_at  timestamptz,
    enabled        boolean NOT NULL DEFAULT true,
    email          text,
    options        jsonb NOT NULL DEFAULT '{}',  -- of the account as a login, for the Keystone facade
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS users (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    name           text COLLATE "C" NOT NULL,
    description    text,
    password_hash  text NOT NULL,
    password_expires_at  timestamptz,
    enabled        boolean NOT NULL DEFAULT true,
    email          text,
    options        jsonb NOT NULL DEFAULT '{}',
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_account_name_key UNIQUE (account_uuid, name)
);
CREATE INDEX IF NOT EXISTS users_name_idx ON users (name);

-- Earlier password hashes of an account or user, the newest first, for reuse rules.
CREATE TABLE IF NOT EXISTS password_history (
    owner_uuid     text COLLATE "C" NOT NULL,
    password_hash  text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_uuid, created_at)
);

CREATE TABLE IF NOT EXISTS user_groups (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    name           text COLLATE "C" NOT NULL,
    description    text,
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_groups_account_name_key UNIQUE (account_uuid, name)
);
CREATE INDEX IF NOT EXISTS user_groups_name_idx ON user_groups (name);

CREATE TABLE IF NOT EXISTS policies (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    name           text COLLATE "C" NOT NULL,
    description    text,
    statements     jsonb NOT NULL,  -- in their wire form; never changed after the insert
    create_date    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS policies_account_idx ON policies (account_uuid);
CREATE INDEX IF NOT EXISTS policies_name_idx ON policies (name);

CREATE TABLE IF NOT EXISTS group_members (
    group_uuid  text COLLATE "C" NOT NULL REFERENCES user_groups (uuid) ON DELETE CASCADE,
    user_uuid   text COLLATE "C" NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    PRIMARY KEY (group_uuid, user_uuid)
);
CREATE INDEX IF NOT EXISTS group_members_user_idx ON group_members (user_uuid);

CREATE TABLE IF NOT EXISTS user_policies (
    user_uuid    text COLLATE "C" NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    policy_uuid  text COLLATE "C" NOT NULL REFERENCES policies (uuid) ON DELETE CASCADE,
    PRIMARY KEY (user_uuid, policy_uuid)
);
CREATE INDEX IF NOT EXISTS user_policies_policy_idx ON user_policies (policy_uuid);

CREATE TABLE IF NOT EXISTS group_policies (
    group_uuid   text COLLATE "C" NOT NULL REFERENCES user_groups (uuid) ON DELETE CASCADE,
    policy_uuid  text COLLATE "C" NOT NULL REFERENCES policies (uuid) ON DELETE CASCADE,
    PRIMARY KEY (group_uuid, policy_uuid)
);
CREATE INDEX IF NOT EXISTS group_policies_policy_idx ON group_policies (policy_uuid);

-- The value that a new account starts with. Changing a default leaves existing accounts alone.
CREATE TABLE IF NOT EXISTS quota_defaults (
    name   text COLLATE "C" PRIMARY KEY,
    value  bigint NOT NULL CONSTRAINT quota_defaults_value_check CHECK (value >= 0)
);
INSERT INTO quota_defaults (name, value) VALUES
    ('vm.totalNum', 20), ('vm.num', 20), ('vm.cpuNum', 80), ('vm.memorySize', 85899345920),
    ('volume.data.num', 40), ('volume.capacity', 10995116277760), ('image.num', 20), ('image.size', 10995116277760),
    ('snapshot.volume.num', 200), ('securityGroup.num', 20), ('l3.num', 20), ('loadBalancer.num', 20), ('eip.num', 20),
    ('portForwarding.num', 20), ('vip.num', 20), ('vxlan.num', 8)
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS quotas (
    uuid           text COLLATE "C" PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    identity_uuid  text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    identity_type  text NOT NULL DEFAULT 'AccountVO',
    value          bigint NOT NULL CONSTRAINT quotas_value_check CHECK (value >= 0),
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT quotas_identity_name_key UNIQUE (identity_uuid, name)
);

-- Failed logins of one name from one address. Both logins and the Keystone facade count here.
CREATE TABLE IF NOT EXISTS login_failures (
    subject        bytea NOT NULL,  -- keyed hash of kind, account and name, whether or not they exist
    address        text NOT NULL,   -- empty: from all addresses, for the lockout
    failures       int NOT NULL,
    last_at        timestamptz NOT NULL DEFAULT now(),
    blocked_until  timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (subject, address)
);
CREATE INDEX IF NOT EXISTS login_failures_last_idx ON login_failures (last_at);

-- One row per login. The token itself is never stored: `token_hash` is its keyed hash.
CREATE TABLE IF NOT EXISTS sessions (
    token_hash    bytea PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    user_uuid     text COLLATE "C" NOT NULL,  -- the account's own uuid for an account session
    create_date   timestamptz NOT NULL DEFAULT now(),
    expired_date  timestamptz NOT NULL,
    -- What a Keystone token knows besides; a ZStack session is scoped to its account.
    origin        text NOT NULL DEFAULT 'zstack' CONSTRAINT sessions_origin_check CHECK (origin IN ('zstack', 'keystone', 'ldap')),
    renewable     boolean NOT NULL DEFAULT true,
    scope_kind    text,
    scope_uuid    text COLLATE "C",
    methods       text[] NOT NULL DEFAULT '{password}',
    audit_id      text,
    parent_audit_id  text
);
CREATE INDEX IF NOT EXISTS sessions_user_idx ON sessions (account_uuid, user_uuid);
CREATE INDEX IF NOT EXISTS sessions_expired_idx ON sessions (expired_date);

------------------------------------------------------------------------------------------------------------------------
-- Resources: uuid, name and type of each; tags, owners and shares, which go with them
------------------------------------------------------------------------------------------------------------------------

-- Kept by triggers on the tables of the resources, so that a uuid is used once over all types.
CREATE TABLE IF NOT EXISTS resources (
    uuid           text COLLATE "C" CONSTRAINT resources_pkey PRIMARY KEY,
    resource_name  text,
    resource_type  text COLLATE "C" NOT NULL,  -- the concrete type, `UserVO`
    base_type      text COLLATE "C" NOT NULL   -- what ownership rows show
);

CREATE OR REPLACE FUNCTION note_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO resources (uuid, resource_name, resource_type, base_type)
        VALUES (NEW.uuid, to_jsonb(NEW) ->> 'name', TG_ARGV[0], coalesce(TG_ARGV[1], TG_ARGV[0]));
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE resources SET resource_name = NEW.name WHERE uuid = NEW.uuid;
    ELSE
        DELETE FROM resources WHERE uuid = OLD.uuid;
    END IF;
    RETURN NULL;
END $$;

-- Declares that the rows of a table are resources of a type.
CREATE OR REPLACE FUNCTION resources_of(p_table text, p_type text, p_base text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER note_resource AFTER INSERT OR DELETE ON %I
                    FOR EACH ROW EXECUTE FUNCTION note_resource(%L, %L)', p_table, p_type, coalesce(p_base, p_type));
    IF EXISTS (SELECT FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = p_table AND column_name = 'name') THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER note_resource_name AFTER UPDATE OF name ON %I
                        FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
                        EXECUTE FUNCTION note_resource(%L, %L)', p_table, p_type, coalesce(p_base, p_type));
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS tags (
    uuid           text COLLATE "C" PRIMARY KEY,
    resource_uuid  text COLLATE "C" NOT NULL CONSTRAINT tags_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type  text COLLATE "C" NOT NULL,
    tag            text COLLATE "C" NOT NULL,
    type           text NOT NULL CONSTRAINT tags_type_check CHECK (type IN ('System', 'User')),
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tags_resource_tag_key UNIQUE (resource_uuid, type, tag)
);
CREATE INDEX IF NOT EXISTS tags_tag_idx ON tags (resource_type, type, tag);

-- The owner of each resource of an owned type.
CREATE TABLE IF NOT EXISTS resource_owners (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource_uuid  text COLLATE "C" NOT NULL CONSTRAINT resource_owners_resource_key UNIQUE
                   CONSTRAINT resource_owners_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type  text COLLATE "C" NOT NULL,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT resource_owners_account_fkey REFERENCES accounts (uuid),
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS resource_owners_account_idx ON resource_owners (account_uuid, resource_type);

-- A share without a receiver is to the public.
CREATE TABLE IF NOT EXISTS resource_shares (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource_uuid          text COLLATE "C" NOT NULL CONSTRAINT resource_shares_resource_fkey
                           REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type          text COLLATE "C" NOT NULL,
    owner_account_uuid     text COLLATE "C" NOT NULL REFERENCES accounts (uuid) ON DELETE CASCADE,
    receiver_account_uuid  text COLLATE "C" REFERENCES accounts (uuid) ON DELETE CASCADE,
    to_public              boolean NOT NULL DEFAULT false,
    create_date            timestamptz NOT NULL DEFAULT now(),
    last_op_date           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT resource_shares_receiver_check CHECK (to_public = (receiver_account_uuid IS NULL)),
    CONSTRAINT resource_shares_key UNIQUE NULLS NOT DISTINCT (resource_uuid, owner_account_uuid, receiver_account_uuid)
);
CREATE INDEX IF NOT EXISTS resource_shares_receiver_idx ON resource_shares (receiver_account_uuid, resource_uuid);

SELECT resources_of('accounts', 'AccountVO'), resources_of('users', 'UserVO'), resources_of('user_groups', 'UserGroupVO'),
       resources_of('policies', 'PolicyVO'), resources_of('quotas', 'QuotaVO');

-- The quota of an account is checked and used up by one transaction at a time: its row is locked until the commit.
CREATE OR REPLACE FUNCTION lock_quota(p_account text, p_name text) RETURNS bigint LANGUAGE sql AS $$
    SELECT value FROM quotas WHERE identity_uuid = p_account AND name = p_name FOR UPDATE
$$;

------------------------------------------------------------------------------------------------------------------------
-- Compute inventory
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS zones (
    uuid          text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    description   text,
    state         text NOT NULL DEFAULT 'Enabled' CONSTRAINT zones_state_check CHECK (state IN ('Enabled', 'Disabled')),
    type          text NOT NULL DEFAULT 'zstack',
    create_date   timestamptz NOT NULL DEFAULT now(),
    last_op_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS zones_name_idx ON zones (name);
SELECT resources_of('zones', 'ZoneVO');

------------------------------------------------------------------------------------------------------------------------
-- API jobs: the ledger. Redis only rings; every truth about a job is here.
------------------------------------------------------------------------------------------------------------------------

-- state: queued     accepted; `waits_for` names the job before it on one of its resources, once a claim has found it
--        running    claimed by `owner` until `lease_until`; `epoch` counts the claims
--        succeeded, failed, canceled    final; `result` is the body that the poll and the webhook show
--        expired    a final job whose result is no longer kept
CREATE TABLE IF NOT EXISTS api_jobs (
    seq           bigint GENERATED ALWAYS AS IDENTITY,
    uuid          text COLLATE "C" PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL,
    user_uuid     text COLLATE "C" NOT NULL,
    is_admin      boolean NOT NULL,
    api           text NOT NULL,
    fingerprint   bytea NOT NULL,   -- keyed hash of method, path and body: tells a repeat from another request
    request       text,             -- the validated request as JSON, secrets hashed or sealed
    request_id    text,
    remote        text,             -- address of the client
    target        text,             -- uuid in the path
    keyed         boolean NOT NULL, -- it has rows in api_job_keys
    outside       boolean NOT NULL, -- it acts outside the database
    with_schema   boolean NOT NULL DEFAULT false,
    web_hook      text,
    state         text NOT NULL DEFAULT 'queued' CONSTRAINT api_jobs_state_check
                  CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
    epoch         int NOT NULL DEFAULT 0,
    claims        int NOT NULL DEFAULT 0,
    waits_for     text COLLATE "C",
    owner         text,
    lease_until   timestamptz,
    cancel_asked  boolean NOT NULL DEFAULT false,
    accepted_at   timestamptz NOT NULL DEFAULT now(),
    deadline_at   timestamptz NOT NULL,
    started_at    timestamptz,
    finished_at   timestamptz,
    expires_at    timestamptz,
    result        text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX IF NOT EXISTS api_jobs_runnable_idx ON api_jobs (seq) WHERE state = 'queued' AND waits_for IS NULL;
CREATE INDEX IF NOT EXISTS api_jobs_suspect_idx ON api_jobs (seq) WHERE state = 'queued' AND claims > 0;
CREATE INDEX IF NOT EXISTS api_jobs_waiting_idx ON api_jobs (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX IF NOT EXISTS api_jobs_lease_idx ON api_jobs (lease_until) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS api_jobs_account_idx ON api_jobs (account_uuid, seq);
CREATE INDEX IF NOT EXISTS api_jobs_seq_idx ON api_jobs (seq);
CREATE INDEX IF NOT EXISTS api_jobs_expires_idx ON api_jobs (expires_at) WHERE expires_at IS NOT NULL;

-- Who changed what, from where, and how it ended: every mutating call, also those refused for want of permission.
CREATE TABLE IF NOT EXISTS audits (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    create_date   timestamptz NOT NULL DEFAULT now(),
    account_uuid  text COLLATE "C",
    user_uuid     text COLLATE "C",
    api           text COLLATE "C" NOT NULL,
    target        text COLLATE "C",
    job_uuid      text COLLATE "C",
    request_id    text COLLATE "C",
    remote        text,
    outcome       text NOT NULL,
    error_code    text
);
CREATE INDEX IF NOT EXISTS audits_date_idx ON audits (create_date);
CREATE INDEX IF NOT EXISTS audits_account_idx ON audits (account_uuid, id);
CREATE INDEX IF NOT EXISTS audits_target_idx ON audits (target) WHERE target IS NOT NULL;

-- The resources that an unfinished job names. Jobs with a shared row run beside each other; any other pair in order of seq.
CREATE TABLE IF NOT EXISTS api_job_keys (
    key       text COLLATE "C" NOT NULL,
    seq       bigint NOT NULL,
    shared    boolean NOT NULL,
    job_uuid  text COLLATE "C" NOT NULL,
    PRIMARY KEY (key, seq)
);
CREATE INDEX IF NOT EXISTS api_job_keys_seq_idx ON api_job_keys (seq);

-- Stores a batch of jobs in one transaction. The keys of one job are joined by spaces; a shared one starts with '~'.
-- Returns the rows that were there before under one of the uuids, for the caller to compare.
-- The lock per key makes the order of seq the order of commit: whoever sees a job sees all earlier jobs on its keys.
CREATE OR REPLACE FUNCTION accept_jobs(
    p_uuids text[], p_accounts text[], p_users text[], p_admins boolean[], p_apis text[], p_fingerprints bytea[],
    p_requests text[], p_request_ids text[], p_keys text[], p_outside boolean[], p_schemas boolean[], p_hooks text[],
    p_timeouts_s int[], p_remotes text[], p_targets text[]
) RETURNS TABLE (uuid text, account_uuid text, fingerprint bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_made bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(7316002, k.hash) FROM (
        SELECT DISTINCT hashtext(ltrim(key, '~')) AS hash
        FROM unnest(p_keys) AS job_keys, string_to_table(job_keys, ' ') AS key ORDER BY 1) k;
    WITH made AS (
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, request_id, keyed,
                              outside, with_schema, web_hook, deadline_at, remote, target)
        SELECT n.uuid, n.account, n.usr, n.is_admin, n.api, n.fingerprint, n.request, n.request_id, n.keys IS NOT NULL,
               n.outside, n.with_schema, n.hook, now() + make_interval(secs => n.timeout_s), n.remote, n.target
        FROM unnest(p_uuids, p_accounts, p_users, p_admins, p_apis, p_fingerprints, p_requests, p_request_ids, p_keys,
                    p_outside, p_schemas, p_hooks, p_timeouts_s, p_remotes, p_targets)
             AS n (uuid, account, usr, is_admin, api, fingerprint, request, request_id, keys, outside, with_schema,
                   hook, timeout_s, remote, target)
        ON CONFLICT DO NOTHING
        RETURNING uuid, seq, keyed
    ), keyed AS (
        INSERT INTO api_job_keys (key, seq, shared, job_uuid)
        SELECT ltrim(key, '~'), m.seq, bool_and(left(key, 1) = '~'), m.uuid
        FROM made m JOIN unnest(p_uuids, p_keys) AS n (uuid, keys) ON n.uuid = m.uuid,
             string_to_table(n.keys, ' ') AS key
        WHERE m.keyed
        GROUP BY ltrim(key, '~'), m.seq, m.uuid
    )
    SELECT array_agg(seq) INTO v_made FROM made;
    IF coalesce(cardinality(v_made), 0) < cardinality(p_uuids) THEN
        RETURN QUERY SELECT j.uuid, j.account_uuid, j.fingerprint FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
    END IF;
END $$;

-- Claims up to p_limit jobs that no earlier unfinished job on one of their resources holds back.
-- With p_suspects, one job that has lost a worker before; it should run alone, so that it can take only itself down.
CREATE OR REPLACE FUNCTION claim_jobs(p_owner text, p_limit int, p_lease_s float8, p_suspects boolean)
RETURNS TABLE (uuid text, epoch int, api text, request text, account_uuid text, user_uuid text, is_admin boolean,
               request_id text, outside boolean, with_schema boolean, keyed boolean, claims int, accepted_at timestamptz,
               remaining_s float8) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_free text[];
    v_held text[];
    v_blockers text[];
BEGIN
    WITH candidate AS MATERIALIZED (
        SELECT j.uuid, j.seq, j.keyed FROM api_jobs j
        WHERE j.state = 'queued' AND j.waits_for IS NULL AND (j.claims > 0) = p_suspects
        ORDER BY j.seq LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), checked AS (
        SELECT c.uuid, CASE WHEN c.keyed THEN (
            SELECT before.job_uuid FROM api_job_keys mine
            JOIN api_job_keys before ON before.key = mine.key AND before.seq < mine.seq
                                        AND NOT (before.shared AND mine.shared)
            WHERE mine.seq = c.seq ORDER BY before.seq DESC LIMIT 1) END AS blocker
        FROM candidate c
    )
    SELECT array_agg(k.uuid) FILTER (WHERE k.blocker IS NULL), array_agg(k.uuid) FILTER (WHERE k.blocker IS NOT NULL),
           array_agg(k.blocker) FILTER (WHERE k.blocker IS NOT NULL)
    INTO v_free, v_held, v_blockers FROM checked k;

    -- A held-back job leaves the index of runnable ones until its blocker ends. The blocker's row is locked and looked at
    -- again, so that it cannot end in between; if it is locked or has ended, the job simply stays runnable.
    IF v_held IS NOT NULL THEN
        WITH alive AS MATERIALIZED (
            SELECT j.uuid FROM api_jobs j WHERE j.uuid = ANY (v_blockers) AND j.state IN ('queued', 'running')
            FOR UPDATE SKIP LOCKED
        )
        UPDATE api_jobs j SET waits_for = h.blocker
        FROM unnest(v_held, v_blockers) AS h (uuid, blocker) JOIN alive a ON a.uuid = h.blocker
        WHERE j.uuid = h.uuid;
    END IF;

    IF v_free IS NOT NULL THEN
        RETURN QUERY WITH claimed AS (
            UPDATE api_jobs j SET state = 'running', epoch = j.epoch + 1, claims = j.claims + 1, owner = p_owner,
                   lease_until = now() + make_interval(secs => p_lease_s), started_at = coalesce(j.started_at, now())
            WHERE j.uuid = ANY (v_free) RETURNING j.*
        )
        SELECT c.uuid, c.epoch, c.api, c.request, c.account_uuid, c.user_uuid, c.is_admin, c.request_id, c.outside,
               c.with_schema, c.keyed, c.claims, c.accepted_at,
               extract(epoch FROM c.deadline_at - now())::float8
        FROM claimed c ORDER BY c.seq;
    END IF;
END $$;

-- Ends jobs: state, result, webhook delivery and release of their resources, in the caller's transaction.
-- Raises ZS001 when one of them is no longer held under its epoch; the caller must then roll back.
CREATE OR REPLACE FUNCTION finish_jobs(
    p_uuids text[], p_epochs int[], p_states text[], p_results text[], p_retention_s float8
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
    v_keyed bigint[];
    v_hooked boolean;
BEGIN
    WITH ended AS (
        UPDATE api_jobs j SET state = e.state, result = e.result, finished_at = clock_timestamp(), owner = NULL,
               lease_until = NULL, expires_at = now() + make_interval(secs => p_retention_s)
        FROM unnest(p_uuids, p_epochs, p_states, p_results) AS e (uuid, epoch, state, result)
        WHERE j.uuid = e.uuid AND j.epoch = e.epoch AND j.state = 'running'
        RETURNING j.seq, j.keyed, j.web_hook
    )
    SELECT count(*), array_agg(e.seq) FILTER (WHERE e.keyed), coalesce(bool_or(e.web_hook IS NOT NULL), false)
    INTO v_count, v_keyed, v_hooked FROM ended e;
    IF v_count < cardinality(p_uuids) THEN
        RAISE EXCEPTION 'a job is no longer held by this worker' USING ERRCODE = 'ZS001';
    END IF;
    PERFORM release_jobs(p_uuids, v_keyed, v_hooked);
    RETURN v_hooked;
END $$;

-- What every end of a job has in common, after its row is final: its resources pass on, its webhook is put in the outbox.
CREATE OR REPLACE FUNCTION release_jobs(p_uuids text[], p_keyed bigint[], p_hooked boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_keyed IS NOT NULL THEN
        DELETE FROM api_job_keys k WHERE k.seq = ANY (p_keyed);
        UPDATE api_jobs j SET waits_for = NULL WHERE j.waits_for = ANY (p_uuids);
    END IF;
    INSERT INTO audits (account_uuid, user_uuid, api, target, job_uuid, request_id, remote, outcome, error_code)
    SELECT j.account_uuid, j.user_uuid, j.api, j.target, j.uuid, j.request_id, j.remote, j.state,
           CASE WHEN j.state <> 'succeeded' THEN j.result::json -> 'error' ->> 'code' END
    FROM api_jobs j WHERE j.uuid = ANY (p_uuids);
    IF p_hooked THEN
        INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body)
        SELECT 'msg_' || j.uuid, j.uuid, j.account_uuid, j.web_hook,
               lower(substring(j.web_hook FROM '^[A-Za-z]+://[^/?#]+')), j.state = 'succeeded', j.result
        FROM api_jobs j WHERE j.uuid = ANY (p_uuids) AND j.web_hook IS NOT NULL
        ON CONFLICT (id) DO NOTHING;
    END IF;
END $$;

-- Takes back running jobs whose lease has run out. Those that have used up p_max_claims fail; the others are queued again.
-- Also ends queued jobs that are past their deadline. Returns what it ended.
CREATE OR REPLACE FUNCTION reap_jobs(
    p_limit int, p_max_claims int, p_lost_result text, p_late_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_keyed bigint[];
    v_hooked boolean;
BEGIN
    WITH lost AS MATERIALIZED (
        SELECT j.uuid FROM api_jobs j WHERE j.state = 'running' AND j.lease_until < now()
        ORDER BY j.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), late AS MATERIALIZED (
        SELECT j.uuid FROM api_jobs j WHERE j.state = 'queued' AND j.waits_for IS NULL AND j.deadline_at < now()
        ORDER BY j.seq LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), requeued AS (
        UPDATE api_jobs j SET state = 'queued', owner = NULL, lease_until = NULL
        FROM lost l WHERE j.uuid = l.uuid AND j.claims < p_max_claims
    ), ended AS (
        UPDATE api_jobs j SET state = 'failed', owner = NULL, lease_until = NULL, finished_at = clock_timestamp(),
               result = CASE WHEN l.uuid IS NULL THEN p_late_result ELSE p_lost_result END,
               expires_at = now() + make_interval(secs => p_retention_s)
        FROM (SELECT lost.uuid, true AS is_lost FROM lost UNION ALL SELECT late.uuid, false FROM late) victim
             LEFT JOIN lost l ON l.uuid = victim.uuid
        WHERE j.uuid = victim.uuid AND (l.uuid IS NULL OR j.claims >= p_max_claims)
        RETURNING j.uuid, j.seq, j.keyed, j.web_hook
    )
    SELECT array_agg(e.uuid), array_agg(e.seq) FILTER (WHERE e.keyed), bool_or(e.web_hook IS NOT NULL)
    INTO v_uuids, v_keyed, v_hooked FROM ended e;
    IF v_uuids IS NOT NULL THEN
        PERFORM release_jobs(v_uuids, v_keyed, v_hooked);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
END $$;

-- Cancels a job: a queued one ends here, a running one is asked to stop. Returns the state it was found in.
CREATE OR REPLACE FUNCTION cancel_job(p_uuid text, p_result text, p_retention_s float8)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_job record;
BEGIN
    SELECT j.seq, j.state, j.keyed, j.web_hook INTO v_job FROM api_jobs j WHERE j.uuid = p_uuid FOR UPDATE;
    IF v_job.state = 'queued' THEN
        UPDATE api_jobs j SET state = 'canceled', result = p_result, finished_at = clock_timestamp(), waits_for = NULL,
               expires_at = now() + make_interval(secs => p_retention_s) WHERE j.uuid = p_uuid;
        PERFORM release_jobs(ARRAY[p_uuid], CASE WHEN v_job.keyed THEN ARRAY[v_job.seq] END, v_job.web_hook IS NOT NULL);
    ELSIF v_job.state = 'running' THEN
        UPDATE api_jobs j SET cancel_asked = true WHERE j.uuid = p_uuid;
    END IF;
    RETURN v_job.state;
END $$;

-- Drops results past their time, leaving tombstones that tell `expired` from `never existed`, and old tombstones.
-- Also frees queued jobs whose blocker is gone, should a release ever have been missed. Returns the rows it touched.
CREATE OR REPLACE FUNCTION expire_jobs(p_tombstone_s float8, p_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
    v_more int;
BEGIN
    UPDATE api_jobs j SET state = 'expired', result = NULL, request = NULL,
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

------------------------------------------------------------------------------------------------------------------------
-- Webhooks: the outbox, its attempts, the receivers and the signing secrets
------------------------------------------------------------------------------------------------------------------------

-- Written by the transaction that ends the job; `body` never changes after that.
-- state: pending, delivered, dead (schedule used up), gone (the receiver answered 410)
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id            text COLLATE "C" PRIMARY KEY,  -- also the webhook-id header, stable over all attempts
    job_uuid      text COLLATE "C" NOT NULL CONSTRAINT webhook_deliveries_job_key UNIQUE,
    account_uuid  text COLLATE "C" NOT NULL,
    url           text NOT NULL,
    receiver      text COLLATE "C" NOT NULL,     -- scheme://host:port, what limits and breakers are kept for
    success       boolean NOT NULL,
    body          text NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_state_check
                  CHECK (state IN ('pending', 'delivered', 'dead', 'gone')),
    attempts      int NOT NULL DEFAULT 0,
    epoch         int NOT NULL DEFAULT 0,
    owner         text,
    lease_until   timestamptz,
    next_at       timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    not_before    timestamptz                    -- the receiver's Retry-After: no probe and no drain comes earlier
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);  -- room for the claimed version beside the first

-- Walked by lane, which is one account at one receiver; it also gives the earliest delivery of a lane.
CREATE INDEX IF NOT EXISTS webhook_deliveries_lane_idx
    ON webhook_deliveries (receiver, account_uuid, next_at) WHERE state = 'pending';
-- What a redelivery since T looks for.
CREATE INDEX IF NOT EXISTS webhook_deliveries_failed_idx
    ON webhook_deliveries (account_uuid, created_at) WHERE state <> 'delivered';
-- For the purge. Rows are born in order and their versions stay close, so block ranges tell enough at almost no cost.
CREATE INDEX IF NOT EXISTS webhook_deliveries_created_idx
    ON webhook_deliveries USING brin (created_at) WITH (pages_per_range = 16);

-- The attempt log: at most one row for each claim of a delivery. No foreign key: rows come in by the thousand, and both
-- tables are purged together.
-- outcome: delivered, gone, failed; unknown when the sender died between its claim and its record
CREATE TABLE IF NOT EXISTS webhook_attempts (
    delivery_id   text COLLATE "C" NOT NULL,
    epoch         int NOT NULL,
    outcome       text NOT NULL CONSTRAINT webhook_attempts_outcome_check
                  CHECK (outcome IN ('delivered', 'gone', 'failed', 'unknown')),
    error         text,                          -- class of the failure: timeout, refused, http-status, blocked, ...
    status        int,
    address       text,                          -- the address and port that answered, or were dialled last
    started_at    timestamptz NOT NULL,
    duration_ms   int,
    reply         bytea,                         -- at most the first 4 KiB
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, epoch)
);

-- A receiver with work belongs to one sender at a time, so that its limit of requests in flight can be kept in one
-- process. The lease covers every claim made under it; the row goes away with the work.
CREATE TABLE IF NOT EXISTS webhook_receivers (
    receiver      text COLLATE "C" PRIMARY KEY,
    owner         text NOT NULL,
    lease_until   timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- The failures in a row of a lane, so that one account's bad URL does not hold up another's at the same host. No row: the
-- last attempt succeeded. `opened_at` is set while the breaker is open. A probe is then due at `probe_by`, or from
-- `probe_at` on as soon as a delivery's own time has come.
CREATE TABLE IF NOT EXISTS webhook_breakers (
    receiver      text COLLATE "C" NOT NULL,
    account_uuid  text COLLATE "C" NOT NULL,
    failures      int NOT NULL,
    probes        int NOT NULL DEFAULT 0,
    opened_at     timestamptz,
    probe_at      timestamptz,
    probe_by      timestamptz,
    CONSTRAINT webhook_breakers_pkey PRIMARY KEY (receiver, account_uuid),
    CONSTRAINT webhook_breakers_probe_check
        CHECK ((opened_at IS NULL) = (probe_at IS NULL) AND (opened_at IS NULL) = (probe_by IS NULL))
) WITH (fillfactor = 50);

-- Signing secrets, sealed. The current one has no end; older ones sign along until theirs. They outlive the account,
-- because its last deliveries do.
CREATE TABLE IF NOT EXISTS webhook_secrets (
    uuid          text COLLATE "C" PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL,
    sealed        text NOT NULL,
    create_date   timestamptz NOT NULL DEFAULT now(),
    read_date     timestamptz,                   -- when its clear text was handed out, which happens once
    ends_at       timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS webhook_secrets_current_key ON webhook_secrets (account_uuid) WHERE ends_at IS NULL;
CREATE INDEX IF NOT EXISTS webhook_secrets_account_idx ON webhook_secrets (account_uuid);

COMMIT;
