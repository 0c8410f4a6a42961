-- Something in each table of the first release. Uuids are md5 of a type and a number.
CREATE FUNCTION pg_temp.u(p_kind text, p_number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT md5(p_kind || p_number) $$;

INSERT INTO schema_version (version) VALUES (1);

INSERT INTO accounts (uuid, name, type, password_hash, description)
SELECT pg_temp.u('account', n), 'account-' || n, CASE n WHEN 1 THEN 'SystemAdmin' ELSE 'Normal' END, '$argon2id$', 'd'
FROM generate_series(1, 50) n;
INSERT INTO users (uuid, account_uuid, name, password_hash)
SELECT pg_temp.u('user', n), pg_temp.u('account', 1 + n % 50), 'user-' || n, '$argon2id$' FROM generate_series(1, 200) n;
INSERT INTO password_history (owner_uuid, password_hash) SELECT uuid, password_hash FROM users;
INSERT INTO user_groups (uuid, account_uuid, name)
SELECT pg_temp.u('group', n), pg_temp.u('account', 1 + n % 50), 'group-' || n FROM generate_series(1, 100) n;
INSERT INTO policies (uuid, account_uuid, name, statements)
SELECT pg_temp.u('policy', n), pg_temp.u('account', 1 + n % 50), 'policy-' || n,
       '[{"name": "s", "effect": "Allow", "actions": ["vm:.*"]}]'
FROM generate_series(1, 100) n;
INSERT INTO group_members (group_uuid, user_uuid)
SELECT pg_temp.u('group', 1 + n % 100), pg_temp.u('user', n) FROM generate_series(1, 200) n;
INSERT INTO user_policies (user_uuid, policy_uuid)
SELECT pg_temp.u('user', n), pg_temp.u('policy', 1 + n % 100) FROM generate_series(1, 200) n;
INSERT INTO group_policies (group_uuid, policy_uuid)
SELECT pg_temp.u('group', n), pg_temp.u('policy', n) FROM generate_series(1, 100) n;
INSERT INTO quotas (uuid, name, identity_uuid, value)
SELECT md5(a.uuid || d.name), d.name, a.uuid, d.value FROM accounts a CROSS JOIN quota_defaults d;
INSERT INTO login_failures (subject, address, failures)
SELECT decode(md5(n::text), 'hex'), '10.0.0.' || n, n FROM generate_series(1, 20) n;
INSERT INTO sessions (token_hash, account_uuid, user_uuid, expired_date)
SELECT decode(md5('session' || n), 'hex'), account_uuid, uuid, now() + interval '2 hours'
FROM users, generate_series(1, 2) n WHERE users.uuid = pg_temp.u('user', n);

INSERT INTO zones (uuid, name) SELECT pg_temp.u('zone', n), 'zone-' || n FROM generate_series(1, 3) n;
INSERT INTO clusters (uuid, name, hypervisor_type, zone_uuid)
SELECT pg_temp.u('cluster', n), 'cluster-' || n, 'KVM', pg_temp.u('zone', n) FROM generate_series(1, 3) n;
INSERT INTO hosts (uuid, name, zone_uuid, cluster_uuid, management_ip, hypervisor_type, status, total_cpu_capacity,
                   available_cpu_capacity, total_memory_capacity, available_memory_capacity)
SELECT pg_temp.u('host', n), 'host-' || n, pg_temp.u('zone', n), pg_temp.u('cluster', n), '10.1.0.' || n, 'KVM', 'Connected',
       1000, 1000, 1::bigint << 40, 1::bigint << 40
FROM generate_series(1, 3) n;
INSERT INTO images (uuid, name, size, actual_size, url, media_type, platform, format, system)
SELECT pg_temp.u('image', n), 'image-' || n, 1073741824, 1073741824, 'http://mirror/' || n, 'RootVolumeTemplate', 'Linux',
       'qcow2', false
FROM generate_series(1, 5) n;
INSERT INTO image_backup_storages (image_uuid, backup_storage_uuid, install_path)
SELECT uuid, pg_temp.u('storage', 1), '/zstack_bs/' || name FROM images;
INSERT INTO instance_offerings (uuid, name, cpu_num, memory_size, allocator_strategy)
SELECT pg_temp.u('offering', n), 'offering-' || n, n, 1::bigint << 30, 'default' FROM generate_series(1, 4) n;
INSERT INTO disk_offerings (uuid, name, disk_size, allocator_strategy)
SELECT pg_temp.u('disk', n), 'disk-' || n, 1::bigint << 33, 'default' FROM generate_series(1, 4) n;
INSERT INTO l2_networks (uuid, name, zone_uuid, physical_interface, type, vlan)
SELECT pg_temp.u('l2', n), 'l2-' || n, pg_temp.u('zone', n), 'eth0', 'L2VlanNetwork', n FROM generate_series(1, 3) n;
INSERT INTO l2_network_clusters (l2_network_uuid, cluster_uuid)
SELECT pg_temp.u('l2', n), pg_temp.u('cluster', n) FROM generate_series(1, 3) n;
INSERT INTO l3_networks (uuid, name, zone_uuid, l2_network_uuid)
SELECT pg_temp.u('l3', n), 'l3-' || n, pg_temp.u('zone', n), pg_temp.u('l2', n) FROM generate_series(1, 3) n;
INSERT INTO l3_network_dns (l3_network_uuid, dns) SELECT uuid, '8.8.8.8' FROM l3_networks;
INSERT INTO ip_ranges (uuid, name, l3_network_uuid, start_ip, end_ip, netmask, gateway, network_cidr, start_value, end_value,
                       next_value)
SELECT pg_temp.u('range', n), 'range-' || n, pg_temp.u('l3', n), '10.2.' || n || '.2', '10.2.' || n || '.254', '255.255.255.0',
       '10.2.' || n || '.1', '10.2.' || n || '.0/24', 2, 254, 2
FROM generate_series(1, 3) n;
INSERT INTO vm_instances (uuid, name, zone_uuid, cluster_uuid, image_uuid, host_uuid, last_host_uuid, instance_offering_uuid,
                          default_l3_network_uuid, platform, hypervisor_type, memory_size, cpu_num, state)
SELECT pg_temp.u('vm', n), 'vm-' || n, pg_temp.u('zone', h), pg_temp.u('cluster', h), pg_temp.u('image', 1),
       CASE WHEN n % 4 <> 0 THEN pg_temp.u('host', h) END, pg_temp.u('host', h), pg_temp.u('offering', 1), pg_temp.u('l3', h),
       'Linux', 'KVM', 1::bigint << 30, 1, (ARRAY['Stopped', 'Running', 'Running', 'Starting'])[1 + n % 4]
FROM generate_series(1, 120) n, LATERAL (SELECT 1 + n % 3) AS of_host (h);
INSERT INTO vm_nics (uuid, vm_instance_uuid, l3_network_uuid, ip, mac, netmask, gateway, device_id)
SELECT pg_temp.u('nic', n), pg_temp.u('vm', n), pg_temp.u('l3', 1 + n % 3), '10.2.0.' || n, 'fa:00:00:00:00:' || n,
       '255.255.255.0', '10.2.0.1', 0
FROM generate_series(1, 120) n;
INSERT INTO vips (uuid, name, l3_network_uuid, ip, gateway, netmask)
SELECT pg_temp.u('vip', n), 'vip-' || n, pg_temp.u('l3', 1 + n % 3), '10.2.0.' || n, '10.2.0.1', '255.255.255.0'
FROM generate_series(201, 210) n;
INSERT INTO eips (uuid, name, vm_nic_uuid, vip_uuid, vip_ip)
SELECT pg_temp.u('eip', n), 'eip-' || n, pg_temp.u('nic', n - 200), pg_temp.u('vip', n), '10.2.0.' || n
FROM generate_series(201, 205) n;
INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vm_nic_uuid, vip_uuid)
SELECT pg_temp.u('l3', 1 + n % 3), n, pg_temp.u('range', 1 + n % 3), CASE WHEN n <= 120 THEN pg_temp.u('nic', n) END,
       CASE WHEN n > 200 THEN pg_temp.u('vip', n) END
FROM generate_series(1, 210) n WHERE n <= 120 OR n > 200;
INSERT INTO volumes (uuid, name, vm_instance_uuid, root_image_uuid, disk_offering_uuid, type, size, device_id, status)
SELECT pg_temp.u('volume', n), 'volume-' || n, CASE WHEN n <= 120 THEN pg_temp.u('vm', n) END,
       CASE WHEN n <= 120 THEN pg_temp.u('image', 1) END, CASE WHEN n > 120 THEN pg_temp.u('disk', 1) END,
       CASE WHEN n <= 120 THEN 'Root' ELSE 'Data' END, 1::bigint << 30, CASE WHEN n <= 120 THEN 0 END,
       CASE WHEN n <= 120 THEN 'Ready' ELSE 'NotInstantiated' END
FROM generate_series(1, 150) n;
UPDATE vm_instances v SET root_volume_uuid = o.uuid FROM volumes o WHERE o.vm_instance_uuid = v.uuid;
INSERT INTO volume_snapshots (uuid, name, volume_uuid, tree_uuid, volume_type, latest, size, status)
SELECT pg_temp.u('snapshot', n), 'snapshot-' || n, pg_temp.u('volume', n), pg_temp.u('tree', n), 'Root', true, 1024, 'Ready'
FROM generate_series(1, 20) n;
INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
SELECT r.uuid, r.base_type, pg_temp.u('account', 2) FROM resources r
WHERE r.base_type IN ('ImageVO', 'VmInstanceVO', 'VolumeVO', 'VolumeSnapshotVO', 'L3NetworkVO', 'VipVO', 'EipVO', 'VmNicVO');
INSERT INTO resource_shares (resource_uuid, resource_type, owner_account_uuid, receiver_account_uuid, to_public)
SELECT pg_temp.u('image', n), 'ImageVO', pg_temp.u('account', 2), CASE WHEN n > 1 THEN pg_temp.u('account', n + 1) END, n = 1
FROM generate_series(1, 5) n;
INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
SELECT pg_temp.u('tag', n), pg_temp.u('vm', n), 'VmInstanceVO', 'tag-' || n, 'User' FROM generate_series(1, 50) n;
INSERT INTO stray_domains (vm_uuid, host_uuid, hypervisor_type, management_ip)
VALUES (pg_temp.u('vm', 999), pg_temp.u('host', 1), 'KVM', '10.1.0.1');
INSERT INTO simulator_domains (host_uuid, vm_uuid, name, cpu_num, memory_size, power)
SELECT host_uuid, uuid, name, cpu_num, memory_size, 'Running' FROM vm_instances WHERE state = 'Running';
INSERT INTO simulator_snapshots (snapshot_uuid, volume_uuid) SELECT uuid, volume_uuid FROM volume_snapshots;
INSERT INTO simulator_faults (action, error, remaining) VALUES ('start', 'no room', 1);

INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, keyed, outside, web_hook, state,
                      owner, lease_until, epoch, claims, deadline_at, started_at, finished_at, expires_at, result)
SELECT pg_temp.u('job', n), pg_temp.u('account', 1), pg_temp.u('account', 1), true, 'CreateZone', '\x00', '{"name": "z"}',
       n % 2 = 0, false, CASE WHEN n % 3 = 0 THEN 'http://127.0.0.1:1/hook' END, state,
       CASE state WHEN 'running' THEN 'host:1:abc' END, CASE state WHEN 'running' THEN now() + interval '15 s' END,
       (state <> 'queued')::int, (state <> 'queued')::int, now() + interval '30 min',
       CASE WHEN state <> 'queued' THEN now() END, CASE WHEN state IN ('succeeded', 'failed') THEN now() END,
       CASE WHEN state IN ('succeeded', 'failed') THEN now() + interval '2 days' END,
       CASE state WHEN 'succeeded' THEN '{}' WHEN 'failed' THEN '{"error": {"code": "SYS.1000"}}' END
FROM generate_series(1, 100) n, LATERAL (SELECT (ARRAY['succeeded', 'failed', 'queued', 'running'])[1 + n % 4]) AS s (state);
INSERT INTO api_job_keys (key, seq, shared, job_uuid)
SELECT pg_temp.u('zone', 1), seq, false, uuid FROM api_jobs WHERE keyed AND state IN ('queued', 'running');
INSERT INTO audits (account_uuid, user_uuid, api, job_uuid, outcome)
SELECT account_uuid, user_uuid, api, uuid, state FROM api_jobs WHERE finished_at IS NOT NULL;
INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body, state)
SELECT 'msg_' || uuid, uuid, account_uuid, web_hook, 'http://127.0.0.1:1', state = 'succeeded', result,
       CASE WHEN state = 'failed' THEN 'dead' ELSE 'pending' END
FROM api_jobs WHERE web_hook IS NOT NULL AND finished_at IS NOT NULL;
INSERT INTO webhook_attempts (delivery_id, epoch, outcome, started_at) SELECT id, 1, 'failed', now() FROM webhook_deliveries;
INSERT INTO webhook_receivers (receiver, owner, lease_until) VALUES ('http://127.0.0.1:1', 'host:2:abc', now());
INSERT INTO webhook_breakers (receiver, account_uuid, failures) VALUES ('http://127.0.0.1:1', pg_temp.u('account', 1), 3);
INSERT INTO webhook_secrets (uuid, account_uuid, sealed)
SELECT pg_temp.u('secret', n), pg_temp.u('account', n), 's1.sealed' FROM generate_series(1, 5) n;

INSERT INTO scheduler_triggers (uuid, name, scheduler_type, scheduler_interval, cron)
SELECT pg_temp.u('trigger', n), 'trigger-' || n, CASE WHEN n % 2 = 0 THEN 'cron' ELSE 'simple' END,
       CASE WHEN n % 2 = 1 THEN 3600 END, CASE WHEN n % 2 = 0 THEN '0 0 3 * * ?' END
FROM generate_series(1, 10) n;
INSERT INTO scheduler_jobs (uuid, name, type, target_resource_uuid)
SELECT pg_temp.u('timed', n), 'timed-' || n, 'stopVm', pg_temp.u('vm', n) FROM generate_series(1, 10) n;
INSERT INTO scheduler_job_triggers (uuid, scheduler_job_uuid, scheduler_trigger_uuid, grid_start)
SELECT pg_temp.u('pair', n), pg_temp.u('timed', n), pg_temp.u('trigger', n), now() FROM generate_series(1, 10) n;
INSERT INTO scheduler_executions (job_trigger_uuid, scheduler_job_uuid, scheduler_trigger_uuid, target_resource_uuid, due_at, state)
SELECT pg_temp.u('pair', n), pg_temp.u('timed', n), pg_temp.u('trigger', n), pg_temp.u('vm', n), now(), 'Fired'
FROM generate_series(1, 10) n;

INSERT INTO prices (uuid, resource_name, time_unit, price, date_in_long)
SELECT pg_temp.u('price', n), 'cpu', 's', n, 1000 * n FROM generate_series(1, 5) n;
INSERT INTO usages (account_uuid, kind, resource_uuid, resource_name, cpu_num, size, started_at, ended_at)
SELECT pg_temp.u('account', 2), 'VM', pg_temp.u('vm', n), 'vm-' || n, 1, 1::bigint << 30, 1000 * n,
       CASE WHEN n % 2 = 0 THEN 2000 * n END
FROM generate_series(1, 120) n;

INSERT INTO ldap_servers (uuid, name, url, base, username, sealed_password, encryption)
VALUES (pg_temp.u('ldap', 1), 'directory', 'ldap://directory', 'dc=example,dc=com', 'cn=admin', 's1.sealed', 'None');
INSERT INTO ldap_bindings (uuid, ldap_uid, dn_key, ldap_server_uuid, account_uuid)
SELECT pg_temp.u('binding', n), 'cn=' || n, 'cn=' || n, pg_temp.u('ldap', 1), pg_temp.u('account', n) FROM generate_series(2, 5) n;
INSERT INTO ldap_logins (token_hash, dn) SELECT token_hash, 'cn=2' FROM sessions LIMIT 1;
