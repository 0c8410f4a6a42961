-- Jobs that did not succeed are few, and asked for: of all accounts, or of one.
CREATE INDEX api_jobs_unsuccessful_idx ON api_jobs (state, seq) WHERE state IN ('failed', 'canceled');
CREATE INDEX api_jobs_unsuccessful_account_idx ON api_jobs (account_uuid, state, seq) WHERE state IN ('failed', 'canceled');
