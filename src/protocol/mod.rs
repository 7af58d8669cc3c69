//! protocol
mod error;
pub use self::error::SampleError;
