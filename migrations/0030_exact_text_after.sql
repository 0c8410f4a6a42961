-- Indexes of queries that told case apart.
DROP INDEX zones_name_idx;
DROP INDEX clusters_name_idx;
DROP INDEX hosts_name_idx;
DROP INDEX images_name_idx;
DROP INDEX instance_offerings_name_idx;
DROP INDEX disk_offerings_name_idx;
DROP INDEX l2_networks_name_idx;
DROP INDEX l3_networks_name_idx;
DROP INDEX vm_instances_name_idx;
DROP INDEX volumes_name_idx;
DROP INDEX policies_name_idx;
DROP INDEX scheduler_triggers_name_idx;
DROP INDEX scheduler_jobs_name_idx;
DROP INDEX tags_tag_idx;
DROP INDEX audits_target_idx;
