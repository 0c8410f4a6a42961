-- Console proxy agents, and the tokens that open consoles at them.

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
