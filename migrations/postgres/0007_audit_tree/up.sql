-- The order of the audit log: one row for each entry, with the hashes of the subtrees that it completes (leaf first)
-- and the signature over the tree up to it. `mac` authenticates a row for whoever has the keys; an entry's own is
-- what the sequencer asks for, so that a row written past the daemon never enters the tree.
ALTER TABLE audit_entries ADD COLUMN mac BYTEA;
CREATE TABLE audit_tree (
    seq BIGINT PRIMARY KEY NOT NULL,
    entry_id BYTEA NOT NULL UNIQUE REFERENCES audit_entries (id),
    hashes BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    mac BYTEA NOT NULL
);
-- What is committed and not yet in the tree.
CREATE TABLE audit_pending (
    entry_id BYTEA PRIMARY KEY NOT NULL
);
INSERT INTO audit_pending SELECT id FROM audit_entries;
-- On which days (counted from 1970) the checkpoint was mailed to the witnesses.
CREATE TABLE audit_witnessed (
    day BIGINT PRIMARY KEY NOT NULL,
    size BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TRIGGER audit_tree_append_only BEFORE UPDATE OR DELETE ON audit_tree
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_tree_no_truncate BEFORE TRUNCATE ON audit_tree
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

ALTER TABLE vault_keys DROP CONSTRAINT vault_keys_purpose_check;
ALTER TABLE vault_keys ADD CONSTRAINT vault_keys_purpose_check
    CHECK (purpose IN ('lookup', 'directory', 'case', 'unfiled', 'audit', 'index'));
