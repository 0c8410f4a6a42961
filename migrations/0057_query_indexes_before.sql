-- A condition on tags looks at the type of the resource too.
ALTER TABLE tags DROP CONSTRAINT tags_resource_tag_key,
    ADD CONSTRAINT tags_resource_tag_key UNIQUE (resource_uuid, type, tag) INCLUDE (resource_type);

CREATE INDEX vm_instances_root_volume_idx ON vm_instances (root_volume_uuid);
CREATE INDEX vm_instances_newest_idx ON vm_instances (create_date, uuid);
