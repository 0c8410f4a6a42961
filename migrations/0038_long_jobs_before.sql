-- Long jobs: API jobs under a name. The outcome is copied here from the API job, whose own row does not stay.
CREATE TABLE long_jobs (
    uuid                  text COLLATE "C" CONSTRAINT long_jobs_pkey PRIMARY KEY,
    name                  text COLLATE "C" NOT NULL,
    description           text,
    job_name              text COLLATE "C" NOT NULL,  -- message class of the API
    job_data              text NOT NULL,              -- its parameters, without secrets
    target_resource_uuid  text COLLATE "C",
    api_job_uuid          text COLLATE "C" NOT NULL,
    state                 text CONSTRAINT long_jobs_state_check CHECK (state IN ('Succeeded', 'Failed', 'Canceled')),
    job_result            text,
    execute_time          bigint,  -- seconds
    create_date           timestamptz NOT NULL DEFAULT now(),
    last_op_date          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX long_jobs_folded_name_idx ON long_jobs (lower(name));
CREATE INDEX long_jobs_unsettled_idx ON long_jobs (api_job_uuid) WHERE state IS NULL;
SELECT resources_of('long_jobs', 'LongJobVO');
CREATE TRIGGER renew_use AFTER UPDATE OF name, description ON long_jobs FOR EACH ROW
    WHEN ((OLD.name, OLD.description) IS DISTINCT FROM (NEW.name, NEW.description)) EXECUTE FUNCTION renew_use();

-- As they stand now.
CREATE VIEW long_job_states AS
    SELECT l.uuid, l.name, l.description, l.api_job_uuid AS api_id, l.job_name, l.job_data,
           coalesce(l.job_result, j.result) AS job_result,
           coalesce(l.state, CASE
               WHEN j.state = 'queued' THEN 'Waiting'
               WHEN j.state = 'running' AND j.cancel_asked THEN 'Canceling'
               WHEN j.state = 'running' THEN 'Running'
               WHEN j.state = 'canceled' THEN 'Canceled'
               WHEN j.state = 'succeeded' THEN 'Succeeded'
               ELSE 'Failed' END) AS state,
           l.target_resource_uuid,
           coalesce(l.execute_time,
                    extract(epoch FROM coalesce(j.finished_at, now()) - j.started_at)::bigint) AS execute_time,
           l.create_date, coalesce(j.finished_at, l.last_op_date) AS last_op_date
    FROM long_jobs l LEFT JOIN api_jobs j ON j.uuid = l.api_job_uuid;

CREATE OR REPLACE FUNCTION text_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_size bigint := (SELECT coalesce(sum(octet_length(tag)), 0) FROM tags WHERE resource_uuid = p_uuid);
BEGIN
    v_size := v_size + coalesce(CASE p_type
        WHEN 'PolicyVO' THEN (SELECT octet_length(concat(name, description, statements)) FROM policies WHERE uuid = p_uuid)
        WHEN 'RoleVO' THEN (SELECT octet_length(concat(name, description, statements)) FROM policy_roles WHERE uuid = p_uuid)
        WHEN 'UserVO' THEN (SELECT octet_length(concat(name, description)) FROM users WHERE uuid = p_uuid)
        WHEN 'UserGroupVO' THEN (SELECT octet_length(concat(name, description)) FROM user_groups WHERE uuid = p_uuid)
        WHEN 'TagPatternVO' THEN (SELECT octet_length(concat(name, value, description, color)) FROM tag_patterns WHERE uuid = p_uuid)
        WHEN 'SchedulerJobVO' THEN (
            SELECT octet_length(concat(name, description, parameters)) FROM scheduler_jobs WHERE uuid = p_uuid)
        WHEN 'SchedulerTriggerVO' THEN (
            SELECT octet_length(concat(name, description, cron)) FROM scheduler_triggers WHERE uuid = p_uuid)
        WHEN 'LongJobVO' THEN (
            SELECT octet_length(concat(name, description, job_data)) FROM long_jobs WHERE uuid = p_uuid) END, 0);
    RETURN CASE WHEN v_size > 0 THEN jsonb_build_object('text.size', v_size) ELSE '{}' END;
END $$;

CREATE OR REPLACE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO',
                                'PolicyVO', 'RoleVO', 'UserVO', 'UserGroupVO', 'TagPatternVO', 'SchedulerJobVO', 'SchedulerTriggerVO',
                                'LongJobVO'))
    EXECUTE FUNCTION note_use_of_owner();

-- What the scheduler has fired, as it stands now: what has not ended is not in it.
CREATE VIEW scheduler_job_history AS
    SELECT e.id, e.scheduler_trigger_uuid AS trigger_uuid, e.scheduler_job_uuid, s.type AS job_type,
           e.fired_at AS start_time,
           (1000 * extract(epoch FROM coalesce(e.finished_at, j.finished_at) - e.fired_at))::bigint AS execute_time,
           e.target_resource_uuid,
           coalesce(j.result, json_build_object('error', json_build_object('details', e.details))::text) AS result_dump,
           coalesce(nullif(e.state, 'Fired'), initcap(j.state)) = 'Succeeded' AS success,
           e.api_job_uuid AS fire_instance_id, o.account_uuid
    FROM scheduler_executions e
    JOIN scheduler_jobs s ON s.uuid = e.scheduler_job_uuid
    JOIN resource_owners o ON o.resource_uuid = s.uuid
    LEFT JOIN api_jobs j ON j.uuid = e.api_job_uuid
    WHERE e.state IN ('Succeeded', 'Failed', 'Canceled') OR e.state = 'Fired' AND j.finished_at IS NOT NULL;
