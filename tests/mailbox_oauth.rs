//! The whole daemon by OAuth 2.0: mailbox and outgoing mail over XOAUTH2, against real Dovecot and Postfix, with
//! access tokens that expire and refresh tokens that are good for one use.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use caseward::delivery::TokenError;
use caseward::oauth::Tokens;
use caseward::settings::{Grant, OauthSettings, Secret, Settings, Source};
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use support::app::{Database, TestApp, authenticated, deliver, write_private};
use support::mailstack::mailstack;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_survive_a_restart_on_sqlite() {
    by_tokens(Database::Sqlite, "hr22@hr.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_survive_a_restart_on_postgres() {
    by_tokens(Database::Postgres, "hr23@hr.test").await;
}

/// Access tokens that count as expired after two seconds, by refresh tokens that are good once.
fn refreshing(hr: &str, file: PathBuf) -> OauthSettings {
    write_private(&file, &format!("{}\n", mailstack().refresh_token(hr)));
    let grant = Grant::RefreshToken {
        token_url: format!("{}?email={hr}&expires_in=122&once=1", mailstack().get("OAUTH_TOKEN_URL")),
        client_id: "caseward".into(),
        client_secret: None,
        refresh_token: Secret::File(file),
    };
    OauthSettings { ca_file: None, grant }
}

fn by_oauth(settings: &mut Settings, hr: &str) {
    let dir = settings.vault_dir();
    let Source::Imap { password, oauth, .. } = &mut settings.mailboxes[0].source else { panic!("not IMAP") };
    (*password, *oauth) = (None, Some(refreshing(hr, dir.join("refresh-imap"))));
    settings.smtp.password = None;
    settings.smtp.oauth = Some(refreshing(hr, dir.join("refresh-smtp")));
}

trait VaultDir {
    fn vault_dir(&self) -> PathBuf;
}

impl VaultDir for Settings {
    fn vault_dir(&self) -> PathBuf {
        let Secret::File(key) = &self.vault.master_key else { panic!("no file") };
        key.parent().expect("a directory").to_owned()
    }
}

async fn by_tokens(database: Database, hr: &'static str) {
    let app = TestApp::start_with(database, hr, |settings| by_oauth(settings, hr)).await;
    arrives(&app, hr, 1).await;
    // The session ends, and the first access token is too old by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    mailstack().doveadm(&["kick", hr]);
    arrives(&app, hr, 2).await;
    // Both configured refresh tokens were used up long ago.
    let app = app.restart().await;
    arrives(&app, hr, 3).await;
    app.close().await;
}

/// A mail comes in and is acknowledged.
async fn arrives(app: &TestApp, hr: &str, number: usize) {
    let mark = uuid::Uuid::now_v7().simple().to_string();
    let mail = format!(
        "Message-ID: <{mark}@candidates.test>\nFrom: anna@candidates.test\nTo: {hr}\nSubject: {mark}\n\n\
         My payslip is missing.\n"
    );
    deliver("anna@candidates.test", hr, &authenticated("candidates.test", &mail));
    let cases = app.until_cases(number).await;
    let case = cases.iter().max_by_key(|case| case.created_at).expect("a case");
    mailstack().delivered("anna@candidates.test", &case.reference.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_server_may_have_an_own_certificate_authority() {
    let port = behind_tls().await;
    let dir = tempfile::tempdir().unwrap();
    write_private(&dir.path().join("secret"), "secret\n");
    let tokens = |ca_file: Option<PathBuf>| {
        let grant = Grant::ClientCredentials {
            token_url: format!("https://localhost:{port}/token"),
            client_id: "caseward".into(),
            client_secret: Secret::File(dir.path().join("secret")),
            scope: "mail".into(),
            secret_expires: None,
        };
        Tokens::new(&OauthSettings { ca_file, grant }, "hr@hr.test", None).unwrap()
    };
    let refused = tokens(None).access_token(Timestamp::now()).await;
    assert!(matches!(refused, Err(TokenError::Unavailable(_))), "nobody vouches for it");
    tokens(Some(mailstack().ca_file())).access_token(Timestamp::now()).await.expect("a token");
}

/// The helper's token server, reached over TLS with the mail servers' certificate.
async fn behind_tls() -> u16 {
    let tls = PathBuf::from(mailstack().get("MAIL_DIR")).join("tls");
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(tls.join("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(tls.join("server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let helper = mailstack().get("HELPER_URL").strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut client) = acceptor.accept(tcp).await else { continue };
            let mut server = TcpStream::connect(&helper).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await.ok() });
        }
    });
    port
}
