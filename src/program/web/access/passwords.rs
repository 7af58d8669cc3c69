//! Basic authentication against bcrypt hashes.
//!
//! One password is compared at a time, on a blocking thread, and few requests wait for it, each address in its turn: bcrypt is slow on
//! purpose, and a flood of wrong passwords must neither take the machine nor keep others out. Verdicts are cached under a keyed hash of user, bcrypt hash and password, so a
//! scraper costs one comparison, and no password stays in memory. The password of an unknown user is compared too, with a hash
//! that matches no password and has the cost of those in the file, so the time to an answer does not tell which users exist. This
//! module knows neither the configuration file nor the response.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::program::web::addresses::ClientAddress;
use crate::program::web::fair_turns::{FairTurns, Turn};

/// Requests that wait for a comparison. For one more, one of the address that has most of them waits no longer.
const MAX_WAITING: usize = 16;

/// Verdicts cached, of either kind.
const MAX_CACHED: usize = 128;

/// Salt and hash of no known password: bcrypt did not make these bytes.
const NOBODY: &str = "wU3tZ9mR5kQbX7cVnA1oHeK2sLpY8fDgJ4iT6uWxOzEqNvBrMaS.C";

type Digest = [u8; 32];

/// What the user and password of a request are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordVerdict {
    Good,
    Bad,
    /// Unknown: too many requests are waiting.
    Busy,
}

/// A key of this process alone. Without random numbers it is constant: others can then compute the hash under which a verdict is
/// cached, and nothing more.
fn key() -> hmac::Key {
    let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
    key.unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]))
}

/// Checks passwords and caches the verdicts.
pub(super) struct Passwords {
    /// Made when the first password comes: the first random numbers of a process take 20 ms, which most processes never need.
    key: OnceLock<hmac::Key>,
    good: Mutex<VerdictCache>,
    /// Apart, so that wrong passwords do not push out right ones.
    bad: Mutex<VerdictCache>,
    turns: Arc<FairTurns>,
    comparisons: Arc<AtomicU64>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let turns = FairTurns::new(1, MAX_WAITING);
        Self { key: OnceLock::new(), good: Mutex::default(), bad: Mutex::default(), turns, comparisons: Arc::default() }
    }

    /// The verdict on a request with these headers from this address; `users` are hashes by user. One that is known costs no turn.
    pub(super) async fn check(&self, users: &HashMap<String, String>, headers: &HeaderMap, client: ClientAddress) -> PasswordVerdict {
        let Some((user, password)) = credentials(headers) else { return PasswordVerdict::Bad };
        let known = users.get(&user);
        let hash = known.cloned().unwrap_or_else(|| self.hash_of_nobody(users, &user));
        let digest = self.digest(&[user.as_bytes(), hash.as_bytes(), password.as_slice()]);
        if let Some(verdict) = self.cached(&digest) {
            return verdict;
        }
        let Some(turn) = self.turns.take(client).await else { return PasswordVerdict::Busy };
        // Another connection of the same client may have had its turn before.
        if let Some(verdict) = self.cached(&digest) {
            return verdict;
        }
        if self.compare(password, hash, turn).await && known.is_some() {
            lock(&self.good).insert(digest);
            return PasswordVerdict::Good;
        }
        lock(&self.bad).insert(digest);
        PasswordVerdict::Bad
    }

    fn cached(&self, digest: &Digest) -> Option<PasswordVerdict> {
        if lock(&self.good).contains(digest) {
            return Some(PasswordVerdict::Good);
        }
        lock(&self.bad).contains(digest).then_some(PasswordVerdict::Bad)
    }

    /// One comparison, which holds its turn to the end, whether or not the client still waits.
    async fn compare(&self, password: Vec<u8>, hash: String, turn: Turn) -> bool {
        let comparisons = Arc::clone(&self.comparisons);
        let compared = tokio::task::spawn_blocking(move || {
            comparisons.fetch_add(1, Ordering::Relaxed);
            let is_equal = bcrypt::verify(password, &hash).unwrap_or(false);
            drop(turn);
            is_equal
        });
        compared.await.unwrap_or(false)
    }

    /// A hash that matches no password, with the cost of one of the users; always the same one for the same name.
    fn hash_of_nobody(&self, users: &HashMap<String, String>, user: &str) -> String {
        let mut costs: Vec<&str> = users.values().filter_map(|hash| hash.split('$').nth(2)).collect();
        costs.sort_unstable();
        let [first, second, ..] = self.digest(&[user.as_bytes()]);
        let pick = usize::from(u16::from_be_bytes([first, second])) % costs.len().max(1);
        format!("$2b${}${NOBODY}", costs.get(pick).copied().unwrap_or("10"))
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(self.key.get_or_init(key));
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().unwrap_or([0; 32])
    }

    /// Comparisons made so far.
    #[cfg(test)]
    pub(super) fn comparisons(&self) -> u64 {
        self.comparisons.load(Ordering::Relaxed)
    }
}

fn lock(cache: &Mutex<VerdictCache>) -> MutexGuard<'_, VerdictCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest verdicts of one kind. Searching all of them costs a millionth of a comparison.
#[derive(Debug, Default)]
struct VerdictCache(VecDeque<Digest>);

impl VerdictCache {
    fn contains(&self, digest: &Digest) -> bool {
        self.0.contains(digest)
    }

    fn insert(&mut self, digest: Digest) {
        if self.0.len() >= MAX_CACHED {
            self.0.pop_front();
        }
        self.0.push_back(digest);
    }
}

/// User and password of `Authorization: Basic`.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    let (user, password) = decoded.split_at_checked(colon)?;
    Some((String::from_utf8(user.to_vec()).ok()?, password.get(1..)?.to_vec()))
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

    fn users() -> HashMap<String, String> {
        HashMap::from([("ann".to_owned(), bcrypt::hash("right", 4).unwrap()), ("bob".to_owned(), bcrypt::hash("b:b", 5).unwrap())])
    }

    #[tokio::test]
    async fn a_verdict_costs_one_comparison_whoever_asks() {
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
    async fn a_changed_hash_ends_a_cached_verdict() {
        let (passwords, mut users) = (Passwords::new(), users());
        assert_eq!(passwords.check(&users, &headers("ann", "right"), client(1)).await, PasswordVerdict::Good);
        users.insert("ann".to_owned(), bcrypt::hash("other", 4).unwrap());
        assert_eq!(passwords.check(&users, &headers("ann", "right"), client(1)).await, PasswordVerdict::Bad);
        users.remove("ann");
        assert_eq!(passwords.check(&users, &headers("ann", "other"), client(1)).await, PasswordVerdict::Bad);
    }

    #[test]
    fn an_unknown_user_costs_what_a_known_one_does() {
        let (passwords, users) = (Passwords::new(), users());
        let hashes: Vec<String> = (0..64).map(|n| passwords.hash_of_nobody(&users, &format!("user{n}"))).collect();
        for cost in ["$2b$04$", "$2b$05$"] {
            assert!(hashes.iter().any(|hash| hash.starts_with(cost)), "{cost}");
        }
        assert_eq!(hashes[7], passwords.hash_of_nobody(&users, "user7"), "the same name costs the same each time");
        assert!(!bcrypt::verify("x", &hashes[0]).unwrap_or(true), "it can be compared, and is not equal");
    }

    #[tokio::test]
    async fn who_does_not_say_who_he_is_costs_nothing() {
        let (passwords, users) = (Passwords::new(), users());
        let value = |text: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(text))]);
        for headers in [HeaderMap::new(), value("Basic"), value("Basic !!"), value("Basic YWJj"), value("Bearer YTpi"), value("")] {
            assert_eq!(passwords.check(&users, &headers, client(1)).await, PasswordVerdict::Bad);
        }
        assert_eq!(passwords.comparisons(), 0);
    }

    #[tokio::test]
    async fn few_wait_for_a_comparison_and_nobody_waits_for_another_address() {
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
        assert_eq!(passwords.check(&users, &headers("bob", "b:b"), client(1)).await, PasswordVerdict::Good, "a known one waits for nobody");
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
        assert_eq!((busy, verdicts.len()), (1, MAX_WAITING), "the newest made room");
    }
}
