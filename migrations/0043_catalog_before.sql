-- The catalog of `/v3` can be written.

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
