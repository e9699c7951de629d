-- How far each user is kept from a case, the strongest bar for each. Those `held` and `walled` see nothing of it;
-- a `suggested` wall waits for somebody who decides. Reasons are sealed under the case's key.
ALTER TABLE walls ADD COLUMN bar TEXT NOT NULL DEFAULT 'walled'
    CHECK (bar IN ('suggested', 'last', 'unassigned', 'held', 'walled'));
DROP INDEX walls_by_user;
CREATE INDEX walls_by_user ON walls (user_id, bar, case_id);

-- Tells whether the directory changed.
CREATE INDEX people_by_update ON people (updated_at);
