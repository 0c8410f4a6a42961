-- Volumes and images are where there is a storage, whatever was said before.
UPDATE volumes v SET primary_storage_uuid = 'a0000000000040008000000000000011'
WHERE NOT EXISTS (SELECT FROM primary_storages p WHERE p.uuid = v.primary_storage_uuid);
UPDATE volume_snapshots s SET primary_storage_uuid = 'a0000000000040008000000000000011'
WHERE NOT EXISTS (SELECT FROM primary_storages p WHERE p.uuid = s.primary_storage_uuid);
DELETE FROM image_backup_storages b USING image_backup_storages o
WHERE o.image_uuid = b.image_uuid AND o.id < b.id AND b.backup_storage_uuid <> 'a0000000000040008000000000000012';
DELETE FROM image_backup_storages b USING image_backup_storages o
WHERE o.image_uuid = b.image_uuid AND o.id <> b.id AND o.backup_storage_uuid = 'a0000000000040008000000000000012';
UPDATE image_backup_storages SET backup_storage_uuid = 'a0000000000040008000000000000012' WHERE backup_storage_uuid <> 'a0000000000040008000000000000012';
ALTER TABLE volumes ADD CONSTRAINT volumes_storage_fkey FOREIGN KEY (primary_storage_uuid) REFERENCES primary_storages (uuid);
ALTER TABLE volume_snapshots ADD CONSTRAINT volume_snapshots_storage_fkey
    FOREIGN KEY (primary_storage_uuid) REFERENCES primary_storages (uuid);
ALTER TABLE image_backup_storages ADD CONSTRAINT image_backup_storages_storage_fkey
    FOREIGN KEY (backup_storage_uuid) REFERENCES backup_storages (uuid);
