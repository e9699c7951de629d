-- Places whose mail could not be had so far are asked for again at each look.
CREATE INDEX register_unread ON register (folder_id, state, uid) WHERE message_id IS NULL;

-- Refresh tokens that a token server gave in place of the configured ones, sealed. `configured` is the look-up hash of
-- the one in the settings: when somebody puts a new one there, it counts.
CREATE TABLE refresh_tokens (
    name TEXT PRIMARY KEY NOT NULL,
    configured BLOB NOT NULL,
    at INTEGER NOT NULL,
    key BLOB NOT NULL,
    token BLOB NOT NULL
) STRICT;
