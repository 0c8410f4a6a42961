-- The trace that a job belongs to (W3C Trace Context), where traces are on.
CREATE TABLE job_traces (
    job_uuid     text COLLATE "C" CONSTRAINT job_traces_pkey PRIMARY KEY,
    traceparent  text NOT NULL,
    create_date  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_traces_date_idx ON job_traces (create_date);
