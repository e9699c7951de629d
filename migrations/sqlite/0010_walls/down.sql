-- There is no way back: a register is never unmade by a migration.
SELECT 1;
