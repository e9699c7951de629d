//! An IMAP server that says exactly what a test wants, for what no real server does on demand.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What follows a reply.
#[derive(Clone, Copy)]
pub enum Then {
    GoOn,
    Close,
    /// Nothing more, with the connection left open.
    Silence,
    /// The text again and again, until the client speaks.
    Repeat(&'static str),
}

/// The reply to commands that start so (without their tag); `TAG` in it stands for the command's tag.
pub type Rule = (&'static str, String, Then);

pub struct Scripted {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Listens on loopback. The rules go before the manners of a plain server with three messages; `CONNECT` is
    /// the greeting.
    pub async fn start(rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let rules: Arc<[Rule]> = rules.into_iter().chain(manners()).collect();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(converse(tcp, Arc::clone(&rules), Arc::clone(&log)));
            }
        });
        Self { port, heard }
    }

    /// Every command of every connection, in order, without tags.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub fn rule(start: &'static str, reply: &str) -> Rule {
    (start, reply.to_owned(), Then::GoOn)
}

fn manners() -> Vec<Rule> {
    vec![
        rule("CONNECT", "* OK ready\r\n"),
        rule("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS\r\nTAG OK done\r\n"),
        rule("LIST", "* LIST (\\Noselect) \"/\" \"\"\r\nTAG OK done\r\n"),
        rule("SELECT", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\nTAG OK [READ-WRITE] done\r\n"),
        rule("IDLE", "+ idling\r\n"),
        rule("LOGOUT", "* BYE bye\r\nTAG OK done\r\n"),
        rule("", "TAG OK done\r\n"),
    ]
}

async fn converse(tcp: TcpStream, rules: Arc<[Rule]>, log: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (read, mut write) = tcp.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut tag, mut command) = (String::new(), "CONNECT".to_owned());
    loop {
        log.lock().unwrap().push(command.clone());
        let (_, reply, then) = rules.iter().find(|(start, ..)| command.starts_with(start))?;
        write.write_all(reply.replace("TAG", &tag).as_bytes()).await.ok()?;
        let line = match then {
            Then::GoOn => lines.next_line().await.ok()??,
            Then::Close => return None,
            Then::Silence => std::future::pending().await,
            Then::Repeat(text) => loop {
                tokio::select! {
                    line = lines.next_line() => break line.ok()??,
                    () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {
                        write.write_all(text.as_bytes()).await.ok()?;
                    }
                }
            },
        };
        // DONE ends IDLE under the tag of IDLE.
        match line.split_once(' ') {
            Some((new_tag, rest)) => (tag, command) = (new_tag.to_owned(), rest.to_owned()),
            None => command = line,
        }
    }
}
