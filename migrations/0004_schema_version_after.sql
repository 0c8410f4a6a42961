-- The first release looked here for a version; `schema_steps` has taken its place.
DROP TABLE schema_version;
