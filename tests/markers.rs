//! Promise 6 and 10, looked at from outside: two hundred mails with words, names and addresses that nobody else uses
//! go through the true program; then everything it wrote but the mails it sent is searched for them. Not one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails loudly"
)]

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use support::app::Database;
use support::site::{Serving, Site};

/// In every marker, whatever stands around it.
const MARKER: &str = "qzxjvkwp";
const MAILS: usize = 200;

fn mail(number: usize) -> String {
    let text = match number % 4 {
        0 => format!("The {MARKER}payslip{number} of May is missing."),
        1 => format!("I was harassed by {MARKER}accused{number}, who threatened me."),
        2 => format!("My sick note about {MARKER}illness{number} is attached."),
        _ => format!("A question on {MARKER}leave{number}, please."),
    };
    format!(
        "Message-ID: <{MARKER}id{number}@{MARKER}host.test>\nFrom: {MARKER}name{number} Example <{MARKER}sender{number}@candidates.test>\n\
         To: hr@hr.test\nCc: {MARKER}copied{number}@candidates.test\nSubject: {MARKER}subject{number}\n\
         Date: Mon, 2 Mar 2026 09:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n\
         --b\nContent-Type: text/plain\n\n{text}\n\n--b\nContent-Type: text/plain; name=\"{MARKER}file{number}.txt\"\n\
         Content-Disposition: attachment; filename=\"{MARKER}file{number}.txt\"\n\n{MARKER}attached{number}\n--b--\n"
    )
}

fn post(serving: &Serving, path: &str, token: &str, body: &serde_json::Value) -> u16 {
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(&serving.address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn items(serving: &Serving, path: &str, token: &str) -> Vec<serde_json::Value> {
    let (status, body) = serving.get(path, Some(token));
    assert_eq!(status, 200, "{path}: {body}");
    let page: serde_json::Value = serde_json::from_str(&body).unwrap();
    page["items"].as_array().unwrap().clone()
}

fn work_all(serving: &mut Serving, site: &Site) {
    let token = site.token("agnes", "lead");
    serving.until("all mails are cases", |serving| {
        serving.get("/api/v1/register?state=taken-in&limit=200", Some(&token)).1.matches("\"uid\"").count()
            == MAILS
    });
    serving.until("they are found", |serving| {
        !items(serving, &format!("/api/v1/search?q={MARKER}file0"), &token).is_empty()
            || !items(serving, &format!("/api/v1/search?q={MARKER}subject0"), &token).is_empty()
    });
    let mut answered = 0;
    for case in items(serving, "/api/v1/cases?limit=200", &token) {
        let reference = case["reference"].as_str().unwrap();
        let path = format!("/api/v1/cases/{reference}");
        if serving.get(&format!("{path}/messages"), Some(&token)).0 != 200 {
            continue;
        }
        let number = case["reference"].as_str().unwrap().len();
        for (what, text) in [("messages", "answer"), ("notes", "note")] {
            let text = serde_json::json!({ "text": format!("{MARKER}{text}{number}") });
            if post(serving, &format!("{path}/{what}"), &token, &text) == 201 {
                answered += 1;
            }
        }
    }
    assert!(answered > 100, "{answered}");
    // Wrong questions and wrong bodies, for the sake of what errors might repeat.
    assert_eq!(serving.get(&format!("/api/v1/search?q=status:{MARKER}"), Some(&token)).0, 422);
    assert_eq!(serving.get(&format!("/api/v1/cases/{MARKER}"), Some(&token)).0, 404);
    assert_eq!(serving.get("/api/v1/cases", Some(&format!("cw_{MARKER}"))).0, 401);
    assert_eq!(post(serving, "/api/v1/cases", &token, &serde_json::json!({ MARKER: MARKER })), 400);
}

#[test]
fn nothing_that_was_said_lies_anywhere_in_clear() {
    let mut site = Site::new(Database::Sqlite);
    let temporary = site.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    site.environment("TMPDIR", &temporary.to_string_lossy());
    site.environment("SQLITE_TMPDIR", &temporary.to_string_lossy());
    site.environment("RUST_LOG", "trace");
    let settings = site.ordinary().replace("level = \"debug\"", "level = \"trace\"");
    site.write_settings(&settings);
    for number in 0..MAILS {
        site.deliver(&format!("{number}.test"), &mail(number));
    }
    let mut serving = site.serve();
    work_all(&mut serving, &site);
    let backup = site.path("backup.db");
    let ran = site.run(&["backup", &backup.to_string_lossy()]).fine();
    look_through(&site);
    let said = serving.log() + &ran.out + &ran.err;
    std::fs::write(site.path("log"), &said).unwrap();
    // As a crash leaves it: with its log beside the file.
    serving.signal("KILL");
    serving.ended(std::time::Duration::from_secs(30));
    let seen = look_through(&site);
    for name in ["caseward.db", "backup.db", "log"] {
        assert!(seen.iter().any(|path| path.ends_with(name)), "{name} was not looked at");
    }
}

/// Every file but the mails themselves: which there were.
fn look_through(site: &Site) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    let mut open = vec![site.dir.path().to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let is_mail = ["mailbox", "sent"].iter().any(|name| path == site.path(name));
                if !is_mail {
                    open.push(path);
                }
            } else if path.is_file() {
                look_at(&path);
                seen.push(path);
            }
        }
    }
    seen
}

fn look_at(path: &Path) {
    let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
    let wide: Vec<u8> = MARKER.bytes().flat_map(|byte| [byte, 0]).collect();
    let mut forms = vec![MARKER.as_bytes().to_vec(), wide];
    for skip in 0..3 {
        // In each of its three positions, the characters of base64 that depend on nothing but the marker.
        let encoded = data_encoding::BASE64.encode(format!("{}{MARKER}", "x".repeat(skip)).as_bytes());
        let (start, end) = ((skip * 8).div_ceil(6), (skip + MARKER.len()) * 8 / 6);
        forms.push(encoded.to_ascii_lowercase().as_bytes()[start..end].to_vec());
    }
    for form in &forms {
        let found = bytes.windows(form.len()).position(|window| window == form.as_slice());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
            panic!("{}: {}", path.display(), String::from_utf8_lossy(around));
        }
    }
}
