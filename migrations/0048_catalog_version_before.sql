-- The version of the catalog of `/v3`, so that processes can keep what they have read of it.
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
