CREATE TABLE login_places (
    subject  bytea NOT NULL,
    address  text NOT NULL,
    last_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT login_places_pkey PRIMARY KEY (subject, address)
);
CREATE INDEX login_places_last_idx ON login_places (last_at);
