-- What later ZStack tells of VMs and volumes.
ALTER TABLE vm_instances ADD COLUMN reserved_memory_size bigint NOT NULL DEFAULT 0,
    ADD COLUMN guest_os_type text, ADD COLUMN architecture text;
ALTER TABLE volumes ADD COLUMN last_attach_date timestamptz, ADD COLUMN last_detach_date timestamptz,
    ADD COLUMN last_vm_instance_uuid text COLLATE "C";
