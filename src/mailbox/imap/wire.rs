//! One command at a time: sends it, reads responses up to its own tag and checks the status. async-imap's own
//! commands take NO, BAD and a dead server for success, so none of them is used here. Knows commands, not mail.

use std::time::Duration;

use async_imap::Session;
use async_imap::imap_proto::{MailboxDatum, Response, ResponseCode, Status};
use tokio::time::timeout;

use super::transport::Transport;
use crate::mailbox::MailboxError;

/// How a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Tagged NO; the session goes on.
    No { try_create: bool, transient: bool },
    /// Tagged BAD; the session goes on.
    Bad,
    /// The session is over.
    Lost(MailboxError),
}

impl Failure {
    /// For commands that have no business being refused: NO and BAD end the session like a broken line.
    pub fn lost(self, command: &str) -> MailboxError {
        match self {
            Self::Lost(error) => error,
            Self::No { .. } => lost(&format!("the mail server refused {command} (NO)")),
            Self::Bad => lost(&format!("the mail server did not understand {command} (BAD)")),
        }
    }
}

/// An authenticated session. It is taken out while a command runs and put back when the command has ended in good
/// order: after an error, a time-out or a dropped future no later command can read what was meant for this one.
pub struct Wire {
    session: Option<Session<Transport>>,
    /// Any command must be over by then.
    cap: Duration,
    /// Messages in the open folder, as last announced.
    pub exists: u32,
    /// The server announced new messages since this was last cleared.
    pub news: bool,
}

/// The time a server has to answer DONE (RFC 2177) and LOGOUT.
const FAREWELL: Duration = Duration::from_secs(15);

impl Wire {
    pub fn new(session: Session<Transport>, cap: Duration) -> Self {
        Self { session: Some(session), cap, exists: 0, news: false }
    }

    /// Runs one command; `on` sees every response, the tagged one included.
    pub async fn run(&mut self, command: &str, on: impl FnMut(&Response<'_>) + Send) -> Result<(), Failure> {
        let mut session = self.session.take().ok_or_else(|| Failure::Lost(over()))?;
        let outcome = match timeout(self.cap, self.converse(&mut session, command, on)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Lost(lost("the mail server took too long over one command"))),
        };
        if !matches!(outcome, Err(Failure::Lost(_))) {
            self.session = Some(session);
        }
        outcome
    }

    async fn converse(
        &mut self,
        session: &mut Session<Transport>,
        command: &str,
        on: impl FnMut(&Response<'_>) + Send,
    ) -> Result<(), Failure> {
        let id = session.run_command(command).await.map_err(|error| Failure::Lost(broken(error)))?;
        self.read_to_tag(session, &id.0, on).await
    }

    async fn read_to_tag(
        &mut self,
        session: &mut Session<Transport>,
        own: &str,
        mut on: impl FnMut(&Response<'_>) + Send,
    ) -> Result<(), Failure> {
        loop {
            let data = received(session.read_response().await).map_err(Failure::Lost)?;
            let response = data.parsed();
            self.tally(response).map_err(Failure::Lost)?;
            on(response);
            if let Response::Done { tag, status, outcome } = response {
                if tag.0 != own {
                    return Err(Failure::Lost(lost("the mail server answered a command that was not asked")));
                }
                return match status {
                    Status::Ok => Ok(()),
                    Status::No => Err(Failure::No {
                        try_create: matches!(outcome.code, Some(ResponseCode::TryCreate)),
                        transient: transient(outcome.information.as_deref().unwrap_or_default()),
                    }),
                    _ => Err(Failure::Bad),
                };
            }
        }
    }

    /// Notes what a server may say at any time. BYE ends the session, whatever command is under way.
    fn tally(&mut self, response: &Response<'_>) -> Result<(), MailboxError> {
        match response {
            Response::Data { status: Status::Bye, .. } => {
                return Err(lost("the mail server ended the session (BYE)"));
            }
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                self.news |= *count > self.exists;
                self.exists = *count;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// IDLE (RFC 2177) until the server announces new messages or `at_most` is over. `Ok(false)` when the server
    /// turns out to refuse it.
    pub async fn idle(&mut self, at_most: Duration, patience: Duration) -> Result<bool, MailboxError> {
        let mut session = self.session.take().ok_or_else(over)?;
        let id = session.run_command("IDLE").await.map_err(broken)?;
        let idling = timeout(self.cap, self.may_idle(&mut session))
            .await
            .map_err(|_| lost("the mail server took too long over IDLE"))??;
        if idling {
            session.get_mut().set_read_patience(None);
            // A clock of its own: servers send "still here" every two minutes, which must not prolong the wait.
            if let Ok(ended) = timeout(at_most, self.listen(&mut session)).await {
                ended?;
            }
            session.get_mut().set_read_patience(Some(patience));
            session.run_command_untagged("DONE").await.map_err(broken)?;
            timeout(FAREWELL, self.read_to_tag(&mut session, &id.0, |_| {}))
                .await
                .map_err(|_| lost("the mail server did not end IDLE"))?
                .map_err(|failure| failure.lost("IDLE"))?;
        }
        self.session = Some(session);
        Ok(idling)
    }

    async fn may_idle(&mut self, session: &mut Session<Transport>) -> Result<bool, MailboxError> {
        loop {
            let data = received(session.read_response().await)?;
            self.tally(data.parsed())?;
            match data.parsed() {
                Response::Continue(_) => return Ok(true),
                Response::Done { .. } => return Ok(false),
                _ => {}
            }
        }
    }

    async fn listen(&mut self, session: &mut Session<Transport>) -> Result<(), MailboxError> {
        while !self.news {
            let data = received(session.read_response().await)?;
            self.tally(data.parsed())?;
        }
        Ok(())
    }

    /// Says goodbye; nobody waits long for the answer.
    pub async fn log_out(mut self) {
        self.cap = FAREWELL.min(self.cap);
        // The answer is BYE, which counts as an error everywhere else.
        self.run("LOGOUT", |_| {}).await.ok();
    }
}

/// A response, or why there is none: async-imap shows a clean end of the stream as "no more responses".
fn received<D>(read: std::io::Result<Option<D>>) -> Result<D, MailboxError> {
    match read {
        Ok(Some(data)) => Ok(data),
        Ok(None) => Err(lost("the mail server closed the connection")),
        Err(error) => Err(broken(async_imap::error::Error::Io(error))),
    }
}

/// Sorts an error of async-imap. Its text may hold whole mails (it quotes what it could not parse), so only its
/// kind is looked at.
pub fn broken(error: async_imap::error::Error) -> MailboxError {
    use std::io::ErrorKind;
    let async_imap::error::Error::Io(error) = error else {
        return lost("the mail server answered something that is not IMAP");
    };
    lost(match error.kind() {
        ErrorKind::TimedOut => "the mail server stopped answering",
        ErrorKind::InvalidData => "the mail server announced a response larger than any it was asked for",
        ErrorKind::Other => "the mail server answered something that is not IMAP",
        _ => "the connection to the mail server broke",
    })
}

/// Response codes of RFC 5530 that say "later". The parser knows none of them and leaves them in the text.
pub fn transient(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "[EXPUNGEISSUED]"]
        .iter()
        .any(|code| text.contains(code))
}

/// A lost connection, told with what to do about it.
pub fn lost(what: &str) -> MailboxError {
    MailboxError::Lost(format!("{what}; it will be tried again"))
}

fn over() -> MailboxError {
    lost("the session with the mail server is over")
}
