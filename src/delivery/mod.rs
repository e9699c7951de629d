//! Outbox → SMTP: takes mails that are committed and hands them to a mail server.
