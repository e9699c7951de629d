//! Token requests against a server that says what a test wants; no network beyond loopback.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A token server that gives these answers, one per request, and returns the forms it was sent.
async fn server(answers: Vec<(u16, &'static str)>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut forms = Vec::new();
        for (status, body) in answers {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            let form = loop {
                let mut buf = [0; 4096];
                let read = tcp.read(&mut buf).await.unwrap();
                request.push_str(std::str::from_utf8(&buf[..read]).unwrap());
                let Some((head, form)) = request.split_once("\r\n\r\n") else { continue };
                let length = head.to_ascii_lowercase();
                let length =
                    length.split_once("content-length: ").unwrap().1.lines().next().unwrap().to_owned();
                if form.len() == length.parse::<usize>().unwrap() {
                    break form.to_owned();
                }
            };
            forms.push(form);
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            tcp.write_all(answer.as_bytes()).await.unwrap();
        }
        forms
    });
    (url, served)
}

fn plain(grant: Grant) -> OauthSettings {
    OauthSettings { ca_file: None, grant }
}

fn refreshing(directory: &Path, url: &str) -> Tokens {
    let grant = Grant::RefreshToken {
        token_url: url.into(),
        client_id: "caseward".into(),
        client_secret: None,
        refresh_token: Secret::File(file(directory, "refresh", "first")),
    };
    Tokens::new(&plain(grant), "hr@hr.test", None).unwrap()
}

#[tokio::test]
async fn a_refresh_token_that_is_replaced_is_used_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let (url, served) = server(vec![
        (200, r#"{"access_token":"a","refresh_token":"second","expires_in":"3600"}"#),
        (200, r#"{"access_token":"b"}"#),
    ])
    .await;
    let tokens = refreshing(directory.path(), &url);
    let at = |second| Timestamp::from_second(second).unwrap();
    for (now, expected) in [(0, "a"), (3_400, "a"), (3_500, "b"), (3_900, "b")] {
        assert_eq!(tokens.access_token(at(now)).await.unwrap().expose_secret(), expected, "{now}");
    }
    let forms = served.await.unwrap();
    assert!(forms[0].contains("grant_type=refresh_token") && forms[0].contains("refresh_token=first"));
    assert!(forms[1].contains("refresh_token=second"));
}

#[tokio::test]
async fn refusals_are_told_from_troubles() {
    let directory = tempfile::tempdir().unwrap();
    for (status, body, is_refusal, says) in [
        (400, r#"{"error":"invalid_grant","error_description":"anna@hr.test"}"#, true, "make a new one"),
        (401, r#"{"error":"invalid_client"}"#, true, "client_id"),
        (400, r#"{"error":"invalid_scope"}"#, true, "check scope"),
        (403, "<html>anna@hr.test", true, "HTTP 403"),
        (400, r#"{"error":"temporarily_unavailable"}"#, false, "troubles"),
        (429, "", false, "HTTP 429"),
        (503, "", false, "HTTP 503"),
        (200, "<html>anna@hr.test", false, "check token_url"),
        (302, "", true, "HTTP 302"),
    ] {
        let (url, served) = server(vec![(status, body)]).await;
        let tokens = refreshing(directory.path(), &url);
        let error = tokens.access_token(Timestamp::UNIX_EPOCH).await.unwrap_err();
        served.await.unwrap();
        assert_eq!(matches!(error, TokenError::Refused(_)), is_refusal, "{error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains("anna"), "{error}");
    }
}

#[tokio::test]
async fn secrets_go_to_https_or_this_machine_only() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["http://login.test/token", "http://127.0.0.1.login.test/token", "ftp://localhost/", "token"] {
        let error = refreshing(directory.path(), url).access_token(Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert!(matches!(&error, TokenError::Refused(text) if text.contains("token_url")), "{error}");
    }
}

#[test]
fn secrets_that_cannot_be_read_show_at_start() {
    let directory = tempfile::tempdir().unwrap();
    for key_file in [directory.path().join("absent"), file(directory.path(), "key", r#"{"type":"other"}"#)] {
        let grant = Grant::ServiceAccount { key_file, scope: "mail".into(), token_url: None };
        assert!(matches!(Tokens::new(&plain(grant), "hr@hr.test", None), Err(TokenError::Refused(_))));
    }
}

#[test]
fn a_service_account_signs_for_its_user() {
    let directory = tempfile::tempdir().unwrap();
    let made =
        std::process::Command::new("openssl").args(["genpkey", "-quiet", "-algorithm", "RSA"]).output();
    let pem = String::from_utf8(made.expect("openssl is there").stdout).unwrap();
    let key = serde_json::json!({ "client_email": "caseward@project.test", "private_key": pem, "private_key_id": "7" });
    let key_file = file(directory.path(), "key.json", &key.to_string());
    let grant = Grant::ServiceAccount { key_file, scope: "mail".into(), token_url: None };
    let tokens = Tokens::new(&plain(grant), "hr@hr.test", None).unwrap();
    let (url, form) = tokens.request(None, Timestamp::from_second(1_000).unwrap()).unwrap();
    assert_eq!(url, google());
    assert_eq!(form[0].1.expose_secret(), "urn:ietf:params:oauth:grant-type:jwt-bearer");

    let (signed, signature) = form[1].1.expose_secret().rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public: Vec<u8> = pair.public().as_ref().to_vec();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let expected = serde_json::json!({
        "iss": "caseward@project.test", "sub": "hr@hr.test", "scope": "mail", "aud": google(),
        "iat": 1_000, "exp": 4_600,
    });
    assert_eq!(claims, expected);
}

#[test]
fn the_end_of_a_client_secret_is_announced() {
    let directory = tempfile::tempdir().unwrap();
    let grant = Grant::ClientCredentials {
        token_url: "https://login.test/token".into(),
        client_id: "caseward".into(),
        client_secret: Secret::File(file(directory.path(), "secret", "x")),
        scope: "mail".into(),
        secret_expires: Some("2027-01-31".into()),
    };
    let tokens = Tokens::new(&plain(grant), "hr@hr.test", None).unwrap();
    for (now, days) in
        [("2026-12-31", None), ("2027-01-01", Some(30)), ("2027-01-31", Some(0)), ("2027-02-01", Some(-1))]
    {
        assert_eq!(tokens.expires_soon(format!("{now}T00:00:00Z").parse().unwrap()), days, "{now}");
    }
}
