-- Backups: a row is committed before the copy is taken, so that a copy which holds the row holds everything that was
-- committed before it. `at` is the moment before which all is in the copy; `verified_at` is null until the copy was
-- opened and read.
CREATE TABLE backups (
    id BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    verified_at INTEGER
) STRICT;
CREATE INDEX backups_verified ON backups (at) WHERE verified_at IS NOT NULL;
