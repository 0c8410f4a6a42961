-- The oldest tokens of a user are found without looking at the others. It serves what the index on `user_uuid` alone does, too.
CREATE INDEX sessions_login_newest_idx ON sessions (user_uuid, origin, create_date, token_hash);
DROP INDEX sessions_login_idx;
