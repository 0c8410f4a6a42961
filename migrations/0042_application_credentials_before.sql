-- Application credentials, and which of them a token was opened with.

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

ALTER TABLE sessions ADD COLUMN credential_uuid text COLLATE "C" CONSTRAINT sessions_credential_fkey
    REFERENCES application_credentials (uuid) ON DELETE CASCADE;
CREATE INDEX sessions_credential_idx ON sessions (credential_uuid) WHERE credential_uuid IS NOT NULL;
