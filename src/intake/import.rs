//! Existing mail, taken in from a Maildir or an mbox file: never acknowledged, and resumable because a mail's
//! identity tells that it is there already.
