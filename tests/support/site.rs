//! An installation as an operator has it: a directory with a settings file, a key, a Maildir; and the true program,
//! run as a process of its own. For what only processes show: exit codes, signals, logs, two starts at once.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::app::{Database, fresh_postgres};

pub struct Site {
    pub dir: tempfile::TempDir,
    pub url: String,
    environment: Vec<(String, String)>,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The command ended with `code` and said one line on stderr that holds every one of `parts`.
    #[track_caller]
    pub fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let said: Vec<&str> = self.err.lines().filter(|line| line.starts_with("caseward: ")).collect();
        assert_eq!(said.len(), 1, "one sentence: {self:?}");
        for part in parts {
            assert!(said[0].contains(part), "{part:?} is missing: {self:?}");
        }
    }

    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Site {
    /// A fresh installation with a Maildir `mailbox` and a key; nothing was started yet.
    pub fn new(database: Database) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = match database {
            Database::Sqlite => format!("sqlite:{}", dir.path().join("caseward.db").display()),
            Database::Postgres => fresh_postgres(),
        };
        let site = Self { dir, url, environment: Vec::new() };
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(site.path("mailbox").join(part)).expect("a Maildir");
        }
        site.configure("");
        site.run(&["key", "new", &site.path("master.key").display().to_string()]).fine();
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the settings: the ordinary ones and `more`.
    pub fn configure(&self, more: &str) {
        self.write_settings(&format!("{}\n{more}\n", self.ordinary()));
    }

    pub fn write_settings(&self, text: &str) {
        std::fs::write(self.path("caseward.toml"), text).expect("settings are written");
    }

    /// A Maildir with everything from all senders believed, mail written into `sent/`, an API on a free port.
    pub fn ordinary(&self) -> String {
        format!(
            "[database]\nurl = \"{}\"\n[vault]\nmaster_key = {{ file = \"master.key\" }}\n\
             [api]\nlisten = \"127.0.0.1:0\"\nper_minute = 100_000\n[smtp]\ndirectory = \"sent\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n\
             [[mailbox]]\nname = \"hr\"\naddress = \"hr@hr.test\"\nsince = \"all\"\npoll = \"5s\"\n\
             source = {{ kind = \"maildir\", path = \"mailbox\" }}\ntrust = {{ all_internal = true }}\n",
            self.url
        )
    }

    /// Sets a variable for every command from now on.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Delivers a mail as an MTA would.
    pub fn deliver(&self, name: &str, mail: &str) {
        let tmp = self.path("mailbox/tmp").join(name);
        std::fs::write(&tmp, mail.replace('\n', "\r\n")).expect("a mail is written");
        std::fs::rename(tmp, self.path("mailbox/new").join(name)).expect("a mail is delivered");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caseward"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .env("CASEWARD_CONFIG", self.path("caseward.toml"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        finished(&mut self.command(arguments))
    }

    /// Starts the daemon; it may not be ready yet.
    pub fn start(&self) -> Serving {
        Serving::of(&mut self.command(&["serve"]))
    }

    /// Starts the daemon and waits until it is ready.
    pub fn serve(&self) -> Serving {
        let mut serving = self.start();
        serving.until_ready();
        serving
    }

    /// Adds a user and returns their token.
    pub fn token(&self, login: &str, role: &str) -> String {
        self.run(&["user", "add", login, "--role", role, "--token"]).fine().out.trim().to_owned()
    }
}

pub fn finished(command: &mut Command) -> Ran {
    let output = command.output().expect("the program can be run");
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running daemon. Dropped, it is killed.
pub struct Serving {
    child: Child,
    log: Arc<Mutex<String>>,
    pub address: String,
}

impl Serving {
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(count) = stderr.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                sink.lock().expect("a log").push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, log, address: String::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("a log").clone()
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}; the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    pub fn until_log(&mut self, text: &str) {
        self.until(text, |serving| serving.log().contains(text));
    }

    #[track_caller]
    pub fn until_ready(&mut self) {
        self.until_ready_again(1);
    }

    /// Waits until it was ready `times` times: once after the start and once after each reload.
    #[track_caller]
    pub fn until_ready_again(&mut self, times: usize) {
        self.until("the daemon is ready", |serving| {
            if let Some(status) = serving.child.try_wait().expect("a child") {
                panic!("the daemon ended with {status}: {}", serving.log());
            }
            serving.log().matches("caseward is ready").count() >= times
        });
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("caseward is ready")).expect("the line");
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        self.address = line["fields"]["address"].as_str().expect("an address").to_owned();
    }

    /// Asks the API; status and body.
    pub fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let login = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).expect("the API answers");
        stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a limit");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n")
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    /// How many cases the holder of `token` sees, up to 200.
    pub fn cases(&self, token: &str) -> usize {
        let (status, body) = self.get("/api/v1/cases?limit=200", Some(token));
        assert_eq!(status, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        page["items"].as_array().or(page.as_array()).expect("a list").len()
    }

    #[track_caller]
    pub fn until_cases(&mut self, token: &str, count: usize) {
        self.until(&format!("{count} cases"), |serving| serving.cases(token) >= count);
        assert_eq!(self.cases(token), count);
    }

    /// Sends a signal such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.expect("kill can be run").success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still running: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as systemd would.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.ended(Duration::from_secs(30)), Some(0), "{}", self.log());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().expect("killed");
            self.child.wait().expect("waited for");
        }
    }
}

/// A plain mail from `who` that opens a case.
pub fn mail(who: &str, subject: &str) -> String {
    format!(
        "Message-ID: <{}@candidates.test>\nFrom: {who}@candidates.test\nTo: hr@hr.test\nSubject: {subject}\n\
         Date: Mon, 2 Mar 2026 09:00:00 +0000\n\nPlease look at my payslip for February.\n",
        uuid::Uuid::now_v7()
    )
}

/// A file system of `size` bytes of its own; gone when dropped. `None`, with a word on stderr, where mounting is
/// not allowed.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0777"), "caseward-test"])
            .arg(at)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs (root)");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(gone.is_ok_and(|status| status.success()), "the small disk stays mounted");
    }
}
