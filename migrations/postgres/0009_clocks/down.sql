DROP TABLE case_reminders;
DROP TABLE case_timers;
DROP TABLE case_events;
