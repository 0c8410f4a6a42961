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

INSERT INTO projects (uuid, account_uuid, name, is_first)
SELECT replace(gen_random_uuid()::text, '-', ''), uuid, name, true FROM accounts;

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
