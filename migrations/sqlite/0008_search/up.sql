-- The blind index: keyed hashes of words, one row for a word of a case. Standard cases share a key; every other case
-- has its own, so that its rows tell nothing to whoever lacks that key.
CREATE TABLE search_words (
    hash INTEGER NOT NULL,
    case_id BLOB NOT NULL,
    PRIMARY KEY (hash, case_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_words_by_case ON search_words (case_id);
-- Cases that have changed since they were indexed.
CREATE TABLE search_queue (
    case_id BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT;
INSERT INTO search_queue SELECT id, updated_at FROM cases;
CREATE INDEX cases_guarded ON cases (team, id) WHERE sensitivity <> 'standard';

-- Generations of the master key, for keys that are rewrapped while the daemon runs. `proof` tells which generation a
-- key is of; `other` is the key of the generation before or after, wrapped by this one, until the change is finished.
CREATE TABLE master_keys (
    generation INTEGER PRIMARY KEY NOT NULL,
    proof BLOB NOT NULL,
    other BLOB,
    created_at INTEGER NOT NULL,
    copy_verified_at INTEGER
) STRICT;
ALTER TABLE vault_keys ADD COLUMN master INTEGER NOT NULL DEFAULT 1;
CREATE INDEX vault_keys_master ON vault_keys (master);

-- Keys that were destroyed, until the journal outside the database names them and after.
CREATE TABLE erasures (
    id BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    journalled INTEGER NOT NULL
) STRICT;
CREATE INDEX erasures_unjournalled ON erasures (at) WHERE NOT journalled;
