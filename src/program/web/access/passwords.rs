//! Basic authentication against bcrypt hashes.
//!
//! bcrypt is slow by design, and a flood of wrong passwords must neither exhaust the CPU nor lock out other clients. Therefore one
//! password is compared at a time, on a blocking thread; the number of waiting requests is limited, and client addresses take turns.
//! Results are cached under a keyed hash of user, bcrypt hash and password: a scraper costs one comparison, and no password stays in
//! memory. The password of an unknown user is compared too, with an unmatchable hash of the same cost as those in the file, so that
//! response times do not reveal which users exist.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::hmac::{self, Tag};
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::password_hash::PasswordHash;
use crate::program::fair_turns::{FairTurns, Turn};
use crate::program::net::ClientAddress;

/// Limit of requests that wait for a comparison. Beyond it, a request of the address with most waiting requests is rejected.
const MAX_WAITING: usize = 16;

/// Cached results of each kind.
const MAX_CACHED: usize = 128;

/// The cost of comparisons if there are no users; bcrypt's common default.
const DEFAULT_COST: u32 = 10;

/// The result of checking the user and password of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordVerdict {
    Good,
    Bad,
    /// Not checked: too many requests are waiting, or the comparison failed.
    Busy,
}

/// A random key. AWS-LC aborts the process if the system has no random numbers; the constant key would only make the keys of the cache
/// predictable.
fn key() -> hmac::Key {
    let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
    debug_assert!(key.is_ok(), "random numbers are available");
    key.unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]))
}

/// Checks passwords and caches the results.
pub(super) struct Passwords {
    /// Generated for the first password: the first random numbers of a process take 20 ms, and most processes never need them.
    key: OnceLock<hmac::Key>,
    good: Mutex<VerdictCache>,
    /// Separate, so that wrong passwords do not evict right ones.
    bad: Mutex<VerdictCache>,
    turns: Arc<FairTurns>,
    comparisons: Arc<AtomicU64>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let turns = FairTurns::new(1, MAX_WAITING);
        Self { key: OnceLock::new(), good: Mutex::default(), bad: Mutex::default(), turns, comparisons: Arc::default() }
    }

    /// Checks the credentials of a request against `users`. A cached result needs no turn.
    pub(super) async fn check(&self, users: &HashMap<String, PasswordHash>, headers: &HeaderMap, client: ClientAddress) -> PasswordVerdict {
        let Some((user, password)) = credentials(headers) else { return PasswordVerdict::Bad };
        let known = users.get(&user);
        let hash = known.cloned().unwrap_or_else(|| self.unmatchable_hash(users, &user));
        let digest = self.digest(&[user.as_bytes(), hash.as_str().as_bytes(), password.as_slice()]);
        if let Some(verdict) = self.cached(&digest) {
            return verdict;
        }
        let Some(turn) = self.turns.take(client).await else { return PasswordVerdict::Busy };
        // While this request waited, another one with the same password may have been checked.
        if let Some(verdict) = self.cached(&digest) {
            return verdict;
        }
        let Some(is_equal) = self.compare(password, hash, turn).await else { return PasswordVerdict::Busy };
        if is_equal && known.is_some() {
            lock(&self.good).insert(digest);
            return PasswordVerdict::Good;
        }
        lock(&self.bad).insert(digest);
        PasswordVerdict::Bad
    }

    fn cached(&self, digest: &Tag) -> Option<PasswordVerdict> {
        if lock(&self.good).contains(digest) {
            return Some(PasswordVerdict::Good);
        }
        lock(&self.bad).contains(digest).then_some(PasswordVerdict::Bad)
    }

    /// Compares a password. Holds the turn until the comparison ends, even if the client disconnects; `None` if the thread failed.
    async fn compare(&self, password: Vec<u8>, hash: PasswordHash, turn: Turn) -> Option<bool> {
        let comparisons = Arc::clone(&self.comparisons);
        let compared = tokio::task::spawn_blocking(move || {
            comparisons.fetch_add(1, Ordering::Relaxed);
            let is_equal = bcrypt::verify(password, hash.as_str());
            drop(turn);
            debug_assert!(is_equal.is_ok(), "a PasswordHash is well-formed");
            is_equal.ok()
        });
        compared.await.ok().flatten()
    }

    /// An unmatchable hash with the cost of one of the users. The same user name always gets the same cost.
    fn unmatchable_hash(&self, users: &HashMap<String, PasswordHash>, user: &str) -> PasswordHash {
        let mut costs: Vec<u32> = users.values().map(PasswordHash::cost).collect();
        costs.sort_unstable();
        let number: usize = self.digest(&[user.as_bytes()]).as_ref().iter().map(|byte| usize::from(*byte)).sum();
        PasswordHash::unmatchable(costs.get(number % costs.len().max(1)).copied().unwrap_or(DEFAULT_COST))
    }

    fn digest(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(self.key.get_or_init(key));
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.sign()
    }

    /// The number of comparisons so far.
    #[cfg(test)]
    pub(super) fn comparisons(&self) -> u64 {
        self.comparisons.load(Ordering::Relaxed)
    }
}

fn lock(cache: &Mutex<VerdictCache>) -> MutexGuard<'_, VerdictCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest results of one kind. A linear search takes a millionth of the time of a comparison.
#[derive(Debug, Default)]
struct VerdictCache(VecDeque<Tag>);

impl VerdictCache {
    fn contains(&self, digest: &Tag) -> bool {
        self.0.iter().any(|known| known.as_ref() == digest.as_ref())
    }

    fn insert(&mut self, digest: Tag) {
        if self.0.len() >= MAX_CACHED {
            self.0.pop_front();
        }
        self.0.push_back(digest);
    }
}

/// The user and password of an `Authorization: Basic` header.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let mut parts = decoded.splitn(2, |byte| *byte == b':');
    let (user, password) = (parts.next()?, parts.next()?);
    Some((String::from_utf8(user.to_vec()).ok()?, password.to_vec()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::program::web::addresses::ConnectionAddresses;

    fn client(last: u8) -> ClientAddress {
        ConnectionAddresses { local: None, peer: Some(([10, 0, 0, last], 1).into()) }.client()
    }

    fn headers(user: &str, password: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())])
    }

    fn hash(password: &str, cost: u32) -> PasswordHash {
        PasswordHash::parse(&bcrypt::hash(password, cost).unwrap()).unwrap()
    }

    fn users() -> HashMap<String, PasswordHash> {
        HashMap::from([("ann".to_owned(), hash("right", 4)), ("bob".to_owned(), hash("b:b", 5))])
    }

    #[tokio::test]
    async fn each_pair_of_user_and_password_is_compared_once() {
        let (passwords, users) = (Passwords::new(), users());
        let mut expected = 0;
        for (user, password, verdict) in [
            ("ann", "right", PasswordVerdict::Good),
            ("ann", "wrong", PasswordVerdict::Bad),
            ("bob", "b:b", PasswordVerdict::Good),
            ("bob", "right", PasswordVerdict::Bad),
            ("nobody", "right", PasswordVerdict::Bad),
            ("", "", PasswordVerdict::Bad),
            ("ann", "", PasswordVerdict::Bad),
        ] {
            expected += 1;
            for _ in 0..2 {
                assert_eq!(passwords.check(&users, &headers(user, password), client(1)).await, verdict, "{user}");
                assert_eq!(passwords.comparisons(), expected, "{user}");
            }
        }
    }

    #[tokio::test]
    async fn a_changed_hash_invalidates_the_cache() {
        let (passwords, mut users) = (Passwords::new(), users());
        assert_eq!(passwords.check(&users, &headers("ann", "right"), client(1)).await, PasswordVerdict::Good);
        users.insert("ann".to_owned(), hash("other", 4));
        assert_eq!(passwords.check(&users, &headers("ann", "right"), client(1)).await, PasswordVerdict::Bad);
        users.remove("ann");
        assert_eq!(passwords.check(&users, &headers("ann", "other"), client(1)).await, PasswordVerdict::Bad);
    }

    #[test]
    fn unknown_users_cost_as_much_as_known_ones() {
        let (passwords, users) = (Passwords::new(), users());
        let hashes: Vec<PasswordHash> = (0..64).map(|n| passwords.unmatchable_hash(&users, &format!("user{n}"))).collect();
        for cost in [4, 5] {
            assert!(hashes.iter().any(|hash| hash.cost() == cost), "{cost}");
        }
        assert_eq!(hashes[7], passwords.unmatchable_hash(&users, "user7"), "the same name always costs the same");
        assert!(!bcrypt::verify("x", hashes[0].as_str()).unwrap(), "it can be compared, and does not match");
    }

    #[tokio::test]
    async fn missing_or_malformed_credentials_are_not_compared() {
        let (passwords, users) = (Passwords::new(), users());
        let value = |text: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(text))]);
        for headers in [HeaderMap::new(), value("Basic"), value("Basic !!"), value("Basic YWJj"), value("Bearer YTpi"), value("")] {
            assert_eq!(passwords.check(&users, &headers, client(1)).await, PasswordVerdict::Bad);
        }
        assert_eq!(passwords.comparisons(), 0);
    }

    #[tokio::test]
    async fn waiting_comparisons_are_limited_and_addresses_take_turns() {
        let (passwords, users) = (Arc::new(Passwords::new()), users());
        assert_eq!(passwords.check(&users, &headers("bob", "b:b"), client(2)).await, PasswordVerdict::Good);
        let taken = passwords.turns.take(client(1)).await;
        let ask = |user: &'static str, password: String, last| {
            let (passwords, users) = (Arc::clone(&passwords), users.clone());
            tokio::spawn(async move { passwords.check(&users, &headers(user, &password), client(last)).await })
        };
        let waiting: Vec<_> = (0..MAX_WAITING).map(|n| ask("ann", n.to_string(), 1)).collect();
        while passwords.turns.waiting() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.check(&users, &headers("ann", "one more"), client(1)).await, PasswordVerdict::Busy);
        assert_eq!(
            passwords.check(&users, &headers("bob", "b:b"), client(1)).await,
            PasswordVerdict::Good,
            "a cached result needs no turn"
        );
        let other = ask("ann", "right".to_owned(), 2);
        while !waiting.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        drop(taken);
        assert_eq!(other.await.unwrap(), PasswordVerdict::Good);
        let mut verdicts = Vec::new();
        for one in waiting {
            verdicts.push(one.await.unwrap());
        }
        let busy = verdicts.iter().filter(|verdict| **verdict == PasswordVerdict::Busy).count();
        assert_eq!((busy, verdicts.len()), (1, MAX_WAITING), "the newest request was rejected");
    }
}
