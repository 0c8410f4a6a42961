ALTER TABLE api_jobs ADD COLUMN changes jsonb;
ALTER TABLE audits ADD COLUMN changes jsonb;
