//! The real mail servers that tests speak to: what `tests/mailstack/mailstack.sh` says of itself, as KEY=VALUE
//! lines. `CASEWARD_TEST_MAILSTACK` names the file of a stack that runs already; else one is started in a fixed
//! directory, is shared by all tests and left running (`tests/mailstack/mailstack.sh stop DIR` ends it).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub struct Mailstack(HashMap<String, String>);

/// The one stack of this test run.
pub fn mailstack() -> &'static Mailstack {
    static STACK: OnceLock<Mailstack> = OnceLock::new();
    STACK.get_or_init(|| {
        let text = match std::env::var_os("CASEWARD_TEST_MAILSTACK") {
            Some(file) => {
                std::fs::read_to_string(&file).expect("CASEWARD_TEST_MAILSTACK names a readable file")
            }
            None => start(),
        };
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Mailstack(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    })
}

fn start() -> String {
    // Unix sockets allow no long paths: not the target directory.
    let dir = std::env::temp_dir().join("caseward-mailstack");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mailstack/mailstack.sh");
    let output =
        Command::new(script).arg("start").arg(&dir).output().expect("bash and the script can be run");
    assert!(
        output.status.success(),
        "the mail servers did not start; install what tests/run lists: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Mailstack {
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("the mail stack has no {key}; Postfix takes root to run"))
    }

    pub fn port(&self, key: &str) -> u16 {
        self.get(key).parse().expect("a port number")
    }

    pub fn ca_file(&self) -> PathBuf {
        self.get("CA_FILE").into()
    }

    /// A token that the servers accept for this user.
    pub fn access_token(&self, user: &str) -> String {
        let answer = self.helper("POST", "/token", &format!("grant_type=client_credentials&email={user}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// A refresh token for this user.
    pub fn refresh_token(&self, user: &str) -> String {
        let answer = self.helper("POST", "/token", &format!("grant_type=client_credentials&email={user}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer["refresh_token"].as_str().expect("a token").to_owned()
    }

    /// Mails that the fault server took, whether or not it said so.
    pub fn taken(&self, message_id: &str) -> usize {
        let mails: serde_json::Value =
            serde_json::from_str(&self.helper("GET", "/messages", "")).expect("JSON");
        let holds =
            |mail: &&serde_json::Value| mail["data"].as_str().is_some_and(|data| data.contains(message_id));
        mails.as_array().expect("a list").iter().filter(holds).count()
    }

    /// Waits until a mail with this text lies in the user's mailbox and returns it.
    pub fn delivered(&self, user: &str, text: &str) -> String {
        let inbox = Path::new(self.get("MAILDIR_ROOT")).join(user).join("Maildir");
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            for folder in ["new", "cur"] {
                let Ok(entries) = std::fs::read_dir(inbox.join(folder)) else { continue };
                let mails = entries.filter_map(|entry| std::fs::read(entry.ok()?.path()).ok());
                let mut mails = mails.map(|raw| String::from_utf8_lossy(&raw).into_owned());
                if let Some(mail) = mails.find(|mail| mail.contains(text)) {
                    return mail;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the mail did not arrive");
    }

    /// Makes the servers refuse a token from now on.
    pub fn revoke(&self, token: &str) {
        self.helper("POST", "/revoke", &format!("token={token}"));
    }

    /// What `doveadm` prints.
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let output = Command::new("doveadm").arg("-c").arg(self.get("DOVECOT_CONF")).args(arguments).output();
        let output = output.expect("doveadm can be run");
        assert!(output.status.success(), "doveadm: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn helper(&self, method: &str, path: &str, form: &str) -> String {
        let address = self.get("HELPER_URL").strip_prefix("http://").expect("an http URL");
        let mut tcp = TcpStream::connect(address).expect("the helper answers");
        let length = form.len();
        write!(tcp, "{method} {path} HTTP/1.1\r\nHost: helper\r\nContent-Length: {length}\r\n\r\n{form}")
            .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }
}
