-- Who may see: several grants for one user (one that was given, one of break-glass), and changes that wait for
-- a second person. Lists are ordered by receipt: it never changes under somebody who turns pages, and tells of a
-- stub nothing that the stub does not show.

-- Nothing wrote this table before.
DROP TABLE grants;
CREATE TABLE grants (
    id BYTEA PRIMARY KEY NOT NULL,
    case_id BYTEA NOT NULL REFERENCES cases (id),
    user_id BYTEA NOT NULL REFERENCES users (id),
    level TEXT NOT NULL CHECK (level IN ('stub', 'read', 'work', 'manage')),
    kind TEXT NOT NULL CHECK (kind IN ('given', 'break-glass')),
    granted_by BYTEA NOT NULL,
    at BIGINT NOT NULL,
    expires_at BIGINT,
    ended_at BIGINT,
    key BYTEA NOT NULL,
    reason BYTEA NOT NULL
);
CREATE INDEX grants_by_case ON grants (case_id, user_id);
CREATE INDEX grants_by_user ON grants (user_id, case_id);

ALTER TABLE users ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- A change that takes a second person; what it is, is sealed under the directory's key.
CREATE TABLE approvals (
    id BYTEA PRIMARY KEY NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    asked_by BYTEA NOT NULL,
    at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused')),
    decided_by BYTEA,
    decided_at BIGINT,
    key BYTEA NOT NULL,
    change BYTEA NOT NULL
);
CREATE INDEX approvals_by_state ON approvals (state, at, id);
CREATE INDEX approvals_by_user ON approvals (user_id);

DROP INDEX cases_recent;
DROP INDEX cases_by_status;
DROP INDEX cases_by_owner;
DROP INDEX cases_by_team;
CREATE INDEX cases_by_receipt ON cases (opened_at, id);
CREATE INDEX cases_by_status ON cases (status, opened_at, id);
CREATE INDEX cases_by_owner ON cases (owner_id, opened_at, id);
CREATE INDEX cases_by_owner_and_status ON cases (owner_id, status, opened_at, id);
CREATE INDEX cases_by_team ON cases (team, opened_at, id);
CREATE INDEX cases_by_category ON cases (category, opened_at, id);
CREATE INDEX outbox_by_state ON outbox (state, created_at, id);
