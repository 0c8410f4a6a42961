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
