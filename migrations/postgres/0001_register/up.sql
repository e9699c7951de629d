-- The whole register. BYTEA/BLOB columns hold ciphertext, wrapped keys, look-up hashes or
-- identities; lists sort and filter on the others. Times are microseconds since 1970 UTC.

-- Keys of scopes (a case, an unfiled mail, the directory), each wrapped by the master key.
CREATE TABLE vault_keys (
    id BYTEA PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('lookup', 'directory', 'case', 'unfiled')),
    generation INTEGER NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX vault_keys_purpose ON vault_keys (purpose, generation);

CREATE TABLE cases (
    id BYTEA PRIMARY KEY NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'resolved', 'closed')),
    category TEXT NOT NULL,
    sensitivity TEXT NOT NULL CHECK (sensitivity IN ('standard', 'confidential', 'restricted')),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    triage BOOLEAN NOT NULL,
    team TEXT NOT NULL,
    legal_entity TEXT NOT NULL,
    owner_id BYTEA,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    closed_at BIGINT,
    next_deadline BIGINT,
    key BYTEA NOT NULL,
    subject BYTEA NOT NULL
);
CREATE INDEX cases_recent ON cases (updated_at, id);
CREATE INDEX cases_by_status ON cases (status, updated_at, id);
CREATE INDEX cases_by_owner ON cases (owner_id, updated_at, id);
CREATE INDEX cases_by_team ON cases (team, updated_at, id);

CREATE TABLE case_links (
    from_case BYTEA NOT NULL REFERENCES cases (id),
    to_case BYTEA NOT NULL REFERENCES cases (id),
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (from_case, to_case, kind)
);
CREATE INDEX case_links_to ON case_links (to_case);

CREATE TABLE parties (
    id BYTEA PRIMARY KEY NOT NULL,
    case_id BYTEA NOT NULL REFERENCES cases (id),
    part TEXT NOT NULL,
    person_id BYTEA,
    created_at BIGINT NOT NULL,
    key BYTEA NOT NULL,
    name BYTEA NOT NULL
);
CREATE INDEX parties_by_case ON parties (case_id);

CREATE TABLE party_addresses (
    party_id BYTEA NOT NULL REFERENCES parties (id),
    hash BYTEA NOT NULL,
    case_id BYTEA NOT NULL REFERENCES cases (id),
    confirmed BOOLEAN NOT NULL,
    preferred BOOLEAN NOT NULL,
    address BYTEA NOT NULL,
    PRIMARY KEY (party_id, hash)
);
CREATE INDEX party_addresses_hash ON party_addresses (hash, case_id);

CREATE TABLE conversations (
    id BYTEA PRIMARY KEY NOT NULL,
    case_id BYTEA NOT NULL REFERENCES cases (id),
    party_id BYTEA NOT NULL REFERENCES parties (id),
    reference TEXT NOT NULL UNIQUE,
    mailbox TEXT NOT NULL,
    language TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    key BYTEA NOT NULL,
    subject BYTEA NOT NULL
);
CREATE INDEX conversations_by_case ON conversations (case_id);
CREATE INDEX conversations_by_party ON conversations (party_id);

-- case_id is null while a mail is not filed in a case; `held` then says why.
CREATE TABLE messages (
    id BYTEA PRIMARY KEY NOT NULL,
    case_id BYTEA REFERENCES cases (id),
    conversation_id BYTEA REFERENCES conversations (id),
    kind TEXT NOT NULL CHECK (kind IN ('mail-in', 'mail-out', 'acknowledgement', 'note', 'notice', 'portal')),
    at BIGINT NOT NULL,
    author_id BYTEA,
    mailbox TEXT NOT NULL,
    trust TEXT,
    automatic TEXT NOT NULL,
    held TEXT CHECK (held IN ('quarantined', 'automatic', 'discarded')),
    reason TEXT,
    delivery TEXT,
    identity BYTEA UNIQUE,
    case_version BIGINT NOT NULL,
    raw_bytes BIGINT NOT NULL,
    raw_chunks INTEGER NOT NULL,
    raw_complete BOOLEAN NOT NULL,
    key BYTEA NOT NULL,
    view BYTEA NOT NULL,
    verdict BYTEA
);
CREATE INDEX messages_by_case ON messages (case_id, at, id);
CREATE INDEX messages_held ON messages (held, at, id);

CREATE TABLE chunks (
    message_id BYTEA NOT NULL REFERENCES messages (id),
    seq INTEGER NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (message_id, seq)
);

-- What ties a mail to a conversation: reply tokens, Message-IDs that we minted or stored, and Message-IDs that a
-- message refers to and that have not arrived yet. All as look-up hashes.
CREATE TABLE threads (
    hash BYTEA NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('token', 'minted', 'stored', 'awaited')),
    message_id BYTEA NOT NULL,
    case_id BYTEA NOT NULL REFERENCES cases (id),
    conversation_id BYTEA NOT NULL REFERENCES conversations (id),
    recipient BYTEA,
    expires_at BIGINT,
    PRIMARY KEY (hash, purpose, message_id)
);
CREATE INDEX threads_by_message ON threads (message_id);
CREATE INDEX threads_by_conversation ON threads (conversation_id, purpose);

CREATE TABLE folders (
    id BYTEA PRIMARY KEY NOT NULL,
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    validity BIGINT NOT NULL,
    start_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    reconciled_at BIGINT,
    UNIQUE (mailbox, folder, epoch)
);

CREATE TABLE register (
    folder_id BYTEA NOT NULL REFERENCES folders (id),
    uid BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'taken-in', 'duplicate', 'automatic', 'quarantined', 'too-large',
        'before-start', 'discarded', 'vanished')),
    reason TEXT,
    message_id BYTEA,
    bytes BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    settled BOOLEAN NOT NULL,
    PRIMARY KEY (folder_id, uid)
);
CREATE INDEX register_by_message ON register (message_id);
CREATE INDEX register_by_state ON register (state, at, folder_id, uid);
CREATE INDEX register_recent ON register (at, folder_id, uid);
CREATE INDEX register_unsettled ON register (folder_id, uid) WHERE NOT settled;

-- Maildir has no UIDs: base names are numbered here.
CREATE TABLE maildir_names (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uid BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mailbox, folder, uid),
    UNIQUE (mailbox, folder, name)
);

CREATE TABLE outbox (
    id BYTEA PRIMARY KEY NOT NULL,
    message_id BYTEA NOT NULL UNIQUE REFERENCES messages (id),
    case_id BYTEA REFERENCES cases (id),
    mailbox TEXT NOT NULL,
    kind TEXT NOT NULL,
    recipient BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead', 'cancelled')),
    not_before BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until BIGINT,
    lease_by TEXT,
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    last_error TEXT,
    null_sender BOOLEAN NOT NULL,
    envelope BYTEA NOT NULL,
    accepted BYTEA
);
CREATE INDEX outbox_due ON outbox (state, not_before, id);
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);
CREATE INDEX outbox_recent ON outbox (created_at, id);
CREATE INDEX outbox_sent ON outbox (sent_at);

CREATE TABLE users (
    id BYTEA PRIMARY KEY NOT NULL,
    login BYTEA NOT NULL UNIQUE,
    roles TEXT NOT NULL,
    teams TEXT NOT NULL,
    entities TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    key BYTEA NOT NULL,
    profile BYTEA NOT NULL
);

CREATE TABLE api_tokens (
    id BYTEA PRIMARY KEY NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    hash BYTEA NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

CREATE TABLE grants (
    case_id BYTEA NOT NULL REFERENCES cases (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    level TEXT NOT NULL CHECK (level IN ('stub', 'read', 'work', 'manage')),
    granted_by BYTEA NOT NULL,
    at BIGINT NOT NULL,
    expires_at BIGINT,
    key BYTEA NOT NULL,
    reason BYTEA NOT NULL,
    PRIMARY KEY (case_id, user_id)
);
CREATE INDEX grants_by_user ON grants (user_id);

CREATE TABLE walls (
    case_id BYTEA NOT NULL REFERENCES cases (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    at BIGINT NOT NULL,
    key BYTEA NOT NULL,
    reason BYTEA NOT NULL,
    PRIMARY KEY (case_id, user_id)
);
CREATE INDEX walls_by_user ON walls (user_id);

CREATE TABLE people (
    id BYTEA PRIMARY KEY NOT NULL,
    employee BYTEA NOT NULL UNIQUE,
    manager_id BYTEA,
    assistant_of BYTEA,
    legal_entity TEXT NOT NULL,
    language TEXT NOT NULL,
    executive BOOLEAN NOT NULL,
    hr_role TEXT,
    active BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    key BYTEA NOT NULL,
    profile BYTEA NOT NULL
);
CREATE INDEX people_by_manager ON people (manager_id);

CREATE TABLE people_addresses (
    hash BYTEA NOT NULL,
    person_id BYTEA NOT NULL REFERENCES people (id),
    work BOOLEAN NOT NULL,
    PRIMARY KEY (hash, person_id)
);
CREATE INDEX people_addresses_person ON people_addresses (person_id);

CREATE TABLE audit_entries (
    id BYTEA PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    case_id BYTEA,
    case_version BIGINT,
    actor_id BYTEA,
    action TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    key BYTEA,
    details BYTEA
);
CREATE INDEX audit_by_case ON audit_entries (case_id, case_version, id);
CREATE INDEX audit_recent ON audit_entries (at, id);

CREATE TABLE leases (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    until BIGINT NOT NULL
);

CREATE TABLE idempotency (
    user_id BYTEA NOT NULL,
    key_hash BYTEA NOT NULL,
    request BYTEA NOT NULL,
    at BIGINT NOT NULL,
    status INTEGER NOT NULL,
    key BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (user_id, key_hash)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
