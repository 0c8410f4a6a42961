-- What only clients give a meaning to of a domain, which is an account, or of a group; without a row there is nothing.
CREATE TABLE resource_extras (
    resource_uuid  text COLLATE "C" CONSTRAINT resource_extras_pkey PRIMARY KEY
                   CONSTRAINT resource_extras_resource_fkey REFERENCES resources (uuid) ON DELETE CASCADE,
    extra          jsonb NOT NULL DEFAULT '{}',
    tags           text[] NOT NULL DEFAULT '{}'
);
