-- Where volumes and images are said to be. There is one of each, for all zones.
CREATE TABLE primary_storages (
    uuid            text COLLATE "C" PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    description     text,
    url             text NOT NULL,
    type            text NOT NULL,
    state           text NOT NULL DEFAULT 'Enabled' CONSTRAINT primary_storages_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status          text NOT NULL DEFAULT 'Connected',
    mount_path      text NOT NULL,
    total_capacity  bigint,  -- bytes, as an administrator has said; NULL: unknown
    create_date     timestamptz NOT NULL DEFAULT now(),
    last_op_date    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE backup_storages (
    uuid            text COLLATE "C" PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    description     text,
    url             text NOT NULL,
    type            text NOT NULL,
    state           text NOT NULL DEFAULT 'Enabled' CONSTRAINT backup_storages_state_check CHECK (state IN ('Enabled', 'Disabled')),
    status          text NOT NULL DEFAULT 'Connected',
    total_capacity  bigint,  -- bytes, as an administrator has said; NULL: unknown
    create_date     timestamptz NOT NULL DEFAULT now(),
    last_op_date    timestamptz NOT NULL DEFAULT now()
);
SELECT resources_of('primary_storages', 'PrimaryStorageVO'), resources_of('backup_storages', 'BackupStorageVO');
INSERT INTO primary_storages (uuid, name, url, type, mount_path)
    VALUES ('a0000000000040008000000000000011', 'primary-storage', '/zstack_ps', 'LocalStorage', '/zstack_ps');
INSERT INTO backup_storages (uuid, name, url, type)
    VALUES ('a0000000000040008000000000000012', 'backup-storage', 'http://', 'ImageStoreBackupStorage');
CREATE VIEW primary_storage_clusters AS
    SELECT p.uuid AS primary_storage_uuid, c.uuid AS cluster_uuid FROM primary_storages p CROSS JOIN clusters c;
CREATE VIEW backup_storage_zones AS
    SELECT b.uuid AS backup_storage_uuid, z.uuid AS zone_uuid FROM backup_storages b CROSS JOIN zones z;
