//! An SMTP server that says exactly what a test wants, for what no real server can be made to say.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Replies by the first matching start of a command line; `None` closes the connection.
pub type Script = &'static [(&'static str, Option<&'static str>)];

pub struct Scripted {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Listens on loopback. The rules go before the manners of a plain server; `CONNECT` is the greeting,
    /// `DOT` the end of a mail.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(converse(tcp, script, Arc::clone(&log)));
            }
        });
        Self { port, heard }
    }

    /// Every command of every connection, in order.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub fn count(&self, start: &str) -> usize {
        self.heard().iter().filter(|line| line.starts_with(start)).count()
    }
}

const MANNERS: Script = &[
    ("CONNECT", Some("220 scripted ESMTP")),
    ("EHLO", Some("250-scripted\r\n250 8BITMIME")),
    ("DATA", Some("354 go")),
    ("QUIT", Some("221 bye")),
    ("", Some("250 2.0.0 ok")),
];

async fn converse(tcp: TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut tcp = BufReader::new(tcp);
    let mut in_mail = false;
    let mut command = "CONNECT".to_owned();
    loop {
        log.lock().unwrap().push(command.clone());
        let rule = script.iter().chain(MANNERS).find(|(start, _)| command.starts_with(start))?;
        let reply = rule.1?;
        tcp.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        in_mail = command.starts_with("DATA") && reply.starts_with("354") || in_mail && command != "DOT";
        loop {
            let mut line = String::new();
            if tcp.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            command = line.trim_end().to_owned();
            if !in_mail {
                break;
            }
            if command == "." {
                command = "DOT".to_owned();
                break;
            }
        }
    }
}
