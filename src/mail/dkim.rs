//! DKIM signatures (RFC 6376), checked here when no server of ours has done so. Speaks to no network: the caller
//! asks which records are needed, looks them up, and hands them in. A pass counts only for the domain of From, in
//! the alignment that its DMARC record asks for (RFC 7489 section 3.1.1; relaxed where there is none); anything else
//! is no verdict, for lists and gateways break signatures every day.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;

use futures_util::FutureExt;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::{Alignment, Dmarc};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

use super::AuthResult;
use super::authentication::aligned;

/// A mail bears one to three signatures; each further one costs a look-up and a verification.
const MAX_SIGNATURES: usize = 5;

/// The names of the TXT records that [`verify`] needs, such as `sel._domainkey.firm.test.` and `_dmarc.firm.test.`;
/// none when no signature could prove the sender.
pub fn records(raw: &[u8]) -> Vec<String> {
    let Some(message) = signed(raw, None) else { return Vec::new() };
    let mut names: Vec<String> = message.dkim_headers.iter().map(|header| record(&header.header)).collect();
    let domain = message.from.first().and_then(|from| from.rsplit_once('@')).map(|(_, domain)| domain);
    names.extend(domain.into_iter().flat_map(policies));
    names.sort();
    names.dedup();
    names
}

/// Where the DMARC record of a domain may stand, the nearer first (RFC 7489 section 6.6.3).
fn policies(domain: &str) -> Vec<String> {
    let domain = domain.trim_end_matches('.').to_lowercase();
    let organisation = psl::domain_str(&domain).filter(|name| *name != domain).map(str::to_owned);
    std::iter::once(domain).chain(organisation).map(|name| format!("_dmarc.{name}.")).collect()
}

/// Whether the domain's DMARC record asks for signatures of exactly that domain (`adkim=s`).
fn is_strict(domain: &str, records: &BTreeMap<String, String>) -> bool {
    let found = policies(domain).into_iter().find_map(|name| records.get(&name));
    let policy = found.and_then(|content| Dmarc::parse(content.as_bytes()).ok());
    policy.is_some_and(|policy| policy.adkim == Alignment::Strict)
}

/// Whether a signature proves `from_domain` for the message. `keys` are the contents of the records by the names
/// that [`records`] gave; `now`, in seconds of Unix time, ends signatures that say when they expire.
pub fn verify(
    raw: &[u8],
    from_domain: &str,
    keys: &BTreeMap<String, String>,
    now: Option<u64>,
) -> AuthResult {
    let Some(message) = signed(raw, now) else { return AuthResult::None };
    if !message
        .from
        .first()
        .and_then(|from| from.rsplit_once('@'))
        .is_some_and(|(_, domain)| aligned(domain, from_domain))
    {
        return AuthResult::None;
    }
    let Ok(authenticator) =
        MessageAuthenticator::new(ResolverConfig::from_parts(None, vec![], vec![]), ResolverOpts::default())
    else {
        return AuthResult::None;
    };
    let strict = is_strict(from_domain, keys);
    let keys = Keys(keys);
    // Every look-up is answered from `keys`, so the future is ready at once.
    let outputs = authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(&keys)).now_or_never();
    let passed = outputs.into_iter().flatten().any(|output| {
        *output.result() == DkimResult::Pass
            && output.signature().is_some_and(|signature| match strict {
                true => signature.d.trim_end_matches('.').eq_ignore_ascii_case(from_domain),
                false => aligned(&signature.d, from_domain),
            })
    });
    if passed { AuthResult::Pass } else { AuthResult::None }
}

/// The message with those signatures alone that could prove its one author.
fn signed(raw: &[u8], now: Option<u64>) -> Option<AuthenticatedMessage<'_>> {
    let mut message = AuthenticatedMessage::parse(raw)?;
    let froms =
        message.headers.iter().filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"from")).count();
    let [author] = message.from.as_slice() else { return None };
    let domain = author.rsplit_once('@')?.1.to_owned();
    if froms != 1 {
        return None;
    }
    message.dkim_headers.retain(|header| {
        let signature = &header.header;
        let current =
            signature.x == 0 || (signature.x > signature.t && now.is_none_or(|now| signature.x > now));
        let covers = signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from"));
        current && covers && aligned(&signature.d, &domain)
    });
    message.dkim_headers.truncate(MAX_SIGNATURES);
    for header in &mut message.dkim_headers {
        // Expiry was judged above, by the time given; reports and third parties' records are nobody's wish here.
        header.header.x = 0;
        header.header.r = false;
        header.header.atps = None;
    }
    (!message.dkim_headers.is_empty()).then_some(message)
}

fn record(signature: &mail_auth::dkim::Signature) -> String {
    format!("{}._domainkey.{}.", signature.s, signature.d.trim_end_matches('.')).to_lowercase()
}

/// Answers every question, so that none is ever asked of a network.
struct Keys<'a>(&'a BTreeMap<String, String>);

impl ResolverCache<Box<str>, Txt> for Keys<'_> {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.0.iter().take(10 * MAX_SIGNATURES).find(|(key, _)| {
            let key: Box<str> = key.to_lowercase().into_boxed_str();
            <Box<str> as Borrow<Q>>::borrow(&key) == name
        });
        Some(match found.map(|(_, content)| DomainKey::parse(content.as_bytes())) {
            Some(Ok(key)) => Txt::DomainKey(key.into()),
            Some(Err(error)) => Txt::Error(error),
            None => Txt::Error(Error::ParseError),
        })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

#[cfg(test)]
mod tests {
    use mail_auth::common::crypto::Ed25519Key;
    use mail_auth::common::headers::HeaderWriter;
    use mail_auth::dkim::DkimSigner;
    use proptest::prelude::*;

    use super::*;

    const MAIL: &str = "From: Ann <ann@firm.test>\r\nTo: hr@hr.test\r\nSubject: Leave\r\n\r\nMay I?\r\n";

    fn sign(
        mail: &str,
        domain: &str,
        headers: &[&str],
        expires: Option<u64>,
    ) -> (String, BTreeMap<String, String>) {
        let seed = [7_u8; 32];
        let pkcs8 = {
            let mut der = vec![
                0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
                0x20,
            ];
            der.extend(seed);
            der
        };
        let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&pkcs8).unwrap();
        let public = data_encoding::BASE64.encode(key.public_key().as_ref());
        let mut signer = DkimSigner::from_key(key)
            .domain(domain)
            .selector("Sel")
            .headers(headers.iter().map(|one| (*one).to_owned()));
        if let Some(seconds) = expires {
            signer = signer.expiration(seconds);
        }
        let signature = signer.sign(mail.as_bytes()).unwrap().to_header();
        let keys = BTreeMap::from([(
            format!("sel._domainkey.{domain}."),
            format!("v=DKIM1; k=ed25519; p={public}"),
        )]);
        (format!("{signature}{mail}"), keys)
    }

    #[test]
    fn a_signature_proves_its_own_organisation() {
        for (domain, from, expected) in [
            ("firm.test", "firm.test", AuthResult::Pass),
            ("mail.firm.test", "firm.test", AuthResult::Pass),
            ("other.test", "firm.test", AuthResult::None),
            ("firm.test", "other.test", AuthResult::None),
        ] {
            let (raw, keys) = sign(MAIL, domain, &["From", "Subject"], None);
            assert_eq!(verify(raw.as_bytes(), from, &keys, None), expected, "{domain} {from}");
        }
        let (raw, keys) = sign(MAIL, "firm.test", &["From", "Subject"], None);
        assert_eq!(records(raw.as_bytes()), ["_dmarc.firm.test.", "sel._domainkey.firm.test."]);
        assert_eq!(verify(raw.as_bytes(), "firm.test", &BTreeMap::new(), None), AuthResult::None);
        let wrong = keys.keys().map(|name| (name.clone(), "v=DKIM1; p=".to_owned())).collect();
        assert_eq!(verify(raw.as_bytes(), "firm.test", &wrong, None), AuthResult::None);
    }

    #[test]
    fn a_domain_may_ask_for_its_very_own_signatures() {
        let mail = MAIL.replace("firm.test", "hr.firm.test");
        for (signer, policies, expected) in [
            ("firm.test", vec![], AuthResult::Pass),
            ("firm.test", vec![("_dmarc.firm.test.", "v=DMARC1; p=reject")], AuthResult::Pass),
            ("firm.test", vec![("_dmarc.firm.test.", "v=DMARC1; p=reject; adkim=s")], AuthResult::None),
            ("hr.firm.test", vec![("_dmarc.firm.test.", "v=DMARC1; p=reject; adkim=s")], AuthResult::Pass),
            (
                "firm.test",
                vec![
                    ("_dmarc.hr.firm.test.", "v=DMARC1; p=none; adkim=r"),
                    ("_dmarc.firm.test.", "v=DMARC1; p=none; adkim=s"),
                ],
                AuthResult::Pass,
            ),
        ] {
            let (raw, mut keys) = sign(&mail, signer, &["From"], None);
            keys.extend(policies.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
            assert_eq!(
                verify(raw.as_bytes(), "hr.firm.test", &keys, None),
                expected,
                "{signer} {policies:?}"
            );
        }
    }

    #[test]
    fn what_was_changed_or_added_is_not_proved() {
        let (raw, keys) = sign(MAIL, "firm.test", &["From", "Subject"], None);
        for changed in [
            raw.replace("May I?", "I must!"),
            raw.replace("Subject: Leave", "Subject: Pay"),
            raw.replace("ann@firm.test", "bob@firm.test"),
            format!("From: bob@firm.test\r\n{raw}"),
        ] {
            assert_ne!(changed, raw);
            assert_eq!(verify(changed.as_bytes(), "firm.test", &keys, None), AuthResult::None);
        }
        assert_eq!(records(MAIL.as_bytes()), Vec::<String>::new());
        assert_eq!(verify(MAIL.as_bytes(), "firm.test", &keys, None), AuthResult::None);
    }

    #[test]
    fn signatures_expire_by_the_time_given() {
        let (raw, keys) = sign(MAIL, "firm.test", &["From"], Some(3_600));
        let signed =
            raw.split("t=").nth(1).unwrap().split(';').next().unwrap().trim().parse::<u64>().unwrap();
        assert_eq!(verify(raw.as_bytes(), "firm.test", &keys, Some(signed + 60)), AuthResult::Pass);
        assert_eq!(verify(raw.as_bytes(), "firm.test", &keys, Some(signed + 7_200)), AuthResult::None);
        assert_eq!(verify(raw.as_bytes(), "firm.test", &keys, None), AuthResult::Pass);
    }

    proptest! {
        #[test]
        fn never_panics(tags in "[a-z0-9=;:/.@+ ]{0,120}", body in "\\PC{0,40}") {
            let raw = format!("DKIM-Signature: v=1; a=rsa-sha256; d=firm.test; s=x; {tags}\r\n{MAIL}{body}");
            records(raw.as_bytes());
            let keys = BTreeMap::from([("x._domainkey.firm.test.".to_owned(), tags)]);
            verify(raw.as_bytes(), "firm.test", &keys, Some(1));
        }
    }
}
