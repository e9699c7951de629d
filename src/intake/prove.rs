//! Proves senders of whom our own servers said nothing, by their DKIM signatures. The one place where intake asks the
//! network: TXT records, many at once, with a limit on the time and a cache. No answer is no proof, and delays
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::hickory_resolver::proto::rr::RData;
use tokio::task::JoinSet;

use crate::case::Moment;
use crate::desk::receive::Arrived;
use crate::mail::{AuthResult, Authentication, dkim};

/// For all questions of one batch.
const WITHIN: Duration = Duration::from_secs(5);
/// For one question to one server.
const ONE: Duration = Duration::from_secs(2);
/// Records kept, as long as their owners allow.
const CACHE: u64 = 4_096;
/// "There is none" is asked again sooner.
const NONE_KEPT: Duration = Duration::from_secs(600);

/// Asks name servers.
pub struct Prover {
    resolver: TokioResolver,
}

/// What was found under a name. A name that is absent could not be asked for in time.
type Found = BTreeMap<String, Option<String>>;

impl Prover {
    /// Asks `servers`, or the system's name servers when none are named. Opens no connection.
    ///
    /// # Errors
    /// When the system's resolver configuration cannot be read.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| {
            format!(
                "no name servers are known ({error}); name them in intake.resolvers, or set intake.dkim = false"
            )
        };
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| unusable(&error))?
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = ONE;
        options.attempts = 1;
        options.cache_size = CACHE;
        options.negative_max_ttl = Some(NONE_KEPT);
        Ok(Self { resolver: builder.build().map_err(|error| unusable(&error))? })
    }

    /// Raises those of `mails` whose sender a signature proves.
    pub async fn prove(&self, mut mails: Vec<Arrived>, now: Moment) -> Vec<Arrived> {
        let asked: Vec<Vec<String>> = mails.iter().map(questions).collect();
        let names: BTreeSet<&String> = asked.iter().flatten().collect();
        if names.is_empty() {
            return mails;
        }
        let found = self.look_up(names).await;
        for (mail, names) in mails.iter_mut().zip(&asked) {
            // A policy that could not be asked for might be a strict one.
            let records: Option<BTreeMap<String, String>> = names
                .iter()
                .map(|name| Some((name.clone(), found.get(name)?.clone())))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect());
            if let Some(records) = records.filter(|_| !names.is_empty()) {
                judge(mail, &records, now);
            }
        }
        mails
    }

    async fn look_up(&self, names: BTreeSet<&String>) -> Found {
        let mut asked = JoinSet::new();
        for name in names {
            let (resolver, name) = (self.resolver.clone(), name.clone());
            asked.spawn(async move {
                let answer = text(&resolver, &name).await;
                (name, answer)
            });
        }
        let mut found = Found::new();
        let all = async {
            while let Some(answered) = asked.join_next().await {
                if let Ok((name, Ok(text))) = answered {
                    found.insert(name, text);
                }
            }
        };
        if tokio::time::timeout(WITHIN, all).await.is_err() {
            tracing::debug!("name servers are slow; some senders stay unproved");
        }
        found
    }
}

/// The TXT record of a name: the one that reads like a key or a policy, its strings joined.
async fn text(resolver: &TokioResolver, name: &str) -> Result<Option<String>, NoAnswer> {
    let lookup = match resolver.txt_lookup(name).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_nx_domain() || error.is_no_records_found() => return Ok(None),
        Err(_) => return Err(NoAnswer),
    };
    let mut texts = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    });
    // Other services leave their marks under the same names.
    Ok(texts.find(|text| text.starts_with("v=D") || text.contains("p=")))
}

struct NoAnswer;

fn server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

/// What must be looked up; nothing for mail that is judged already or that no signature can prove.
fn questions(arrived: &Arrived) -> Vec<String> {
    match &arrived.understood {
        Ok((mail, _)) if arrived.complete && mail.authentication.result == AuthResult::None => {
            dkim::records(&arrived.raw)
        }
        _ => Vec::new(),
    }
}

fn judge(arrived: &mut Arrived, records: &BTreeMap<String, String>, now: Moment) {
    let Ok((mail, _)) = &mut arrived.understood else { return };
    let Some(domain) = mail.from.as_ref().and_then(|from| from.address.rsplit_once('@')) else { return };
    let seconds = u64::try_from(now.timestamp().as_second()).ok();
    if dkim::verify(&arrived.raw, domain.1, records, seconds) == AuthResult::Pass {
        mail.authentication = Authentication { result: AuthResult::Pass, evidence: Some("dkim".into()) };
    }
}
