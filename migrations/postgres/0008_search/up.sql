-- The blind index: keyed hashes of words, one row for a word of a case. Standard cases share a key; every other case
-- has its own, so that its rows tell nothing to whoever lacks that key.
CREATE TABLE search_words (
    hash BIGINT NOT NULL,
    case_id BYTEA NOT NULL,
    PRIMARY KEY (hash, case_id)
);
CREATE INDEX search_words_by_case ON search_words (case_id);
-- Cases that have changed since they were indexed.
CREATE TABLE search_queue (
    case_id BYTEA PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL
);
INSERT INTO search_queue SELECT id, updated_at FROM cases;
CREATE INDEX cases_guarded ON cases (team, id) WHERE sensitivity <> 'standard';

-- Generations of the master key, for keys that are rewrapped while the daemon runs. `proof` tells which generation a
-- key is of; `other` is the key of the generation before or after, wrapped by this one, until the change is finished.
CREATE TABLE master_keys (
    generation INTEGER PRIMARY KEY NOT NULL,
    proof BYTEA NOT NULL,
    other BYTEA,
    created_at BIGINT NOT NULL,
    copy_verified_at BIGINT
);
ALTER TABLE vault_keys ADD COLUMN master INTEGER NOT NULL DEFAULT 1;
CREATE INDEX vault_keys_master ON vault_keys (master);

-- Keys that were destroyed, until the journal outside the database names them and after.
CREATE TABLE erasures (
    id BYTEA PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    journalled BOOLEAN NOT NULL
);
CREATE INDEX erasures_unjournalled ON erasures (at) WHERE NOT journalled;
