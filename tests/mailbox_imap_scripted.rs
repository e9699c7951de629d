//! An IMAP server that says exactly what a test wants, for what Dovecot cannot be made to say: refusals in
//! mid-work, answers that stop early, messages that are withheld. None of it may pass for success.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use caseward::mailbox::imap::{Imap, Timing};
use caseward::mailbox::{Mailbox, MailboxError, Settle, Uid};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Answers by the start of a command, first match first; `%` is the command's tag, and an answer without a
/// tagged line ends the connection.
type Script = &'static [(&'static str, &'static str)];

const MANNERS: Script = &[
    ("LOGIN", "% OK\r\n"),
    ("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS\r\n% OK\r\n"),
    ("LIST", "* LIST (\\Noselect) \"/\" \"\"\r\n% OK\r\n"),
    ("SELECT", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n% OK [READ-WRITE] done\r\n"),
    ("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n% OK\r\n"),
    ("", "% OK\r\n"),
];

async fn converse(tcp: TcpStream, script: Script) -> std::io::Result<()> {
    let mut tcp = BufReader::new(tcp);
    tcp.write_all(b"* OK ready\r\n").await?;
    loop {
        let mut line = String::new();
        if tcp.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or_default();
        let answer = script.iter().chain(MANNERS).find(|(start, _)| command.starts_with(start)).unwrap().1;
        tcp.write_all(answer.replace('%', tag).as_bytes()).await?;
        if !answer.contains('%') && answer != SILENCE {
            return Ok(());
        }
    }
}

const SILENCE: &str = "* OK wait\r\n";

async fn connected(script: Script) -> Result<Imap, MailboxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        converse(tcp, script).await.ok();
    });
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("password");
    std::fs::write(&file, "secret").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = format!(
        "name = \"hr\"\naddress = \"hr@hr.test\"\n[source]\nkind = \"imap\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"none\"\nusername = \"hr\"\npassword = {{ file = \"{}\" }}\n",
        file.display()
    );
    let timing = Timing { progress: Duration::from_millis(300), ..Timing::default() };
    Imap::connect(&toml::from_str(&settings).unwrap(), None, timing).await
}

/// What comes of opening, then listing, then fetching messages 1 to 3: the first error, or the UIDs.
async fn fetched(script: Script) -> String {
    let outcome = async {
        let mut imap = connected(script).await?;
        imap.open("INBOX").await?;
        let uids = imap.list(None).await?;
        let mails = imap.fetch(&uids, 1000).await?;
        Ok::<_, MailboxError>(mails.iter().map(|mail| mail.uid.0).collect::<Vec<_>>())
    };
    match outcome.await {
        Ok(uids) => format!("{uids:?}"),
        Err(MailboxError::Message { uid, .. }) => format!("message {}", uid.0),
        Err(MailboxError::Lost(_)) => "lost".into(),
        Err(MailboxError::Misconfigured(_)) => "misconfigured".into(),
        Err(MailboxError::Refused(_)) => "refused".into(),
    }
}

const ALL: (&str, &str) = (
    "UID FETCH 1:3 (UID BODY",
    "* 1 FETCH (UID 1 BODY[]<0> {1}\r\na)\r\n* 2 FETCH (UID 2 BODY[]<0> {1}\r\nb)\r\n\
     * 3 FETCH (UID 3 BODY[]<0> \"c\")\r\n% OK\r\n",
);
const TWO: &str = "* 1 FETCH (UID 1 BODY[]<0> {1}\r\na)\r\n* 3 FETCH (UID 3 BODY[]<0> {1}\r\nc)\r\n% OK\r\n";

#[tokio::test]
async fn nothing_passes_for_success() {
    let cases: &[(&str, Script, &str)] = &[
        ("all is well", &[ALL], "[1, 2, 3]"),
        ("refused login", &[("LOGIN", "% NO [AUTHENTICATIONFAILED] no\r\n")], "refused"),
        ("login put off", &[("LOGIN", "% NO [UNAVAILABLE] later\r\n")], "lost"),
        ("login ends in EOF", &[("LOGIN", "* OK wait a moment\r\n")], "lost"),
        ("no UIDVALIDITY", &[("SELECT", "* 3 EXISTS\r\n% OK\r\n")], "lost"),
        ("no EXISTS", &[("SELECT", "* OK [UIDVALIDITY 7] ok\r\n% OK\r\n")], "lost"),
        ("select ends in EOF", &[("SELECT", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n")], "lost"),
        ("folder put off", &[("SELECT", "% NO [INUSE] later\r\n")], "lost"),
        ("list refused", &[("UID FETCH 1:* (UID)", "% NO no\r\n")], "lost"),
        ("list not understood", &[("UID FETCH 1:* (UID)", "% BAD what\r\n")], "lost"),
        ("short list", &[("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)\r\n% OK\r\n")], "lost"),
        (
            "short list, made up by a search",
            &[
                ("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)\r\n% OK\r\n"),
                ("UID SEARCH", "* SEARCH 1 2 3\r\n% OK\r\n"),
                ALL,
            ],
            "[1, 2, 3]",
        ),
        ("list ends in EOF", &[("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)\r\n")], "lost"),
        (
            "fetch ends in EOF",
            &[("UID FETCH 1:3 (UID BODY", "* 1 FETCH (UID 1 BODY[]<0> {1}\r\na)\r\n")],
            "lost",
        ),
        (
            "literal ends in EOF",
            &[("UID FETCH 1:3 (UID BODY", "* 1 FETCH (UID 1 BODY[]<0> {9}\r\na")],
            "lost",
        ),
        (
            "literal beyond measure",
            &[("UID FETCH 1:3 (UID BODY", "* 1 FETCH (UID 1 BODY[] {400000000}\r\na%")],
            "lost",
        ),
        ("bye", &[("UID FETCH 1:3 (UID BODY", "* BYE overload\r\n")], "lost"),
        ("silence", &[("UID FETCH 1:3 (UID BODY", SILENCE)], "lost"),
        ("no IMAP", &[("UID FETCH 1:3 (UID BODY", "* 1 FETCH ((((\r\n% OK\r\n")], "lost"),
        ("another's tag", &[("UID FETCH 1:3 (UID BODY", "XX% OK\r\n")], "lost"),
        (
            "one withheld",
            &[("UID FETCH 1:3 (UID BODY", TWO), ("UID FETCH 2 (UID)", "* 2 FETCH (UID 2)\r\n% OK\r\n")],
            "message 2",
        ),
        ("one is gone", &[("UID FETCH 1:3 (UID BODY", TWO)], "[1, 3]"),
        (
            "asking again is refused",
            &[("UID FETCH 1:3 (UID BODY", TWO), ("UID FETCH 2 (UID)", "% NO no\r\n")],
            "lost",
        ),
        (
            "a rotten message spoils the set",
            &[
                ("UID FETCH 1:3 (UID BODY", "% NO cannot read\r\n"),
                ("UID FETCH 1 (UID BODY", "* 1 FETCH (UID 1 BODY[]<0> \"a\")\r\n% OK\r\n"),
                ("UID FETCH 2 (UID BODY", "% NO cannot read\r\n"),
            ],
            "message 2",
        ),
    ];
    for (name, script, expected) in cases {
        assert_eq!(fetched(script).await, *expected, "{name}");
    }
}

#[tokio::test]
async fn settling_is_done_or_an_error() {
    let quota: Script = &[
        ("UID MOVE 1 \"Done\"", "% NO [OVERQUOTA] full\r\n"),
        ("CREATE \"Done\"", "% NO [ALREADYEXISTS] is there\r\n"),
        ("LIST \"\" \"Done\"", "* LIST () \"/\" Done\r\n% OK\r\n"),
    ];
    let prefixed: Script = &[
        ("UID MOVE 1 \"Done\"", "% NO [TRYCREATE] none\r\n"),
        ("CREATE \"Done\"", "% NO permission denied\r\n"),
        ("LIST \"\" \"Done\"", "% OK\r\n"),
        ("UID MOVE 1 \"INBOX/Done\"", "* 1 EXPUNGE\r\n% OK\r\n"),
    ];
    let to_done = Settle::MoveTo("Done".into());
    for (script, how, works) in [
        (&[("UID STORE", "% NO no\r\n")] as Script, &Settle::Seen, false),
        (&[("UID STORE", "% NO no\r\n")], &Settle::Delete, false),
        (&[("UID EXPUNGE", "% BAD what\r\n")], &Settle::Delete, false),
        (&[("UID MOVE", "* OK [COPYUID 1 1 1] moved\r\n")], &to_done, false),
        (quota, &to_done, false),
        (prefixed, &to_done, true),
        (&[], &to_done, true),
        (&[], &Settle::Delete, true),
    ] {
        let mut imap = connected(script).await.unwrap();
        imap.open("INBOX").await.unwrap();
        assert_eq!(imap.settle(&[Uid(1)], how).await.is_ok(), works, "{script:?} {how:?}");
    }
}
