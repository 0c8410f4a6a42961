-- The processes that answer calls; each renews its row, and forgets those of the dead.
CREATE TABLE api_processes (
    uuid        text COLLATE "C" CONSTRAINT api_processes_pkey PRIMARY KEY,
    host_name   text NOT NULL,
    join_date   timestamptz NOT NULL DEFAULT now(),
    heart_beat  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE VIEW management_nodes AS SELECT * FROM api_processes WHERE heart_beat > now() - interval '30 seconds';
