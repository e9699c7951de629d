-- The order of the audit log: one row for each entry, with the hashes of the subtrees that it completes (leaf first)
-- and the signature over the tree up to it. `mac` authenticates a row for whoever has the keys; an entry's own is
-- what the sequencer asks for, so that a row written past the daemon never enters the tree.
ALTER TABLE audit_entries ADD COLUMN mac BLOB;
CREATE TABLE audit_tree (
    seq INTEGER PRIMARY KEY NOT NULL,
    entry_id BLOB NOT NULL UNIQUE REFERENCES audit_entries (id),
    hashes BLOB NOT NULL,
    signature BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
-- What is committed and not yet in the tree.
CREATE TABLE audit_pending (
    entry_id BLOB PRIMARY KEY NOT NULL
) STRICT;
INSERT INTO audit_pending SELECT id FROM audit_entries;
-- On which days (counted from 1970) the checkpoint was mailed to the witnesses.
CREATE TABLE audit_witnessed (
    day INTEGER PRIMARY KEY NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_tree_no_update BEFORE UPDATE ON audit_tree
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_tree_no_delete BEFORE DELETE ON audit_tree
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE deletes without asking the triggers above.
CREATE TRIGGER audit_tree_no_replace BEFORE INSERT ON audit_tree
WHEN EXISTS (SELECT 1 FROM audit_tree WHERE seq = NEW.seq OR entry_id = NEW.entry_id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_entries_no_replace BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- More purposes; SQLite changes no CHECK in place.
CREATE TABLE vault_keys_new (
    id BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('lookup', 'directory', 'case', 'unfiled', 'audit', 'index')),
    generation INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO vault_keys_new SELECT id, purpose, generation, wrapped, created_at FROM vault_keys;
DROP TABLE vault_keys;
ALTER TABLE vault_keys_new RENAME TO vault_keys;
CREATE INDEX vault_keys_purpose ON vault_keys (purpose, generation);
