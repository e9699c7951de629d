//! Bad settings and the sentences they get; the environment over the file; the files that are shipped.

mod fields;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::read;
use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> Result<Settings, SettingsError> {
    read(Some(Path::new("/etc/caseward/caseward.toml")), text, [])
}

/// A mailbox `hr` with the keys given, and source keys.
fn hr(keys: &str, source: &str) -> String {
    format!(
        "[[mailbox]]\nname = \"hr\"\naddress = \"hr@company.example\"\n{keys}\n[mailbox.source]\nkind = \"imap\"\n\
         host = \"imap.company.example\"\nusername = \"hr\"\n{source}\n"
    )
}

const PASSWORD: &str = "password = { file = \"pw\" }";

fn bad_files() -> Vec<String> {
    let whole = |text: &str| text.to_owned();
    vec![
        whole("[api\n"),
        whole("[api]\nlisten = 127.0.0.1:1\n"),
        whole("[api]\nlisten = \"a\"\nlisten = \"b\"\n"),
        whole("[api]\nlistn = \"127.0.0.1:1\"\n"),
        whole("[apis]\nx = 1\n"),
        whole("folders = []\n"),
        whole("[api]\nlisten = \"localhost\"\n"),
        whole("[api]\nlisten = 8480\n"),
        whole("[api]\nlisten = \"0.0.0.0:8480\"\n"),
        whole("[api]\ncertificate = \"c.pem\"\n"),
        whole("[api]\nper_minute = -1\n"),
        whole("[api]\nper_minute = 99999999999999999999\n"),
        whole("[api]\nper_minute = 1.5\n"),
        whole("[api]\ntimeout = \"soon\"\n"),
        whole("[api]\ntimeout = true\n"),
        whole("[api]\n\n\ntimeout = \"2d\"\n"),
        whole("[access]\noutside_contacts = [\"one\", \"two\", \"three\"]\n"),
        whole("[access]\noutside_contacts = [\"one\", \"one\"]\n"),
        whole("[intake]\nmax_depth = 1000\n"),
        whole("[organisation]\nlanguage = \"it\"\n"),
        whole("[organisation]\nname = \"\"\n"),
        whole("[organisation]\npublic_url = \"company.example\"\n"),
        whole("[database]\nurl = \"mysql://db\"\n"),
        whole("[database]\nurl = \"sqlite:\"\n"),
        whole("[database]\nurl = \"sqlite://caseward.db\"\n"),
        whole("[database]\nurl = \"postgres://hr:hunter2@db/caseward\"\n"),
        whole("[database]\npassword = { file = \"pw\" }\n"),
        whole("[database]\nreaders = 0\n"),
        whole("[vault]\nmaster_key = \"hunter2\"\n"),
        whole("[vault]\nmaster_key = { file = \"a\", credential = \"b\" }\n"),
        whole("[vault]\nmaster_key = { path = \"a\" }\n"),
        whole("[vault]\nmaster_key = {}\n"),
        whole("[vault]\nmaster_key = { credential = \"../b\" }\n"),
        whole("[log]\nformat = \"jsn\"\n"),
        whole("[log]\nlevel = \"loud\"\n"),
        whole("[smtp]\nhost = \"mail.example\"\ntls = \"none\"\n"),
        whole("[smtp]\nusername = \"hr\"\n"),
        whole("[smtp]\npassword = \"hunter2\"\n"),
        whole("[smtp]\nport = 70000\n"),
        whole("[smtp]\ndirectory = \"out\"\nhost = \"mail.example\"\n"),
        whole(
            "[smtp]\nusername = \"hr\"\npassword = { file = \"pw\" }\noauth = { grant = \"refresh-token\", \
             token_url = \"https://t.example\", client_id = \"c\", refresh_token = { file = \"r\" } }\n",
        ),
        whole("categories = [\"Payroll\"]\n"),
        whole("categories = [\"visa\", \"payroll\"]\n"),
        whole("[[team]]\nname = \"A\"\ncategories = [\"payrol\"]\n"),
        whole("[[team]]\nname = \"A\"\ncategories = [\"zebras\"]\n"),
        whole(
            "[[team]]\nname = \"A\"\ncategories = [\"leave\"]\n[[team]]\nname = \"B\"\ncategories = [\"leave\"]\n",
        ),
        whole("[[team]]\nname = \"A\"\n"),
        whole("[[mailbox]]\nname = \"hr\"\n"),
        whole("[mailbox]\nname = \"hr\"\n"),
        hr("", ""),
        hr("", &format!("{PASSWORD}\nport = \"imap\"")),
        hr("", &format!("{PASSWORD}\npath = \"/var/mail\"")),
        hr("", &format!("{PASSWORD}\ntls = \"none\"")),
        hr("", &format!("{PASSWORD}\n[mailbox.source.oauth]\ngrant = \"client-credential\"")),
        hr("", "[mailbox.source.oauth]\ngrant = \"client-credentials\"\nclient_id = \"c\""),
        hr("", "[mailbox.source.oauth]\ngrant = \"refresh-token\"\nkey_file = \"k\""),
        hr(
            "",
            "oauth = { grant = \"service-account\", key_file = \"k\", scope = \"s\", token_url = \"http://t.example\" }",
        ),
        hr("folder = [\"INBOX\"]", PASSWORD),
        hr("folders = \"INBOX\"", PASSWORD),
        hr("folders = []", PASSWORD),
        hr("folders = [\"INBOX\", 7]", PASSWORD),
        hr("folders = [\"INBOX\", \"Inbox\"]", PASSWORD),
        hr("processed_folder = \"inbox\"", PASSWORD),
        hr("after = \"remove\"", PASSWORD),
        hr("since = \"yesterday\"", PASSWORD),
        hr("since = 0026-01-31", PASSWORD),
        hr("idle = \"yes\"", PASSWORD),
        hr("poll = \"1s\"", PASSWORD),
        hr("poll = \"1h\"", PASSWORD),
        hr("aliases = [\"hr\"]", PASSWORD),
        hr("display_name = \"a\\r\\nBcc: x\"", PASSWORD),
        hr("trust = { internal_header = \"X-Internal\" }", PASSWORD),
        hr("trust = { authenticated_received = true }", PASSWORD),
        hr("", PASSWORD) + &hr("", PASSWORD),
        hr("", PASSWORD).replace("\"hr\"\naddress", "\"HR Mail\"\naddress"),
        hr("", PASSWORD).replace("hr@company.example", "HR <hr@company.example>"),
        hr("", PASSWORD).replace("imap.company.example", "imap.company.example:993"),
    ]
}

#[test]
fn bad_settings_get_one_sentence() {
    let mut sentences = String::new();
    for text in bad_files() {
        let error = match file(&text) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => error.to_string(),
        };
        assert!(!error.contains('\n'), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.starts_with("/etc/caseward/caseward.toml, line "), "{error}");
        sentences.push_str(error.trim_start_matches("/etc/caseward/caseward.toml, "));
        sentences.push('\n');
    }
    insta::assert_snapshot!(sentences);
}

#[test]
fn bad_variables_get_one_sentence() {
    let cases = [
        ("CASEWARD_API__LISTN", "127.0.0.1:1"),
        ("CASEWARD_LISTEN", "127.0.0.1:1"),
        ("CASEWARD_", "x"),
        ("CASEWARD_API", "x"),
        ("CASEWARD_API__LISTEN", "9000"),
        ("CASEWARD_API__LISTEN__PORT", "9000"),
        ("CASEWARD_SMTP__PORT", "smtp"),
        ("CASEWARD_SMTP__TLS", "ssl"),
        ("CASEWARD_SMTP__PASSWORD", "hunter2"),
        ("CASEWARD_MAILBOX__FINANCE__ADDRESS", "a@b.example"),
        ("CASEWARD_MAILBOX__HR_DE__FOLDERS", "INBOX"),
        ("CASEWARD_MAILBOX__HR_DE__SOURCE__TLS", "none"),
        ("CASEWARD_MAILBOX__HR_DE__SOURCE__HOSTNAME", "x"),
        ("CASEWARD_DATABASE__URL", "mysql://hunter2"),
    ];
    let text = hr("", PASSWORD).replace("\"hr\"\naddress", "\"hr-de\"\naddress")
        + "[api]\nlisten = \"127.0.0.1:1\"\n";
    let mut sentences = String::new();
    for (name, value) in cases {
        let error =
            read(Some(Path::new("caseward.toml")), &text, env(&[(name, value)])).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        assert!(error.starts_with("environment variable CASEWARD_"), "{error}");
        sentences.push_str(&error);
        sentences.push('\n');
    }
    insta::assert_snapshot!(sentences);
}

#[test]
fn the_environment_overrides_the_file() {
    let text = hr("folders = [\"INBOX\"]", PASSWORD).replace("\"hr\"\naddress", "\"hr-de\"\naddress");
    let settings = read(
        Some(Path::new("/etc/caseward.toml")),
        &text,
        env(&[
            ("PATH", "/bin"),
            ("CASEWARD_CONFIG", "elsewhere.toml"),
            ("CASEWARD_TEST_POSTGRES", "postgres://x"),
            ("CASEWARD_API__LISTEN", "127.0.0.1:9000"),
            ("CASEWARD_API__TIMEOUT", "5"),
            ("CASEWARD_SMTP__TIMEOUT", "2m"),
            ("CASEWARD_ORGANISATION__NAME", "2024"),
            ("CASEWARD_ORGANISATION__PUBLIC_URL", "\"https://quoted.example\""),
            ("CASEWARD_SMTP__TLS", "implicit"),
            ("CASEWARD_SMTP__ACKNOWLEDGE_UNVERIFIED", "false"),
            ("CASEWARD_CATEGORIES", "[\"visa\"]"),
            ("CASEWARD_TEAM", "[{ name = \"A\", categories = [\"visa\"] }]"),
            ("CASEWARD_MAILBOX__HR_DE__SOURCE__HOST", "other.example"),
            ("CASEWARD_MAILBOX__HR_DE__SOURCE__PASSWORD", "{ credential = \"hr\" }"),
            ("CASEWARD_MAILBOX__HR_DE__FOLDERS", "[\"A\", \"B\"]"),
            ("CASEWARD_MAILBOX__HR_DE__SINCE", "2026-01-31"),
            ("CASEWARD_DATABASE__URL", "postgres://hr:pw@db.example/caseward"),
        ]),
    )
    .unwrap();
    assert_eq!(settings.api.listen, SocketAddr::from(([127, 0, 0, 1], 9000)));
    assert_eq!(settings.api.timeout, Duration::from_secs(5));
    assert_eq!(settings.smtp.timeout, Duration::from_secs(120));
    assert_eq!(settings.organisation.name, "2024");
    assert_eq!(settings.organisation.public_url.as_deref(), Some("https://quoted.example"));
    assert_eq!(settings.smtp.tls, Tls::Implicit);
    assert!(!settings.smtp.acknowledge_unverified);
    assert_eq!(settings.all_categories().last(), Some("visa"));
    assert_eq!(settings.teams[0].categories, ["visa"]);
    assert_eq!(settings.database.url, "postgres://hr:pw@db.example/caseward");
    assert!(!format!("{settings:?}").contains("hr:pw"));
    let mailbox = &settings.mailboxes[0];
    assert_eq!(mailbox.folders, ["A", "B"]);
    assert_eq!(mailbox.since, Since::Date(jiff::civil::date(2026, 1, 31)));
    let Source::Imap { host, password, .. } = &mailbox.source else { panic!("not IMAP") };
    assert_eq!(host, "other.example");
    assert_eq!(password, &Some(Secret::Credential("hr".into())));
}

#[test]
fn relative_paths_are_the_files_own_and_in_variables_the_current_directorys() {
    let oauth = "client_secret = { file = \"rel/1\" }\nrefresh_token = { file = \"rel/2\" }\nclient_id = \"c\"\n\
                 ca_file = \"rel/3\"\ntoken_url = \"https://t.example\"\ngrant = \"refresh-token\"";
    let text = format!(
        "config_dir = \"rel/a\"\ntemplates_dir = \"rel/b\"\n[database]\nurl = \"sqlite:rel/c\"\nca_file = \"rel/d\"\n\
         [vault]\nmaster_key = {{ file = \"rel/e\" }}\n[api]\ncertificate = \"rel/f\"\nkey = \"rel/g\"\n\
         [smtp]\nca_file = \"rel/h\"\nusername = \"u\"\npassword = {{ file = \"rel/i\" }}\n{}{}\
         [[mailbox]]\nname = \"sa\"\naddress = \"c@c.example\"\nsource = {{ kind = \"imap\", host = \"h\", username = \"u\", \
         ca_file = \"rel/j\", oauth = {{ grant = \"service-account\", key_file = \"rel/k\", scope = \"s\" }} }}\n\
         [[mailbox]]\nname = \"md\"\naddress = \"d@c.example\"\nsource = {{ kind = \"maildir\", path = \"rel/l\" }}\n",
        hr("", PASSWORD).replace("\"pw\"", "\"rel/m\""),
        hr("", &format!("[mailbox.source.oauth]\n{oauth}")).replace("\"hr\"\naddress", "\"rt\"\naddress"),
    );
    let wanted = text.matches("rel/").count();
    let shown = |settings: &mut Settings| {
        let mut paths = Vec::new();
        settings.each_path(|_, path| paths.push(path.clone()));
        paths
    };
    let mut settings = file(&text).unwrap();
    let paths = shown(&mut settings);
    assert_eq!(paths.len(), wanted, "{paths:?}");
    assert!(paths.iter().all(|path| path.starts_with("/etc/caseward/rel")), "{paths:?}");
    assert_eq!(settings.database.url, "sqlite:/etc/caseward/rel/c");

    let variables = env(&[
        ("CASEWARD_DATABASE__URL", "sqlite:here.db"),
        ("CASEWARD_VAULT__MASTER_KEY__FILE", "here.key"),
        ("CASEWARD_MAILBOX__MD__SOURCE__PATH", "here"),
    ]);
    let settings = read(Some(Path::new("/etc/caseward/caseward.toml")), &text, variables).unwrap();
    assert_eq!(settings.database.url, "sqlite:here.db");
    assert_eq!(settings.vault.master_key, Secret::File("here.key".into()));
    assert_eq!(settings.mailboxes[3].source, Source::Maildir { path: "here".into() });

    // A variable beside a default does not move the default.
    let path = Some(Path::new("/etc/caseward/caseward.toml"));
    let settings = read(path, "", env(&[("CASEWARD_DATABASE__READERS", "2")])).unwrap();
    assert_eq!(settings.database.url, "sqlite:/etc/caseward/caseward.db");
    assert_eq!(settings.config_dir, Some("/etc/caseward".into()));
}

#[test]
fn no_file_is_the_defaults_and_an_absent_one_is_an_error() {
    assert_eq!(load(None, []).unwrap(), Settings::default());
    let error = load(Some(Path::new("/nonexistent/caseward.toml")), []).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/caseward.toml: the settings cannot be read"), "{error}");
    assert!(error.contains("--config"), "{error}");
}

fn shipped(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_sample_file_runs_and_says_the_defaults() {
    let (_, text) = shipped("caseward.toml");
    let settings = read(Some(Path::new("caseward.toml")), &text, []).unwrap();
    assert_eq!(settings, Settings { config_dir: Some(".".into()), ..Settings::default() });
}

/// The sample file with its samples (`#` and no space) taken in.
fn uncommented() -> String {
    let (_, text) = shipped("caseward.toml");
    text.lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .fold(String::new(), |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        })
}

#[test]
fn the_sample_file_shows_every_key() {
    let shown: toml::Value = toml::from_str(&uncommented()).unwrap();
    let mut expected = fields::of::<Settings>();
    assert!(expected.len() > 80, "{expected:?}");
    expected.retain(|path| match path.as_slice() {
        // Said once for all secrets, at the head of the file.
        [.., "file" | "credential"] => false,
        // Shown with the mailboxes, as the comment there says.
        ["smtp", "oauth", inner] => !written(&shown, &["mailbox", "source", "oauth", inner]),
        path => !written(&shown, path),
    });
    assert_eq!(expected, Vec::<Vec<&str>>::new(), "these keys are missing in config/caseward.toml");
}

fn written(value: &toml::Value, path: &[&str]) -> bool {
    match (value, path.split_first()) {
        (toml::Value::Array(items), Some(_)) => items.iter().any(|item| written(item, path)),
        (value, Some((first, rest))) => value.get(first).is_some_and(|value| written(value, rest)),
        (_, None) => true,
    }
}

#[test]
fn the_samples_are_right_once_uncommented() {
    // What excludes each other is shown side by side.
    let text: String = uncommented()
        .lines()
        .filter(|line| !line.starts_with("oauth = ") && !line.starts_with("directory = "))
        .filter(|line| !line.starts_with("password = { file = \"secrets/database\" }"))
        .map(|line| format!("{line}\n"))
        .collect();
    let settings = file(&text).unwrap();
    assert_eq!(settings.mailboxes.len(), 5);
    assert_eq!(settings.teams.len(), 1);
    // Where a sample repeats a default, it says it right.
    let plain = file(&hr("", PASSWORD)).unwrap();
    let (shown, plain) = (&settings.mailboxes[0], &plain.mailboxes[0]);
    let defaults = |mailbox: &MailboxSettings| {
        (
            mailbox.after,
            mailbox.since,
            mailbox.acknowledge_within,
            mailbox.poll,
            mailbox.idle,
            mailbox.alarm_after,
        )
    };
    assert_eq!(defaults(shown), defaults(plain));
    assert_eq!(shown.processed_folder, plain.processed_folder);
    assert_eq!(shown.quarantine_folder, plain.quarantine_folder);
}

#[test]
fn the_examples_are_right() {
    for name in ["dovecot.toml", "microsoft-365.toml", "google-workspace.toml"] {
        let (path, _) = shipped(&format!("examples/{name}"));
        let settings = load(Some(&path), []).unwrap();
        assert_eq!(settings.mailboxes.len(), 1, "{name}");
        let handled: usize = settings.teams.iter().map(|team| team.categories.len()).sum();
        assert_eq!(handled, CATEGORIES.len(), "{name}: every category has a team");
    }
}

proptest::proptest! {
    /// Whatever stands in the file or the environment is settings or one sentence.
    #[test]
    fn nothing_written_panics(text in "\\PC*", name in "[A-Z_]{0,30}", value in "\\PC*") {
        let name = format!("CASEWARD_{name}");
        for text in [text.clone(), format!("[api]\nlisten = {text:?}\n"), hr(&text, PASSWORD)] {
            if let Err(error) = read(None, &text, env(&[(&name, &value)])) {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}
