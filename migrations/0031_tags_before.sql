-- Tags that an account can attach to resources of its own; each is a user tag there.
CREATE TABLE tag_patterns (
    uuid          text COLLATE "C" CONSTRAINT tag_patterns_pkey PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    value         text COLLATE "C" NOT NULL,
    description   text,
    color         text,
    type          text NOT NULL DEFAULT 'simple' CONSTRAINT tag_patterns_type_check CHECK (type IN ('simple', 'withToken')),
    create_date   timestamptz NOT NULL DEFAULT now(),
    last_op_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tag_patterns_folded_name_idx ON tag_patterns (lower(name));
SELECT resources_of('tag_patterns', 'TagPatternVO');
ALTER TABLE tags ADD COLUMN pattern_uuid text COLLATE "C" CONSTRAINT tags_pattern_fkey REFERENCES tag_patterns (uuid) ON DELETE CASCADE;
CREATE INDEX tags_pattern_idx ON tags (pattern_uuid) WHERE pattern_uuid IS NOT NULL;

-- Tags of either type with the account that owns their resource, if it is of an owned type.
CREATE VIEW user_tags AS
    SELECT g.uuid, g.resource_uuid, g.resource_type, g.tag, g.type, g.pattern_uuid AS tag_pattern_uuid, g.create_date,
           g.last_op_date, o.account_uuid
    FROM tags g LEFT JOIN resource_owners o ON o.resource_uuid = g.resource_uuid WHERE g.type = 'User';
CREATE VIEW system_tags AS
    SELECT g.uuid, g.resource_uuid, g.resource_type, g.tag, g.type, false AS inherent, g.create_date, g.last_op_date,
           o.account_uuid
    FROM tags g LEFT JOIN resource_owners o ON o.resource_uuid = g.resource_uuid WHERE g.type = 'System';

CREATE OR REPLACE FUNCTION text_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_size bigint := (SELECT coalesce(sum(octet_length(tag)), 0) FROM tags WHERE resource_uuid = p_uuid);
BEGIN
    v_size := v_size + coalesce(CASE p_type
        WHEN 'PolicyVO' THEN (SELECT octet_length(concat(name, description, statements)) FROM policies WHERE uuid = p_uuid)
        WHEN 'UserVO' THEN (SELECT octet_length(concat(name, description)) FROM users WHERE uuid = p_uuid)
        WHEN 'UserGroupVO' THEN (SELECT octet_length(concat(name, description)) FROM user_groups WHERE uuid = p_uuid)
        WHEN 'TagPatternVO' THEN (SELECT octet_length(concat(name, value, description, color)) FROM tag_patterns WHERE uuid = p_uuid)
        WHEN 'SchedulerJobVO' THEN (
            SELECT octet_length(concat(name, description, parameters)) FROM scheduler_jobs WHERE uuid = p_uuid)
        WHEN 'SchedulerTriggerVO' THEN (
            SELECT octet_length(concat(name, description, cron)) FROM scheduler_triggers WHERE uuid = p_uuid) END, 0);
    RETURN CASE WHEN v_size > 0 THEN jsonb_build_object('text.size', v_size) ELSE '{}' END;
END $$;

CREATE OR REPLACE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO',
                                'PolicyVO', 'UserVO', 'UserGroupVO', 'TagPatternVO', 'SchedulerJobVO', 'SchedulerTriggerVO'))
    EXECUTE FUNCTION note_use_of_owner();

CREATE TRIGGER renew_use AFTER UPDATE OF name, value, description, color ON tag_patterns FOR EACH ROW EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use_other AFTER UPDATE ON tags REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();
