//! How many requests one token, or one address without a token, may make.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use crate::case::TokenId;

/// After so many requests, keys that rest are forgotten.
const SWEEP: u32 = 4096;

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Token([u8; 16]),
    Peer(IpAddr),
    /// No address is known (a local socket).
    Nobody,
}

impl Key {
    #[must_use]
    pub fn token(id: TokenId) -> Self {
        Self::Token(*id.as_bytes())
    }

    /// A site has a /64 of IPv6 at least; single addresses in it cost nothing.
    #[must_use]
    pub fn peer(address: Option<IpAddr>) -> Self {
        match address {
            Some(IpAddr::V6(v6)) => {
                let network = u128::from(v6) >> 64 << 64;
                Self::Peer(IpAddr::V6(network.into()))
            }
            Some(v4) => Self::Peer(v4),
            None => Self::Nobody,
        }
    }
}

/// Counts requests.
pub struct Limiter {
    limiter: DefaultKeyedRateLimiter<Key>,
    since_sweep: AtomicU32,
}

impl Limiter {
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { limiter: RateLimiter::keyed(quota), since_sweep: AtomicU32::new(0) }
    }

    /// Counts a request; a problem when there were too many.
    pub fn check(&self, key: Key) -> Result<(), Problem> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) >= SWEEP {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::too_many(wait.as_secs().saturating_add(1))
        })
    }
}
