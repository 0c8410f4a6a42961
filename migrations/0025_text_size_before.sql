-- A quota of the bytes that are kept of what an account's people have written.
INSERT INTO quota_defaults (name, value) VALUES ('text.size', 67108864);
INSERT INTO quotas (uuid, name, identity_uuid, value)
SELECT replace(gen_random_uuid()::text, '-', ''), 'text.size', q.identity_uuid, 67108864
FROM (SELECT DISTINCT identity_uuid FROM quotas) q;
INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
SELECT uuid, 'QuotaVO', identity_uuid FROM quotas WHERE name = 'text.size';

CREATE OR REPLACE FUNCTION text_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_size bigint := (SELECT coalesce(sum(octet_length(tag)), 0) FROM tags WHERE resource_uuid = p_uuid);
BEGIN
    v_size := v_size + coalesce(CASE p_type
        WHEN 'PolicyVO' THEN (SELECT octet_length(concat(name, description, statements)) FROM policies WHERE uuid = p_uuid)
        WHEN 'UserVO' THEN (SELECT octet_length(concat(name, description)) FROM users WHERE uuid = p_uuid)
        WHEN 'UserGroupVO' THEN (SELECT octet_length(concat(name, description)) FROM user_groups WHERE uuid = p_uuid)
        WHEN 'SchedulerJobVO' THEN (
            SELECT octet_length(concat(name, description, parameters)) FROM scheduler_jobs WHERE uuid = p_uuid)
        WHEN 'SchedulerTriggerVO' THEN (
            SELECT octet_length(concat(name, description, cron)) FROM scheduler_triggers WHERE uuid = p_uuid) END, 0);
    RETURN CASE WHEN v_size > 0 THEN jsonb_build_object('text.size', v_size) ELSE '{}' END;
END $$;

CREATE OR REPLACE FUNCTION quota_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT text_use(p_type, p_uuid) || coalesce(CASE p_type
        WHEN 'VmInstanceVO' THEN (SELECT vm_use(state, cpu_num, memory_size) FROM vm_instances WHERE uuid = p_uuid)
        WHEN 'VolumeVO' THEN (SELECT volume_use(type, status, size) FROM volumes WHERE uuid = p_uuid)
        WHEN 'ImageVO' THEN (SELECT jsonb_build_object('image.num', 1, 'image.size', actual_size) FROM images WHERE uuid = p_uuid)
        WHEN 'VolumeSnapshotVO' THEN '{"snapshot.volume.num": 1}'
        WHEN 'L3NetworkVO' THEN '{"l3.num": 1}'
        WHEN 'VipVO' THEN '{"vip.num": 1}'
        WHEN 'EipVO' THEN '{"eip.num": 1}' END, '{}')
$$;

CREATE OR REPLACE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO',
                                'PolicyVO', 'UserVO', 'UserGroupVO', 'SchedulerJobVO', 'SchedulerTriggerVO'))
    EXECUTE FUNCTION note_use_of_owner();

CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF name, description ON users FOR EACH ROW
    WHEN ((OLD.name, OLD.description) IS DISTINCT FROM (NEW.name, NEW.description)) EXECUTE FUNCTION renew_use();
CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF name, description ON user_groups FOR EACH ROW
    WHEN ((OLD.name, OLD.description) IS DISTINCT FROM (NEW.name, NEW.description)) EXECUTE FUNCTION renew_use();

CREATE OR REPLACE FUNCTION renew_use_of_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        UPDATE resource_owners o SET uses = quota_use(o.resource_type, o.resource_uuid)
        WHERE o.resource_uuid IN (SELECT resource_uuid FROM changed);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER renew_use_more AFTER INSERT ON tags REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();
CREATE OR REPLACE TRIGGER renew_use_less AFTER DELETE ON tags REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();

CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF name, description, parameters ON scheduler_jobs FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.parameters) IS DISTINCT FROM (NEW.name, NEW.description, NEW.parameters))
    EXECUTE FUNCTION renew_use();
CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF name, description, cron ON scheduler_triggers FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.cron) IS DISTINCT FROM (NEW.name, NEW.description, NEW.cron))
    EXECUTE FUNCTION renew_use();

CREATE OR REPLACE FUNCTION charge_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_change record;
BEGIN
    FOR v_change IN
        SELECT c.account, c.name, sum(c.amount) AS amount FROM (
            SELECT NEW.account_uuid AS account, key AS name, value::numeric AS amount FROM jsonb_each_text(NEW.uses)
            UNION ALL
            SELECT OLD.account_uuid, key, -value::numeric FROM jsonb_each_text(OLD.uses)) c
        WHERE (c.name = 'text.size') = (TG_NARGS > 0)
        GROUP BY 1, 2 HAVING sum(c.amount) <> 0 ORDER BY 1, 2
    LOOP
        UPDATE quotas SET used = used + v_change.amount WHERE identity_uuid = v_change.account AND name = v_change.name;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER resource_owners_more_text_trigger AFTER INSERT ON resource_owners DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.uses ? 'text.size') EXECUTE FUNCTION charge_account('text');
CREATE CONSTRAINT TRIGGER resource_owners_less_text_trigger AFTER DELETE ON resource_owners DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.uses ? 'text.size') EXECUTE FUNCTION charge_account('text');
CREATE CONSTRAINT TRIGGER resource_owners_text_trigger AFTER UPDATE OF account_uuid, uses ON resource_owners
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.account_uuid <> NEW.account_uuid OR OLD.uses -> 'text.size' IS DISTINCT FROM NEW.uses -> 'text.size')
    EXECUTE FUNCTION charge_account('text');


-- The triggers count what is there already; whoever has more than the quota keeps it.
UPDATE resource_owners SET uses = quota_use(resource_type, resource_uuid)
WHERE uses <> quota_use(resource_type, resource_uuid);
SET CONSTRAINTS ALL IMMEDIATE;

-- Raises ZS003 when an account would have more written than its quota allows; the detail holds what QuotaExceeded tells.
CREATE OR REPLACE FUNCTION check_text() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_quota quotas;
BEGIN
    SELECT q.* INTO v_quota FROM quotas q JOIN accounts a ON a.uuid = q.identity_uuid AND a.type <> 'SystemAdmin'
    WHERE q.uuid = NEW.uuid AND q.used > q.value;
    IF FOUND THEN
        RAISE EXCEPTION 'the quota text.size is %, and % would be used', v_quota.value, v_quota.used USING ERRCODE = 'ZS003',
            DETAIL = jsonb_build_object('name', v_quota.name, 'limit', v_quota.value, 'used', OLD.used);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER quotas_text_trigger AFTER UPDATE OF used ON quotas DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.name = 'text.size' AND NEW.used > OLD.used AND NEW.used > NEW.value) EXECUTE FUNCTION check_text();
