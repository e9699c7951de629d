-- The whole register. BYTEA/BLOB columns hold ciphertext, wrapped keys, look-up hashes or
-- identities; lists sort and filter on the others. Times are microseconds since 1970 UTC.

-- Keys of scopes (a case, an unfiled mail, the directory), each wrapped by the master key.
CREATE TABLE vault_keys (
    id BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('lookup', 'directory', 'case', 'unfiled')),
    generation INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX vault_keys_purpose ON vault_keys (purpose, generation);

CREATE TABLE cases (
    id BLOB PRIMARY KEY NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'resolved', 'closed')),
    category TEXT NOT NULL,
    sensitivity TEXT NOT NULL CHECK (sensitivity IN ('standard', 'confidential', 'restricted')),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    triage INTEGER NOT NULL,
    team TEXT NOT NULL,
    legal_entity TEXT NOT NULL,
    owner_id BLOB,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    closed_at INTEGER,
    next_deadline INTEGER,
    key BLOB NOT NULL,
    subject BLOB NOT NULL
) STRICT;
CREATE INDEX cases_recent ON cases (updated_at, id);
CREATE INDEX cases_by_status ON cases (status, updated_at, id);
CREATE INDEX cases_by_owner ON cases (owner_id, updated_at, id);
CREATE INDEX cases_by_team ON cases (team, updated_at, id);

CREATE TABLE case_links (
    from_case BLOB NOT NULL REFERENCES cases (id),
    to_case BLOB NOT NULL REFERENCES cases (id),
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (from_case, to_case, kind)
) STRICT;
CREATE INDEX case_links_to ON case_links (to_case);

CREATE TABLE parties (
    id BLOB PRIMARY KEY NOT NULL,
    case_id BLOB NOT NULL REFERENCES cases (id),
    part TEXT NOT NULL,
    person_id BLOB,
    created_at INTEGER NOT NULL,
    key BLOB NOT NULL,
    name BLOB NOT NULL
) STRICT;
CREATE INDEX parties_by_case ON parties (case_id);

CREATE TABLE party_addresses (
    party_id BLOB NOT NULL REFERENCES parties (id),
    hash BLOB NOT NULL,
    case_id BLOB NOT NULL REFERENCES cases (id),
    confirmed INTEGER NOT NULL,
    preferred INTEGER NOT NULL,
    address BLOB NOT NULL,
    PRIMARY KEY (party_id, hash)
) STRICT;
CREATE INDEX party_addresses_hash ON party_addresses (hash, case_id);

CREATE TABLE conversations (
    id BLOB PRIMARY KEY NOT NULL,
    case_id BLOB NOT NULL REFERENCES cases (id),
    party_id BLOB NOT NULL REFERENCES parties (id),
    reference TEXT NOT NULL UNIQUE,
    mailbox TEXT NOT NULL,
    language TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    key BLOB NOT NULL,
    subject BLOB NOT NULL
) STRICT;
CREATE INDEX conversations_by_case ON conversations (case_id);
CREATE INDEX conversations_by_party ON conversations (party_id);

-- case_id is null while a mail is not filed in a case; `held` then says why.
CREATE TABLE messages (
    id BLOB PRIMARY KEY NOT NULL,
    case_id BLOB REFERENCES cases (id),
    conversation_id BLOB REFERENCES conversations (id),
    kind TEXT NOT NULL CHECK (kind IN ('mail-in', 'mail-out', 'acknowledgement', 'note', 'notice', 'portal')),
    at INTEGER NOT NULL,
    author_id BLOB,
    mailbox TEXT NOT NULL,
    trust TEXT,
    automatic TEXT NOT NULL,
    held TEXT CHECK (held IN ('quarantined', 'automatic', 'discarded')),
    reason TEXT,
    delivery TEXT,
    identity BLOB UNIQUE,
    case_version INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    raw_chunks INTEGER NOT NULL,
    raw_complete INTEGER NOT NULL,
    key BLOB NOT NULL,
    view BLOB NOT NULL,
    verdict BLOB
) STRICT;
CREATE INDEX messages_by_case ON messages (case_id, at, id);
CREATE INDEX messages_held ON messages (held, at, id);

CREATE TABLE chunks (
    message_id BLOB NOT NULL REFERENCES messages (id),
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (message_id, seq)
) STRICT;

-- What ties a mail to a conversation: reply tokens, Message-IDs that we minted or stored, and Message-IDs that a
-- message refers to and that have not arrived yet. All as look-up hashes.
CREATE TABLE threads (
    hash BLOB NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('token', 'minted', 'stored', 'awaited')),
    message_id BLOB NOT NULL,
    case_id BLOB NOT NULL REFERENCES cases (id),
    conversation_id BLOB NOT NULL REFERENCES conversations (id),
    recipient BLOB,
    expires_at INTEGER,
    PRIMARY KEY (hash, purpose, message_id)
) STRICT;
CREATE INDEX threads_by_message ON threads (message_id);
CREATE INDEX threads_by_conversation ON threads (conversation_id, purpose);

CREATE TABLE folders (
    id BLOB PRIMARY KEY NOT NULL,
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    validity INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    reconciled_at INTEGER,
    UNIQUE (mailbox, folder, epoch)
) STRICT;

CREATE TABLE register (
    folder_id BLOB NOT NULL REFERENCES folders (id),
    uid INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'taken-in', 'duplicate', 'automatic', 'quarantined', 'too-large',
        'before-start', 'discarded', 'vanished')),
    reason TEXT,
    message_id BLOB,
    bytes INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    PRIMARY KEY (folder_id, uid)
) STRICT;
CREATE INDEX register_by_message ON register (message_id);
CREATE INDEX register_by_state ON register (state, at, folder_id, uid);
CREATE INDEX register_recent ON register (at, folder_id, uid);
CREATE INDEX register_unsettled ON register (folder_id, uid) WHERE NOT settled;

-- Maildir has no UIDs: base names are numbered here.
CREATE TABLE maildir_names (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uid INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mailbox, folder, uid),
    UNIQUE (mailbox, folder, name)
) STRICT;

CREATE TABLE outbox (
    id BLOB PRIMARY KEY NOT NULL,
    message_id BLOB NOT NULL UNIQUE REFERENCES messages (id),
    case_id BLOB REFERENCES cases (id),
    mailbox TEXT NOT NULL,
    kind TEXT NOT NULL,
    recipient BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead', 'cancelled')),
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until INTEGER,
    lease_by TEXT,
    created_at INTEGER NOT NULL,
    sent_at INTEGER,
    last_error TEXT,
    null_sender INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    accepted BLOB
) STRICT;
CREATE INDEX outbox_due ON outbox (state, not_before, id);
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);
CREATE INDEX outbox_recent ON outbox (created_at, id);
CREATE INDEX outbox_sent ON outbox (sent_at);

CREATE TABLE users (
    id BLOB PRIMARY KEY NOT NULL,
    login BLOB NOT NULL UNIQUE,
    roles TEXT NOT NULL,
    teams TEXT NOT NULL,
    entities TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER,
    key BLOB NOT NULL,
    profile BLOB NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id),
    hash BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

CREATE TABLE grants (
    case_id BLOB NOT NULL REFERENCES cases (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    level TEXT NOT NULL CHECK (level IN ('stub', 'read', 'work', 'manage')),
    granted_by BLOB NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER,
    key BLOB NOT NULL,
    reason BLOB NOT NULL,
    PRIMARY KEY (case_id, user_id)
) STRICT;
CREATE INDEX grants_by_user ON grants (user_id);

CREATE TABLE walls (
    case_id BLOB NOT NULL REFERENCES cases (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    at INTEGER NOT NULL,
    key BLOB NOT NULL,
    reason BLOB NOT NULL,
    PRIMARY KEY (case_id, user_id)
) STRICT;
CREATE INDEX walls_by_user ON walls (user_id);

CREATE TABLE people (
    id BLOB PRIMARY KEY NOT NULL,
    employee BLOB NOT NULL UNIQUE,
    manager_id BLOB,
    assistant_of BLOB,
    legal_entity TEXT NOT NULL,
    language TEXT NOT NULL,
    executive INTEGER NOT NULL,
    hr_role TEXT,
    active INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    key BLOB NOT NULL,
    profile BLOB NOT NULL
) STRICT;
CREATE INDEX people_by_manager ON people (manager_id);

CREATE TABLE people_addresses (
    hash BLOB NOT NULL,
    person_id BLOB NOT NULL REFERENCES people (id),
    work INTEGER NOT NULL,
    PRIMARY KEY (hash, person_id)
) STRICT;
CREATE INDEX people_addresses_person ON people_addresses (person_id);

CREATE TABLE audit_entries (
    id BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    case_id BLOB,
    case_version INTEGER,
    actor_id BLOB,
    action TEXT NOT NULL,
    bytes BLOB NOT NULL,
    key BLOB,
    details BLOB
) STRICT;
CREATE INDEX audit_by_case ON audit_entries (case_id, case_version, id);
CREATE INDEX audit_recent ON audit_entries (at, id);

CREATE TABLE leases (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
    user_id BLOB NOT NULL,
    key_hash BLOB NOT NULL,
    request BLOB NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (user_id, key_hash)
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
