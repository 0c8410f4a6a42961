-- A deleted image counts by its size only, until it is expunged.
CREATE FUNCTION image_use(p_status text, p_size bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('image.size', p_size)
        || CASE WHEN p_status <> 'Deleted' THEN '{"image.num": 1}'::jsonb ELSE '{}' END
$$;

CREATE OR REPLACE FUNCTION quota_use(p_type text, p_uuid text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT text_use(p_type, p_uuid) || coalesce(CASE p_type
        WHEN 'VmInstanceVO' THEN (SELECT vm_use(state, cpu_num, memory_size) FROM vm_instances WHERE uuid = p_uuid)
        WHEN 'VolumeVO' THEN (SELECT volume_use(type, status, size) FROM volumes WHERE uuid = p_uuid)
        WHEN 'ImageVO' THEN (SELECT image_use(status, actual_size) FROM images WHERE uuid = p_uuid)
        WHEN 'VolumeSnapshotVO' THEN '{"snapshot.volume.num": 1}'
        WHEN 'L3NetworkVO' THEN '{"l3.num": 1}'
        WHEN 'VipVO' THEN '{"vip.num": 1}'
        WHEN 'EipVO' THEN '{"eip.num": 1}' END, '{}')
$$;

CREATE TRIGGER renew_use AFTER UPDATE OF status, actual_size ON images FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.actual_size <> NEW.actual_size)
    EXECUTE FUNCTION renew_use();
