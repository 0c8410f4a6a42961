-- Roles of ZStack's API: statements that join those of users' policies.
CREATE TABLE policy_roles (
    uuid          text COLLATE "C" CONSTRAINT policy_roles_pkey PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL CONSTRAINT policy_roles_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    name          text COLLATE "C" NOT NULL,
    description   text,
    state         text NOT NULL DEFAULT 'Enabled' CONSTRAINT policy_roles_state_check CHECK (state IN ('Enabled', 'Disabled')),
    statements    jsonb NOT NULL,  -- in their wire form, each {"uuid": ..., "statement": {...}}
    create_date   timestamptz NOT NULL DEFAULT now(),
    last_op_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX policy_roles_account_idx ON policy_roles (account_uuid);
CREATE INDEX policy_roles_folded_name_idx ON policy_roles (lower(name));

CREATE TABLE policy_role_users (
    role_uuid  text COLLATE "C" NOT NULL CONSTRAINT policy_role_users_role_fkey REFERENCES policy_roles (uuid) ON DELETE CASCADE,
    user_uuid  text COLLATE "C" NOT NULL CONSTRAINT policy_role_users_user_fkey REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT policy_role_users_pkey PRIMARY KEY (user_uuid, role_uuid)
);
CREATE INDEX policy_role_users_role_idx ON policy_role_users (role_uuid);

-- For all users of the account, of now and later.
CREATE TABLE policy_role_accounts (
    role_uuid     text COLLATE "C" NOT NULL CONSTRAINT policy_role_accounts_role_fkey REFERENCES policy_roles (uuid) ON DELETE CASCADE,
    account_uuid  text COLLATE "C" NOT NULL CONSTRAINT policy_role_accounts_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    CONSTRAINT policy_role_accounts_pkey PRIMARY KEY (account_uuid, role_uuid)
);
CREATE INDEX policy_role_accounts_role_idx ON policy_role_accounts (role_uuid);
SELECT resources_of('policy_roles', 'RoleVO');

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
            SELECT octet_length(concat(name, description, cron)) FROM scheduler_triggers WHERE uuid = p_uuid) END, 0);
    RETURN CASE WHEN v_size > 0 THEN jsonb_build_object('text.size', v_size) ELSE '{}' END;
END $$;

CREATE OR REPLACE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO',
                                'PolicyVO', 'RoleVO', 'UserVO', 'UserGroupVO', 'TagPatternVO', 'SchedulerJobVO', 'SchedulerTriggerVO'))
    EXECUTE FUNCTION note_use_of_owner();
CREATE TRIGGER renew_use AFTER UPDATE OF name, description, statements ON policy_roles FOR EACH ROW EXECUTE FUNCTION renew_use();
