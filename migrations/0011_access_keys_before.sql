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

SELECT resources_of('access_keys', 'AccessKeyVO');

-- Of databases to which 0006 came before it had them.
ALTER TABLE api_jobs ADD COLUMN IF NOT EXISTS access_key_uuid text COLLATE "C";
ALTER TABLE api_jobs ADD COLUMN by_uuid boolean NOT NULL DEFAULT false;
ALTER TABLE audits ADD COLUMN IF NOT EXISTS access_key_uuid text COLLATE "C";
