-- Backups: a row is committed before the copy is taken, so that a copy which holds the row holds everything that was
-- committed before it. `at` is the moment before which all is in the copy; `verified_at` is null until the copy was
-- opened and read.
CREATE TABLE backups (
    id BYTEA PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    verified_at BIGINT
);
CREATE INDEX backups_verified ON backups (at) WHERE verified_at IS NOT NULL;
