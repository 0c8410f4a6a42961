-- What is used of a quota stands in its row, and follows what the account owns. Whoever changes that waits for the commit.
ALTER TABLE quotas ADD COLUMN used numeric NOT NULL DEFAULT 0 CONSTRAINT quotas_used_check CHECK (used >= 0);
ALTER TABLE quotas SET (fillfactor = 50);
ALTER TABLE resource_owners ADD COLUMN uses jsonb NOT NULL DEFAULT '{}';
ALTER TABLE resource_owners SET (fillfactor = 70);

CREATE OR REPLACE FUNCTION vm_stage(p_state text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_state IN ('Destroyed', 'Expunging') THEN 0 WHEN p_state IN ('Created', 'Stopped', 'Destroying') THEN 1
                ELSE 2 END
$$;

CREATE OR REPLACE FUNCTION vm_use(p_state text, p_cpu_num int, p_memory_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE vm_stage(p_state) WHEN 0 THEN '{}' WHEN 1 THEN '{"vm.totalNum": 1}'
        ELSE jsonb_build_object('vm.totalNum', 1, 'vm.num', 1, 'vm.cpuNum', p_cpu_num, 'vm.memorySize', p_memory_size) END
$$;

CREATE OR REPLACE FUNCTION volume_use(p_type text, p_status text, p_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('volume.capacity', p_size)
        || CASE WHEN p_type = 'Data' AND p_status <> 'Deleted' THEN '{"volume.data.num": 1}' ELSE '{}'::jsonb END
$$;

CREATE OR REPLACE FUNCTION quota_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(CASE p_type
        WHEN 'VmInstanceVO' THEN (SELECT vm_use(state, cpu_num, memory_size) FROM vm_instances WHERE uuid = p_uuid)
        WHEN 'VolumeVO' THEN (SELECT volume_use(type, status, size) FROM volumes WHERE uuid = p_uuid)
        WHEN 'ImageVO' THEN (SELECT jsonb_build_object('image.num', 1, 'image.size', actual_size) FROM images WHERE uuid = p_uuid)
        WHEN 'VolumeSnapshotVO' THEN '{"snapshot.volume.num": 1}'
        WHEN 'L3NetworkVO' THEN '{"l3.num": 1}'
        WHEN 'VipVO' THEN '{"vip.num": 1}'
        WHEN 'EipVO' THEN '{"eip.num": 1}' END, '{}')
$$;

CREATE OR REPLACE FUNCTION note_use_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.uses := quota_use(NEW.resource_type, NEW.resource_uuid);
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO'))
    EXECUTE FUNCTION note_use_of_owner();

CREATE OR REPLACE FUNCTION renew_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE resource_owners SET uses = quota_use(resource_type, resource_uuid) WHERE resource_uuid = NEW.uuid;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF state, cpu_num, memory_size ON vm_instances FOR EACH ROW
    WHEN (vm_stage(OLD.state) <> vm_stage(NEW.state) OR OLD.cpu_num <> NEW.cpu_num OR OLD.memory_size <> NEW.memory_size)
    EXECUTE FUNCTION renew_use();
CREATE OR REPLACE TRIGGER renew_use AFTER UPDATE OF type, status, size ON volumes FOR EACH ROW
    WHEN ((OLD.status = 'Deleted') <> (NEW.status = 'Deleted') OR OLD.type <> NEW.type OR OLD.size <> NEW.size)
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
        GROUP BY 1, 2 HAVING sum(c.amount) <> 0 ORDER BY 1, 2
    LOOP
        UPDATE quotas SET used = used + v_change.amount WHERE identity_uuid = v_change.account AND name = v_change.name;
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER charge_account_more AFTER INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.uses <> '{}') EXECUTE FUNCTION charge_account();
CREATE OR REPLACE TRIGGER charge_account_less AFTER DELETE ON resource_owners FOR EACH ROW
    WHEN (OLD.uses <> '{}') EXECUTE FUNCTION charge_account();
CREATE OR REPLACE TRIGGER charge_account_change AFTER UPDATE OF account_uuid, uses ON resource_owners FOR EACH ROW
    WHEN (OLD.account_uuid <> NEW.account_uuid OR OLD.uses <> NEW.uses) EXECUTE FUNCTION charge_account();

-- The triggers count what is there already.
UPDATE resource_owners SET uses = quota_use(resource_type, resource_uuid)
WHERE quota_use(resource_type, resource_uuid) <> '{}';
