-- What only the first release needed. What its last workers held, if they did not end well, is to be had again.
UPDATE api_jobs j SET state = 'queued', owner = NULL
WHERE j.state = 'running' AND NOT EXISTS (SELECT FROM workers w WHERE w.owner = j.owner);
UPDATE webhook_deliveries d SET owner = NULL
WHERE d.state = 'pending' AND d.owner IS NOT NULL AND NOT EXISTS (SELECT FROM workers w WHERE w.owner = d.owner);
DELETE FROM webhook_receivers r WHERE NOT EXISTS (SELECT FROM workers w WHERE w.owner = r.owner);

DROP FUNCTION accept_jobs(
    text[], text[], text[], boolean[], text[], bytea[], text[], text[], text[], boolean[], boolean[], text[], int[], text[], text[]);
DROP FUNCTION claim_jobs(text, int, float8, boolean);
DROP FUNCTION reap_jobs(int, int, text, text, float8);
DROP FUNCTION lock_quota(text, text);
DROP FUNCTION simulator_faults_for(text, text, text);
DROP TRIGGER tell_scheduler_new ON scheduler_job_triggers;
DROP TRIGGER tell_scheduler_sooner ON scheduler_job_triggers;
DROP FUNCTION tell_scheduler();
ALTER TABLE api_jobs DROP COLUMN lease_until;
ALTER TABLE webhook_deliveries DROP COLUMN lease_until;
ALTER TABLE webhook_receivers DROP COLUMN lease_until;
DROP TABLE schema_version;
