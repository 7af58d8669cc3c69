//! Passwords and tokens: as values of the configuration, or in files that are read for each request. A secret is never shown.

use std::fmt;
use std::path::PathBuf;

use crate::program::net::error_text;
use crate::program::regular_file;

/// Maximum length of a secret in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In the configuration.
    Value(String),
    /// In a file, without the white space at its end. The file is read for each request, so that a rotated token takes effect.
    File(PathBuf),
}

impl Secret {
    /// The secret. The error names the file.
    pub(crate) fn read(&self) -> Result<String, String> {
        let path = match self {
            Self::Value(value) => return Ok(value.clone()),
            Self::File(path) => path,
        };
        let shown = path.display();
        let bytes = regular_file::read(path).map_err(|error| format!("cannot read {shown}: {}", error_text(&error)))?;
        if bytes.len() > MAX_BYTES {
            return Err(format!("{shown} has more than {MAX_BYTES} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not valid UTF-8"))?;
        match text.trim_end() {
            "" => Err(format!("{shown} is empty")),
            secret => Ok(secret.to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(<secret>)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_file_is_read_again_and_never_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::File(path.clone());
        assert!(secret.read().unwrap_err().contains("token: No such file"));
        for (written, read) in [("one\n", Ok("one")), ("two", Ok("two")), (" \n", Err("empty"))] {
            std::fs::write(&path, written).unwrap();
            match read {
                Ok(read) => assert_eq!(secret.read().unwrap(), read),
                Err(part) => assert!(secret.read().unwrap_err().contains(part)),
            }
        }
        assert_eq!(format!("{:?}", Secret::Value("s3cret".to_owned())), "Value(<secret>)");
    }
}
