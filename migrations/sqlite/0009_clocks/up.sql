-- What happened to a case, as far as its clocks care. Clocks are derived from it and not kept.
CREATE TABLE case_events (
    case_id BLOB NOT NULL REFERENCES cases (id),
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (case_id, seq)
) STRICT;

-- When a case is to be looked at again because somebody may have to be told.
CREATE TABLE case_timers (
    case_id BLOB PRIMARY KEY NOT NULL REFERENCES cases (id),
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX case_timers_due ON case_timers (at, case_id);

-- Who was told of what: each step of each deadline once.
CREATE TABLE case_reminders (
    case_id BLOB NOT NULL REFERENCES cases (id),
    step TEXT NOT NULL,
    due INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (case_id, step, due)
) STRICT;
