//! What an attacker can do, done: whoever behaves is served meanwhile, and what it cost others is counted.

mod browsers;
mod http;
