-- The whole database, top to bottom, as a new one is made. `migrations/` has the steps that bring an older one here.
-- Times are the database's own; a uuid is 32 lower-case hex digits. Queries compare text without case: by indexes on lower().

-- The steps of `migrations/` that this database has.
CREATE TABLE schema_steps (
    name        text COLLATE "C" PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- Facts about this installation: `key` is the fingerprint of its SECRET_KEY.
CREATE TABLE installation (
    name   text COLLATE "C" PRIMARY KEY,
    value  text NOT NULL
);

-- Settings of the whole service; `chosen` is what an administrator has set in place of the default.
CREATE TABLE global_configs (
    uuid           text COLLATE "C" CONSTRAINT global_configs_pkey PRIMARY KEY,
    category       text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    description    text NOT NULL,
    default_value  text NOT NULL,
    chosen         text,
    CONSTRAINT global_configs_name_key UNIQUE (category, name)
);

------------------------------------------------------------------------------------------------------------------------
-- Identity
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
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
CREATE INDEX accounts_folded_name_idx ON accounts (lower(name));

CREATE TABLE users (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT users_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
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
CREATE INDEX users_name_idx ON users (name);
CREATE INDEX users_folded_name_idx ON users (lower(name));

-- Earlier password hashes of an account or user, the newest first, for reuse rules.
CREATE TABLE password_history (
    owner_uuid     text COLLATE "C" NOT NULL,
    password_hash  text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_uuid, created_at)
);

CREATE TABLE user_groups (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT user_groups_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    name           text COLLATE "C" NOT NULL,
    description    text,
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_groups_account_name_key UNIQUE (account_uuid, name)
);
CREATE INDEX user_groups_name_idx ON user_groups (name);
CREATE INDEX user_groups_folded_name_idx ON user_groups (lower(name));

CREATE TABLE policies (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT policies_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    name           text COLLATE "C" NOT NULL,
    description    text,
    statements     jsonb NOT NULL,  -- in their wire form; never changed after the insert
    create_date    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX policies_account_idx ON policies (account_uuid);
CREATE INDEX policies_folded_name_idx ON policies (lower(name));

CREATE TABLE group_members (
    group_uuid  text COLLATE "C" NOT NULL CONSTRAINT group_members_group_fkey REFERENCES user_groups (uuid) ON DELETE CASCADE,
    user_uuid   text COLLATE "C" NOT NULL CONSTRAINT group_members_user_fkey REFERENCES users (uuid) ON DELETE CASCADE,
    PRIMARY KEY (group_uuid, user_uuid)
);
CREATE INDEX group_members_user_idx ON group_members (user_uuid);

CREATE TABLE user_policies (
    user_uuid    text COLLATE "C" NOT NULL CONSTRAINT user_policies_user_fkey REFERENCES users (uuid) ON DELETE CASCADE,
    policy_uuid  text COLLATE "C" NOT NULL CONSTRAINT user_policies_policy_fkey REFERENCES policies (uuid) ON DELETE CASCADE,
    PRIMARY KEY (user_uuid, policy_uuid)
);
CREATE INDEX user_policies_policy_idx ON user_policies (policy_uuid);

CREATE TABLE group_policies (
    group_uuid   text COLLATE "C" NOT NULL CONSTRAINT group_policies_group_fkey REFERENCES user_groups (uuid) ON DELETE CASCADE,
    policy_uuid  text COLLATE "C" NOT NULL CONSTRAINT group_policies_policy_fkey REFERENCES policies (uuid) ON DELETE CASCADE,
    PRIMARY KEY (group_uuid, policy_uuid)
);
CREATE INDEX group_policies_policy_idx ON group_policies (policy_uuid);

-- Roles of ZStack's API: statements that join those of users' policies. Keystone's roles, which allow nothing here, are below.
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

-- The value that a new account starts with. Changing a default leaves existing accounts alone.
CREATE TABLE quota_defaults (
    name   text COLLATE "C" PRIMARY KEY,
    value  bigint NOT NULL CONSTRAINT quota_defaults_value_check CHECK (value >= 0)
);
INSERT INTO quota_defaults (name, value) VALUES
    ('vm.totalNum', 20), ('vm.num', 20), ('vm.cpuNum', 80), ('vm.memorySize', 85899345920),
    ('volume.data.num', 40), ('volume.capacity', 10995116277760), ('image.num', 20), ('image.size', 10995116277760),
    ('snapshot.volume.num', 200), ('securityGroup.num', 20), ('l3.num', 20), ('loadBalancer.num', 20), ('eip.num', 20),
    ('portForwarding.num', 20), ('vip.num', 20), ('vxlan.num', 8), ('text.size', 67108864);

CREATE TABLE quotas (
    uuid           text COLLATE "C" PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    identity_uuid  text COLLATE "C" NOT NULL CONSTRAINT quotas_identity_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    identity_type  text NOT NULL DEFAULT 'AccountVO',
    value          bigint NOT NULL CONSTRAINT quotas_value_check CHECK (value >= 0),
    -- What is used of it. Kept by the trigger charge_account alone; a sum may be larger than any bigint.
    used           numeric NOT NULL DEFAULT 0 CONSTRAINT quotas_used_check CHECK (used >= 0),
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT quotas_identity_name_key UNIQUE (identity_uuid, name)
) WITH (fillfactor = 50);

-- Failed logins of one name from one address. Both logins and the Keystone facade count here.
CREATE TABLE login_failures (
    subject        bytea NOT NULL,  -- keyed hash of kind, account and name, whether or not they exist
    address        text NOT NULL,   -- empty: from all addresses, for the lockout
    failures       int NOT NULL,
    last_at        timestamptz NOT NULL DEFAULT now(),
    blocked_until  timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (subject, address)
);
CREATE INDEX login_failures_last_idx ON login_failures (last_at);

-- Where a name has logged in from before: failures of others at such an address do not shut it out.
CREATE TABLE login_places (
    subject  bytea NOT NULL,
    address  text NOT NULL,
    last_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT login_places_pkey PRIMARY KEY (subject, address)
);
CREATE INDEX login_places_last_idx ON login_places (last_at);

-- One row per login. The token itself is never stored: `token_hash` is its keyed hash.
CREATE TABLE sessions (
    token_hash    bytea PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL CONSTRAINT sessions_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
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
CREATE INDEX sessions_user_idx ON sessions (account_uuid, user_uuid);
CREATE INDEX sessions_login_newest_idx ON sessions (user_uuid, origin, create_date, token_hash);  -- to end them, or the oldest
CREATE INDEX sessions_expired_idx ON sessions (expired_date);

------------------------------------------------------------------------------------------------------------------------
-- Resources: uuid, name and type of each; tags, owners and shares, which go with them
------------------------------------------------------------------------------------------------------------------------

-- Kept by triggers on the tables of the resources, so that a uuid is used once over all types.
CREATE TABLE resources (
    uuid           text COLLATE "C" CONSTRAINT resources_pkey PRIMARY KEY,
    resource_name  text,
    resource_type  text COLLATE "C" NOT NULL,  -- the concrete type, `UserVO`
    base_type      text COLLATE "C" NOT NULL   -- what ownership rows show
);

CREATE FUNCTION note_resource() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION resources_of(p_table text, p_type text, p_base text DEFAULT NULL) RETURNS void
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

CREATE TABLE tags (
    uuid           text COLLATE "C" PRIMARY KEY,
    resource_uuid  text COLLATE "C" NOT NULL CONSTRAINT tags_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type  text COLLATE "C" NOT NULL,
    tag            text COLLATE "C" NOT NULL,
    type           text NOT NULL CONSTRAINT tags_type_check CHECK (type IN ('System', 'User')),
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now(),
    pattern_uuid   text COLLATE "C" CONSTRAINT tags_pattern_fkey REFERENCES tag_patterns (uuid) ON DELETE CASCADE,
    CONSTRAINT tags_resource_tag_key UNIQUE (resource_uuid, type, tag) INCLUDE (resource_type)  -- as conditions ask
);
CREATE INDEX tags_pattern_idx ON tags (pattern_uuid) WHERE pattern_uuid IS NOT NULL;
CREATE INDEX tags_folded_tag_idx ON tags (resource_type, type, lower(tag));

-- The owner of each resource of an owned type.
CREATE TABLE resource_owners (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource_uuid  text COLLATE "C" NOT NULL CONSTRAINT resource_owners_resource_key UNIQUE
                   CONSTRAINT resource_owners_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type  text COLLATE "C" NOT NULL,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT resource_owners_account_fkey REFERENCES accounts (uuid),
    uses           jsonb NOT NULL DEFAULT '{}',  -- of the owner's quotas, by name: what quota_use says
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX resource_owners_account_idx ON resource_owners (account_uuid, resource_type);

-- Tags of either type with the account that owns their resource, if it is of an owned type.
CREATE VIEW user_tags AS
    SELECT g.uuid, g.resource_uuid, g.resource_type, g.tag, g.type, g.pattern_uuid AS tag_pattern_uuid, g.create_date,
           g.last_op_date, o.account_uuid
    FROM tags g LEFT JOIN resource_owners o ON o.resource_uuid = g.resource_uuid WHERE g.type = 'User';
CREATE VIEW system_tags AS
    SELECT g.uuid, g.resource_uuid, g.resource_type, g.tag, g.type, false AS inherent, g.create_date, g.last_op_date,
           o.account_uuid
    FROM tags g LEFT JOIN resource_owners o ON o.resource_uuid = g.resource_uuid WHERE g.type = 'System';

-- A share without a receiver is to the public.
CREATE TABLE resource_shares (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource_uuid          text COLLATE "C" NOT NULL CONSTRAINT resource_shares_resource_fkey
                           REFERENCES resources (uuid) ON DELETE CASCADE,
    resource_type          text COLLATE "C" NOT NULL,
    owner_account_uuid     text COLLATE "C" NOT NULL CONSTRAINT resource_shares_owner_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    receiver_account_uuid  text COLLATE "C" CONSTRAINT resource_shares_receiver_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    to_public              boolean NOT NULL DEFAULT false,
    create_date            timestamptz NOT NULL DEFAULT now(),
    last_op_date           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT resource_shares_receiver_check CHECK (to_public = (receiver_account_uuid IS NULL)),
    CONSTRAINT resource_shares_key UNIQUE NULLS NOT DISTINCT (resource_uuid, owner_account_uuid, receiver_account_uuid)
);
CREATE INDEX resource_shares_owner_idx ON resource_shares (owner_account_uuid);
CREATE INDEX resource_shares_receiver_idx ON resource_shares (receiver_account_uuid, resource_uuid);

-- Whether an account (NULL: one that may use all) owns a resource, or it is shared with it or with the public.
CREATE FUNCTION can_use(p_resource text, p_account text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT p_account IS NULL OR EXISTS (
        SELECT FROM resource_owners o WHERE o.resource_uuid = p_resource AND (o.account_uuid = p_account OR EXISTS (
            SELECT FROM resource_shares s
            WHERE s.resource_uuid = p_resource AND (s.to_public OR s.receiver_account_uuid = p_account))))
$$;

-- A key acts for its login. `sealed` is its secret, bound to this row.
CREATE TABLE access_keys (
    uuid           text COLLATE "C" PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL CONSTRAINT access_keys_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    user_uuid      text COLLATE "C" NOT NULL CONSTRAINT access_keys_user_fkey REFERENCES resources (uuid) ON DELETE CASCADE,  -- or the account
    access_key_id  text COLLATE "C" NOT NULL CONSTRAINT access_keys_id_key UNIQUE,
    sealed         text NOT NULL,
    state          text NOT NULL DEFAULT 'Enabled' CONSTRAINT access_keys_state_check CHECK (state IN ('Enabled', 'Disabled')),
    description    text,
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_keys_account_idx ON access_keys (account_uuid);
CREATE INDEX access_keys_user_idx ON access_keys (user_uuid);
CREATE INDEX access_keys_folded_id_idx ON access_keys (lower(access_key_id));

-- Signatures that have opened a change, until they are too old to be shown again.
CREATE TABLE access_key_uses (
    signature  bytea CONSTRAINT access_key_uses_pkey PRIMARY KEY,  -- keyed hash
    remote     text NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL
);
CREATE INDEX access_key_uses_ends_idx ON access_key_uses (ends_at);

-- Whether a signature opens this change. A client that makes several in one second signs them alike, so those that come
-- from one address within two seconds pass; whoever has caught the signature comes later, or from elsewhere.
CREATE FUNCTION use_signature(p_signature bytea, p_remote text, p_ends_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_key_uses (signature, remote, ends_at) VALUES (p_signature, p_remote, p_ends_at) ON CONFLICT DO NOTHING;
    RETURN FOUND OR EXISTS (SELECT FROM access_key_uses u WHERE u.signature = p_signature AND u.remote = p_remote
                            AND u.used_at > clock_timestamp() - interval '2 s');
END $$;

SELECT resources_of('accounts', 'AccountVO'), resources_of('users', 'UserVO'), resources_of('user_groups', 'UserGroupVO'),
       resources_of('policies', 'PolicyVO'), resources_of('policy_roles', 'RoleVO'),
       resources_of('quotas', 'QuotaVO'), resources_of('access_keys', 'AccessKeyVO'),
       resources_of('tag_patterns', 'TagPatternVO');

------------------------------------------------------------------------------------------------------------------------
-- What the Keystone door knows besides: projects, roles, and more about logins
------------------------------------------------------------------------------------------------------------------------

-- A scope inside an account. Each account gets one project of its own when it is made.
CREATE TABLE projects (
    uuid          text COLLATE "C" PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL CONSTRAINT projects_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    parent_uuid   text COLLATE "C" CONSTRAINT projects_parent_fkey REFERENCES projects (uuid),  -- NULL: directly in the account
    name          text COLLATE "C" NOT NULL,
    description   text,
    enabled       boolean NOT NULL DEFAULT true,
    is_first      boolean NOT NULL DEFAULT false,  -- the one that was made with its account
    tags          text[] NOT NULL DEFAULT '{}',
    extra         jsonb NOT NULL DEFAULT '{}',  -- attributes that only clients give a meaning to
    create_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_account_name_key UNIQUE (account_uuid, name)
);
CREATE INDEX projects_parent_idx ON projects (parent_uuid);
CREATE INDEX projects_name_idx ON projects (name);

CREATE FUNCTION make_first_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO projects (uuid, account_uuid, name, is_first)
    VALUES (replace(gen_random_uuid()::text, '-', ''), NEW.uuid, NEW.name, true);
    RETURN NULL;
END $$;
CREATE TRIGGER make_first_project AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION make_first_project();

CREATE TABLE roles (
    uuid         text COLLATE "C" PRIMARY KEY,
    name         text COLLATE "C" NOT NULL CONSTRAINT roles_name_key UNIQUE,
    description  text,
    built_in     boolean NOT NULL DEFAULT false,
    extra        jsonb NOT NULL DEFAULT '{}',
    create_date  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO roles (uuid, name, built_in) VALUES
    ('a0000000000040008000000000000001', 'admin', true), ('a0000000000040008000000000000002', 'manager', true),
    ('a0000000000040008000000000000003', 'member', true), ('a0000000000040008000000000000004', 'reader', true),
    ('a0000000000040008000000000000005', 'service', true);

-- A role that a user, group or account login has on a project or on a domain, which is an account; on neither: on the system.
CREATE TABLE role_assignments (
    actor_uuid    text COLLATE "C" NOT NULL CONSTRAINT role_assignments_actor_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    role_uuid     text COLLATE "C" NOT NULL CONSTRAINT role_assignments_role_fkey REFERENCES roles (uuid) ON DELETE CASCADE,
    project_uuid  text COLLATE "C" CONSTRAINT role_assignments_project_fkey REFERENCES projects (uuid) ON DELETE CASCADE,
    domain_uuid   text COLLATE "C" CONSTRAINT role_assignments_domain_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    CONSTRAINT role_assignments_scope_check CHECK (num_nonnulls(project_uuid, domain_uuid) < 2),
    CONSTRAINT role_assignments_key UNIQUE NULLS NOT DISTINCT (actor_uuid, role_uuid, project_uuid, domain_uuid)
);
CREATE INDEX role_assignments_role_idx ON role_assignments (role_uuid);
CREATE INDEX role_assignments_project_idx ON role_assignments (project_uuid);
CREATE INDEX role_assignments_domain_idx ON role_assignments (domain_uuid);

-- Every role of every login: its own, those of its groups, and that of an account on what is its own.
CREATE VIEW role_grants AS
    SELECT actor_uuid AS login_uuid, role_uuid, project_uuid, domain_uuid, actor_uuid AS given_to FROM role_assignments
    UNION ALL
    SELECT m.user_uuid, a.role_uuid, a.project_uuid, a.domain_uuid, a.actor_uuid
    FROM role_assignments a JOIN group_members m ON m.group_uuid = a.actor_uuid
    UNION ALL
    SELECT account_uuid, 'a0000000000040008000000000000001', uuid, NULL, account_uuid FROM projects
    UNION ALL
    SELECT uuid, 'a0000000000040008000000000000001', NULL, uuid, uuid FROM accounts
    UNION ALL
    SELECT uuid, 'a0000000000040008000000000000001', NULL, NULL, uuid FROM accounts WHERE type = 'SystemAdmin';

-- What a user lets a program do in one project: its roles there, or fewer. Clients may choose the secret, so its hash is slow.
CREATE TABLE application_credentials (
    uuid          text COLLATE "C" CONSTRAINT application_credentials_pkey PRIMARY KEY,
    login_uuid    text COLLATE "C" NOT NULL CONSTRAINT application_credentials_login_fkey
                  REFERENCES resources (uuid) ON DELETE CASCADE,
    project_uuid  text COLLATE "C" NOT NULL CONSTRAINT application_credentials_project_fkey
                  REFERENCES projects (uuid) ON DELETE CASCADE,
    name          text COLLATE "C" NOT NULL,
    description   text,
    secret_hash   text NOT NULL,
    role_uuids    text[] COLLATE "C" NOT NULL,  -- those that it may use as long as its maker has them too
    unrestricted  boolean NOT NULL,             -- may make and delete others
    expires_at    timestamptz,
    create_date   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT application_credentials_login_name_key UNIQUE (login_uuid, name)
);
CREATE INDEX application_credentials_project_idx ON application_credentials (project_uuid);

-- The application credential that a token was opened with, whose end is the token's too.
ALTER TABLE sessions ADD COLUMN credential_uuid text COLLATE "C" CONSTRAINT sessions_credential_fkey
    REFERENCES application_credentials (uuid) ON DELETE CASCADE;
CREATE INDEX sessions_credential_idx ON sessions (credential_uuid) WHERE credential_uuid IS NOT NULL;

-- More about an account or user as a login. A login without a row has the defaults.
CREATE TABLE login_details (
    login_uuid            text COLLATE "C" PRIMARY KEY CONSTRAINT login_details_login_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    default_project_uuid  text COLLATE "C",  -- need not exist any more
    last_project_uuid     text COLLATE "C",
    password_set_at       timestamptz NOT NULL DEFAULT now(),
    password_strength     text CONSTRAINT login_details_strength_check CHECK (password_strength IN ('high', 'mid', 'low')),
    password_reset        boolean NOT NULL DEFAULT false,  -- by somebody else: its owner should choose another
    active_at             timestamptz,  -- the last login, where inactivity counts
    extra                 jsonb NOT NULL DEFAULT '{}'
);

-- What only clients give a meaning to of a domain, which is an account, or of a group; without a row there is nothing.
CREATE TABLE resource_extras (
    resource_uuid  text COLLATE "C" CONSTRAINT resource_extras_pkey PRIMARY KEY
                   CONSTRAINT resource_extras_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    extra          jsonb NOT NULL DEFAULT '{}',
    tags           text[] NOT NULL DEFAULT '{}'
);

-- Accounts and users alike, as those who log in.
CREATE VIEW logins AS
    SELECT uuid, uuid AS account_uuid, name, description, email, enabled, password_hash, password_expires_at, options
    FROM accounts
    UNION ALL
    SELECT uuid, account_uuid, name, description, email, enabled, password_hash, password_expires_at, options FROM users;

-- Quotas of a domain that nothing of the inventory counts; without a row there is no limit.
CREATE TABLE domain_quotas (
    account_uuid  text COLLATE "C" NOT NULL CONSTRAINT domain_quotas_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    item          text COLLATE "C" NOT NULL,
    value         numeric NOT NULL CONSTRAINT domain_quotas_value_check CHECK (value >= -1),
    CONSTRAINT domain_quotas_pkey PRIMARY KEY (account_uuid, item)
);

-- What `/v3` shows of other services: regions, services and where they are. The identity service itself is computed.
CREATE TABLE catalog_regions (
    id           text COLLATE "C" CONSTRAINT catalog_regions_pkey PRIMARY KEY,  -- chosen by clients
    parent_id    text COLLATE "C" CONSTRAINT catalog_regions_parent_fkey REFERENCES catalog_regions (id) ON DELETE CASCADE,
    description  text NOT NULL DEFAULT '',
    extra        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX catalog_regions_parent_idx ON catalog_regions (parent_id);

CREATE TABLE catalog_services (
    uuid         text COLLATE "C" CONSTRAINT catalog_services_pkey PRIMARY KEY,
    type         text COLLATE "C" NOT NULL,
    name         text COLLATE "C",
    description  text,
    enabled      boolean NOT NULL,
    extra        jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE catalog_endpoints (
    uuid          text COLLATE "C" CONSTRAINT catalog_endpoints_pkey PRIMARY KEY,
    service_uuid  text COLLATE "C" NOT NULL CONSTRAINT catalog_endpoints_service_fkey
                  REFERENCES catalog_services (uuid) ON DELETE CASCADE,
    region_id     text COLLATE "C" CONSTRAINT catalog_endpoints_region_fkey REFERENCES catalog_regions (id),
    interface     text NOT NULL CONSTRAINT catalog_endpoints_interface_check CHECK (interface IN ('public', 'internal', 'admin')),
    url           text NOT NULL,
    enabled       boolean NOT NULL,
    extra         jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX catalog_endpoints_service_idx ON catalog_endpoints (service_uuid);
CREATE INDEX catalog_endpoints_region_idx ON catalog_endpoints (region_id);

-- The catalog's version, which each change of what tokens show renews, so that processes can keep what they have read.
-- It is no number: one that a restored backup has had before means something else now.
CREATE TABLE catalog_versions (
    is_present  boolean CONSTRAINT catalog_versions_pkey PRIMARY KEY DEFAULT true
                CONSTRAINT catalog_versions_singleton_check CHECK (is_present),
    version     uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO catalog_versions DEFAULT VALUES;

CREATE FUNCTION renew_catalog_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalog_versions SET version = gen_random_uuid();
    RETURN NULL;
END $$;
CREATE TRIGGER renew_catalog_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_services
    FOR EACH STATEMENT EXECUTE FUNCTION renew_catalog_version();
CREATE TRIGGER renew_catalog_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_endpoints
    FOR EACH STATEMENT EXECUTE FUNCTION renew_catalog_version();

-- How much of a resource projects and domains may have that have no limit of their own for it. -1: any number.
CREATE TABLE registered_limits (
    uuid           text COLLATE "C" PRIMARY KEY,
    service_id     text COLLATE "C" NOT NULL,
    region_id      text COLLATE "C",
    resource_name  text COLLATE "C" NOT NULL,
    default_limit  bigint NOT NULL CONSTRAINT registered_limits_default_check CHECK (default_limit >= -1),
    description    text,
    CONSTRAINT registered_limits_resource_key UNIQUE NULLS NOT DISTINCT (service_id, region_id, resource_name)
);

-- What one project or one domain may have instead. Where `domain_quotas` or `quotas` has the domain's value, that holds.
CREATE TABLE limits (
    uuid             text COLLATE "C" PRIMARY KEY,
    registered_uuid  text COLLATE "C" NOT NULL CONSTRAINT limits_registered_fkey REFERENCES registered_limits (uuid),
    project_uuid     text COLLATE "C" CONSTRAINT limits_project_fkey REFERENCES projects (uuid) ON DELETE CASCADE,
    domain_uuid      text COLLATE "C" CONSTRAINT limits_domain_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    value            bigint NOT NULL CONSTRAINT limits_value_check CHECK (value >= -1),
    description      text,
    CONSTRAINT limits_of_one_check CHECK (num_nonnulls(project_uuid, domain_uuid) = 1),
    CONSTRAINT limits_of_key UNIQUE NULLS NOT DISTINCT (registered_uuid, project_uuid, domain_uuid)
);
CREATE INDEX limits_project_idx ON limits (project_uuid);
CREATE INDEX limits_domain_idx ON limits (domain_uuid);

------------------------------------------------------------------------------------------------------------------------
-- Compute inventory
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE zones (
    uuid          text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    description   text,
    state         text NOT NULL DEFAULT 'Enabled' CONSTRAINT zones_state_check CHECK (state IN ('Enabled', 'Disabled')),
    type          text NOT NULL DEFAULT 'zstack',
    is_default    boolean NOT NULL DEFAULT false,
    create_date   timestamptz NOT NULL DEFAULT now(),
    last_op_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX zones_folded_name_idx ON zones (lower(name));
SELECT resources_of('zones', 'ZoneVO');

CREATE TABLE clusters (
    uuid             text COLLATE "C" PRIMARY KEY,
    name             text COLLATE "C" NOT NULL,
    description      text,
    state            text NOT NULL DEFAULT 'Enabled' CONSTRAINT clusters_state_check CHECK (state IN ('Enabled', 'Disabled')),
    hypervisor_type  text NOT NULL CONSTRAINT clusters_hypervisor_check CHECK (hypervisor_type IN ('KVM', 'Simulator')),
    zone_uuid        text COLLATE "C" NOT NULL CONSTRAINT clusters_zone_fkey REFERENCES zones (uuid) ON DELETE CASCADE,
    type             text NOT NULL DEFAULT 'zstack',
    architecture     text,  -- of the VMs that run there; NULL: any
    create_date      timestamptz NOT NULL DEFAULT now(),
    last_op_date     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX clusters_zone_idx ON clusters (zone_uuid);
CREATE INDEX clusters_folded_name_idx ON clusters (lower(name));

-- Where volumes and images are said to be. There is one of each, for all zones.
CREATE TABLE primary_storages (
    uuid            text COLLATE "C" PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    description     text,
    url             text NOT NULL,
    type            text NOT NULL,
    state           text NOT NULL DEFAULT 'Enabled' CONSTRAINT primary_storages_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status          text NOT NULL DEFAULT 'Connected',
    mount_path      text NOT NULL,
    total_capacity  bigint,  -- bytes, as an administrator has said; NULL: unknown
    create_date     timestamptz NOT NULL DEFAULT now(),
    last_op_date    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE backup_storages (
    uuid            text COLLATE "C" PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    description     text,
    url             text NOT NULL,
    type            text NOT NULL,
    state           text NOT NULL DEFAULT 'Enabled' CONSTRAINT backup_storages_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status          text NOT NULL DEFAULT 'Connected',
    total_capacity  bigint,  -- bytes, as an administrator has said; NULL: unknown
    create_date     timestamptz NOT NULL DEFAULT now(),
    last_op_date    timestamptz NOT NULL DEFAULT now()
);
SELECT resources_of('primary_storages', 'PrimaryStorageVO'), resources_of('backup_storages', 'BackupStorageVO');
INSERT INTO primary_storages (uuid, name, url, type, mount_path)
    VALUES ('a0000000000040008000000000000011', 'primary-storage', '/zstack_ps', 'LocalStorage', '/zstack_ps');
INSERT INTO backup_storages (uuid, name, url, type)
    VALUES ('a0000000000040008000000000000012', 'backup-storage', 'http://', 'ImageStoreBackupStorage');
CREATE VIEW primary_storage_clusters AS
    SELECT p.uuid AS primary_storage_uuid, c.uuid AS cluster_uuid FROM primary_storages p CROSS JOIN clusters c;
CREATE VIEW backup_storage_zones AS
    SELECT b.uuid AS backup_storage_uuid, z.uuid AS zone_uuid FROM backup_storages b CROSS JOIN zones z;

-- available_*: the total minus what the VMs with this host_uuid have; kept by the trigger charge_host alone.
CREATE TABLE hosts (
    uuid                       text COLLATE "C" PRIMARY KEY,
    name                       text COLLATE "C" NOT NULL,
    description                text,
    zone_uuid                  text COLLATE "C" NOT NULL CONSTRAINT hosts_zone_fkey REFERENCES zones (uuid) ON DELETE CASCADE,
    cluster_uuid               text COLLATE "C" NOT NULL CONSTRAINT hosts_cluster_fkey REFERENCES clusters (uuid) ON DELETE CASCADE,
    management_ip              text COLLATE "C" NOT NULL CONSTRAINT hosts_management_ip_key UNIQUE,
    hypervisor_type            text NOT NULL CONSTRAINT hosts_hypervisor_check CHECK (hypervisor_type IN ('KVM', 'Simulator')),
    state                      text NOT NULL DEFAULT 'Enabled' CONSTRAINT hosts_state_check
                               CHECK (state IN ('Enabled', 'Disabled', 'PreMaintenance', 'Maintenance')),
    status                     text NOT NULL CONSTRAINT hosts_status_check CHECK (status IN ('Connecting', 'Connected', 'Disconnected')),
    cpu_sockets                int NOT NULL DEFAULT 1,
    cpu_num                    int NOT NULL DEFAULT 1,
    total_cpu_capacity         bigint NOT NULL,  -- virtual CPUs that VMs may have in all
    available_cpu_capacity     bigint NOT NULL,
    total_memory_capacity      bigint NOT NULL,  -- bytes
    available_memory_capacity  bigint NOT NULL,
    username                   text,
    password                   text,             -- sealed
    ssh_port                   int,
    asked_at                   timestamptz NOT NULL DEFAULT now(),  -- for a sign of life
    made_by                    text COLLATE "C",  -- the job, so that its second run finds what the first one did
    create_date                timestamptz NOT NULL DEFAULT now(),
    last_op_date               timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT hosts_capacity_check CHECK (available_cpu_capacity >= 0 AND available_memory_capacity >= 0)
) WITH (fillfactor = 50);
CREATE INDEX hosts_cluster_idx ON hosts (cluster_uuid);
CREATE INDEX hosts_zone_idx ON hosts (zone_uuid);
CREATE INDEX hosts_folded_name_idx ON hosts (lower(name));
CREATE INDEX hosts_folded_ip_idx ON hosts (lower(management_ip));

CREATE TABLE images (
    uuid            text COLLATE "C" PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    description     text,
    state           text NOT NULL DEFAULT 'Enabled' CONSTRAINT images_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status          text NOT NULL DEFAULT 'Ready' CONSTRAINT images_status_check
                    CHECK (status IN ('Creating', 'Downloading', 'Ready', 'Error', 'Deleted', 'Migrating')),
    size            bigint NOT NULL,  -- bytes, as a guest sees it
    actual_size     bigint NOT NULL,
    md5_sum         text,
    url             text NOT NULL,
    media_type      text NOT NULL CONSTRAINT images_media_type_check
                    CHECK (media_type IN ('RootVolumeTemplate', 'DataVolumeTemplate', 'ISO')),
    guest_os_type   text,
    type            text NOT NULL DEFAULT 'zstack',
    platform        text NOT NULL,
    format          text NOT NULL,
    system          boolean NOT NULL,
    architecture    text,
    export_url      text,
    export_md5_sum  text,
    create_date     timestamptz NOT NULL DEFAULT now(),
    last_op_date    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX images_folded_name_idx ON images (lower(name));

-- Nothing here moves image data.
CREATE TABLE image_backup_storages (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_uuid           text COLLATE "C" NOT NULL CONSTRAINT image_backup_storages_image_fkey REFERENCES images (uuid) ON DELETE CASCADE,
    backup_storage_uuid  text COLLATE "C" NOT NULL CONSTRAINT image_backup_storages_storage_fkey REFERENCES backup_storages (uuid),
    install_path         text NOT NULL,
    status               text NOT NULL DEFAULT 'Ready',
    create_date          timestamptz NOT NULL DEFAULT now(),
    last_op_date         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT image_backup_storages_key UNIQUE (image_uuid, backup_storage_uuid)
);

CREATE TABLE instance_offerings (
    uuid                text COLLATE "C" PRIMARY KEY,
    name                text COLLATE "C" NOT NULL,
    description         text,
    cpu_num             int NOT NULL,
    cpu_speed           int NOT NULL DEFAULT 0,
    memory_size         bigint NOT NULL,  -- bytes
    reserved_memory_size bigint NOT NULL DEFAULT 0,
    type                text NOT NULL DEFAULT 'UserVm',
    allocator_strategy  text NOT NULL,
    sort_key            int NOT NULL DEFAULT 0,
    state               text NOT NULL DEFAULT 'Enabled' CONSTRAINT instance_offerings_state_check CHECK (state IN ('Enabled', 'Disabled')),
    create_date         timestamptz NOT NULL DEFAULT now(),
    last_op_date        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX instance_offerings_folded_name_idx ON instance_offerings (lower(name));

CREATE TABLE disk_offerings (
    uuid                text COLLATE "C" PRIMARY KEY,
    name                text COLLATE "C" NOT NULL,
    description         text,
    disk_size           bigint NOT NULL,  -- bytes
    sort_key            int NOT NULL DEFAULT 0,
    state               text NOT NULL DEFAULT 'Enabled' CONSTRAINT disk_offerings_state_check CHECK (state IN ('Enabled', 'Disabled')),
    type                text NOT NULL DEFAULT 'DefaultDiskOfferingType',
    allocator_strategy  text NOT NULL,
    create_date         timestamptz NOT NULL DEFAULT now(),
    last_op_date        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX disk_offerings_folded_name_idx ON disk_offerings (lower(name));

CREATE TABLE l2_networks (
    uuid                text COLLATE "C" PRIMARY KEY,
    name                text COLLATE "C" NOT NULL,
    description         text,
    zone_uuid           text COLLATE "C" NOT NULL CONSTRAINT l2_networks_zone_fkey REFERENCES zones (uuid) ON DELETE CASCADE,
    physical_interface  text NOT NULL,
    type                text NOT NULL CONSTRAINT l2_networks_type_check CHECK (type IN ('L2NoVlanNetwork', 'L2VlanNetwork')),
    vlan                int,
    create_date         timestamptz NOT NULL DEFAULT now(),
    last_op_date        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT l2_networks_vlan_check CHECK ((type = 'L2VlanNetwork') = (vlan IS NOT NULL))
);
CREATE INDEX l2_networks_zone_idx ON l2_networks (zone_uuid);
CREATE INDEX l2_networks_folded_name_idx ON l2_networks (lower(name));
CREATE VIEW l2_vlan_networks AS SELECT * FROM l2_networks WHERE type = 'L2VlanNetwork';

-- What a hypervisor calls the network.
CREATE FUNCTION bridge_of(p_l2 l2_networks) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'br_' || p_l2.physical_interface || coalesce('_' || p_l2.vlan, '')
$$;

CREATE TABLE l2_network_clusters (
    l2_network_uuid  text COLLATE "C" NOT NULL CONSTRAINT l2_network_clusters_l2_fkey REFERENCES l2_networks (uuid) ON DELETE CASCADE,
    cluster_uuid     text COLLATE "C" NOT NULL CONSTRAINT l2_network_clusters_cluster_fkey REFERENCES clusters (uuid) ON DELETE CASCADE,
    CONSTRAINT l2_network_clusters_pkey PRIMARY KEY (l2_network_uuid, cluster_uuid)
);
CREATE INDEX l2_network_clusters_cluster_idx ON l2_network_clusters (cluster_uuid);

CREATE TABLE l3_networks (
    uuid             text COLLATE "C" PRIMARY KEY,
    name             text COLLATE "C" NOT NULL,
    description      text,
    type             text NOT NULL DEFAULT 'L3BasicNetwork',
    zone_uuid        text COLLATE "C" NOT NULL CONSTRAINT l3_networks_zone_fkey REFERENCES zones (uuid) ON DELETE CASCADE,
    l2_network_uuid  text COLLATE "C" NOT NULL CONSTRAINT l3_networks_l2_fkey REFERENCES l2_networks (uuid) ON DELETE CASCADE,
    state            text NOT NULL DEFAULT 'Enabled' CONSTRAINT l3_networks_state_check CHECK (state IN ('Enabled', 'Disabled')),
    dns_domain       text,
    system           boolean NOT NULL DEFAULT false,
    category         text NOT NULL DEFAULT 'Private' CONSTRAINT l3_networks_category_check
                     CHECK (category IN ('Public', 'Private', 'System')),
    create_date      timestamptz NOT NULL DEFAULT now(),
    last_op_date     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX l3_networks_l2_idx ON l3_networks (l2_network_uuid);
CREATE INDEX l3_networks_zone_idx ON l3_networks (zone_uuid);
CREATE INDEX l3_networks_folded_name_idx ON l3_networks (lower(name));

CREATE TABLE l3_network_dns (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    l3_network_uuid  text COLLATE "C" NOT NULL CONSTRAINT l3_network_dns_l3_fkey REFERENCES l3_networks (uuid) ON DELETE CASCADE,
    dns              text COLLATE "C" NOT NULL,
    CONSTRAINT l3_network_dns_pkey PRIMARY KEY (l3_network_uuid, dns)
);

-- All addresses below next_value are taken, so the search for a gap begins there. Who takes addresses moves it on now and then, and
-- the trigger free_address moves it back; each with the row locked, so that neither misses what the other has not committed.
CREATE TABLE ip_ranges (
    uuid             text COLLATE "C" PRIMARY KEY,
    name             text COLLATE "C" NOT NULL,
    description      text,
    l3_network_uuid  text COLLATE "C" NOT NULL CONSTRAINT ip_ranges_l3_fkey REFERENCES l3_networks (uuid) ON DELETE CASCADE,
    start_ip         text COLLATE "C" NOT NULL,
    end_ip           text COLLATE "C" NOT NULL,
    netmask          text NOT NULL,
    gateway          text NOT NULL,
    network_cidr     text NOT NULL,
    start_value      bigint NOT NULL,  -- the addresses as numbers
    end_value        bigint NOT NULL,
    next_value       bigint NOT NULL,
    create_date      timestamptz NOT NULL DEFAULT now(),
    last_op_date     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ip_ranges_order_check CHECK (start_value <= end_value)
) WITH (fillfactor = 50);
CREATE INDEX ip_ranges_l3_idx ON ip_ranges (l3_network_uuid);

-- driver work: job_uuid names the job that changed the state last, so that its second run knows its own traces.
CREATE TABLE vm_instances (
    uuid                    text COLLATE "C" PRIMARY KEY,
    name                    text COLLATE "C" NOT NULL,
    description             text,
    zone_uuid               text COLLATE "C" CONSTRAINT vm_instances_zone_fkey REFERENCES zones (uuid),
    cluster_uuid            text COLLATE "C" CONSTRAINT vm_instances_cluster_fkey REFERENCES clusters (uuid) ON DELETE SET NULL,
    image_uuid              text COLLATE "C" CONSTRAINT vm_instances_image_fkey REFERENCES images (uuid) ON DELETE SET NULL,
    host_uuid               text COLLATE "C" CONSTRAINT vm_instances_host_fkey REFERENCES hosts (uuid),
    last_host_uuid          text COLLATE "C" CONSTRAINT vm_instances_last_host_fkey REFERENCES hosts (uuid) ON DELETE SET NULL,
    instance_offering_uuid  text COLLATE "C" CONSTRAINT vm_instances_offering_fkey
                            REFERENCES instance_offerings (uuid) ON DELETE SET NULL,
    root_volume_uuid        text COLLATE "C",
    platform                text NOT NULL,
    default_l3_network_uuid text COLLATE "C" CONSTRAINT vm_instances_default_l3_fkey REFERENCES l3_networks (uuid) ON DELETE SET NULL,
    type                    text NOT NULL DEFAULT 'UserVm',
    hypervisor_type         text,
    memory_size             bigint NOT NULL,  -- bytes
    reserved_memory_size    bigint NOT NULL DEFAULT 0,
    cpu_num                 int NOT NULL,
    cpu_speed               int NOT NULL DEFAULT 0,
    allocator_strategy      text,
    guest_os_type           text,
    architecture            text,
    state                   text NOT NULL CONSTRAINT vm_instances_state_check CHECK (state IN (
                                'Created', 'Starting', 'Running', 'Stopping', 'Stopped', 'Rebooting', 'Destroying', 'Destroyed',
                                'Migrating', 'Expunging', 'Pausing', 'Paused', 'Resuming', 'VolumeMigrating', 'Unknown')),
    job_uuid                text COLLATE "C",
    create_date             timestamptz NOT NULL DEFAULT now(),
    last_op_date            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT vm_instances_host_check CHECK (host_uuid IS NOT NULL OR state NOT IN ('Running', 'Paused'))
) WITH (fillfactor = 70);
CREATE INDEX vm_instances_folded_name_idx ON vm_instances (lower(name));
CREATE INDEX vm_instances_host_idx ON vm_instances (host_uuid);
CREATE INDEX vm_instances_last_host_idx ON vm_instances (last_host_uuid);
CREATE INDEX vm_instances_cluster_idx ON vm_instances (cluster_uuid);
CREATE INDEX vm_instances_zone_idx ON vm_instances (zone_uuid);
CREATE INDEX vm_instances_image_idx ON vm_instances (image_uuid);
CREATE INDEX vm_instances_offering_idx ON vm_instances (instance_offering_uuid);
CREATE INDEX vm_instances_default_l3_idx ON vm_instances (default_l3_network_uuid);
CREATE INDEX vm_instances_root_volume_idx ON vm_instances (root_volume_uuid);
CREATE INDEX vm_instances_newest_idx ON vm_instances (create_date, uuid);  -- in which order the page lists them
-- VMs on their way to another state; those whose job is gone are settled.
CREATE INDEX vm_instances_transit_idx ON vm_instances (last_op_date)
    WHERE state IN ('Starting', 'Stopping', 'Rebooting', 'Destroying', 'Pausing', 'Resuming', 'Expunging');

CREATE FUNCTION charge_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.host_uuid IS NOT NULL THEN
        UPDATE hosts SET available_cpu_capacity = available_cpu_capacity + OLD.cpu_num,
               available_memory_capacity = available_memory_capacity + OLD.memory_size WHERE uuid = OLD.host_uuid;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.host_uuid IS NOT NULL THEN
        UPDATE hosts SET available_cpu_capacity = available_cpu_capacity - NEW.cpu_num,
               available_memory_capacity = available_memory_capacity - NEW.memory_size WHERE uuid = NEW.host_uuid;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER charge_host_row AFTER INSERT OR DELETE ON vm_instances FOR EACH ROW EXECUTE FUNCTION charge_host();
CREATE TRIGGER charge_host_change AFTER UPDATE OF host_uuid, cpu_num, memory_size ON vm_instances FOR EACH ROW
    WHEN (OLD.host_uuid IS DISTINCT FROM NEW.host_uuid OR OLD.cpu_num <> NEW.cpu_num OR OLD.memory_size <> NEW.memory_size)
    EXECUTE FUNCTION charge_host();

-- A number is taken once and never again, also not after its NIC is gone; installations start at different ones.
CREATE SEQUENCE mac_numbers MINVALUE 0 MAXVALUE 1099511627775 CYCLE;
SELECT setval('mac_numbers', floor(random() * 1099511627775)::bigint);

CREATE TABLE vm_nics (
    uuid              text COLLATE "C" PRIMARY KEY,
    vm_instance_uuid  text COLLATE "C" NOT NULL CONSTRAINT vm_nics_vm_fkey REFERENCES vm_instances (uuid) ON DELETE CASCADE,
    l3_network_uuid   text COLLATE "C" NOT NULL CONSTRAINT vm_nics_l3_fkey REFERENCES l3_networks (uuid) ON DELETE CASCADE,
    ip                text COLLATE "C" NOT NULL,
    mac               text COLLATE "C" NOT NULL CONSTRAINT vm_nics_mac_key UNIQUE,
    netmask           text NOT NULL,
    gateway           text NOT NULL,
    meta_data         text,
    device_id         int NOT NULL,
    create_date       timestamptz NOT NULL DEFAULT now(),
    last_op_date      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT vm_nics_device_key UNIQUE (vm_instance_uuid, device_id)
);
CREATE INDEX vm_nics_l3_idx ON vm_nics (l3_network_uuid);
CREATE INDEX vm_nics_ip_idx ON vm_nics (ip);

-- The default network of a VM is one that it has a NIC on; the first NIC's when the one it was is gone.
CREATE FUNCTION renew_default_l3() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE vm_instances v SET default_l3_network_uuid = (
        SELECT n.l3_network_uuid FROM vm_nics n JOIN l3_networks l ON l.uuid = n.l3_network_uuid
        WHERE n.vm_instance_uuid = v.uuid ORDER BY n.device_id LIMIT 1)
    WHERE v.uuid = OLD.vm_instance_uuid
      AND coalesce(v.default_l3_network_uuid, OLD.l3_network_uuid) = OLD.l3_network_uuid;
    RETURN NULL;
END $$;
CREATE TRIGGER renew_default_l3 AFTER DELETE ON vm_nics FOR EACH ROW EXECUTE FUNCTION renew_default_l3();

CREATE TABLE vips (
    uuid                   text COLLATE "C" PRIMARY KEY,
    name                   text COLLATE "C" NOT NULL,
    description            text,
    l3_network_uuid        text COLLATE "C" NOT NULL CONSTRAINT vips_l3_fkey REFERENCES l3_networks (uuid) ON DELETE CASCADE,
    ip                     text COLLATE "C" NOT NULL,
    state                  text NOT NULL DEFAULT 'Enabled' CONSTRAINT vips_state_check CHECK (state IN ('Enabled', 'Disabled')),
    gateway                text NOT NULL,
    netmask                text NOT NULL,
    service_provider       text,
    peer_l3_network_uuid   text COLLATE "C" CONSTRAINT vips_peer_l3_fkey REFERENCES l3_networks (uuid) ON DELETE SET NULL,
    use_for                text,
    create_date            timestamptz NOT NULL DEFAULT now(),
    last_op_date           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX vips_l3_idx ON vips (l3_network_uuid);
CREATE INDEX vips_peer_l3_idx ON vips (peer_l3_network_uuid);
CREATE INDEX vips_ip_idx ON vips (ip);

CREATE TABLE eips (
    uuid          text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    description   text,
    vm_nic_uuid   text COLLATE "C" CONSTRAINT eips_nic_key UNIQUE CONSTRAINT eips_nic_fkey REFERENCES vm_nics (uuid) ON DELETE SET NULL,
    vip_uuid      text COLLATE "C" NOT NULL CONSTRAINT eips_vip_key UNIQUE CONSTRAINT eips_vip_fkey REFERENCES vips (uuid) ON DELETE CASCADE,
    state         text NOT NULL DEFAULT 'Enabled' CONSTRAINT eips_state_check CHECK (state IN ('Enabled', 'Disabled')),
    vip_ip        text COLLATE "C" NOT NULL,
    create_date   timestamptz NOT NULL DEFAULT now(),
    last_op_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX eips_vip_ip_idx ON eips (vip_ip);

-- A VIP knows what it is used for, and the network of the guests behind it.
CREATE FUNCTION note_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE vips SET use_for = NULL, peer_l3_network_uuid = NULL, last_op_date = now() WHERE uuid = OLD.vip_uuid;
    ELSE
        UPDATE vips SET use_for = 'Eip', last_op_date = now(), peer_l3_network_uuid = (
            SELECT n.l3_network_uuid FROM vm_nics n WHERE n.uuid = NEW.vm_nic_uuid) WHERE uuid = NEW.vip_uuid;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_use AFTER INSERT OR DELETE OR UPDATE OF vm_nic_uuid ON eips
    FOR EACH ROW EXECUTE FUNCTION note_use();

-- Every address that is taken, by a NIC or by a VIP.
CREATE TABLE used_ips (
    l3_network_uuid  text COLLATE "C" NOT NULL,
    value            bigint NOT NULL,
    ip_range_uuid    text COLLATE "C" NOT NULL CONSTRAINT used_ips_range_fkey REFERENCES ip_ranges (uuid) ON DELETE CASCADE,
    vm_nic_uuid      text COLLATE "C" CONSTRAINT used_ips_nic_key UNIQUE CONSTRAINT used_ips_nic_fkey
                     REFERENCES vm_nics (uuid) ON DELETE CASCADE,
    vip_uuid         text COLLATE "C" CONSTRAINT used_ips_vip_key UNIQUE CONSTRAINT used_ips_vip_fkey
                     REFERENCES vips (uuid) ON DELETE CASCADE,
    CONSTRAINT used_ips_address_key UNIQUE (l3_network_uuid, value),
    CONSTRAINT used_ips_holder_check CHECK (num_nonnulls(vm_nic_uuid, vip_uuid) = 1)
);
CREATE INDEX used_ips_range_idx ON used_ips (ip_range_uuid, value);

-- Taken addresses as clients see them. Either half is found by its own indexes.
CREATE VIEW used_addresses AS
    SELECT n.uuid, u.ip_range_uuid, u.l3_network_uuid, 4 AS ip_version, n.ip, n.netmask, n.gateway, NULL AS used_for,
           u.value AS ip_in_long, n.uuid AS vm_nic_uuid, n.create_date, n.last_op_date, o.account_uuid
    FROM vm_nics n JOIN used_ips u ON u.vm_nic_uuid = n.uuid LEFT JOIN resource_owners o ON o.resource_uuid = n.uuid
    UNION ALL
    SELECT p.uuid, u.ip_range_uuid, u.l3_network_uuid, 4, p.ip, p.netmask, p.gateway, 'Vip', u.value, NULL, p.create_date,
           p.last_op_date, o.account_uuid
    FROM vips p JOIN used_ips u ON u.vip_uuid = p.uuid LEFT JOIN resource_owners o ON o.resource_uuid = p.uuid;

CREATE FUNCTION free_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ip_ranges SET next_value = least(next_value, OLD.value) WHERE uuid = OLD.ip_range_uuid;
    RETURN NULL;
END $$;
CREATE TRIGGER free_address AFTER DELETE ON used_ips FOR EACH ROW EXECUTE FUNCTION free_address();

-- The lowest address of a range from p_next on that no transaction has taken which has ended; NULL when none is left.
CREATE FUNCTION free_value(p_l3 text, p_next bigint, p_end bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT p_next WHERE p_next <= p_end
                AND NOT EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = p_next)),
        (SELECT u.value + 1 FROM used_ips u
         WHERE u.l3_network_uuid = p_l3 AND u.value >= p_next AND u.value < p_end
           AND NOT EXISTS (SELECT FROM used_ips n WHERE n.l3_network_uuid = p_l3 AND n.value = u.value + 1)
         ORDER BY u.value LIMIT 1))
$$;

-- The wanted or else the lowest free address of a network, or of one of its ranges, from the oldest that has one; or no row.
-- An advisory lock (Lock.ADDRESSES) is on it until the transaction ends. Addresses that others have such a lock on are passed over,
-- so that nobody waits for another's transaction unless only such ones are left; used_ips_address_key stands behind that.
CREATE FUNCTION take_address(p_l3 text, p_wanted bigint DEFAULT NULL, p_range text DEFAULT NULL)
RETURNS TABLE (range_uuid text, value bigint, netmask text, gateway text) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    v_range ip_ranges;
    v_from bigint;
    v_busy bigint;
BEGIN
    FOR range_uuid IN
        SELECT r.uuid FROM ip_ranges r
        WHERE r.l3_network_uuid = p_l3 AND (p_wanted IS NULL OR p_wanted BETWEEN r.start_value AND r.end_value)
          AND (p_range IS NULL OR r.uuid = p_range)
        ORDER BY r.create_date, r.uuid
    LOOP
        SELECT r.* INTO v_range FROM ip_ranges r WHERE r.uuid = range_uuid FOR KEY SHARE;
        CONTINUE WHEN NOT FOUND;
        netmask := v_range.netmask;
        gateway := v_range.gateway;
        IF p_wanted IS NOT NULL THEN
            PERFORM pg_advisory_xact_lock(7316007, hashtext(p_l3 || p_wanted));
            IF NOT EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = p_wanted) THEN
                value := p_wanted;
                RETURN NEXT;
            END IF;
            RETURN;
        END IF;
        v_from := v_range.next_value;
        v_busy := NULL;
        LOOP
            value := free_value(p_l3, v_from, v_range.end_value);
            IF value IS NULL THEN
                EXIT WHEN v_busy IS NULL;
                PERFORM pg_advisory_xact_lock(7316007, hashtext(p_l3 || v_busy));
                v_from := v_busy;
                v_busy := NULL;
            ELSIF NOT pg_try_advisory_xact_lock(7316007, hashtext(p_l3 || value)) THEN
                v_busy := coalesce(v_busy, value);
                v_from := value + 1;
            ELSE  -- who had the lock until now may have taken it
                EXIT WHEN NOT EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = p_l3 AND u.value = value);
            END IF;
        END LOOP;
        IF coalesce(value, v_range.end_value) - v_range.next_value >= 32 THEN
            SELECT r.next_value INTO v_from FROM ip_ranges r WHERE r.uuid = range_uuid FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN
                UPDATE ip_ranges r SET next_value = coalesce(free_value(p_l3, v_from, v_range.end_value), v_range.end_value + 1)
                WHERE r.uuid = range_uuid;
            END IF;
        END IF;
        IF value IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE TABLE volumes (
    uuid                  text COLLATE "C" PRIMARY KEY,
    name                  text COLLATE "C" NOT NULL,
    description           text,
    primary_storage_uuid  text COLLATE "C" CONSTRAINT volumes_storage_fkey REFERENCES primary_storages (uuid),
    vm_instance_uuid      text COLLATE "C" CONSTRAINT volumes_vm_fkey REFERENCES vm_instances (uuid),
    disk_offering_uuid    text COLLATE "C" CONSTRAINT volumes_offering_fkey REFERENCES disk_offerings (uuid) ON DELETE SET NULL,
    root_image_uuid       text COLLATE "C" CONSTRAINT volumes_image_fkey REFERENCES images (uuid) ON DELETE SET NULL,
    install_path          text,
    type                  text NOT NULL CONSTRAINT volumes_type_check CHECK (type IN ('Root', 'Data')),
    format                text,
    size                  bigint NOT NULL,  -- bytes
    actual_size           bigint NOT NULL DEFAULT 0,
    device_id             int,
    state                 text NOT NULL DEFAULT 'Enabled' CONSTRAINT volumes_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status                text NOT NULL CONSTRAINT volumes_status_check
                          CHECK (status IN ('Creating', 'Ready', 'NotInstantiated', 'Deleted', 'Migrating')),
    is_shareable          boolean NOT NULL DEFAULT false,
    last_attach_date      timestamptz,
    last_detach_date      timestamptz,
    last_vm_instance_uuid text COLLATE "C",
    job_uuid              text COLLATE "C",
    create_date           timestamptz NOT NULL DEFAULT now(),
    last_op_date          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT volumes_device_key UNIQUE (vm_instance_uuid, device_id)
);
CREATE INDEX volumes_folded_name_idx ON volumes (lower(name));
CREATE INDEX volumes_offering_idx ON volumes (disk_offering_uuid);
CREATE INDEX volumes_image_idx ON volumes (root_image_uuid);

CREATE TABLE volume_snapshots (
    uuid                          text COLLATE "C" PRIMARY KEY,
    name                          text COLLATE "C" NOT NULL,
    description                   text,
    type                          text NOT NULL DEFAULT 'Hypervisor',
    volume_uuid                   text COLLATE "C" CONSTRAINT volume_snapshots_volume_fkey REFERENCES volumes (uuid) ON DELETE SET NULL,
    tree_uuid                     text COLLATE "C" NOT NULL,
    parent_uuid                   text COLLATE "C" CONSTRAINT volume_snapshots_parent_fkey
                                  REFERENCES volume_snapshots (uuid) ON DELETE SET NULL,
    primary_storage_uuid          text COLLATE "C" CONSTRAINT volume_snapshots_storage_fkey REFERENCES primary_storages (uuid),
    primary_storage_install_path  text,
    volume_type                   text NOT NULL,
    format                        text,
    latest                        boolean NOT NULL,
    size                          bigint NOT NULL,  -- bytes
    state                         text NOT NULL DEFAULT 'Enabled' CONSTRAINT volume_snapshots_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status                        text NOT NULL CONSTRAINT volume_snapshots_status_check CHECK (status IN ('Creating', 'Ready', 'Deleting')),
    job_uuid                      text COLLATE "C",
    create_date                   timestamptz NOT NULL DEFAULT now(),
    last_op_date                  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX volume_snapshots_volume_idx ON volume_snapshots (volume_uuid);
CREATE INDEX volume_snapshots_parent_idx ON volume_snapshots (parent_uuid);
CREATE UNIQUE INDEX volume_snapshots_latest_key ON volume_snapshots (volume_uuid) WHERE latest;
CREATE INDEX volume_snapshots_transit_idx ON volume_snapshots (last_op_date) WHERE status <> 'Ready';

SELECT resources_of('clusters', 'ClusterVO'), resources_of('hosts', 'HostVO'), resources_of('images', 'ImageVO'),
       resources_of('instance_offerings', 'InstanceOfferingVO'), resources_of('disk_offerings', 'DiskOfferingVO'),
       resources_of('l2_networks', 'L2NetworkVO'), resources_of('l3_networks', 'L3NetworkVO'),
       resources_of('ip_ranges', 'IpRangeVO'), resources_of('vm_instances', 'VmInstanceVO'), resources_of('vm_nics', 'VmNicVO'),
       resources_of('vips', 'VipVO'), resources_of('eips', 'EipVO'), resources_of('volumes', 'VolumeVO'),
       resources_of('volume_snapshots', 'VolumeSnapshotVO');

-- What a resource uses up of its owner's quotas. A VM uses vm.num and what goes with it from its start until it is stopped.
CREATE FUNCTION vm_stage(p_state text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_state IN ('Destroyed', 'Expunging') THEN 0 WHEN p_state IN ('Created', 'Stopped', 'Destroying') THEN 1
                ELSE 2 END
$$;

CREATE FUNCTION vm_use(p_state text, p_cpu_num int, p_memory_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE vm_stage(p_state) WHEN 0 THEN '{}' WHEN 1 THEN '{"vm.totalNum": 1}'
        ELSE jsonb_build_object('vm.totalNum', 1, 'vm.num', 1, 'vm.cpuNum', p_cpu_num, 'vm.memorySize', p_memory_size) END
$$;

CREATE FUNCTION volume_use(p_type text, p_status text, p_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('volume.capacity', p_size)
        || CASE WHEN p_type = 'Data' AND p_status <> 'Deleted' THEN '{"volume.data.num": 1}' ELSE '{}'::jsonb END
$$;

CREATE FUNCTION image_use(p_status text, p_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('image.size', p_size)
        || CASE WHEN p_status <> 'Deleted' THEN '{"image.num": 1}'::jsonb ELSE '{}' END
$$;

-- Bytes that are kept of what an account's people have written: policies, roles, users, groups, tags to be attached, scheduler jobs
-- and triggers, long jobs, and the tags of all that it owns.
CREATE FUNCTION text_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
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

CREATE FUNCTION quota_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT text_use(p_type, p_uuid) || coalesce(CASE p_type
        WHEN 'VmInstanceVO' THEN (SELECT vm_use(state, cpu_num, memory_size) FROM vm_instances WHERE uuid = p_uuid)
        WHEN 'VolumeVO' THEN (SELECT volume_use(type, status, size) FROM volumes WHERE uuid = p_uuid)
        WHEN 'ImageVO' THEN (SELECT image_use(status, actual_size) FROM images WHERE uuid = p_uuid)
        WHEN 'VolumeSnapshotVO' THEN '{"snapshot.volume.num": 1}'
        WHEN 'L3NetworkVO' THEN '{"l3.num": 1}'
        WHEN 'VipVO' THEN '{"vip.num": 1}'
        WHEN 'EipVO' THEN '{"eip.num": 1}' END, '{}')
$$;

CREATE FUNCTION note_use_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.uses := quota_use(NEW.resource_type, NEW.resource_uuid);
    RETURN NEW;
END $$;
CREATE TRIGGER note_use_of_owner BEFORE INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.resource_type IN ('VmInstanceVO', 'VolumeVO', 'ImageVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO',
                                'PolicyVO', 'RoleVO', 'UserVO', 'UserGroupVO', 'TagPatternVO', 'SchedulerJobVO', 'SchedulerTriggerVO',
                                'LongJobVO'))
    EXECUTE FUNCTION note_use_of_owner();

CREATE FUNCTION renew_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE resource_owners SET uses = quota_use(resource_type, resource_uuid) WHERE resource_uuid = NEW.uuid;
    RETURN NULL;
END $$;
CREATE TRIGGER renew_use AFTER UPDATE OF state, cpu_num, memory_size ON vm_instances FOR EACH ROW
    WHEN (vm_stage(OLD.state) <> vm_stage(NEW.state) OR OLD.cpu_num <> NEW.cpu_num OR OLD.memory_size <> NEW.memory_size)
    EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF status, actual_size ON images FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.actual_size <> NEW.actual_size)
    EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF type, status, size ON volumes FOR EACH ROW
    WHEN ((OLD.status = 'Deleted') <> (NEW.status = 'Deleted') OR OLD.type <> NEW.type OR OLD.size <> NEW.size)
    EXECUTE FUNCTION renew_use();

CREATE TRIGGER renew_use AFTER UPDATE OF name, description ON users FOR EACH ROW
    WHEN ((OLD.name, OLD.description) IS DISTINCT FROM (NEW.name, NEW.description)) EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF name, description ON user_groups FOR EACH ROW
    WHEN ((OLD.name, OLD.description) IS DISTINCT FROM (NEW.name, NEW.description)) EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF name, value, description, color ON tag_patterns FOR EACH ROW EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF name, description, statements ON policy_roles FOR EACH ROW EXECUTE FUNCTION renew_use();

CREATE FUNCTION renew_use_of_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        UPDATE resource_owners o SET uses = quota_use(o.resource_type, o.resource_uuid)
        WHERE o.resource_uuid IN (SELECT resource_uuid FROM changed);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER renew_use_more AFTER INSERT ON tags REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();
CREATE TRIGGER renew_use_other AFTER UPDATE ON tags REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();
CREATE TRIGGER renew_use_less AFTER DELETE ON tags REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_use_of_tags();

-- The quotas follow what is owned: in the transaction that makes, changes, gives away or deletes it, in the order of names.
-- Hosts are locked before quotas: charge_host comes before renew_use, as triggers run in the order of their names. What is
-- written is charged at the commit, so that jobs of one account that write do not wait for each other's whole transactions.
CREATE FUNCTION charge_account() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER charge_account_more AFTER INSERT ON resource_owners FOR EACH ROW
    WHEN (NEW.uses <> '{}') EXECUTE FUNCTION charge_account();
CREATE TRIGGER charge_account_less AFTER DELETE ON resource_owners FOR EACH ROW
    WHEN (OLD.uses <> '{}') EXECUTE FUNCTION charge_account();
CREATE TRIGGER charge_account_change AFTER UPDATE OF account_uuid, uses ON resource_owners FOR EACH ROW
    WHEN (OLD.account_uuid <> NEW.account_uuid OR OLD.uses <> NEW.uses) EXECUTE FUNCTION charge_account();
CREATE CONSTRAINT TRIGGER resource_owners_more_text_trigger AFTER INSERT ON resource_owners DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.uses ? 'text.size') EXECUTE FUNCTION charge_account('text');
CREATE CONSTRAINT TRIGGER resource_owners_less_text_trigger AFTER DELETE ON resource_owners DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.uses ? 'text.size') EXECUTE FUNCTION charge_account('text');
CREATE CONSTRAINT TRIGGER resource_owners_text_trigger AFTER UPDATE OF account_uuid, uses ON resource_owners
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.account_uuid <> NEW.account_uuid OR OLD.uses -> 'text.size' IS DISTINCT FROM NEW.uses -> 'text.size')
    EXECUTE FUNCTION charge_account('text');

-- Raises ZS003 when an account would have more written than its quota allows; the detail holds what QuotaExceeded tells.
CREATE FUNCTION check_text() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Domains that a host may still run although their VM has no place here any more: its host was deleted or did not
-- answer. A periodic task has the driver destroy them. The host's address stays with the row, since the host may be gone.
CREATE TABLE stray_domains (
    vm_uuid          text COLLATE "C" NOT NULL,
    host_uuid        text COLLATE "C" NOT NULL,
    hypervisor_type  text NOT NULL,
    management_ip    text NOT NULL,
    username         text,
    password         text,  -- sealed
    ssh_port         int,
    attempts         int NOT NULL DEFAULT 0,
    next_at          timestamptz NOT NULL DEFAULT now(),
    create_date      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stray_domains_pkey PRIMARY KEY (vm_uuid, host_uuid)
);
CREATE INDEX stray_domains_next_idx ON stray_domains (next_at);

-- A VM of the account (NULL: of any) with all that hangs on it, its row locked until the transaction ends. `host` is where it
-- is, or was last. Everything is read after the lock is had, so nothing in it is older.
CREATE FUNCTION lock_vm(p_uuid text, p_account text)
RETURNS TABLE (vm vm_instances, account_uuid text, nics vm_nics[], bridges text[], volumes volumes[], host hosts)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM vm_instances v JOIN resource_owners o ON o.resource_uuid = v.uuid
    WHERE v.uuid = p_uuid AND (p_account IS NULL OR o.account_uuid = p_account) FOR NO KEY UPDATE OF v;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT v, o.account_uuid,
        ARRAY(SELECT n FROM vm_nics n WHERE n.vm_instance_uuid = v.uuid ORDER BY n.device_id),
        ARRAY(SELECT bridge_of(l) FROM vm_nics n JOIN l3_networks l3 ON l3.uuid = n.l3_network_uuid
              JOIN l2_networks l ON l.uuid = l3.l2_network_uuid WHERE n.vm_instance_uuid = v.uuid ORDER BY n.device_id),
        ARRAY(SELECT d FROM volumes d WHERE d.vm_instance_uuid = v.uuid ORDER BY d.device_id, d.uuid),
        h
    FROM vm_instances v JOIN resource_owners o ON o.resource_uuid = v.uuid
    LEFT JOIN hosts h ON h.uuid = coalesce(v.host_uuid, v.last_host_uuid)
    WHERE v.uuid = p_uuid AND (p_account IS NULL OR o.account_uuid = p_account);
END $$;

-- The hosts where a VM may run, the emptiest first; with p_roomy those that have room for it at this moment. A host that may
-- still run a stray copy of the VM is passed over until that has been destroyed.
CREATE FUNCTION fitting_hosts(p_vm text, p_host text, p_cluster text, p_roomy boolean)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT h.uuid FROM vm_instances v CROSS JOIN hosts h
    JOIN clusters c ON c.uuid = h.cluster_uuid AND c.state = 'Enabled'
    JOIN zones z ON z.uuid = h.zone_uuid AND z.state = 'Enabled'
    WHERE v.uuid = p_vm AND h.state = 'Enabled' AND h.status = 'Connected' AND (p_host IS NULL OR h.uuid = p_host)
      AND (p_cluster IS NULL OR h.cluster_uuid = p_cluster) AND (v.zone_uuid IS NULL OR h.zone_uuid = v.zone_uuid)
      AND (v.hypervisor_type IS NULL OR h.hypervisor_type = v.hypervisor_type)
      AND (c.architecture IS NULL OR v.architecture IS NULL OR c.architecture = v.architecture)
      AND (NOT p_roomy OR (h.available_cpu_capacity >= v.cpu_num AND h.available_memory_capacity >= v.memory_size))
      AND NOT EXISTS (
          SELECT FROM vm_nics n JOIN l3_networks l ON l.uuid = n.l3_network_uuid
          WHERE n.vm_instance_uuid = p_vm AND NOT EXISTS (
              SELECT FROM l2_network_clusters a WHERE a.l2_network_uuid = l.l2_network_uuid AND a.cluster_uuid = h.cluster_uuid))
      AND NOT EXISTS (SELECT FROM stray_domains s WHERE s.vm_uuid = p_vm AND s.host_uuid = h.uuid)
    ORDER BY h.available_memory_capacity DESC, h.uuid
$$;

-- The emptiest host that a VM may run on, locked until the transaction ends, so that two VMs cannot take the last room. Hosts
-- that others are taking room on are only waited for when there is no other, so that VMs that start together spread.
CREATE FUNCTION choose_host(p_vm text, p_host text, p_cluster text) RETURNS SETOF hosts LANGUAGE plpgsql AS $$
DECLARE
    v_hosts text[] := ARRAY(SELECT fitting_hosts(p_vm, p_host, p_cluster, true));
    v_vm vm_instances;
    v_host text;
BEGIN
    SELECT * INTO v_vm FROM vm_instances WHERE uuid = p_vm;
    FOREACH v_host IN ARRAY v_hosts LOOP
        RETURN QUERY SELECT * FROM hosts h
        WHERE h.uuid = v_host AND h.state = 'Enabled' AND h.status = 'Connected'
          AND h.available_cpu_capacity >= v_vm.cpu_num AND h.available_memory_capacity >= v_vm.memory_size
        FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
    FOREACH v_host IN ARRAY v_hosts LOOP
        RETURN QUERY SELECT * FROM hosts h
        WHERE h.uuid = v_host AND h.state = 'Enabled' AND h.status = 'Connected'
          AND h.available_cpu_capacity >= v_vm.cpu_num AND h.available_memory_capacity >= v_vm.memory_size
        FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END $$;

-- A VM whose row the caller has locked gets a place on a host, and a state with it. No row when no host will do.
CREATE FUNCTION place_vm(p_vm text, p_host text, p_cluster text, p_state text, p_job text)
RETURNS TABLE (vm vm_instances, host hosts) LANGUAGE plpgsql AS $$
BEGIN
    SELECT * INTO host FROM choose_host(p_vm, p_host, p_cluster);
    IF FOUND THEN
        UPDATE vm_instances v SET state = p_state, job_uuid = p_job, last_op_date = now(), host_uuid = host.uuid,
               last_host_uuid = host.uuid, cluster_uuid = host.cluster_uuid, zone_uuid = host.zone_uuid,
               hypervisor_type = host.hypervisor_type
        WHERE v.uuid = p_vm RETURNING v.* INTO vm;
        RETURN NEXT;
    END IF;
END $$;

-- A job has brought a VM from one state to another that keeps its place; with all that hangs on it, as lock_vm gives it.
-- `passed` is false, and nothing changed, when it was not in that state by that job any more.
CREATE FUNCTION pass_vm(p_uuid text, p_job text, p_before text, p_after text)
RETURNS TABLE (passed boolean, vm vm_instances, account_uuid text, nics vm_nics[], bridges text[], volumes volumes[], host hosts)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_passed boolean;
BEGIN
    UPDATE vm_instances SET state = p_after, last_op_date = now()
    WHERE uuid = p_uuid AND job_uuid = p_job AND state = p_before;
    v_passed := FOUND;
    RETURN QUERY SELECT v_passed, l.* FROM lock_vm(p_uuid, NULL) l;
END $$;

-- What the simulator's hosts run. It stands for the memory of real hypervisors, so nothing here refers to our own rows.
CREATE TABLE simulator_domains (
    host_uuid    text COLLATE "C" NOT NULL,
    vm_uuid      text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    cpu_num      int NOT NULL,
    memory_size  bigint NOT NULL,
    disks        text[] NOT NULL DEFAULT '{}',
    nics         text[] NOT NULL DEFAULT '{}',
    power        text NOT NULL DEFAULT 'Stopped' CONSTRAINT simulator_domains_power_check CHECK (power IN ('Running', 'Paused', 'Stopped')),
    starts       int NOT NULL DEFAULT 0,  -- how often it was really powered on
    token        text COLLATE "C",        -- of the last reboot
    CONSTRAINT simulator_domains_pkey PRIMARY KEY (host_uuid, vm_uuid)
);
CREATE TABLE simulator_snapshots (
    snapshot_uuid  text COLLATE "C" CONSTRAINT simulator_snapshots_pkey PRIMARY KEY,
    volume_uuid    text COLLATE "C" NOT NULL
);
-- Faults on purpose: a NULL matches everything; a row with `remaining` is used up.
CREATE TABLE simulator_faults (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action     text,
    host_uuid  text COLLATE "C",
    vm_uuid    text COLLATE "C",
    latency_s  float8 NOT NULL DEFAULT 0,
    error      text,                          -- NULL: only the latency
    lost       boolean NOT NULL DEFAULT false,  -- the host does not answer at all
    remaining  int
);

-- The faults that hit one of the actions; those with a number of times left have one less.
CREATE FUNCTION simulator_faults_for(p_actions text[], p_host text, p_vm text)
RETURNS TABLE (latency_s float8, error text, lost boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM simulator_faults) THEN
        RETURN;
    END IF;
    RETURN QUERY WITH hit AS (
        SELECT f.id FROM simulator_faults f
        WHERE (f.action IS NULL OR f.action = ANY (p_actions)) AND (f.host_uuid IS NULL OR f.host_uuid = p_host)
          AND (f.vm_uuid IS NULL OR f.vm_uuid = p_vm) AND (f.remaining IS NULL OR f.remaining > 0)
    ), used AS (
        UPDATE simulator_faults f SET remaining = f.remaining - 1 FROM hit h WHERE f.id = h.id AND f.remaining > 0
        RETURNING f.id, f.latency_s, f.error, f.lost
    )
    SELECT u.latency_s, u.error, u.lost FROM used u
    UNION ALL
    SELECT f.latency_s, f.error, f.lost FROM simulator_faults f JOIN hit h ON h.id = f.id WHERE f.remaining IS NULL;
END $$;

------------------------------------------------------------------------------------------------------------------------
-- Consoles
------------------------------------------------------------------------------------------------------------------------

-- Console proxy agents, each with the time until which it is taken to live.
CREATE TABLE console_agents (
    uuid                         text COLLATE "C" PRIMARY KEY,
    description                  text,
    management_ip                text NOT NULL CONSTRAINT console_agents_address_check CHECK (length(management_ip) <= 253),
    listen_port                  int NOT NULL,
    console_proxy_overridden_ip  text NOT NULL DEFAULT '0.0.0.0',
    console_proxy_port           int NOT NULL,  -- that clients are told
    state                        text NOT NULL DEFAULT 'Enabled' CONSTRAINT console_agents_state_check CHECK (state IN ('Enabled', 'Disabled')),
    alive_until                  timestamptz NOT NULL,
    asked_at                     timestamptz NOT NULL DEFAULT '-infinity',  -- for a sign of life, last
    answered_at                  timestamptz NOT NULL DEFAULT now(),
    create_date                  timestamptz NOT NULL DEFAULT now(),
    last_op_date                 timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT console_agents_address_key UNIQUE (management_ip, listen_port)
) WITH (fillfactor = 50);

-- What opens a console, once. A console ends with the session or key of whoever asked for it.
CREATE TABLE console_tokens (
    token_hash       bytea CONSTRAINT console_tokens_pkey PRIMARY KEY,
    vm_uuid          text COLLATE "C" NOT NULL CONSTRAINT console_tokens_vm_fkey REFERENCES vm_instances (uuid) ON DELETE CASCADE,
    account_uuid     text COLLATE "C" NOT NULL CONSTRAINT console_tokens_account_fkey REFERENCES accounts (uuid) ON DELETE CASCADE,
    user_uuid        text COLLATE "C" NOT NULL,
    session_hash     bytea,
    access_key_uuid  text COLLATE "C",
    kind             text NOT NULL CONSTRAINT console_tokens_kind_check CHECK (kind IN ('vnc', 'serial')),
    remote           text,  -- the only address from which it opens the console
    expires_at       timestamptz NOT NULL
);
CREATE INDEX console_tokens_vm_idx ON console_tokens (vm_uuid, user_uuid);
CREATE INDEX console_tokens_account_idx ON console_tokens (account_uuid);
CREATE INDEX console_tokens_expires_idx ON console_tokens (expires_at);

SELECT resources_of('console_agents', 'ConsoleProxyAgentVO');

------------------------------------------------------------------------------------------------------------------------
-- API jobs: the ledger. Redis only rings; every truth about a job is here.
------------------------------------------------------------------------------------------------------------------------

-- The worker processes that live. What one of them has claimed names it as `owner`, and is its own as long as this row
-- is there: a claim locks the row FOR KEY SHARE, and `leave_workers` deletes it before it takes anything back.
CREATE TABLE workers (
    owner        text COLLATE "C" CONSTRAINT workers_pkey PRIMARY KEY,  -- host:pid:number
    lease_until  timestamptz NOT NULL,
    kind         text  -- of its work: jobs, webhooks; none: a release that did not tell
) WITH (fillfactor = 50);

-- The processes that answer calls; each renews its row, and forgets those of the dead.
CREATE TABLE api_processes (
    uuid        text COLLATE "C" CONSTRAINT api_processes_pkey PRIMARY KEY,
    host_name   text NOT NULL,
    join_date   timestamptz NOT NULL DEFAULT now(),
    heart_beat  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE VIEW management_nodes AS SELECT * FROM api_processes WHERE heart_beat > now() - interval '30 seconds';

-- Periodic work: whoever moves `next_at` on does it.
CREATE TABLE periodic_tasks (
    name     text COLLATE "C" CONSTRAINT periodic_tasks_pkey PRIMARY KEY,
    next_at  timestamptz NOT NULL
);

-- state: queued     accepted; `waits_for` names the job before it on one of its resources, once a claim has found it
--        running    claimed by `owner`, and started; `epoch` counts the claims
--        succeeded, failed, canceled    final; `result` is the body that the poll and the webhook show
--        expired    a final job whose result is no longer kept
CREATE TABLE api_jobs (
    seq           bigint GENERATED ALWAYS AS IDENTITY,
    uuid          text COLLATE "C" PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL,
    user_uuid     text COLLATE "C" NOT NULL,
    is_admin      boolean NOT NULL,
    api           text NOT NULL,
    fingerprint   bytea NOT NULL,   -- keyed hash of method, path and body: tells a repeat from another request
    request       text,             -- the validated request as JSON, without its secrets
    secrets       text,             -- what stands for them, as JSON: hashed or sealed
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
    claims        int NOT NULL DEFAULT 0,  -- above 0 while queued: a worker died while it ran
    waits_for     text COLLATE "C",
    owner         text COLLATE "C",
    cancel_asked  boolean NOT NULL DEFAULT false,
    accepted_at   timestamptz NOT NULL DEFAULT now(),
    deadline_at   timestamptz NOT NULL,
    started_at    timestamptz,
    finished_at   timestamptz,
    expires_at    timestamptz,
    result        text,
    revokes       boolean NOT NULL DEFAULT false,  -- it takes rights away, and does not wait behind jobs of whom it takes them from
    lane          text COLLATE "C" NOT NULL GENERATED ALWAYS AS
                  (CASE WHEN revokes THEN '!' || account_uuid ELSE account_uuid END) STORED,  -- what takes turns
    access_key_uuid  text COLLATE "C",  -- by which it was called, if not by a session
    by_uuid       boolean NOT NULL DEFAULT false,  -- whoever knows its uuid may read it: its client polls without credentials
    changes       jsonb  -- old and new values, for the audit line, where the handler tells them
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- Walked by lane: the jobs of one account that act outside the database, or those that do not.
CREATE INDEX api_jobs_runnable_idx ON api_jobs (outside, lane, seq)
    WHERE state = 'queued' AND waits_for IS NULL AND claims = 0;
CREATE INDEX api_jobs_suspect_idx ON api_jobs (seq) WHERE state = 'queued' AND claims > 0;
CREATE INDEX api_jobs_waiting_idx ON api_jobs (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX api_jobs_owner_idx ON api_jobs (owner) WHERE state = 'running';
CREATE INDEX api_jobs_queued_idx ON api_jobs (deadline_at) WHERE state = 'queued';
CREATE INDEX api_jobs_account_idx ON api_jobs (account_uuid, seq);
CREATE INDEX api_jobs_seq_idx ON api_jobs (seq);
CREATE INDEX api_jobs_expires_idx ON api_jobs (expires_at) WHERE expires_at IS NOT NULL;
-- Jobs that did not succeed are few, and asked for: of all accounts, or of one.
CREATE INDEX api_jobs_unsuccessful_idx ON api_jobs (state, seq) WHERE state IN ('failed', 'canceled');
CREATE INDEX api_jobs_unsuccessful_account_idx ON api_jobs (account_uuid, state, seq) WHERE state IN ('failed', 'canceled');

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

-- The trace that a job belongs to (W3C Trace Context), where traces are on.
CREATE TABLE job_traces (
    job_uuid     text COLLATE "C" CONSTRAINT job_traces_pkey PRIMARY KEY,
    traceparent  text NOT NULL,
    create_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_traces_date_idx ON job_traces (create_date);

-- Who changed what, from where, and how it ended: every mutating call, also those refused for want of permission.
CREATE TABLE audits (
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
    error_code    text,
    access_key_uuid  text COLLATE "C",  -- by which it was called, if not by a session
    changes       jsonb  -- old and new values by name, of quotas and limits
);
CREATE INDEX audits_date_idx ON audits (create_date);
CREATE INDEX audits_account_idx ON audits (account_uuid, id);
CREATE INDEX audits_folded_target_idx ON audits (lower(target)) WHERE target IS NOT NULL;

-- The resources that an unfinished job names. Jobs with a shared row run beside each other; any other pair in order of seq.
CREATE TABLE api_job_keys (
    key       text COLLATE "C" NOT NULL,
    seq       bigint NOT NULL,
    shared    boolean NOT NULL,
    job_uuid  text COLLATE "C" NOT NULL,
    submitter text COLLATE "C",  -- the login that submitted the job
    PRIMARY KEY (key, seq)
);
CREATE INDEX api_job_keys_seq_idx ON api_job_keys (seq);

-- The keys by which a job of the account waits for others and holds them up: those of what it owns, and of what does not
-- exist yet. What belongs to others stops nobody, and tells nothing.
CREATE FUNCTION own_keys(p_keys text, p_account text, p_admin boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_admin THEN p_keys ELSE (
        SELECT string_agg(key, ' ') FROM string_to_table(p_keys, ' ') AS key
        WHERE ltrim(key, '~') = p_account OR coalesce((  -- a value, as PostgreSQL would read all of them for an EXISTS
            SELECT o.account_uuid IS NOT DISTINCT FROM p_account
            FROM resources r LEFT JOIN resource_owners o ON o.resource_uuid = r.uuid
            WHERE r.uuid = ltrim(key, '~')), true)) END
$$;

-- Stores a batch of jobs in one transaction. The keys of one job are joined by spaces; a shared one starts with '~'.
-- Returns the rows that were there before under one of the uuids, for the caller to compare, and the uuids of jobs that are
-- not stored because the signature that they came with has opened another change.
-- The lock per key makes the order of seq the order of commit: whoever sees a job sees all earlier jobs on its keys.
CREATE FUNCTION accept_jobs(
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

-- Claims jobs that no earlier unfinished job on one of their resources holds back. Accounts take turns: the walk over the
-- lanes with runnable jobs goes on after p_after, and the free slots are shared out among the lanes that it meets. A lane
-- gives at most its room of slots, and as many jobs for a slot as its size says; p_lanes names those that differ from the
-- default. p_suspects asks for one job besides that has lost a worker before.
-- `more` says that a lane had at least as many as it was asked for; jobs of the APIs in p_unknown are left to others.
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

-- Ends jobs: state, result, audit line, webhook delivery, and their resources pass on, in the caller's transaction.
-- Raises ZS001 when one of them is not in the state p_from under its epoch, or was to be canceled before its effect is
-- committed here; the caller must then roll back.
-- Returns whether a webhook is now due.
CREATE FUNCTION finish_jobs(
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

-- Queues claimed jobs again, as far as they are still held under their epochs. Those that were to be canceled are. With
-- p_counted the claim stays on the account of the job, which fails when it has used up p_max_claims; without, all but the
-- epoch is as it was before. Returns the jobs that it ended.
CREATE FUNCTION give_back_jobs(
    p_uuids text[], p_epochs int[], p_counted boolean, p_max_claims int, p_lost_result text, p_canceled_result text,
    p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
    v_canceled boolean[];
    v_hooked boolean;
BEGIN
    SELECT array_agg(l.uuid), array_agg(l.epoch), array_agg(l.cancel_asked) INTO v_uuids, v_epochs, v_canceled FROM (
        SELECT j.uuid, j.epoch, j.cancel_asked FROM api_jobs j JOIN unnest(p_uuids, p_epochs) AS h (uuid, epoch)
            ON j.uuid = h.uuid AND j.epoch = h.epoch
        WHERE j.state = 'running' AND (j.cancel_asked OR p_counted AND j.claims >= p_max_claims)
        ORDER BY j.seq FOR UPDATE OF j) l;
    IF v_uuids IS NOT NULL THEN
        v_hooked := finish_jobs(
            'running', v_uuids, v_epochs,
            ARRAY(SELECT CASE WHEN c THEN 'canceled' ELSE 'failed' END FROM unnest(v_canceled) AS c),
            ARRAY(SELECT CASE WHEN c THEN p_canceled_result ELSE p_lost_result END FROM unnest(v_canceled) AS c),
            p_retention_s);
        RETURN QUERY SELECT u, v_hooked FROM unnest(v_uuids) AS u;
    END IF;
    UPDATE api_jobs j SET state = 'queued', owner = NULL, claims = j.claims - (NOT p_counted)::int,
           started_at = CASE WHEN p_counted OR j.claims > 1 THEN j.started_at END
    FROM unnest(p_uuids, p_epochs) AS h (uuid, epoch)
    WHERE j.uuid = h.uuid AND j.epoch = h.epoch AND j.state = 'running';
END $$;

-- Takes back what these workers hold, whose rows are deleted: none of their claims can come after that. With p_died their
-- claims count against the jobs. Returns the jobs that it ended.
CREATE FUNCTION leave_workers(
    p_owners text[], p_died boolean, p_max_claims int, p_lost_result text, p_canceled_result text, p_retention_s float8
) RETURNS TABLE (uuid text, hooked boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_uuids text[];
    v_epochs int[];
BEGIN
    DELETE FROM workers w WHERE w.owner = ANY (p_owners);
    SELECT array_agg(j.uuid), array_agg(j.epoch) INTO v_uuids, v_epochs
    FROM api_jobs j WHERE j.state = 'running' AND j.owner = ANY (p_owners);
    RETURN QUERY SELECT * FROM give_back_jobs(v_uuids, v_epochs, p_died, p_max_claims, p_lost_result, p_canceled_result,
                                              p_retention_s);

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

-- Takes back what dead workers held, and ends queued jobs that are past their deadline. Returns the jobs that it ended.
CREATE FUNCTION sweep_jobs(
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

-- Cancels a job: a queued one ends here, a running one is asked to stop. Returns the state it was found in.
CREATE FUNCTION cancel_job(p_uuid text, p_result text, p_retention_s float8)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_job record;
BEGIN
    SELECT j.state, j.epoch INTO v_job FROM api_jobs j WHERE j.uuid = p_uuid FOR UPDATE;
    IF v_job.state = 'queued' THEN
        PERFORM finish_jobs('queued', ARRAY[p_uuid], ARRAY[v_job.epoch], ARRAY['canceled'], ARRAY[p_result], p_retention_s);
    ELSIF v_job.state = 'running' THEN
        UPDATE api_jobs j SET cancel_asked = true WHERE j.uuid = p_uuid;
    END IF;
    RETURN v_job.state;
END $$;

-- Drops results past their time, leaving tombstones that tell `expired` from `never existed`, and old tombstones.
-- Also frees queued jobs whose blocker is gone, should a release ever have been missed. Returns the rows it touched.
CREATE FUNCTION expire_jobs(p_tombstone_s float8, p_limit int) RETURNS int LANGUAGE plpgsql AS $$
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

------------------------------------------------------------------------------------------------------------------------
-- Webhooks: the outbox, its attempts, the receivers and the signing secrets
------------------------------------------------------------------------------------------------------------------------

-- Written by the transaction that ends the job; `body` never changes after that.
-- state: pending, delivered, dead (schedule used up), gone (the receiver answered 410)
CREATE TABLE webhook_deliveries (
    id            text COLLATE "C" PRIMARY KEY,  -- also the webhook-id header, stable over all attempts
    job_uuid      text COLLATE "C" NOT NULL,
    account_uuid  text COLLATE "C" NOT NULL,
    url           text NOT NULL,
    receiver      text COLLATE "C" NOT NULL,     -- scheme://host:port, what limits and breakers are kept for
    success       boolean NOT NULL,
    body          text NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_state_check
                  CHECK (state IN ('pending', 'delivered', 'dead', 'gone')),
    attempts      int NOT NULL DEFAULT 0,
    epoch         int NOT NULL DEFAULT 0,
    owner         text,                          -- the worker that has claimed it
    claimed_at    timestamptz,
    next_at       timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    not_before    timestamptz,                   -- the receiver's Retry-After: no probe and no drain comes earlier
    -- One delivery for a job, without a second unique index to keep up.
    CONSTRAINT webhook_deliveries_job_check CHECK (id = 'msg_' || job_uuid)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);  -- room for the claimed version beside the first

-- Walked by lane, which is one account at one receiver; it also gives the earliest delivery of a lane.
CREATE INDEX webhook_deliveries_lane_idx
    ON webhook_deliveries (receiver, account_uuid, next_at) WHERE state = 'pending';
-- What a redelivery since T looks for.
CREATE INDEX webhook_deliveries_failed_idx
    ON webhook_deliveries (account_uuid, created_at) WHERE state IN ('dead', 'gone');
-- For the purge. Rows are born in order and their versions stay close, so block ranges tell enough at almost no cost.
CREATE INDEX webhook_deliveries_created_idx
    ON webhook_deliveries USING brin (created_at) WITH (pages_per_range = 16);

-- The attempt log: at most one row for each claim of a delivery. No foreign key: rows come in by the thousand, and both
-- tables are purged together.
-- outcome: delivered, gone, failed; unknown when the sender died between its claim and its record
CREATE TABLE webhook_attempts (
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

-- A receiver with work belongs to one worker at a time, so that its limit of requests in flight can be kept in one
-- process. The row goes away with the work.
CREATE TABLE webhook_receivers (
    receiver      text COLLATE "C" PRIMARY KEY,
    owner         text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- The failures in a row of a lane, so that one account's bad URL does not hold up another's at the same host. No row: the
-- last attempt succeeded. `opened_at` is set while the breaker is open. A probe is then due at `probe_by`, or from
-- `probe_at` on as soon as a delivery's own time has come.
CREATE TABLE webhook_breakers (
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
CREATE TABLE webhook_secrets (
    uuid          text COLLATE "C" PRIMARY KEY,
    account_uuid  text COLLATE "C" NOT NULL,
    sealed        text NOT NULL,
    create_date   timestamptz NOT NULL DEFAULT now(),
    read_date     timestamptz,                   -- when its clear text was handed out, which happens once
    ends_at       timestamptz
);
CREATE UNIQUE INDEX webhook_secrets_current_key ON webhook_secrets (account_uuid) WHERE ends_at IS NULL;
CREATE INDEX webhook_secrets_account_idx ON webhook_secrets (account_uuid);

------------------------------------------------------------------------------------------------------------------------
-- Scheduler
------------------------------------------------------------------------------------------------------------------------

-- When: a grid of due times (simple), or a Quartz expression in the service's time zone (cron).
CREATE TABLE scheduler_triggers (
    uuid                text COLLATE "C" CONSTRAINT scheduler_triggers_pkey PRIMARY KEY,
    name                text COLLATE "C" NOT NULL,
    description         text,
    scheduler_type      text NOT NULL CONSTRAINT scheduler_triggers_type_check CHECK (scheduler_type IN ('simple', 'cron')),
    scheduler_interval  int CONSTRAINT scheduler_triggers_interval_check CHECK (scheduler_interval > 0),  -- seconds
    repeat_count        int CONSTRAINT scheduler_triggers_count_check CHECK (repeat_count >= 0),  -- fires in all; 0: forever
    start_time          timestamptz,  -- none: the grid starts when a job is attached
    stop_time           timestamptz,  -- of the last due time
    cron                text,
    create_date         timestamptz NOT NULL DEFAULT now(),
    last_op_date        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT scheduler_triggers_cron_check CHECK ((scheduler_type = 'cron') = (cron IS NOT NULL))
);
CREATE INDEX scheduler_triggers_folded_name_idx ON scheduler_triggers (lower(name));

-- What: an API to be called on a resource in the owner's name.
CREATE TABLE scheduler_jobs (
    uuid                  text COLLATE "C" CONSTRAINT scheduler_jobs_pkey PRIMARY KEY,
    name                  text COLLATE "C" NOT NULL,
    description           text,
    type                  text NOT NULL CONSTRAINT scheduler_jobs_type_check
                          CHECK (type IN ('startVm', 'stopVm', 'rebootVm', 'volumeSnapshot')),
    target_resource_uuid  text COLLATE "C" NOT NULL,
    parameters            jsonb NOT NULL DEFAULT '{}',
    state                 text NOT NULL DEFAULT 'Enabled' CONSTRAINT scheduler_jobs_state_check
                          CHECK (state IN ('Enabled', 'Disabled')),
    host_lost             boolean NOT NULL DEFAULT false,  -- disabled until the VM's host is found again
    create_date           timestamptz NOT NULL DEFAULT now(),
    last_op_date          timestamptz NOT NULL DEFAULT now(),
    creator_uuid          text COLLATE "C"  -- the user in whose name it fires; none: the owner's own
);
CREATE INDEX scheduler_jobs_folded_name_idx ON scheduler_jobs (lower(name));
CREATE INDEX scheduler_jobs_target_idx ON scheduler_jobs (target_resource_uuid);
SELECT resources_of('scheduler_triggers', 'SchedulerTriggerVO'), resources_of('scheduler_jobs', 'SchedulerJobVO');
CREATE TRIGGER renew_use AFTER UPDATE OF name, description, parameters ON scheduler_jobs FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.parameters) IS DISTINCT FROM (NEW.name, NEW.description, NEW.parameters))
    EXECUTE FUNCTION renew_use();
CREATE TRIGGER renew_use AFTER UPDATE OF name, description, cron ON scheduler_triggers FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.cron) IS DISTINCT FROM (NEW.name, NEW.description, NEW.cron))
    EXECUTE FUNCTION renew_use();

-- A job on a trigger. A worker fires it by moving `next_fire_at` on in the transaction that stores the API job.
CREATE TABLE scheduler_job_triggers (
    uuid                    text COLLATE "C" PRIMARY KEY,
    scheduler_job_uuid      text COLLATE "C" NOT NULL CONSTRAINT scheduler_job_triggers_job_fkey
                            REFERENCES scheduler_jobs (uuid) ON DELETE CASCADE,
    scheduler_trigger_uuid  text COLLATE "C" NOT NULL CONSTRAINT scheduler_job_triggers_trigger_fkey
                            REFERENCES scheduler_triggers (uuid),
    grid_start              timestamptz NOT NULL,  -- the trigger's start, or the moment of the attachment
    planned_from            timestamptz NOT NULL DEFAULT now(),  -- due times up to this one are left out
    -- None: the job is disabled, or nothing is due any more. -infinity: to be worked out by the next worker that looks.
    next_fire_at            timestamptz DEFAULT '-infinity',
    create_date             timestamptz NOT NULL DEFAULT now(),
    last_op_date            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT scheduler_job_triggers_pair_key UNIQUE (scheduler_job_uuid, scheduler_trigger_uuid)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX scheduler_job_triggers_trigger_idx ON scheduler_job_triggers (scheduler_trigger_uuid);
CREATE INDEX scheduler_job_triggers_due_idx ON scheduler_job_triggers (next_fire_at)
    WHERE next_fire_at IS NOT NULL;

-- What became of each due time. The outcome is copied here from the API job, whose own row does not stay.
-- state: Fired    an API job was stored, and has not ended as far as this row knows
--        Succeeded, Failed, Canceled    as the API job ended
--        Skipped  the snapshot before it was still being made
--        Missed   no worker was there; the details say until when
CREATE TABLE scheduler_executions (
    id                      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_trigger_uuid        text COLLATE "C" NOT NULL,  -- the row of scheduler_job_triggers, which may be gone
    scheduler_job_uuid      text COLLATE "C" NOT NULL CONSTRAINT scheduler_executions_job_fkey
                            REFERENCES scheduler_jobs (uuid) ON DELETE CASCADE,
    scheduler_trigger_uuid  text COLLATE "C" NOT NULL,
    target_resource_uuid    text COLLATE "C" NOT NULL,
    due_at                  timestamptz NOT NULL,
    fired_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    api_job_uuid            text COLLATE "C",
    state                   text NOT NULL CONSTRAINT scheduler_executions_state_check
                            CHECK (state IN ('Fired', 'Succeeded', 'Failed', 'Canceled', 'Skipped', 'Missed')),
    finished_at             timestamptz,
    details                 text,
    CONSTRAINT scheduler_executions_due_key UNIQUE (job_trigger_uuid, due_at)  -- no due time fires twice
);
CREATE INDEX scheduler_executions_job_idx ON scheduler_executions (scheduler_job_uuid, id);
CREATE INDEX scheduler_executions_open_idx ON scheduler_executions (target_resource_uuid)
    WHERE state = 'Fired';
CREATE INDEX scheduler_executions_fired_idx ON scheduler_executions USING brin (fired_at);

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

------------------------------------------------------------------------------------------------------------------------
-- Billing
------------------------------------------------------------------------------------------------------------------------

-- The price of a resource from a moment on, until a later one begins.
CREATE TABLE prices (
    uuid           text COLLATE "C" CONSTRAINT prices_pkey PRIMARY KEY,
    seq            bigint GENERATED ALWAYS AS IDENTITY,  -- of two that begin together the later one counts
    resource_name  text COLLATE "C" NOT NULL CONSTRAINT prices_resource_check
                   CHECK (resource_name IN ('cpu', 'memory', 'rootVolume', 'dataVolume', 'snapShot')),
    resource_unit  text COLLATE "C",
    time_unit      text COLLATE "C" NOT NULL,
    price          numeric NOT NULL CONSTRAINT prices_price_check CHECK (price >= 0),
    date_in_long   bigint NOT NULL CONSTRAINT prices_date_check CHECK (date_in_long >= 0),  -- ms
    create_date    timestamptz NOT NULL DEFAULT now(),
    last_op_date   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX prices_date_idx ON prices (resource_name, date_in_long, seq);
SELECT resources_of('prices', 'PriceVO');

-- The stretches of time for which an account pays for a resource of one size. A stretch is opened and closed by the
-- transactions that change the resource, and never changed otherwise; it outlives the resource and the account.
CREATE TABLE usages (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_uuid   text COLLATE "C" NOT NULL,
    kind           text COLLATE "C" NOT NULL CONSTRAINT usages_kind_check
                   CHECK (kind IN ('VM', 'rootVolume', 'dataVolume', 'snapShot')),
    resource_uuid  text COLLATE "C" NOT NULL,
    resource_name  text COLLATE "C" NOT NULL,
    cpu_num        int NOT NULL DEFAULT 0,
    size           bigint NOT NULL,  -- bytes: memory of a VM, else of the volume or snapshot
    started_at     bigint NOT NULL,  -- ms
    ended_at       bigint,           -- ms, exclusive
    -- The bits of the length. Per value of it an overlap with a window is one range of `started_at`, so that a window
    -- costs what is in it, however long the history.
    length_bits    int GENERATED ALWAYS AS (length(ltrim((ended_at - started_at)::bit(64)::text, '0'))) STORED,
    CONSTRAINT usages_order_check CHECK (ended_at >= started_at)
);
CREATE UNIQUE INDEX usages_open_key ON usages (resource_uuid, kind) WHERE ended_at IS NULL;
CREATE INDEX usages_open_account_idx ON usages (account_uuid) WHERE ended_at IS NULL;
CREATE INDEX usages_window_idx ON usages (account_uuid, length_bits, started_at) WHERE ended_at IS NOT NULL;
CREATE INDEX usages_resource_idx ON usages (resource_uuid, id);

-- The stretches of an account that overlap [p_start, p_end) ms; an open one ends at p_end. Stretches with the same number
-- of bits that reach into the window began at most that length before it, so the index finds each of them directly.
CREATE FUNCTION usages_within(p_account text, p_start bigint, p_end bigint)
RETURNS TABLE (kind text, resource_uuid text, cpu_num int, size bigint, started_at bigint, ended_at bigint)
LANGUAGE sql STABLE AS $$
    SELECT u.kind, u.resource_uuid, u.cpu_num, u.size, u.started_at, u.ended_at
    FROM generate_series(1, 50) AS bits CROSS JOIN LATERAL (
        SELECT * FROM usages u
        WHERE u.account_uuid = p_account AND u.length_bits = bits AND u.ended_at IS NOT NULL
          AND u.started_at > p_start - (1::bigint << bits) AND u.started_at < p_end AND u.ended_at > p_start
        OFFSET 0) u  -- kept apart, so that the planner cannot make one scan of the whole history of it
    UNION ALL
    SELECT u.kind, u.resource_uuid, u.cpu_num, u.size, u.started_at, p_end
    FROM usages u WHERE u.account_uuid = p_account AND u.ended_at IS NULL AND u.started_at < p_end
$$;

------------------------------------------------------------------------------------------------------------------------
-- AD/LDAP: the directory, the entries of it that are bound to accounts, and the logins through it
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE ldap_servers (
    uuid             text COLLATE "C" CONSTRAINT ldap_servers_pkey PRIMARY KEY,
    name             text COLLATE "C" NOT NULL,
    description      text,
    url              text COLLATE "C" NOT NULL,
    base             text COLLATE "C" NOT NULL,
    username         text COLLATE "C" NOT NULL,
    sealed_password  text NOT NULL,  -- for `ldap-server:<uuid>`
    encryption       text NOT NULL CONSTRAINT ldap_servers_encryption_check CHECK (encryption IN ('None', 'TLS')),
    singleton        boolean NOT NULL DEFAULT true CONSTRAINT ldap_servers_singleton_check CHECK (singleton)
                     CONSTRAINT ldap_servers_singleton_key UNIQUE,
    made_by          text COLLATE "C",  -- the job, so that its second run finds what the first one did
    create_date      timestamptz NOT NULL DEFAULT now(),
    last_op_date     timestamptz NOT NULL DEFAULT now()
);

-- A person or a group of the directory that logs in to an account. An account may have many.
CREATE TABLE ldap_bindings (
    uuid              text COLLATE "C" CONSTRAINT ldap_bindings_pkey PRIMARY KEY,
    ldap_uid          text COLLATE "C" NOT NULL,  -- the distinguished name, as the directory writes it
    dn_key            text COLLATE "C" NOT NULL,  -- the same without the case of its ASCII letters
    ldap_server_uuid  text COLLATE "C" NOT NULL CONSTRAINT ldap_bindings_server_fkey
                      REFERENCES ldap_servers (uuid) ON DELETE CASCADE,
    account_uuid      text COLLATE "C" NOT NULL CONSTRAINT ldap_bindings_account_fkey
                      REFERENCES accounts (uuid) ON DELETE CASCADE,
    made_by           text COLLATE "C",
    create_date       timestamptz NOT NULL DEFAULT now(),
    last_op_date      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ldap_bindings_dn_key UNIQUE (ldap_server_uuid, dn_key)
);
CREATE INDEX ldap_bindings_account_idx ON ldap_bindings (account_uuid);
SELECT resources_of('ldap_servers', 'LdapServerVO'), resources_of('ldap_bindings', 'LdapAccountRefVO');

-- Who is behind a session that the directory opened: a member of a bound group has no binding of its own that could go.
CREATE TABLE ldap_logins (
    token_hash  bytea CONSTRAINT ldap_logins_pkey PRIMARY KEY
                CONSTRAINT ldap_logins_session_fkey REFERENCES sessions (token_hash) ON DELETE CASCADE,
    dn          text COLLATE "C" NOT NULL
);
